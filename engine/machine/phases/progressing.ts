// The run itself: readiness, then rung after rung with one check each, until promotion or rollback.
// Leaving (new revision, rollback) is looked at before going on, and going on needs proof each time.
import { canaryWeightOf, confirmRoute, instant, iso, judged, move, named, normal, routeTo, startRun, stay, warning, endRun } from "../moves.ts";
import { nextRung } from "../ladder.ts";
import { promote } from "./promoting.ts";
import { rollBack } from "./rollback.ts";
import { unsafe } from "../safety.ts";
import type { Run } from "../../../crds/status.ts";
import type { Answer, Ask, Move, Situation, TargetSeen } from "../types.ts";

export function progressing(at: Situation): Move {
  const { status, seen } = at;
  const run = status.run;
  const target = seen.target;
  if (run === undefined) return stay(at, "no run to go on with");
  if (target === undefined) return rollBack(at, "RolledBack", "TargetMissing", `${named(at, at.settings.target)} was deleted during the run`);
  const changed = followTarget(at, run, target);
  if (changed !== undefined) return changed;
  const reason = unsafe(at, run, target);
  if (reason !== undefined) return rollBack(at, "RolledBack", reason.reason, reason.message);
  return prepared(at, run, target) ?? climb(at, run, target);
}

/** A newer revision restarts the run from weight 0; the promoted one, put back by its owner, ends it. */
function followTarget(at: Situation, run: Run, target: TargetSeen): Move | undefined {
  const { status, settings } = at;
  if (target.hash === run.revision) {
    const known = status.target;
    const same = known?.generation === target.generation && known.uid === target.uid && (target.replicas === 0 || known.replicas === target.replicas);
    return same ? undefined : move(at, { target: judged(at, target) }, "target edited, same revision");
  }
  const off = status.route !== undefined && status.route.canaryWeight > 0 ? { route: routeTo(0) } : {};
  if (target.hash === status.lastPromotedSpec) {
    const ended = endRun(at, "Withdrawn", "Reverted");
    const notice = normal("Withdrawn", `${named(at, settings.target)} is back at the promoted revision: the run of ${run.revision} is withdrawn`);
    const known = judged(at, target, { scale: "Up", paused: status.target?.paused ?? false });
    return move(at, { phase: "Succeeded", canaryWeight: 0, ...off, ...ended, lastAppliedSpec: target.hash, target: known }, "run withdrawn", notice);
  }
  const { history } = endRun(at, "Superseded", `by revision ${target.hash}`);
  const notice = normal("Restarting", `New revision detected! Restarting analysis for ${named(at, settings.target)}`);
  // Still paused: the pods of the old revision stay as they are until the route that leads to them is gone and drained.
  return move(at, { ...startRun(at, target), history, ...off, target: judged(at, target, { scale: "Up" }) }, `newer revision ${target.hash}: the run starts again`, notice);
}

/** What must hold before any rung. Waits carry the deadline; a change of the world wakes the key earlier. */
function prepared(at: Situation, run: Run, target: TargetSeen): Move | undefined {
  const { status, seen, settings } = at;
  const weight = canaryWeightOf(status);
  if (weight === 0) {
    const unconfirmed = confirmRoute(at, status.target?.paused === true);
    if (unconfirmed !== undefined) return unconfirmed;
    if (status.target?.paused === true) return move(at, { target: judged(at, target, { paused: false, scale: "Up" }) }, "drained: the new revision may roll");
  }
  if (!target.readiness.ready) {
    const deadlineAt = run.deadlineAt ?? iso(seen.nowMs + settings.deadlineMs);
    if (run.deadlineAt === undefined) return move(at, { run: { ...run, deadlineAt } }, target.readiness.why);
    return stay(at, target.readiness.why, { atMs: instant(deadlineAt) });
  }
  const primary = seen.primary;
  if (primary === undefined) return stay(at, `${settings.primary} is missing`);
  if (!primary.readiness.ready) return stay(at, primary.readiness.why);
  // A deadline left over would end the run at the first pod that goes unready later.
  if (run.deadlineAt !== undefined && weight > 0) return move(at, { run: { ...run, deadlineAt: undefined } }, "target is ready");
  const top = settings.rungs.at(-1) ?? 0;
  if (weight > top && !settings.skipAnalysis) return move(at, { canaryWeight: top, route: routeTo(top) }, `maximum weight lowered to ${top}`);
  return undefined;
}

function climb(at: Situation, run: Run, target: TargetSeen): Move {
  const { status, settings } = at;
  if (settings.skipAnalysis) return promote(at, run, target, "Canary analysis skipped");
  if (canaryWeightOf(status) === 0) return firstRung(at, run, target);
  const unconfirmed = confirmRoute(at, false);
  if (unconfirmed !== undefined) return unconfirmed;
  return check(at, run, target);
}

function firstRung(at: Situation, run: Run, target: TargetSeen): Move {
  const { settings, seen, canary } = at;
  const hooked = canary.spec.analysis?.webhooks?.some((webhook) => webhook.type === "pre-rollout") === true;
  if (hooked && run.preRollout !== "Passed") {
    const due = instant(run.nextCheckAt);
    if (seen.nowMs < due) return stay(at, "pre-rollout check failed, waiting to try again", { atMs: due });
    const ask: Ask = { id: `${run.id}/pre-rollout/${run.attempt}`, kind: "hooks", type: "pre-rollout" };
    const answer = seen.answers.get(ask.id);
    if (answer === undefined) return stay(at, "waiting for pre-rollout checks", "on-change", [ask]);
    if (answer.verdict !== "pass") return notPassed(at, run, answer, "pre-rollout check", seen.nowMs);
    return move(at, { run: { ...run, preRollout: "Passed", nextCheckAt: undefined } }, "pre-rollout checks passed", normal("PreRollout", "Pre-rollout check passed"));
  }
  const weight = nextRung(settings.rungs, 0);
  if (weight === undefined) return stay(at, "the analysis names no step");
  const advanced = advance(at, run, target, weight);
  return { ...advanced, notices: [normal("AnalysisStarted", `Starting canary analysis for ${named(at, settings.target)}`), ...advanced.notices] };
}

/**
 * One check per interval, counted from the instant at which the rung was seen to be applied.
 * Worked example, interval 60 s: weight 10 committed 0:00, applied 0:01, check due 1:01; it fails at 1:02, the next is due 2:01.
 */
function check(at: Situation, run: Run, target: TargetSeen): Move {
  const { status, seen, settings } = at;
  const applied = instant(status.route?.appliedAt);
  const due = run.nextCheckAt === undefined ? applied + settings.intervalMs : instant(run.nextCheckAt);
  if (seen.nowMs < due) return stay(at, "next check", { atMs: due });
  const ask: Ask = { id: `${run.id}/${run.step}/${run.attempt}`, kind: "check" };
  const answer = seen.answers.get(ask.id);
  if (answer === undefined) return stay(at, "checking", "on-change", [ask]);
  if (answer.verdict !== "pass") return notPassed(at, run, answer, "check", due);
  const passed: Run = { ...run, measurements: answer.measurements.slice(0, 32), holdingSince: undefined };
  const next = nextRung(settings.rungs, canaryWeightOf(status));
  return next === undefined ? promote(at, passed, target, "Canary analysis completed") : advance(at, passed, target, next);
}

function advance(at: Situation, run: Run, target: TargetSeen, weight: number): Move {
  const notice = normal("Advanced", `Advance ${named(at, at.canary.metadata.name)} canary weight ${weight}`);
  const climbed: Run = { ...run, step: run.step + 1, attempt: 0, nextCheckAt: undefined, holdingSince: undefined, deadlineAt: undefined, weightedAt: run.weightedAt ?? iso(at.seen.nowMs) };
  // Paused together with its first weight: an image bumped from here on must not reach users before its own run.
  const kept = judged(at, target, { paused: true, scale: "Up" });
  return move(at, { canaryWeight: weight, route: routeTo(weight), run: climbed, target: kept }, `advance to ${weight}%`, notice);
}

/** A check that did not pass: a failure counts, anything else holds the weight until `maxHold` is over. */
function notPassed(at: Situation, run: Run, answer: Answer, what: string, due: number): Move {
  const { status, seen, settings } = at;
  // On the grid of the check that was due, so that a slow answer does not stretch the interval.
  const late = Math.max(seen.nowMs - due, 0);
  const again = iso(seen.nowMs + settings.intervalMs - (late % settings.intervalMs));
  const tried: Run = { ...run, attempt: run.attempt + 1, nextCheckAt: again, measurements: answer.measurements.slice(0, 32) };
  if (answer.verdict === "fail") {
    const failedChecks = (status.failedChecks ?? 0) + 1;
    const failed = { ...at, status: { ...status, failedChecks, run: { ...tried, holdingSince: undefined } } };
    if (failedChecks >= settings.threshold) {
      return rollBack(failed, "RolledBack", "ChecksFailed", `failed checks threshold reached ${failedChecks}: ${answer.message}`);
    }
    const notice = warning("CheckFailed", `Halt ${named(at, at.canary.metadata.name)} advancement: ${what} failed (${failedChecks} of ${settings.threshold}): ${answer.message}`);
    return move(failed, {}, `${what} failed (${failedChecks} of ${settings.threshold}): ${answer.message}`, notice);
  }
  const since = run.holdingSince ?? iso(seen.nowMs);
  if (seen.nowMs - instant(since) >= settings.maxHoldMs) {
    const held = { ...at, status: { ...status, run: tried } };
    return rollBack(held, "Inconclusive", "Inconclusive", `no verdict for ${Math.round(settings.maxHoldMs / 1000)}s: ${answer.message}`);
  }
  const notice = warning(answer.verdict === "error" ? "CheckError" : "CheckInconclusive", `Hold ${named(at, at.canary.metadata.name)}: ${answer.message}`);
  // Announced once per hold: a provider that is down for an hour is one message, not sixty.
  return move(at, { run: { ...tried, holdingSince: since } }, `holding: ${answer.message}`, ...(run.holdingSince === undefined ? [notice] : []));
}
