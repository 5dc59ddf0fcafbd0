// A tiny world around `next`: what is committed happens after a while, time jumps to the next thing that is due, and every decision is held to the promises.
import type { CanarySpec } from "../../../crds/canary.ts";
import type { CanaryStatus } from "../../../crds/status.ts";
import { broken } from "../../../engine/machine/invariants.ts";
import { next } from "../../../engine/machine/next.ts";
import { settingsOf } from "../../../engine/machine/settings.ts";
import type { Answer, Ask, Observation, PrimarySeen, TargetSeen, TrafficSeen, WindowSeen } from "../../../engine/machine/types.ts";

export const SECOND = 1000;
export const T0 = Date.parse("2024-01-11T09:00:00Z");

export const pass: Answer = { verdict: "pass", message: "", measurements: [] };
export const fail: Answer = { verdict: "fail", message: "98 % is below 99 %", measurements: [] };
export const noData: Answer = { verdict: "inconclusive", message: "no data", measurements: [] };
export const down: Answer = { verdict: "error", message: "Prometheus is down", measurements: [] };

export function spec(changes: Partial<CanarySpec> = {}, analysis: object = {}): CanarySpec {
  return {
    targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "backend" },
    service: { port: 9898 },
    analysis: { interval: "90s", threshold: 2, maxWeight: 50, stepWeight: 10, ...analysis } as CanarySpec["analysis"],
    ...changes,
  };
}

export class SimulatedWorld {
  nowMs = T0;
  status: CanaryStatus = {};
  spec: CanarySpec;
  group = "rollout.kurator.dev";
  /** Called after each commit. */
  onCommit: () => void = () => undefined;
  /** One line for each change of phase, weight or failed checks, as `kubectl get canary -w` would show it. */
  readonly trace: string[] = [];
  readonly notices: string[] = [];
  readonly whys: string[] = [];
  target: TargetSeen | undefined = { uid: "t", generation: 1, hash: "v1", images: ["app:1"], replicas: 2, paused: false, availableReplicas: 2, readiness: { ready: true }, restarts: 0, pods: 2, configs: undefined, sameTemplate: false };
  primary: PrimarySeen | undefined;
  traffic: TrafficSeen["kind"] = "applied";
  answer: (ask: Ask, nth: number) => Answer | undefined = () => pass;
  podsStart = true;
  primaryStarts = true;
  deleting = false;
  /** The router can send users to the canary. */
  routed = true;
  stale: string | undefined;
  frozen: string | undefined;
  window: WindowSeen | undefined;
  annotations: Record<string, string> = {};
  private readonly stored = new Set<string>();
  private readonly answers = new Map<string, Answer>();
  /** Gates that said no, and when they are asked again. */
  private readonly polls = new Map<string, number>();
  private asked = 0;
  private shown = "";
  private steps = 0;
  private readonly events: { atMs: number; run: () => void }[] = [];

  constructor(manifest: CanarySpec = spec()) {
    this.spec = manifest;
  }

  at(seconds: number, run: () => void): this {
    this.events.push({ atMs: T0 + seconds * SECOND, run });
    return this;
  }

  /** The user pushes another template. A target without pods, or paused, has none of the new revision yet. */
  push(hash: string, image = `app:${hash}`): void {
    if (this.target === undefined) throw new Error("no target to push to");
    const rolls = this.target.replicas > 0 && !this.target.paused && this.podsStart;
    const readiness = rolls ? { ready: true as const } : { ready: false as const, why: "not rolled out", deadlineExceeded: false };
    this.target = { ...this.target, hash, images: [image], generation: this.target.generation + 1, restarts: 0, readiness };
  }

  /** Runs until nothing happens any more, or until `seconds` after the start. */
  run(seconds?: number): this {
    const until = T0 + (seconds ?? 24 * 3600) * SECOND;
    for (;;) {
      this.steps += 1;
      if (this.steps > 20_000) throw new Error(`no rest after ${this.steps} steps: ${this.whys.slice(-5).join(" | ")}`);
      if (this.step()) continue;
      const due = this.events.map((event) => event.atMs).sort((a, b) => a - b)[0];
      const nextMs = Math.min(due ?? Infinity, this.wakeMs ?? Infinity, ...this.polls.values());
      if (nextMs === Infinity || nextMs > until) {
        if (seconds !== undefined) this.nowMs = Math.max(this.nowMs, until);
        return this;
      }
      this.nowMs = Math.max(this.nowMs, nextMs);
      for (const event of this.events.filter((one) => one.atMs <= this.nowMs)) {
        this.events.splice(this.events.indexOf(event), 1);
        event.run();
      }
    }
  }

  observation(): Observation {
    const traffic: TrafficSeen = this.traffic === "applied" ? { kind: "applied" } : { kind: this.traffic, why: "as the test has it" };
    return {
      nowMs: this.nowMs,
      problems: [],
      trouble: undefined,
      target: this.target,
      primary: this.primary,
      previous: undefined,
      traffic,
      stale: this.stale,
      frozen: this.frozen,
      window: this.window,
      stored: this.stored,
      answers: this.answers,
      sentUpTo: 0,
      deleting: this.deleting,
    };
  }

  private wakeMs: number | undefined;

  /** True when something was committed or answered, so that another look is due at once. */
  private step(): boolean {
    const settings = settingsOf(this.group, this.spec, { weights: this.routed });
    const seen = this.observation();
    const view = { kind: { group: this.group, name: "Canary" }, metadata: { name: "backend", namespace: "webapp", generation: 1, annotations: this.annotations }, spec: this.spec, status: this.status };
    const frozen = JSON.stringify([view, [...seen.answers]]);
    const decided = next(view, settings, seen);
    if (JSON.stringify([view, [...seen.answers]]) !== frozen) throw new Error("P6: next changed what it was given");
    const wrong = broken(this.status, seen, settings, decided);
    if (wrong.length > 0) throw new Error(`${wrong.join("; ")} at ${decided.why} (${JSON.stringify(this.status.route)} to ${JSON.stringify(decided.status.route)})`);
    this.whys.push(decided.why);
    const changed = decided.status !== this.status;
    if (changed) this.commit(decided.status);
    const world = JSON.stringify([this.target, this.primary]);
    this.happen();
    const happened = JSON.stringify([this.target, this.primary]) !== world;
    const answered = this.reply(decided.asks);
    this.wakeMs = decided.wake === "on-change" ? undefined : decided.wake.atMs;
    return changed || happened || answered;
  }

  private commit(status: CanaryStatus): void {
    const told = this.status.counters?.announcements ?? 0;
    for (const announcement of status.outbox ?? []) if (announcement.id > told) this.notices.push(announcement.reason);
    this.status = JSON.parse(JSON.stringify(status)) as CanaryStatus;
    const line = `${status.phase} ${status.canaryWeight}`;
    if (this.shown !== line) this.trace.push(line);
    this.shown = line;
    this.onCommit();
  }

  /** What the controllers of a cluster would make of the committed status, at once. */
  private happen(): void {
    const { primary, target, run } = this.status;
    for (const hash of [primary?.revision, run?.revision]) if (hash !== undefined && hash === this.target?.hash) this.stored.add(hash);
    if (primary !== undefined && this.primary?.revision !== primary.revision && this.stored.has(primary.revision)) {
      this.primary = { undersized: undefined, revision: primary.revision, images: primary.images, replicas: 2, availableReplicas: this.primary?.availableReplicas ?? 0, readiness: { ready: false, why: "rolling", deadlineExceeded: false }, createdMs: this.primary?.createdMs ?? this.nowMs };
    }
    if (this.primary !== undefined && this.primaryStarts) this.primary = { ...this.primary, availableReplicas: 2, readiness: { ready: true } };
    if (this.target === undefined || target === undefined) return;
    const replicas = target.scale === "Zero" ? 0 : target.scale === "Up" && this.target.replicas === 0 ? target.replicas : this.target.replicas;
    if (replicas === this.target.replicas && target.paused === this.target.paused) return;
    this.target = { ...this.target, replicas, paused: target.paused, generation: this.target.generation + 1 };
    if (replicas === 0) this.target = { ...this.target, availableReplicas: 0, restarts: 0, readiness: { ready: false, why: "scaled to zero", deadlineExceeded: false } };
    else if (this.podsStart && !target.paused) this.target = { ...this.target, availableReplicas: replicas, readiness: { ready: true } };
  }

  private reply(asks: readonly Ask[]): boolean {
    const wanted = new Set(asks.map((ask) => ask.id));
    for (const id of this.answers.keys()) if (!wanted.has(id)) this.answers.delete(id);
    for (const id of this.polls.keys()) if (!wanted.has(id)) this.polls.delete(id);
    let answered = false;
    for (const ask of asks) {
      if (this.answers.has(ask.id) && this.nowMs < (this.polls.get(ask.id) ?? Infinity)) continue;
      this.asked += 1;
      const answer = this.answer(ask, this.asked);
      if (answer === undefined) continue;
      if (ask.kind === "gate" && answer.verdict !== "pass") this.polls.set(ask.id, this.nowMs + ask.everyMs);
      else this.polls.delete(ask.id);
      answered = answered || this.answers.get(ask.id) !== answer;
      this.answers.set(ask.id, answer);
    }
    return answered;
  }
}

/** A world whose app has been taken over. */
export function initialized(manifest: CanarySpec = spec()): SimulatedWorld {
  const world = new SimulatedWorld(manifest).run(60);
  world.trace.length = 0;
  world.notices.length = 0;
  return world;
}
