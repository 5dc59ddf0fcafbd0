// The few things that every phase does to a status: stay, change the route, judge the target, start and end a run. Pure.
import type { CanarySpec } from "../../crds/canary.ts";
import type { CanaryStatus, Run, RunOutcome } from "../../crds/status.ts";
import type { Ask, Move, Notice, Situation, TargetSeen, Wake } from "./types.ts";

export const HISTORY_MAX = 5;
/** Images of one pod that the status names; pods of more containers are rare. */
export const IMAGES_MAX = 16;
const HISTORY_IMAGES_MAX = 4;

export function iso(ms: number): string {
  return new Date(ms).toISOString().replace(/\.000Z$/, "Z");
}

/** NaN for an absent or unreadable instant. */
export function instant(text: string | undefined): number {
  return text === undefined ? Number.NaN : Date.parse(text);
}

/** Nothing changes; `wake` says until when. */
export function stay(at: Situation, why: string, wake: Wake = "on-change", asks: Ask[] = []): Move {
  return { status: at.status, notices: [], asks, wake, why };
}

/** A new status; the commit wakes the key again, so no other wake is needed. */
export function move(at: Situation, changes: Partial<CanaryStatus>, why: string, ...notices: Notice[]): Move {
  return { status: { ...at.status, ...changes }, notices, asks: [], wake: "on-change", why };
}

/** Asks for new weights. They count as not applied until they are read back. */
export function routeTo(canaryWeight: number): NonNullable<CanaryStatus["route"]> {
  return { primaryWeight: 100 - canaryWeight, canaryWeight };
}

/** All traffic to the primary, unless it is there already; a copy of it counts as traffic. */
export function routeBack({ route }: CanaryStatus): Pick<CanaryStatus, "route"> {
  return route !== undefined && (route.canaryWeight > 0 || route.mirror === true) ? { route: routeTo(0) } : {};
}

export function canaryWeightOf(status: CanaryStatus): number {
  return status.route?.canaryWeight ?? 0;
}

/**
 * Waits for the route to be read back and for its drain time. Undefined when both are over.
 * Worked example, drain 10 s: weight 0 is committed at 0:00, seen on the routing objects at 0:01, so no pod goes before 0:11.
 */
export function confirmRoute(at: Situation, waitForDrain: boolean): Move | undefined {
  const { status, seen, settings } = at;
  const route = status.route;
  if (route === undefined) return undefined;
  if (seen.traffic.kind !== "applied") return stay(at, `route not applied: ${seen.traffic.why}`);
  if (route.appliedAt === undefined) {
    const applied = { ...route, appliedAt: iso(seen.nowMs), drainUntil: iso(seen.nowMs + settings.drainMs) };
    return move(at, { route: applied }, `route ${route.primaryWeight}/${route.canaryWeight} applied`);
  }
  const drained = instant(route.drainUntil);
  // Further away than a drain it was named by a clock that was wrong, or before the drain was shortened.
  if (waitForDrain && drained > seen.nowMs + settings.drainMs) return move(at, { route: { ...route, drainUntil: iso(seen.nowMs + settings.drainMs) } }, "drain named anew");
  if (waitForDrain && seen.nowMs < drained) return stay(at, "draining", { atMs: drained });
  return undefined;
}

/**
 * The cookies that keep users where they are. A run's own id is its value, so that another leader gives the same one; `expired` is the last run's.
 * Undefined without session affinity.
 */
export function cookiesOf(status: CanaryStatus, spec: CanarySpec): { canary?: string; primary?: string; expired?: string } | undefined {
  const { cookieName, primaryCookieName } = spec.analysis?.sessionAffinity ?? {};
  if (cookieName === undefined) return undefined;
  const run = status.run;
  const cookie = (name: string, id: string): string => `${name}=${id}`;
  if (run !== undefined && canaryWeightOf(status) > 0) return { canary: cookie(cookieName, run.id), ...(primaryCookieName === undefined ? {} : { primary: cookie(primaryCookieName, run.id) }) };
  const last = run === undefined || run.step > 0 || run.outcome !== undefined ? run?.id : status.history?.[0]?.id;
  return last === undefined ? {} : { expired: cookie(cookieName, last) };
}

/** The target as judged now. The number of replicas is the last one above zero, because zero is what the engine itself sets. */
export function judged(at: Situation, target: TargetSeen, changes: Partial<NonNullable<CanaryStatus["target"]>> = {}): NonNullable<CanaryStatus["target"]> {
  const before = at.status.target;
  return {
    uid: target.uid,
    generation: target.generation,
    revision: target.hash,
    images: target.images.slice(0, IMAGES_MAX),
    configs: target.configs?.digest,
    replicas: target.replicas > 0 ? target.replicas : Math.max(before?.replicas ?? 0, at.seen.primary?.replicas ?? 0, 1),
    scale: before?.scale ?? "AsFound",
    paused: before?.paused ?? false,
    ...changes,
  };
}

/** A run of the target's present revision, from weight 0. */
export function startRun(at: Situation, target: TargetSeen): Pick<CanaryStatus, "run" | "counters" | "rollbackWindow" | "lastAppliedSpec" | "failedChecks" | "iterations" | "canaryWeight"> {
  const { status, seen, settings } = at;
  const counters = { runs: (status.counters?.runs ?? 0) + 1, announcements: status.counters?.announcements ?? 0 };
  const run: Run = {
    id: `${target.hash}-${counters.runs}`,
    revision: target.hash,
    images: target.images.slice(0, IMAGES_MAX),
    startedAt: iso(seen.nowMs),
    strategy: settings.strategy,
    step: 0,
    attempt: 0,
    deadlineAt: iso(seen.nowMs + settings.deadlineMs),
  };
  return { run, counters, rollbackWindow: undefined, lastAppliedSpec: target.hash, failedChecks: 0, iterations: 0, canaryWeight: 0 };
}

/** The run with its end written into it, and the history with that end on top. */
export function endRun(at: Situation, outcome: RunOutcome, reason: string): Pick<CanaryStatus, "run" | "history"> {
  const { status, seen, canary } = at;
  const run = status.run;
  if (run === undefined) return {};
  const entry = { id: run.id, revision: run.revision, images: run.images.slice(0, HISTORY_IMAGES_MAX), outcome, reason, finishedAt: iso(seen.nowMs) };
  const hooks = canary.spec.analysis?.webhooks?.some((webhook) => webhook.type === "post-rollout") === true;
  const told = outcome === "Promoted" || outcome === "RolledBack" || outcome === "Inconclusive" || outcome === "PromotionBlocked";
  return {
    run: { ...run, outcome, reason, deadlineAt: undefined, nextCheckAt: undefined, ...(hooks && told ? { postRollout: "Pending" as const } : {}) },
    history: [entry, ...(status.history ?? []).filter((past) => past.id !== run.id)].slice(0, HISTORY_MAX),
  };
}

export function normal(reason: string, message: string): Notice {
  return { type: "Normal", reason, message };
}

export function warning(reason: string, message: string): Notice {
  return { type: "Warning", reason, message };
}

/** "podinfo.test", as Flagger's messages name objects. */
export function named(at: Situation, name: string): string {
  return `${name}.${at.canary.metadata.namespace ?? ""}`;
}
