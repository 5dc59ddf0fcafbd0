// From the last passed check to the end: the primary takes over the analysed revision, traffic returns to it, and the target goes to rest.
import { rollBack } from "./rollback.ts";
import type { Run } from "../../../crds/status.ts";
import { canaryWeightOf, confirmRoute, endRun, instant, iso, judged, move, named, normal, routeTo, stay, warning } from "../moves.ts";
import { openWindow } from "./previous.ts";
import type { Move, Situation, TargetSeen } from "../types.ts";

const STALE_LOOK_MS = 5_000;

export function promote(at: Situation, run: Run, target: TargetSeen, why: string): Move {
  const { seen, settings } = at;
  const primaryFloor = settings.autoscaled ? Math.max(run.primaryFloor ?? 0, seen.primary?.replicas ?? 0, target.replicas) : undefined;
  const promoting: Run = { ...run, ...(primaryFloor === undefined ? {} : { primaryFloor }), nextCheckAt: undefined, holdingSince: undefined, deadlineAt: iso(seen.nowMs + settings.deadlineMs) };
  return move(
    at,
    {
      phase: "Promoting",
      canaryWeight: 0,
      iterations: 0,
      run: promoting,
      primary: { revision: run.revision, images: run.images },
      target: judged(at, target, { scale: "Up", paused: canaryWeightOf(at.status) > 0 }),
    },
    `${why}: promoting`,
    normal("Promoting", `Copying ${named(at, settings.target)} template spec to ${named(at, settings.primary)}`),
  );
}

/** A revision that is pushed meanwhile waits: the target is paused while it carries weight, and its run starts after this one ends. */
export function promoting(at: Situation): Move {
  const { status, seen, settings } = at;
  const run = status.run;
  if (run === undefined) return stay(at, "no run to promote");
  const weight = canaryWeightOf(status);
  const primary = seen.primary;
  if (weight > 0 && (seen.target?.availableReplicas ?? 0) === 0 && (primary?.availableReplicas ?? 0) > 0) {
    const notice = warning("CanaryUnavailable", `${named(at, settings.target)} has no available pod left: routing all traffic to primary`);
    return move(at, { route: routeTo(0) }, "target lost its pods while promoting", notice);
  }
  const unconfirmed = confirmRoute(at, false);
  if (unconfirmed !== undefined) return unconfirmed;
  if (seen.stale !== undefined) return stay(at, seen.stale, { atMs: seen.nowMs + STALE_LOOK_MS });
  // Taken off while the Canary was suspended.
  if (run.deadlineAt === undefined) return move(at, { run: { ...run, deadlineAt: iso(seen.nowMs + settings.deadlineMs) } }, "promotion goes on");
  const ready = primary !== undefined && primary.revision === run.revision && primary.readiness.ready && primary.undersized === undefined;
  if (!ready) {
    const deadline = instant(run.deadlineAt);
    if (seen.nowMs >= deadline) return block(at);
    return stay(at, primary === undefined || primary.readiness.ready ? (primary?.undersized ?? `waiting for ${settings.primary} to be updated`) : primary.readiness.why, { atMs: deadline });
  }
  return shiftBack(at, run, weight);
}

function shiftBack(at: Situation, run: Run, weight: number): Move {
  const { status, seen, settings } = at;
  const due = run.nextCheckAt === undefined || weight === 0 ? seen.nowMs : instant(status.route?.appliedAt) + settings.intervalMs;
  if (seen.nowMs < due) return stay(at, "next promotion step", { atMs: due });
  const left = settings.promotionStep > 0 ? Math.max(weight - settings.promotionStep, 0) : 0;
  if (left === 0) {
    const notice = normal("Finalising", "Routing all traffic to primary");
    // Named even when the weight is 0 already: the primary's new pods get a route that is read back before anything goes.
    return move(at, { phase: "Finalising", route: routeTo(0), run: { ...run, deadlineAt: undefined, nextCheckAt: undefined } }, "primary is ready: all traffic to it", notice);
  }
  const notice = normal("Advanced", `Advance ${named(at, at.canary.metadata.name)} primary weight ${100 - left}`);
  const stepped: Run = { ...run, deadlineAt: iso(seen.nowMs + settings.deadlineMs), nextCheckAt: iso(seen.nowMs + settings.intervalMs) };
  return move(at, { route: { ...routeTo(left), ...(status.route?.matched === true ? { matched: true } : {}) }, run: stepped }, `primary weight ${100 - left}`, notice);
}

/** The primary missed its deadline: the analysed revision goes on serving from the target, which is healthy, and nothing is scaled down. */
function block(at: Situation): Move {
  const { seen, settings } = at;
  const healthy = (seen.target?.availableReplicas ?? 0) > 0 && seen.target?.readiness.ready === true;
  const why = seen.primary === undefined ? "missing" : seen.primary.readiness.ready ? (seen.primary.undersized ?? "not updated") : seen.primary.readiness.why;
  const message = `Promotion of ${named(at, at.canary.metadata.name)} failed, primary not ready: ${why}`;
  if (!settings.routed) return undone(at, message);
  if (!healthy) return { ...stay(at, message), problem: { reason: "PrimaryUnavailable", path: "spec.targetRef.name", message } };
  return move(
    at,
    { phase: "Failed", canaryWeight: 100, route: routeTo(100), ...endRun(at, "PromotionBlocked", "PromotionBlocked") },
    message,
    warning("PromotionBlocked", `${message}; ${named(at, settings.target)} serves all traffic`),
  );
}

/** Nobody can be sent to the canary, so nobody is: what serves is what is left of the primary's pods, and they are to be those of the promoted revision again. */
function undone(at: Situation, message: string): Move {
  const { status, seen } = at;
  const promoted = status.lastPromotedSpec ?? "";
  const back = rollBack(at, "RolledBack", "PromotionFailed", message);
  if (!seen.stored.has(promoted)) return back;
  const images = status.history?.find((run) => run.revision === promoted)?.images ?? [];
  return { ...back, status: { ...back.status, primary: { revision: promoted, images } } };
}

export function finalising(at: Situation): Move {
  const { status, seen, settings } = at;
  const unconfirmed = confirmRoute(at, true);
  if (unconfirmed !== undefined) return unconfirmed;
  const run = status.run;
  if (run === undefined) return stay(at, "no run to finalise");
  const target = status.target;
  return move(
    at,
    {
      phase: "Succeeded",
      canaryWeight: 0,
      iterations: 0,
      lastPromotedSpec: run.revision,
      ...openWindow(at),
      ...(status.lastPromotedSpec === run.revision ? {} : { previousPromotedSpec: status.lastPromotedSpec }),
      lastAppliedSpec: run.revision,
      ...endRun(at, "Promoted", settings.skipAnalysis ? "AnalysisSkipped" : "AnalysisPassed"),
      ...(target === undefined ? {} : { target: { ...target, scale: "Zero" as const, paused: false, replicas: replicasOf(seen.target, target.replicas) } }),
    },
    "promotion finished",
    normal("Succeeded", settings.skipAnalysis
      ? `Promotion completed! Canary analysis was skipped for ${named(at, settings.target)}`
      : `Promotion completed! Scaling down ${named(at, settings.target)}`),
  );
}

function replicasOf(target: TargetSeen | undefined, before: number): number {
  return target !== undefined && target.replicas > 0 ? target.replicas : before;
}
