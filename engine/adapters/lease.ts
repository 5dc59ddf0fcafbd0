// Who leads? Leader election by a Lease, measured by the own monotonic clock alone: what other machines believe the time to be is never used.
// Guarantees: `mayWrite` is false from the renew deadline on, before anybody else can have taken over; each leadership has a higher number than all
// before it. Assumptions: clocks run at about the same speed. It does not promise that a write which was under way at the deadline has ended, nor
// that a machine which slept noticed it: that is what the number on the objects is for.
import type { Clock, KubeApi, KubeObject, Log, ObjectRef, Random, Result } from "../ports.ts";
import { sleep, within } from "./waiting.ts";

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
  /** With the transitions of the Lease as they are now, which number the leadership. */
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

/** Seconds since 2020 fit the field's 32 bits until 2087. */
const EPOCH_START_MS = Date.UTC(2020, 0, 1);
const EPOCH_MAX = 2 ** 31 - 2 ** 20;

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
  /** Of our own leaderships. */
  private highest = 0;
  private cancelDeadline: () => void = () => undefined;

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
    const { clock, random } = this.options;
    while (!signal.aborted) {
      await this.round(signal);
      await sleep(clock, this.retryMs * (1 + 0.2 * random()), signal);
    }
    await this.release();
  }

  /** Somebody else turned out to lead: nothing is written any more. */
  stepDown(why: string): void {
    this.cancelDeadline();
    if (this.leading === undefined) return;
    this.leading = undefined;
    this.renewedMs = undefined;
    this.options.onStopped(why);
  }

  private async round(signal: AbortSignal): Promise<void> {
    const { clock, log, onStarted } = this.options;
    // Counted from before the request: an answer that took long shortens the leadership, never lengthens it.
    const startedMs = clock.monotonic();
    const led = this.leading;
    const won = await this.acquire();
    if (won === undefined) return;
    this.highest = Math.max(this.highest, won);
    // Whoever is told to stop while the answer is under way gives the lease back and does not begin; and a leadership that ended meanwhile is not
    // taken up again under its old number.
    if (this.leading === undefined && (signal.aborted || won === led)) return;
    const leftMs = startedMs + this.renewDeadlineMs - clock.monotonic();
    if (leftMs <= 0) return;
    this.renewedMs = startedMs;
    this.cancelDeadline();
    // By a timer, because the next renewal may hang for longer than the leadership lasts.
    this.cancelDeadline = clock.after(leftMs, () => this.stepDown("the lease could not be renewed in time"));
    if (this.leading !== undefined) return;
    this.leading = won;
    log.info({ epoch: won }, "leading");
    onStarted(won);
  }

  /** The epoch when the lease is ours after this; undefined otherwise. */
  private async acquire(): Promise<number | undefined> {
    const { api, clock, identity, log } = this.options;
    // Who leads knows the record: one write renews it, and is refused if anybody else touched it.
    if (this.leading !== undefined && this.seen !== undefined) {
      const renewed = await this.write(this.seen.object, transitionsOf(this.seen.object));
      if (renewed !== undefined || this.leading === undefined) return renewed;
    }
    const found = await this.answer(api.get(this.ref));
    if (found === undefined) return undefined;
    if (!found.ok) {
      if (found.fault.class === "not-found") {
        this.stepDown("the lease is gone");
        return this.write(undefined, this.epochAfter(0));
      }
      log.debug({ fault: found.fault.message }, "lease not read");
      return undefined;
    }
    const spec = (found.value.spec ?? {}) as LeaseSpec;
    const version = found.value.metadata.resourceVersion ?? "";
    if (this.seen?.version !== version) this.seen = { version, atMs: clock.monotonic(), object: found.value };
    const holder = spec.holderIdentity ?? "";
    const transitions = transitionsOf(found.value);
    if (holder === identity && this.leading !== undefined) return this.write(found.value, transitions);
    if (this.leading !== undefined) this.stepDown(holder === "" ? "the lease is nobody's" : `${holder} holds the lease`);
    if (holder !== "" && holder !== identity) {
      const validMs = Math.max((spec.leaseDurationSeconds ?? 0) * 1000, 1_000);
      if (clock.monotonic() - this.seen.atMs < validMs) return undefined;
    }
    // Ours from an earlier life counts as a change of leadership too: writes of that life must not pass for ours.
    return this.write(found.value, this.epochAfter(transitions));
  }

  /**
   * Above the number before, and above what any deleted or restored Lease can have counted up to: a Lease that is made anew must not number a
   * leadership below what is stamped on the objects already, or every object would say that somebody later has written it.
   */
  private epochAfter(transitions: number): number {
    const seconds = Math.floor((this.options.clock.now() - EPOCH_START_MS) / 1000);
    return Math.max(Math.max(transitions, this.highest) + 1, Math.min(seconds, EPOCH_MAX));
  }

  private async write(found: KubeObject | undefined, transitions: number): Promise<number | undefined> {
    const { api, clock, identity } = this.options;
    const now = microTime(clock);
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
    const sent =
      found === undefined
        ? api.create(LEASES, { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name, namespace }, spec })
        : api.patch(this.ref, { spec }, preconditionOf(found));
    const result = await this.answer(sent);
    if (result === undefined || !result.ok) return undefined;
    this.seen = { version: result.value.metadata.resourceVersion ?? "", atMs: clock.monotonic(), object: result.value };
    return transitions;
  }

  private async release(): Promise<void> {
    const { api, clock, identity } = this.options;
    this.cancelDeadline();
    this.leading = undefined;
    this.renewedMs = undefined;
    const object = this.seen?.object;
    if (object === undefined || ((object.spec ?? {}) as LeaseSpec).holderIdentity !== identity) return;
    await this.answer(api.patch(this.ref, { spec: { holderIdentity: "", leaseDurationSeconds: 1, renewTime: microTime(clock) } }, preconditionOf(object)));
  }

  /** Two tries must fit into the time that is left to renew, so one that hangs is given up after half of it. */
  private answer<T>(request: Promise<Result<T>>): Promise<Result<T> | undefined> {
    return within(this.options.clock, this.renewDeadlineMs / 2, request);
  }
}

function transitionsOf(lease: KubeObject): number {
  return ((lease.spec ?? {}) as LeaseSpec).leaseTransitions ?? 0;
}

function preconditionOf({ metadata }: KubeObject): { uid: string; resourceVersion: string } {
  return { uid: metadata.uid ?? "", resourceVersion: metadata.resourceVersion ?? "" };
}

/** The format that the API server asks of lease times: microseconds. */
function microTime(clock: Clock): string {
  return new Date(clock.now()).toISOString().replace("Z", "000Z");
}
