// The engine killed with SIGKILL in each phase ends where it would have ended; and two replicas, one of them killed or frozen, act as one.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { bump, canary, deploy, hostOf, phase, release, statusOf, Timeline, weight } from "./support/app.ts";
import { apply, eventually, get, installCrds, kubectl, namespace, sleep } from "./support/cluster.ts";
import { Engine } from "./support/engine.ts";
import { Load, slowly } from "./support/load.ts";

const NS = "e2e-crashes";
const app = { namespace: NS };
const LEASES = { group: "coordination.k8s.io", version: "v1", plural: "leases", kind: "Lease" };
const RUNGS = ["Progressing 0", "Progressing 10", "Progressing 20", "Progressing 30", "Progressing 40", "Progressing 50", "Promoting 0", "Finalising 0", "Succeeded 0"];
let engine: Engine;
let load: Load;

beforeAll(async () => {
  await namespace(NS);
  await installCrds();
  await deploy(app);
  engine = await Engine.start({ namespaces: [NS], leaseName: "crashes" });
  load = await Load.start(hostOf(app));
});

afterAll(async () => {
  await load.stop();
  await engine.stop();
  await kubectl("delete", "namespace", NS, "--wait=false");
});

async function restart(): Promise<void> {
  await engine.kill("SIGKILL");
  // A killed leader cannot give its lease back, and waiting for it each time is another test's business.
  await kubectl("-n", NS, "delete", "lease", "crashes", "--ignore-not-found");
  await engine.start();
}

async function holder(): Promise<string> {
  return ((await get(LEASES, NS, "crashes"))?.spec as { holderIdentity?: string } | undefined)?.holderIdentity ?? "";
}

describe("killed in each phase", () => {
  test("while initializing", async () => {
    await apply(canary(app));
    await phase(NS, "Initializing", 20);
    await restart();
    await phase(NS, "Initialized");
    expect(load.counted.losses).toEqual({});
  });

  test("while progressing without weight, at a rung, while promoting and while finalising", async () => {
    const timeline = await Timeline.of(NS);
    await bump(app, "6.0.1");
    await phase(NS, "Progressing", 20);
    await restart();
    await weight(NS, 20);
    await restart();
    await phase(NS, "Promoting");
    await restart();
    await phase(NS, "Finalising");
    await restart();
    await phase(NS, "Succeeded");
    expect((await timeline.until(RUNGS.at(-1) ?? "")).slice(1)).toEqual(RUNGS);
    expect((await statusOf(NS)).counters?.runs).toBe(1);
    expect(load.counted.losses).toEqual({});
  });

  test("at the instant of a rollback", async () => {
    await slowly(hostOf(app), async () => {
      await release({ ...app, version: "6.0.2" });
      await phase(NS, "Failed", 90);
    });
    await restart();
    await eventually("the target is at rest", 30, async () => ((await statusOf(NS)).target?.scale === "Zero" ? true : undefined));
    const status = await statusOf(NS);
    expect(status).toMatchObject({ phase: "Failed", run: { outcome: "RolledBack" }, route: { canaryWeight: 0 } });
    expect(load.counted.losses).toEqual({});
  });
});

describe("two replicas", () => {
  let other: Engine;

  beforeAll(async () => {
    other = await Engine.start({ namespaces: [NS], leaseName: "crashes", log: "crashes-other" });
  });
  afterAll(async () => {
    await other.stop();
  });

  test("act as one: one check per interval, and the ladder of one", async () => {
    const timeline = await Timeline.of(NS);
    await release({ ...app, version: "6.0.3" });
    await phase(NS, "Promoting");
    timeline.stop();
    const rungs = timeline.lines.map((line, index) => ({ line, atMs: timeline.atMs[index] ?? 0 })).filter(({ line }) => /Progressing [1-5]0/.test(line));
    expect(rungs.map(({ line }) => line)).toEqual(RUNGS.slice(1, 6));
    const gaps = rungs.slice(1).map(({ atMs }, index) => atMs - (rungs[index]?.atMs ?? 0));
    // The interval is 5 s; a check more in between would halve it.
    for (const gap of gaps) expect(gap).toBeGreaterThan(4500);
    await phase(NS, "Succeeded");
  });

  test("a leader that is frozen past its lease is followed, and writes nothing when it wakes up", async () => {
    await release({ ...app, version: "6.0.4" });
    await weight(NS, 20);
    const before = await holder();
    const [leader, follower] = engine.leads ? [engine, other] : [other, engine];
    leader.freeze();
    const frozenAt = Date.now();
    await eventually("somebody else leads", 30, async () => ((await holder()) !== before ? true : undefined));
    // 15 s of lease, 2 s to the next try, and one look.
    expect(Date.now() - frozenAt).toBeLessThan(25_000);
    await eventually("the follower leads", 10, async () => (follower.leads ? true : undefined));
    leader.thaw();
    await sleep(1500);
    expect(leader.leads).toBe(false);
    const status = await phase(NS, "Succeeded");
    expect(status.history?.[0]).toMatchObject({ outcome: "Promoted" });
    const wokenWrites = leader.decisions().filter((line) => line.canary !== undefined && Date.parse(line.time) > frozenAt + 1000 && line.phase !== undefined);
    expect(wokenWrites).toEqual([]);
    expect(load.counted.losses).toEqual({});
  });

  test("a leader that is killed is followed within the time of its lease", async () => {
    await release({ ...app, version: "6.1.0" });
    await weight(NS, 10);
    const [leader, follower] = engine.leads ? [engine, other] : [other, engine];
    await leader.kill("SIGKILL");
    const killedAt = Date.now();
    await eventually("the follower leads", 30, async () => (follower.leads ? true : undefined));
    expect(Date.now() - killedAt).toBeLessThan(25_000);
    await phase(NS, "Succeeded");
    await leader.start();
    expect(load.counted.losses).toEqual({});
  });

  test("a leader that is told to stop gives its lease back at once", async () => {
    const [leader, follower] = engine.leads ? [engine, other] : [other, engine];
    expect(await leader.stop()).toBe(0);
    const stoppedAt = Date.now();
    await eventually("the follower leads", 10, async () => (follower.leads ? true : undefined));
    expect(Date.now() - stoppedAt).toBeLessThan(8_000);
    await leader.start();
  });
});
