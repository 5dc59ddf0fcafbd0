// Runs the passes: events wake keys, workers take them, and each pass names when it wants to be run again. Holds no decision about any Canary.
import { groupOf } from "../../crds/marks.ts";
import { parseCanary } from "../../crds/canary.ts";
import type { Problem } from "../../crds/problem.ts";
import type { Router } from "../../routing/router.ts";
import type { KubeObject } from "../ports.ts";
import { alertPlace } from "./alertplace.ts";
import { Announcer } from "./announce.ts";
import { Asks } from "./asks.ts";
import type { Context } from "./context.ts";
import { Drift } from "./drift.ts";
import { eventHooks } from "./eventhooks.ts";
import { kubernetesEvents } from "./events.ts";
import { inquire } from "./inquire.ts";
import { keyText, parseKey } from "./key.ts";
import { Memory } from "./memory.ts";
import { reconcile, stall, type Pass } from "./reconcile.ts";
import { lookedAt, Triggers } from "./triggers.ts";
import { WORKLOADS } from "../workload/kinds.ts";
import { WorkQueue } from "./workqueue.ts";

/** A pass waits for the API server most of its time. */
const WORKERS = 32;
/** What changes around a Canary changes in bursts, pods above all: one pass looks at all of a burst. Far below what anybody is promised (a second). */
const GATHER_MS = 50;
/** Passes that may follow each other without waiting, per key: more means that two writers, or a bug, keep each other busy. */
const BUSY_PASSES_MAX = 50;

const BUG: Problem = { reason: "InternalError", path: "", message: "the engine broke while it looked at this Canary; its traffic stays where it is, and the engine's log says what broke" };

function keyOfCanary({ apiVersion, metadata }: KubeObject): string {
  return keyText({ group: groupOf(apiVersion), namespace: metadata.namespace ?? "", name: metadata.name });
}

export class Controller {
  private readonly queue: WorkQueue;
  private readonly triggers = new Triggers();
  private readonly memory: Memory;
  private readonly busy = new Map<string, number>();
  /** The spec by which a key looks at objects: uid and generation. */
  private readonly known = new Map<string, string>();
  private workers: Promise<void>[] = [];
  private running = false;

  constructor(
    private readonly context: Context,
    instance: string,
  ) {
    this.queue = new WorkQueue(context.clock);
    const asks = new Asks((key, ask, signal) => inquire(key, ask, context, signal), (key) => this.queue.add(key), context.log, context.clock);
    const places = [kubernetesEvents(context.api, context.log, instance), eventHooks(context.http, context.api, context.options.eventWebhook), alertPlace(context)];
    this.memory = new Memory(new Announcer(places, context.clock, context.log, (canary) => this.queue.add(keyOfCanary(canary))), asks, new Drift(), (key, objects) => this.triggers.watchToo(key, objects));
  }

  get depth(): number {
    return this.queue.depth;
  }

  get asking(): number {
    return this.memory.asks.inFlight;
  }

  /** A Canary was added, changed or deleted. */
  canaryChanged(group: string, canary: KubeObject, deleted: boolean): void {
    const key = keyText({ group, namespace: canary.metadata.namespace ?? "", name: canary.metadata.name });
    if (deleted) this.known.delete(key);
    else this.follow(key, canary);
    this.queue.add(key);
    // Whoever waited behind this one for the same target may be the oldest now.
    if (deleted) for (const other of this.rivals(canary)) this.queue.add(other);
  }

  /** What it looks at changes with its spec alone, and not with each write of its status. */
  private follow(key: string, canary: KubeObject): void {
    const version = `${canary.metadata.uid}/${canary.metadata.generation}`;
    if (this.known.get(key) === version && canary.metadata.generation !== undefined) return;
    this.known.set(key, version);
    this.triggers.watch(key, lookedAt(canary, this.routerOf(canary)));
  }

  private routerOf(canary: KubeObject): Router | undefined {
    const parsed = parseCanary(canary);
    return parsed.ok ? this.context.router(parsed.canary.spec.provider ?? this.context.options.meshProvider) : undefined;
  }

  /** Something changed that some Canary looks at. */
  objectChanged(plural: string, object: KubeObject): void {
    for (const key of this.triggers.keysOf(plural, object)) this.wakeSoon(key);
  }

  wakeSoon(key: string): void {
    this.queue.addAt(key, this.context.clock.now() + GATHER_MS);
  }

  /** Starts working. Call it as the leader, after the caches are synced. */
  start(): void {
    if (this.running) return;
    this.running = true;
    this.workers = Array.from({ length: WORKERS }, () => this.work());
  }

  /** Ends after the passes in flight have ended; questions are cut off, nothing new is started. */
  async stop(): Promise<void> {
    this.running = false;
    this.queue.close();
    await Promise.all(this.workers);
    await this.memory.asks.stop();
  }

  private rivals(canary: KubeObject): string[] {
    const target = (canary.spec as { targetRef?: { name?: string } } | undefined)?.targetRef?.name ?? "";
    const metadata = { name: target, namespace: canary.metadata.namespace };
    return WORKLOADS.flatMap(({ resource }) => this.triggers.keysOf(resource.plural, { apiVersion: "", kind: resource.kind, metadata }));
  }

  private async work(): Promise<void> {
    for (;;) {
      const key = await this.queue.next();
      if (key === undefined) return;
      await this.pass(key);
    }
  }

  private async pass(key: string): Promise<void> {
    const { clock, log, recorder } = this.context;
    const startedMs = clock.monotonic();
    this.queue.clearDelay(key);
    let pass: Pass;
    try {
      pass = await reconcile(parseKey(key), this.context, this.memory);
      // Timers take NaN for now.
      if (pass.kind === "wait" && pass.wake !== "on-change" && !Number.isFinite(pass.wake.atMs)) throw new RangeError("a pass wants to be run again at no instant");
    } catch (error) {
      // A bug: this key stalls, its traffic stays where it is, and the others go on.
      log.error({ key, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }, "a pass broke");
      recorder.reconciled("bug", clock.monotonic() - startedMs);
      await stall(parseKey(key), BUG, this.context, this.memory).catch((unsaid: unknown) => log.warn({ key, error: String(unsaid) }, "and it could not be said"));
      this.queue.addLater(key);
      this.queue.done(key);
      return;
    }
    recorder.reconciled(pass.kind, clock.monotonic() - startedMs);
    this.schedule(key, pass);
    this.queue.done(key);
  }

  private schedule(key: string, pass: Pass): void {
    if (pass.kind !== "again") this.busy.delete(key);
    switch (pass.kind) {
      case "again": {
        const passes = (this.busy.get(key) ?? 0) + 1;
        this.busy.set(key, passes);
        if (passes > BUSY_PASSES_MAX) this.queue.addLater(key);
        else this.queue.add(key);
        return;
      }
      case "retry":
        this.context.log.debug({ key, why: pass.why }, "trying again later");
        this.queue.addLater(key);
        return;
      case "wait":
        this.queue.forgive(key);
        if (pass.watch !== undefined) this.triggers.watch(key, pass.watch);
        if (pass.wake !== "on-change") this.queue.addAt(key, pass.wake.atMs);
        return;
      case "forget":
        this.queue.forgive(key);
        this.triggers.forget(key);
    }
  }
}
