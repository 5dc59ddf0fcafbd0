// Who leads? Leader election by a Lease, measured by the own monotonic clock alone: what other machines believe the time to be is never used.
// Guarantees: `mayWrite` is false from the renew deadline on, before anybody else can have taken over. Assumptions: clocks run at about the same speed.
import type { Clock, KubeApi, KubeObject, Log, ObjectRef, Random } from "../ports.ts";

export interface ElectionOptions {
  api: KubeApi;
  clock: Clock;
  random: Random;
  log: Log;
  namespace: string;
  name: string;
  identity: string;
  leaseMs?: number;
  renewDeadlineMs?: number;
  retryMs?: number;
  /** With the transitions of the Lease as they are now: each leadership has its own number. */
  onStarted: (epoch: number) => void;
  onStopped: (why: string) => void;
}

interface LeaseSpec {
  holderIdentity?: string | null;
  leaseDurationSeconds?: number;
  acquireTime?: string;
  renewTime?: string;
  leaseTransitions?: number;
}

const LEASES = { group: "coordination.k8s.io", version: "v1", plural: "leases", kind: "Lease" };

/** Defaults of client-go: a lease of 15 s, given up after 10 s without renewal, tried every 2 s. */
export class Election {
  private readonly ref: ObjectRef;
  private readonly leaseMs: number;
  private readonly renewDeadlineMs: number;
  private readonly retryMs: number;
  /** The record as last seen, and when by our own clock it last changed. */
  private seen: { version: string; atMs: number; object: KubeObject } | undefined;
  private renewedMs: number | undefined;
  private leading: number | undefined;

  constructor(private readonly options: ElectionOptions) {
    this.ref = { resource: LEASES, namespace: options.namespace, name: options.name };
    this.leaseMs = options.leaseMs ?? 15_000;
    this.renewDeadlineMs = options.renewDeadlineMs ?? 10_000;
    this.retryMs = options.retryMs ?? 2_000;
  }

  get epoch(): number | undefined {
    return this.leading;
  }

  mayWrite(): boolean {
    return this.leading !== undefined && this.renewedMs !== undefined && this.options.clock.monotonic() - this.renewedMs < this.renewDeadlineMs;
  }

  /** Ends when `signal` aborts; a lease that is held is then given back, so that the next leader need not wait. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.round();
      await this.pause(signal);
    }
    await this.release();
  }

  /** Somebody else turned out to lead: nothing is written any more. */
  stepDown(why: string): void {
    if (this.leading === undefined) return;
    this.leading = undefined;
    this.renewedMs = undefined;
    this.options.onStopped(why);
  }

  private async round(): Promise<void> {
    // Counted from before the request: an answer that took long shortens the leadership, never lengthens it.
    const startedMs = this.options.clock.monotonic();
    const won = await this.acquire();
    if (won !== undefined) {
      this.renewedMs = startedMs;
      if (this.leading === undefined) {
        this.leading = won;
        this.options.log.info({ epoch: won }, "leading");
        this.options.onStarted(won);
      }
      return;
    }
    if (this.leading !== undefined && !this.mayWrite()) this.stepDown("the lease could not be renewed in time");
  }

  /** The epoch when the lease is ours after this; undefined otherwise. */
  private async acquire(): Promise<number | undefined> {
    const { api, clock, identity, log } = this.options;
    const found = await api.get(this.ref);
    if (!found.ok) {
      if (found.fault.class === "not-found") return this.write(undefined, 1);
      log.debug({ fault: found.fault.message }, "lease not read");
      return undefined;
    }
    const spec = (found.value.spec ?? {}) as LeaseSpec;
    const version = found.value.metadata.resourceVersion ?? "";
    if (this.seen?.version !== version) this.seen = { version, atMs: clock.monotonic(), object: found.value };
    const holder = spec.holderIdentity ?? "";
    const transitions = spec.leaseTransitions ?? 0;
    if (holder === identity && this.leading !== undefined) return this.write(found.value, transitions);
    if (holder !== "" && holder !== identity) {
      if (this.leading !== undefined) this.stepDown(`${holder} holds the lease`);
      const validMs = Math.max((spec.leaseDurationSeconds ?? 0) * 1000, 1_000);
      if (clock.monotonic() - this.seen.atMs < validMs) return undefined;
    }
    // Ours from an earlier life counts as a change of leadership too: writes of that life must not pass for ours.
    return this.write(found.value, transitions + 1);
  }

  private async write(found: KubeObject | undefined, transitions: number): Promise<number | undefined> {
    const { api, clock, identity } = this.options;
    const now = new Date(clock.now()).toISOString().replace("Z", "000Z");
    const before = (found?.spec ?? {}) as LeaseSpec;
    const renewal = before.holderIdentity === identity && before.leaseTransitions === transitions;
    const spec: LeaseSpec = {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(this.leaseMs / 1000),
      acquireTime: renewal ? before.acquireTime : now,
      renewTime: now,
      leaseTransitions: transitions,
    };
    const { namespace, name } = this.ref;
    const result =
      found === undefined
        ? await api.create(LEASES, { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name, namespace }, spec })
        : await api.patch(this.ref, { spec }, { uid: found.metadata.uid ?? "", resourceVersion: found.metadata.resourceVersion ?? "" });
    if (!result.ok) return undefined;
    this.seen = { version: result.value.metadata.resourceVersion ?? "", atMs: clock.monotonic(), object: result.value };
    return transitions;
  }

  private async release(): Promise<void> {
    const { api, clock, identity } = this.options;
    const held = this.leading !== undefined;
    this.leading = undefined;
    this.renewedMs = undefined;
    if (!held || this.seen === undefined) return;
    const { object } = this.seen;
    if (((object.spec ?? {}) as LeaseSpec).holderIdentity !== identity) return;
    const now = new Date(clock.now()).toISOString().replace("Z", "000Z");
    const precondition = { uid: object.metadata.uid ?? "", resourceVersion: object.metadata.resourceVersion ?? "" };
    await api.patch(this.ref, { spec: { holderIdentity: "", leaseDurationSeconds: 1, renewTime: now } }, precondition);
  }

  private pause(signal: AbortSignal): Promise<void> {
    const delayMs = this.retryMs * (1 + 0.2 * this.options.random());
    return new Promise((resolve) => {
      const end = (): void => {
        signal.removeEventListener("abort", end);
        cancel();
        resolve();
      };
      const cancel = this.options.clock.after(delayMs, end);
      signal.addEventListener("abort", end, { once: true });
    });
  }
}
