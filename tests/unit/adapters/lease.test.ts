// Who leads, under which number, and from when on is nothing written any more? Two electors on one Lease, with clocks of their own.
import { describe, expect, test } from "@jest/globals";
import { Election } from "../../../engine/adapters/lease.ts";
import type { Fault, KubeApi, KubeObject, ObjectRef, Precondition, Resource, Result } from "../../../engine/ports.ts";
import { ManualClock, settled, silent } from "./manual-clock.ts";

interface Spec {
  holderIdentity?: string;
  leaseDurationSeconds?: number;
  leaseTransitions?: number;
  renewTime?: string;
}

/** The Lease as the API server holds it; `mood` is how one elector finds the API server. */
class LeaseServer {
  lease: KubeObject | undefined;
  writes = 0;
  private version = 0;

  get spec(): Spec {
    return (this.lease?.spec ?? {}) as Spec;
  }

  store(spec: object, uid = "lease"): KubeObject {
    this.version += 1;
    this.writes += 1;
    this.lease = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name: "engine", namespace: "system", uid, resourceVersion: String(this.version) }, spec };
    return this.lease;
  }

  api(mood: Mood): KubeApi {
    const answer = async <T>(work: () => Result<T>): Promise<Result<T>> => {
      await Promise.resolve();
      mood.asked += 1;
      if (mood.is === "silent") await new Promise<void>((resolve) => mood.heldBack.push(resolve));
      if (mood.is === "down") return refused("transient");
      return work();
    };
    return {
      get: (_ref: ObjectRef) => answer(() => (this.lease === undefined ? refused("not-found") : { ok: true, value: this.lease })),
      create: (_resource: Resource, object: KubeObject) => answer(() => (this.lease === undefined ? { ok: true, value: this.store(object.spec as object, `lease-${this.version}`) } : refused("exists"))),
      patch: (_ref: ObjectRef, patch: object, { uid, resourceVersion }: Precondition) =>
        answer(() => {
          const metadata = this.lease?.metadata;
          if (metadata === undefined) return refused("not-found");
          if (metadata.uid !== uid || metadata.resourceVersion !== resourceVersion) return refused("conflict");
          return { ok: true, value: this.store({ ...this.spec, ...(patch as { spec: object }).spec }, uid) };
        }),
      delete: () => Promise.reject(new Error("no lease is deleted")),
      list: () => Promise.reject(new Error("no lease is listed")),
      served: () => Promise.reject(new Error("nobody asks")),
    };
  }
}

interface Mood {
  is: "well" | "down" | "silent";
  asked: number;
  heldBack: (() => void)[];
}

function refused(kind: Fault["class"]): { ok: false; fault: Fault } {
  return { ok: false, fault: { class: kind, message: kind } };
}

class Elector {
  readonly mood: Mood = { is: "well", asked: 0, heldBack: [] };
  readonly told: string[] = [];
  readonly epochs: number[] = [];
  readonly election: Election;
  private readonly stop = new AbortController();
  private readonly ended: Promise<void>;

  constructor(server: LeaseServer, readonly clock: ManualClock, identity: string) {
    this.election = new Election({
      api: server.api(this.mood), clock, random: () => 0, log: silent, namespace: "system", name: "engine", identity,
      onStarted: (epoch) => {
        this.told.push("started");
        this.epochs.push(epoch);
      },
      onStopped: () => this.told.push("stopped"),
    });
    this.ended = this.election.run(this.stop.signal);
  }

  get leads(): boolean {
    return this.election.mayWrite();
  }

  async end(): Promise<void> {
    this.stop.abort();
    await this.ended;
  }
}

async function two(): Promise<{ server: LeaseServer; clock: ManualClock; a: Elector; b: Elector }> {
  const server = new LeaseServer();
  const clock = new ManualClock();
  const a = new Elector(server, clock, "a");
  await settled();
  const b = new Elector(server, clock, "b");
  await settled();
  return { server, clock, a, b };
}

describe("one leader at a time", () => {
  test("the first one leads, the second one waits for as long as the first renews, which costs one request each time", async () => {
    const { server, clock, a, b } = await two();
    const before = a.mood.asked;
    await clock.pass(60_000);
    expect([a.leads, b.leads]).toEqual([true, false]);
    expect(a.mood.asked - before).toBe(30);
    expect(server.spec).toMatchObject({ holderIdentity: "a", leaseDurationSeconds: 15, leaseTransitions: a.epochs[0] });
    expect(server.spec.renewTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    await Promise.all([a.end(), b.end()]);
  });

  test("at no instant do both lead, and the successor's number is higher", async () => {
    const { clock, a, b } = await two();
    a.mood.is = "down";
    let takenOverAfterMs = 0;
    for (let ms = 0; ms < 60_000 && takenOverAfterMs === 0; ms += 250) {
      await clock.pass(250);
      expect(a.leads && b.leads).toBe(false);
      if (b.leads) takenOverAfterMs = ms;
    }
    expect(takenOverAfterMs).toBeGreaterThanOrEqual(14_000);
    expect(takenOverAfterMs).toBeLessThan(20_000);
    expect(a.told).toEqual(["started", "stopped"]);
    expect(b.epochs[0]).toBeGreaterThan(a.epochs[0]!);
    await Promise.all([a.end(), b.end()]);
  });

  test("two that begin at the same instant: one leads", async () => {
    const server = new LeaseServer();
    const clock = new ManualClock();
    const electors = ["a", "b", "c"].map((name) => new Elector(server, clock, name));
    await settled();
    expect(electors.filter((elector) => elector.leads)).toHaveLength(1);
    await Promise.all(electors.map((elector) => elector.end()));
  });
});

describe("the deadline", () => {
  test("nothing is written from 10 s after the start of the last renewal on, and the leader is told then", async () => {
    const { clock, a, b } = await two();
    a.mood.is = "down";
    await clock.pass(9_900);
    expect(a.leads).toBe(true);
    await clock.pass(100);
    expect(a.leads).toBe(false);
    expect(a.told).toEqual(["started", "stopped"]);
    await Promise.all([a.end(), b.end()]);
  });

  test("a request that hangs delays neither the deadline nor the word of it", async () => {
    const { clock, a, b } = await two();
    a.mood.is = "silent";
    await clock.pass(10_000);
    expect(a.leads).toBe(false);
    expect(a.told).toEqual(["started", "stopped"]);
    await clock.pass(12_000);
    expect(b.leads).toBe(true);
    a.mood.is = "well";
    for (const release of a.mood.heldBack.splice(0)) release();
    await clock.pass(5_000);
    expect([a.leads, b.leads]).toEqual([false, true]);
    await Promise.all([a.end(), b.end()]);
  });

  test("one request that hangs does not cost the leadership: another is tried in time", async () => {
    const { clock, a, b } = await two();
    a.mood.is = "silent";
    await clock.pass(3_000);
    a.mood.is = "well";
    await clock.pass(30_000);
    expect(a.told).toEqual(["started"]);
    expect(a.leads).toBe(true);
    await Promise.all([a.end(), b.end()]);
  });

  test("a process that was stopped for longer than the lease finds that it may not write before it does anything else", async () => {
    const server = new LeaseServer();
    const [clockOfA, clockOfB] = [new ManualClock(), new ManualClock()];
    const a = new Elector(server, clockOfA, "a");
    await settled();
    const b = new Elector(server, clockOfB, "b");
    await settled();
    await clockOfB.pass(20_000);
    expect(b.leads).toBe(true);
    clockOfA.freeze(20_000);
    expect(a.leads).toBe(false);
    await clockOfA.pass(3_000);
    expect([a.leads, b.leads]).toEqual([false, true]);
    expect(server.spec.holderIdentity).toBe("b");
    await Promise.all([a.end(), b.end()]);
  });

  test("a wall clock that jumps changes nothing", async () => {
    const { clock, a, b } = await two();
    for (const jump of [3_600_000, -7_200_000, 86_400_000]) {
      clock.wallOffsetMs += jump;
      await clock.pass(20_000);
      expect([a.leads, b.leads]).toEqual([true, false]);
    }
    expect(a.told).toEqual(["started"]);
    await Promise.all([a.end(), b.end()]);
  });
});

describe("numbers", () => {
  test("released on stop: the next one leads within its own round, under a higher number", async () => {
    const { server, clock, a, b } = await two();
    await a.end();
    expect(server.spec).toMatchObject({ holderIdentity: "", leaseDurationSeconds: 1 });
    await clock.pass(2_000);
    expect(b.leads).toBe(true);
    expect(b.epochs[0]).toBeGreaterThan(a.epochs[0]!);
    await b.end();
  });

  test("a leader that steps down because it is the stale one comes back under a number of its own", async () => {
    const { clock, a, b } = await two();
    a.election.stepDown("a later leader has written");
    expect(a.leads).toBe(false);
    await clock.pass(3_000);
    expect(a.told).toEqual(["started", "stopped", "started"]);
    expect(a.epochs[1]).toBeGreaterThan(a.epochs[0]!);
    await Promise.all([a.end(), b.end()]);
  });

  test("a process that comes back under its old name is another leader", async () => {
    const server = new LeaseServer();
    server.store({ holderIdentity: "a", leaseDurationSeconds: 15, leaseTransitions: 900_000_000 });
    const a = new Elector(server, new ManualClock(), "a");
    await settled();
    expect(a.epochs).toEqual([900_000_001]);
    await a.end();
  });

  test("a Lease that somebody deleted does not begin to count anew: what is stamped on the objects stays in the past", async () => {
    const { server, clock, a, b } = await two();
    const first = a.epochs[0]!;
    server.lease = undefined;
    await clock.pass(5_000);
    const holders = [a, b].filter((elector) => elector.leads);
    expect(holders).toHaveLength(1);
    expect(server.spec.leaseTransitions).toBeGreaterThan(first);
    expect(holders[0]?.epochs.at(-1)).toBe(server.spec.leaseTransitions);
    await Promise.all([a.end(), b.end()]);
  });

  test("a Lease restored from an old backup is numbered on from today", async () => {
    const server = new LeaseServer();
    server.store({ holderIdentity: "", leaseDurationSeconds: 1, leaseTransitions: 3 });
    const clock = new ManualClock();
    const a = new Elector(server, clock, "a");
    await settled();
    expect(a.epochs[0]).toBeGreaterThan(100_000_000);
    // The field has 32 bits.
    expect(a.epochs[0]).toBeLessThan(2 ** 31);
    await a.end();
  });

  test("whoever is told to stop while it waits for the answer does not begin to lead", async () => {
    const server = new LeaseServer();
    const a = new Elector(server, new ManualClock(), "a");
    await a.end();
    expect(a.told).toEqual([]);
    expect(server.spec.holderIdentity ?? "").toBe("");
  });
});
