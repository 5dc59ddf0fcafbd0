// The run itself: readiness, then rung after rung with one check each, until promotion or rollback.
// Leaving (new revision, rollback) is looked at before going on, and going on needs proof each time.
import { canaryWeightOf, confirmRoute, instant, iso, judged, move, named, normal, routeBack, routeTo, startRun, stay, warning, endRun } from "../moves.ts";
import { closedWindow, gated, gatesBefore, rollbackWanted, type Gated } from "../gates.ts";
import { nextStage, type Stage } from "../ladder.ts";
import { promote } from "./promoting.ts";
import { rollBack } from "./rollback.ts";
import { unsafe } from "../safety.ts";
import type { Run } from "../../../crds/status.ts";
import type { Answer, Ask, Move, Situation, TargetSeen, Wake } from "../types.ts";

const STALE_LOOK_MS = 5_000;
const UNOBSERVED_MS = 5_000;
/** In the status; all of them count for the verdict. */
const MEASUREMENTS_MAX = 16;

export function progressing(at: Situation): Move {
  const { status, seen } = at;
  const run = status.run;
  const target = seen.target;
  if (run === undefined) return stay(at, "no run to go on with");
  if (target === undefined) return rollBack(at, "RolledBack", "TargetMissing", `${named(at, at.settings.target)} was deleted during the run`);
  const changed = followTarget(at, run, target) ?? followStrategy(at, run, target);
  if (changed !== undefined) return changed;
  const reason = unsafe(at, run, target);
  if (reason !== undefined) return rollBack(at, "RolledBack", reason.reason, reason.message);
  const wanted = rollbackWanted(at, run.id);
  if (wanted.why !== undefined) return rollBack(at, "RolledBack", "RollbackHook", wanted.why);
  const noticed = unwritten(at, run, target);
  const decided = run.paused === true ? stay(noticed, "paused") : (prepared(noticed, run, target) ?? climb(ready(noticed, run), { ...run, deadlineAt: undefined }, target));
  // What has only been noticed is written with the next thing that matters.
  const kept = decided.status === noticed.status ? at.status : decided.status;
  return { ...decided, status: kept, asks: [...decided.asks, ...wanted.asks] };
}

/** An edit of the target that changes nothing for the run, as the engine's own pause does. */
function unwritten(at: Situation, run: Run, target: TargetSeen): Situation {
  return target.hash !== run.revision || at.status.target?.generation === target.generation ? at : { ...at, status: { ...at.status, target: judged(at, target) } };
}

/** A deadline left over would end the run at the first pod that goes unready later. */
function ready(at: Situation, run: Run): Situation {
  return run.deadlineAt === undefined ? at : { ...at, status: { ...at.status, run: { ...run, deadlineAt: undefined } } };
}

/** A newer revision restarts the run from weight 0; the promoted one, put back by its owner, ends it. */
function followTarget(at: Situation, run: Run, target: TargetSeen): Move | undefined {
  const { status, settings } = at;
  if (target.hash === run.revision) {
    const known = status.target;
    const same = known?.uid === target.uid && (target.replicas === 0 || known.replicas === target.replicas);
    return same ? undefined : move(at, { target: judged(at, target) }, "target edited, same revision");
  }
  if (target.hash === status.lastPromotedSpec) {
    const ended = endRun(at, "Withdrawn", "Reverted");
    const notice = normal("Withdrawn", `${named(at, settings.target)} is back at the promoted revision: the run of ${run.revision} is withdrawn`);
    const known = judged(at, target, { scale: "Up", paused: status.target?.paused ?? false });
    return move(at, { phase: "Succeeded", canaryWeight: 0, ...routeBack(status), ...ended, lastAppliedSpec: target.hash, target: known }, "run withdrawn", notice);
  }
  // New pods come by themselves with a new template alone.
  return restart(at, target, `by revision ${target.hash}`, `New revision detected! Restarting analysis for ${named(at, settings.target)}`, target.sameTemplate);
}

/** An edit from one strategy to another must not show everybody what was meant for a few: the run begins again, from no traffic at all. */
function followStrategy(at: Situation, run: Run, target: TargetSeen): Move | undefined {
  const { strategy } = at.settings;
  if (run.strategy === undefined || run.strategy === strategy || at.settings.skipAnalysis) return undefined;
  return restart(at, target, `by strategy ${strategy}`, `The strategy is ${strategy} now. Restarting analysis for ${named(at, at.settings.target)}`);
}

function restart(at: Situation, target: TargetSeen, why: string, message: string, fresh = false): Move {
  const { history } = endRun(at, "Superseded", why);
  const started = startRun(at, target);
  // Still paused: the pods of the old revision stay as they are until the route that leads to them is gone and drained.
  const changes = { phase: "Progressing" as const, ...started, ...(fresh && started.run !== undefined ? { run: { ...started.run, fresh } } : {}), history, ...routeBack(at.status), target: judged(at, target, { scale: "Up" }) };
  return move(at, changes, `superseded ${why}: the run starts again`, normal("Restarting", message));
}

/** What must hold before any rung. Waits carry the deadline; a change of the world wakes the key earlier. */
function prepared(at: Situation, run: Run, target: TargetSeen): Move | undefined {
  const { status, seen, settings } = at;
  const weight = canaryWeightOf(status);
  if (weight === 0) {
    const unconfirmed = confirmRoute(at, status.target?.paused === true || run.fresh === true);
    if (unconfirmed !== undefined) return unconfirmed;
    if (run.fresh === true) return renewed(at, run, target);
    if (status.target?.paused === true) return move(at, { target: judged(at, target, { paused: false, scale: "Up" }) }, "drained: the new revision may roll");
  }
  if (!target.readiness.ready) {
    // The engine's own pause is such a change, and it is seen within moments.
    const justMs = instant(status.lastTransitionTime) + UNOBSERVED_MS;
    if (run.deadlineAt === undefined && target.readiness.unobserved === true && seen.nowMs < justMs) return stay(at, target.readiness.why, { atMs: justMs });
    const deadlineAt = run.deadlineAt ?? iso(seen.nowMs + settings.deadlineMs);
    if (run.deadlineAt === undefined) return move(at, { run: { ...run, deadlineAt } }, target.readiness.why);
    return stay(at, target.readiness.why, { atMs: instant(deadlineAt) });
  }
  const top = settings.rungs.at(-1) ?? 0;
  if (settings.strategy === "canary" && weight > top && !settings.skipAnalysis) return move(at, { canaryWeight: top, route: routeTo(top) }, `maximum weight lowered to ${top}`);
  return undefined;
}

/** Through zero, because no part of the template tells Kubernetes that these pods read what is not there any more. */
function renewed(at: Situation, run: Run, target: TargetSeen): Move {
  if (at.status.target?.scale !== "Zero") return move(at, { target: judged(at, target, { paused: false, scale: "Zero" }) }, "drained: pods of the contents before go");
  if (target.replicas > 0 || target.pods > 0) return stay(at, "waiting for the pods of the contents before to go", deadlineOf(run));
  return move(at, { run: { ...run, fresh: undefined }, target: judged(at, target, { paused: false, scale: "Up" }) }, "pods with the new contents come");
}

function deadlineOf({ deadlineAt }: Run): Wake {
  return deadlineAt === undefined ? "on-change" : { atMs: instant(deadlineAt) };
}

function climb(at: Situation, run: Run, target: TargetSeen): Move {
  const { seen, settings } = at;
  if (settings.skipAnalysis && seen.frozen !== undefined) return stay(at, seen.frozen);
  if (settings.skipAnalysis) return seen.stale === undefined ? promote(at, run, target, "Canary analysis skipped") : stay(at, seen.stale, soon(at));
  const unready = seen.primary === undefined ? `${settings.primary} is missing` : seen.primary.readiness.ready ? undefined : seen.primary.readiness.why;
  if (run.step === 0) return seen.stale === undefined && unready === undefined ? firstRung(at, run, target) : stay(at, seen.stale ?? unready ?? "", soon(at));
  const unconfirmed = confirmRoute(at, false);
  // What was found and is only to be written down goes first; the rest keeps the run where it is, and its users under watch.
  if (unconfirmed !== undefined && unconfirmed.status !== at.status) return unconfirmed;
  return check(at, run, target, seen.stale ?? unready ?? unconfirmed?.why);
}

/** A cache that comes back tells nobody. */
function soon({ seen }: Situation): Wake {
  return seen.stale === undefined ? "on-change" : { atMs: seen.nowMs + STALE_LOOK_MS };
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
  const from = stageOf(at);
  const to = nextStage(settings, from);
  if (to === undefined) return stay(at, "the analysis names no step");
  const shut = closedWindow(at);
  if (shut !== undefined) return stay(at, seen.frozen ?? "outside of the rollout windows", shut);
  const held = gated(at, `${run.id}/0`, gatesBefore(at, from, to));
  if (!held.open) return halted(at, run, held, "on-change");
  const advanced = advanceTo(at, run, target, to);
  return { ...advanced, notices: [normal("AnalysisStarted", `Starting canary analysis for ${named(at, settings.target)}`), ...advanced.notices] };
}

/**
 * One check per interval, counted from the instant at which the rung was seen to be applied.
 * Worked example, interval 60 s: weight 10 committed 0:00, applied 0:01, check due 1:01; it fails at 1:02, the next is due 2:01.
 */
function check(at: Situation, run: Run, target: TargetSeen, blocked: string | undefined): Move {
  const { status, seen, settings } = at;
  const from = stageOf(at);
  const to = nextStage(settings, from);
  const gates = gated(at, `${run.id}/${run.step}`, gatesBefore(at, from, to));
  const shut = blocked === undefined ? closedWindow(at) : "on-change";
  if (run.passed === true && gates.open && shut === undefined) return goOn(at, run, target, to);
  const since = instant(status.route?.appliedAt ?? status.lastTransitionTime);
  const planned = run.nextCheckAt === undefined ? since + settings.intervalMs : instant(run.nextCheckAt);
  // Further away than an interval it was named by a clock that was wrong, or before the interval was shortened.
  const due = planned > seen.nowMs + settings.intervalMs ? seen.nowMs : planned;
  // Checks go on while a gate is closed, so that it opens on a canary that is good now and not on one that was.
  if (seen.nowMs < due) return run.passed === true ? halted(at, run, gates, earlier({ atMs: due }, shut)) : stay(at, blocked ?? "next check", { atMs: due });
  const ask: Ask = { id: `${run.id}/${run.step}/${run.attempt}`, kind: "check" };
  const answer = seen.answers.get(ask.id);
  if (answer === undefined) return stay(at, "checking", "on-change", run.passed === true ? [ask, ...gates.asks] : [ask]);
  if (answer.verdict !== "pass") return notPassed(at, run, answer, "check", due);
  const passed: Run = { ...run, measurements: answer.measurements.slice(0, MEASUREMENTS_MAX), holdingSince: undefined };
  if (gates.asks.length === 0 && shut === undefined) return goOn(at, passed, target, to);
  return { ...move(at, { run: { ...passed, passed: true, attempt: run.attempt + 1, nextCheckAt: iso(again(at, due)) } }, "check passed, waiting for gates"), asks: gates.asks };
}

function goOn(at: Situation, run: Run, target: TargetSeen, to: Stage | undefined): Move {
  return to === undefined ? promote(at, run, target, "Canary analysis completed") : advanceTo(at, run, target, to);
}

/** What an approval means: whatever a closed gate holds goes on. Undefined where none does. */
export function goOnFrom(at: Situation, run: Run, target: TargetSeen): Move | undefined {
  const from = stageOf(at);
  const to = nextStage(at.settings, from);
  const gates = gated(at, `${run.id}/${run.step}`, gatesBefore(at, from, to));
  const held = (gates.asks.length > 0 || closedWindow(at) !== undefined) && (run.passed === true || (run.step === 0 && run.haltedBy !== undefined));
  return held && target.readiness.ready ? goOn(at, run, target, to) : undefined;
}

function earlier(left: { atMs: number }, right: Wake | undefined): Wake {
  return right === undefined || right === "on-change" ? left : { atMs: Math.min(left.atMs, right.atMs) };
}

/** A gate that said no is announced once; one that has not answered yet is only waited for. */
function halted(at: Situation, run: Run, { asks, closed }: Gated, wake: Wake): Move {
  if (closed === undefined || closed.gate === run.haltedBy) return stay(at, closed === undefined ? "waiting for gates" : `waiting for ${closed.gate}`, wake, asks);
  const name = named(at, at.canary.metadata.name);
  const notice = warning("WaitingForApproval", `Halt ${name} advancement waiting for ${closed.gate === "confirm-promotion" ? "promotion approval" : "traffic increase approval"}: ${closed.message}`);
  const phase = closed.gate === "confirm-promotion" ? { phase: "WaitingPromotion" as const } : {};
  return { ...move(at, { ...phase, run: { ...run, haltedBy: closed.gate } }, `${closed.gate} is closed: ${closed.message}`, notice), asks };
}

export function advanceTo(at: Situation, run: Run, target: TargetSeen, to: Stage): Move {
  const { settings, seen } = at;
  const notice = normal("Advanced", advanceMessage(at, to));
  const reset = { attempt: 0, nextCheckAt: undefined, holdingSince: undefined, deadlineAt: undefined, passed: undefined, haltedBy: undefined };
  const climbed: Run = { ...run, ...reset, step: run.step + 1, weightedAt: run.weightedAt ?? iso(seen.nowMs), ...floorOf(at, run) };
  // Paused together with its first users: an image bumped from here on must not reach them before its own run.
  const kept = judged(at, target, { paused: to.canaryWeight > 0, scale: "Up" });
  const route = { ...routeTo(to.canaryWeight), ...(to.matched ? { matched: true } : {}), ...(to.mirror ? { mirror: true } : {}) };
  // As in Flagger, the column speaks of weighted canaries alone; iterations have their own.
  const shown = { phase: "Progressing" as const, canaryWeight: settings.strategy === "canary" ? to.canaryWeight : 0, iterations: to.iterations };
  return move(at, { ...shown, route, run: climbed, target: kept }, notice.message, notice);
}

/** Users who leave the primary take its load with them, and its autoscaler would have it too small for the day on which they all come back. */
function floorOf({ settings, seen }: Situation, run: Run): Pick<Run, "primaryFloor"> {
  return settings.autoscaled && seen.primary !== undefined ? { primaryFloor: Math.max(run.primaryFloor ?? 0, seen.primary.replicas) } : {};
}

function advanceMessage(at: Situation, to: Stage): string {
  const name = named(at, at.canary.metadata.name);
  if (at.settings.strategy === "canary") return to.mirror ? `Starting traffic mirroring for ${name}` : `Advance ${name} canary weight ${to.canaryWeight}`;
  if (to.iterations > (at.status.iterations ?? 0)) return `Advance ${name} canary iteration ${to.iterations}/${at.settings.iterations}`;
  return at.status.route?.mirror === true ? "Stop traffic mirroring and route all traffic to canary" : "Routing all traffic to canary";
}

function stageOf({ status }: Situation): Stage {
  return { canaryWeight: canaryWeightOf(status), matched: status.route?.matched === true, mirror: status.route?.mirror === true, iterations: status.iterations ?? 0 };
}

/** On the grid of the check that was due, so that a slow answer does not stretch the interval. */
function again({ seen, settings }: Situation, due: number): number {
  const late = Math.max(seen.nowMs - due, 0);
  return seen.nowMs + settings.intervalMs - (late % settings.intervalMs);
}

/** A check that did not pass: a failure counts, anything else holds the weight until `maxHold` is over. */
function notPassed(at: Situation, run: Run, answer: Answer, what: string, due: number): Move {
  const { status, seen, settings } = at;
  const tried: Run = { ...run, attempt: run.attempt + 1, nextCheckAt: iso(again(at, due)), passed: undefined, haltedBy: undefined, measurements: answer.measurements.slice(0, MEASUREMENTS_MAX) };
  if (answer.verdict === "fail") {
    const failedChecks = (status.failedChecks ?? 0) + 1;
    const failed = { ...at, status: { ...status, phase: "Progressing" as const, failedChecks, run: { ...tried, holdingSince: undefined } } };
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
  return move(at, { phase: "Progressing", run: { ...tried, holdingSince: since } }, `holding: ${answer.message}`, ...(run.holdingSince === undefined ? [notice] : []));
}
