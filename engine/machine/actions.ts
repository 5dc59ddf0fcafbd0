// What becomes of an action that a person asked for? Executed once, at once and before anything else is looked at, or refused with a reason; both are recorded.
import { ACTION, parseAction, VERBS, type Action, type Verb } from "../../crds/action.ts";
import type { CanaryStatus, Run } from "../../crds/status.ts";
import { advanceTo, goOnFrom } from "./phases/progressing.ts";
import { waitingRun, startNow } from "./phases/idle.ts";
import { goBack } from "./phases/previous.ts";
import { promote } from "./phases/promoting.ts";
import { rollBack } from "./phases/rollback.ts";
import { unsafe } from "./safety.ts";
import { iso, move, named, normal, warning } from "./moves.ts";
import type { Move, Situation } from "./types.ts";

export const ACTIONS_MAX = 10;

/** A move; or a sentence, which refuses; or undefined: it cannot be done yet and is tried again with the next look. */
type Outcome = Move | string | undefined;

/** @param only the verbs that are looked at now; every other one waits for its turn */
export function acted(at: Situation, only: readonly Verb[] = VERBS): Move | undefined {
  const text = at.canary.metadata.annotations?.[ACTION]?.trim();
  if (text === undefined || text === "") return undefined;
  const action = parseAction(text);
  if (typeof action === "string" ? only !== VERBS : !only.includes(action.verb)) return undefined;
  const request = typeof action === "string" ? text.slice(0, 512) : action.request;
  if (at.status.actions?.[0]?.request === request) return undefined;
  const outcome = typeof action === "string" ? action : execute(at, action);
  if (outcome === undefined) return undefined;
  const asked = typeof action === "string" ? { verb: "unknown" } : { verb: action.verb, run: action.run, by: action.by, reason: action.reason };
  const record = { request, ...asked, at: iso(at.seen.nowMs) };
  if (typeof outcome === "string") {
    const notice = warning("ActionRefused", `${asked.verb} of ${named(at, at.canary.metadata.name)} refused: ${outcome}`);
    return move(at, { actions: listed(at.status, { ...record, result: "Refused", message: outcome }) }, `action refused: ${outcome}`, notice);
  }
  const who = typeof action === "string" || action.by === undefined ? "" : ` by ${action.by}`;
  const why = typeof action === "string" || action.reason === undefined ? "" : `: ${action.reason}`;
  const notice = normal("Action", `${asked.verb} of ${named(at, at.canary.metadata.name)} asked for${who}${why}`);
  return { ...outcome, status: { ...outcome.status, actions: listed(at.status, { ...record, result: "Done" }) }, notices: [notice, ...outcome.notices] };
}

type Recorded = NonNullable<CanaryStatus["actions"]>[number];

function listed({ actions }: CanaryStatus, record: Recorded): Recorded[] {
  return [record, ...(actions ?? [])].slice(0, ACTIONS_MAX);
}

function execute(at: Situation, action: Action): Outcome {
  const { status, seen } = at;
  const waiting = status.phase === "Waiting" && seen.target !== undefined ? waitingRun(status, seen.target) : undefined;
  const current = waiting ?? status.run?.id;
  if (current !== action.run) return current === undefined ? "there is no run" : `run ${action.run} is not the current one, which is ${current}`;
  if (action.verb === "retry") return retry(at);
  if (action.verb === "rollback") return undone(at, action);
  if (waiting !== undefined) return inWaiting(at, action);
  if (status.phase !== "Progressing" && status.phase !== "WaitingPromotion") return `nothing to ${action.verb}: the run is ${status.phase}`;
  return status.run === undefined ? "there is no run" : inRun(at, action, status.run);
}

function inWaiting(at: Situation, { verb }: Action): Outcome {
  const { target } = at.seen;
  if (target === undefined) return "the target does not exist";
  if (verb === "approve") return startNow(at, target);
  if (verb === "abort") {
    const begun = startNow(at, target);
    return rollBack({ ...at, status: begun.status }, "RolledBack", "Aborted", "aborted while it waited for approval");
  }
  return `the run waits for its approval, and can be approved or aborted`;
}

function inRun(at: Situation, action: Action, run: Run): Outcome {
  const target = at.seen.target;
  if (action.verb === "abort") return aborted(at, action);
  if (target === undefined || target.hash !== run.revision) return "the target is not at the revision of this run any more";
  if (action.verb === "pause") return run.paused === true ? "the run is paused already" : move(at, { run: { ...run, paused: true, deadlineAt: undefined } }, "paused");
  // Nobody talks a run on that is about to be rolled back, or whose users cannot be counted.
  const danger = unsafe(at, run, target);
  if (danger !== undefined) return danger.message;
  if (at.seen.stale !== undefined || at.seen.traffic.kind !== "applied") return undefined;
  switch (action.verb) {
    case "resume":
      return run.paused === true ? move(at, { run: { ...run, paused: undefined } }, "resumed") : "the run is not paused";
    case "approve":
      return goOnFrom(at, run, target) ?? "nothing waits for an approval";
    case "promote":
      return target.readiness.ready ? promote(at, run, target, "Promotion asked for") : `the target is not ready: ${target.readiness.why}`;
    case "set-weight":
      return setWeight(at, action, run);
    default:
      return `${action.verb} cannot be done now`;
  }
}

/** Undefined until the primary can take the traffic: an abort is not forgotten. */
function aborted(at: Situation, { by, reason }: Action): Outcome {
  const done = rollBack(at, "RolledBack", "Aborted", `aborted${by === undefined ? "" : ` by ${by}`}${reason === undefined ? "" : `: ${reason}`}`);
  return done.status.phase === "Failed" ? done : undefined;
}

function setWeight(at: Situation, { weight = 0 }: Action, run: Run): Outcome {
  const { settings, seen } = at;
  const top = settings.rungs.at(-1) ?? 0;
  if (settings.strategy !== "canary" || settings.skipAnalysis) return "only a weighted canary has a weight to set";
  if (weight > top) return `${weight} is above the maximum of ${top}`;
  if (seen.target === undefined || !seen.target.readiness.ready) return "the target is not ready";
  if (run.step === 0) return "the run has no weight yet";
  return advanceTo(at, run, seen.target, { canaryWeight: weight, matched: settings.matched, mirror: false, iterations: 0 });
}

/** Back to the revision that was promoted before, at once and without an analysis: it was analysed when its turn was. */
function undone(at: Situation, { by, reason }: Action): Outcome {
  const { status, seen } = at;
  const run = status.run;
  if (status.phase !== "Succeeded" || run?.outcome !== "Promoted") return `only a run that was promoted is undone, and this one is ${status.phase}; abort ends one that is under way`;
  const before = status.previousPromotedSpec;
  if (before === undefined || !seen.stored.has(before)) return "the revision before it is not stored any more";
  return goBack(at, before, "RollbackAction", `asked for${by === undefined ? "" : ` by ${by}`}${reason === undefined ? "" : `: ${reason}`}`);
}

/** The same revision again, from the beginning. */
function retry(at: Situation): Outcome {
  const { status, seen } = at;
  if (status.phase !== "Failed") return `only a failed run is tried again, and this one is ${status.phase}`;
  if (seen.target === undefined) return "the target does not exist";
  if (seen.target.hash !== status.run?.revision) return "the target is not at the revision of this run any more";
  if (status.route !== undefined && status.route.canaryWeight > 0) return "its promotion is blocked: the canary serves all traffic until the primary is ready";
  // Whoever serves in the primary's place serves until it is back.
  if (status.rollbackWindow !== undefined) return undefined;
  // The pods of the first attempt go before those of the second come.
  return status.target?.scale === "Zero" ? startNow(at, seen.target) : undefined;
}
