// What next? A pure, total function from a Canary and what was observed to its new status and what is to be asked of the outside.
// It must never read a clock, the cluster or a random source.
import { isMap } from "../../crds/json.ts";
import type { Problem } from "../../crds/problem.ts";
import type { Announcement, CanaryStatus } from "../../crds/status.ts";
import { acted } from "./actions.ts";
import { conditionsOf } from "./conditions.ts";
import { cookiesOf, IMAGES_MAX, iso, move, normal, routeBack, stay, warning } from "./moves.ts";
import { finalising, promoting } from "./phases/promoting.ts";
import { idle, waitingRun } from "./phases/idle.ts";
import { initializing } from "./phases/initializing.ts";
import { progressing } from "./phases/progressing.ts";
import { rollBack } from "./phases/rollback.ts";
import { rebased } from "./revisions.ts";
import { unsafe } from "./safety.ts";
import type { CanaryView, Move, Notice, Observation, Situation, Transition } from "./types.ts";
import type { Settings } from "./settings.ts";

export const OUTBOX_MAX = 12;

export function next(canary: CanaryView, settings: Settings, seen: Observation): Transition {
  const renamed = seen.target === undefined ? undefined : rebased(canary.status, seen.target);
  const at: Situation = { canary, status: renamed ?? canary.status, settings, seen };
  const decided = decide(at);
  return complete(at, decided);
}

function decide(at: Situation): Move {
  const { seen, settings, status } = at;
  if (seen.deleting) {
    return status.phase === "Terminating" ? stay(at, "being deleted") : move(at, { phase: "Terminating", canaryWeight: 0, ...routeBack(status) }, "being deleted", normal("Terminating", "Terminating canary"));
  }
  // Somebody who stops a run is heard whatever else holds it; whoever wants it to go on waits until it may.
  const stopped = acted(at, ["abort", "pause"]);
  if (stopped !== undefined) return stopped;
  const problem = seen.problems[0];
  if (problem !== undefined) return held(at, problem);
  if (settings.suspended) return suspended(at);
  const action = acted(at);
  if (action !== undefined) return action;
  // A status without our memory is another engine's: what serves is adopted.
  if (status.primary === undefined) return initializing(at);
  switch (status.phase) {
    case undefined:
    case "Initializing":
    // A Canary made anew while the old one was being given back starts like any other.
    case "Terminating":
    case "Terminated":
      return initializing(at);
    case "Initialized":
    case "Succeeded":
    case "Failed":
    case "Waiting":
      return idle(at);
    case "Progressing":
    case "WaitingPromotion":
      return progressing(at);
    case "Promoting":
      return promoting(at);
    case "Finalising":
      return finalising(at);
  }
}

/** Something is wrong that only a person can mend: nothing goes on, but a canary that hurts its users still comes back. */
function held(at: Situation, problem: Problem): Move {
  const { status, seen } = at;
  const run = status.run;
  const target = seen.target;
  if ((status.phase === "Progressing" || status.phase === "WaitingPromotion") && run !== undefined && (target === undefined || target.hash === run.revision)) {
    const reason = target === undefined ? { reason: "TargetMissing", message: "the target was deleted during the run" } : unsafe(at, run, target);
    if (reason !== undefined) return { ...rollBack(at, "RolledBack", reason.reason, reason.message), problem };
  }
  return { ...stay(at, problem.message), problem };
}

/** Frozen, as in Flagger: weights stay and checks stop. The deadline is taken off, or it would strike at the moment of resuming. */
function suspended(at: Situation): Move {
  const run = at.status.run;
  if (run?.deadlineAt !== undefined) return move(at, { run: { ...run, deadlineAt: undefined } }, "suspended", normal("Suspended", "Canary is suspended"));
  return stay(at, "suspended");
}

/** Fills in what every status carries. The very same status comes back when nothing is to be written. */
function complete(at: Situation, decided: Move): Transition {
  const { canary, seen, settings } = at;
  const before = canary.status;
  const generation = canary.metadata.generation ?? 0;
  const problem = decided.problem ?? seen.trouble;
  const status = { ...decided.status };
  // The fields that users of Flagger know are always there.
  status.phase ??= "Initializing";
  status.canaryWeight ??= 0;
  status.failedChecks ??= 0;
  status.iterations ??= 0;
  status.trackedConfigs ??= {};
  if (seen.target?.configs !== undefined && status.target?.configs === seen.target.configs.digest) status.trackedConfigs = { ...seen.target.configs.checksums };
  status.waiting = status.phase === "Waiting" && seen.target !== undefined ? { run: waitingRun(status, seen.target), revision: seen.target.hash, images: seen.target.images.slice(0, IMAGES_MAX) } : undefined;
  const cookies = cookiesOf(status, canary.spec);
  if (cookies !== undefined) Object.assign(status, { sessionAffinityCookie: cookies.canary, primarySessionAffinityCookie: cookies.primary, previousSessionAffinityCookie: cookies.expired });
  const context = { kind: settings.kind, nowMs: seen.nowMs, generation, suspended: settings.suspended, problem };
  status.conditions = conditionsOf(status, context);
  status.observedGeneration = generation;
  const shown = status.phase !== before.phase || status.canaryWeight !== before.canaryWeight || status.failedChecks !== before.failedChecks;
  if (shown || status.lastTransitionTime === undefined) status.lastTransitionTime = iso(Math.floor(seen.nowMs / 1000) * 1000);
  const notices = [...decided.notices, ...stalledNotice(before, problem)];
  if (notices.length === 0 && same(before, status) && !acknowledged(before, seen)) return { status: before, asks: decided.asks, wake: decided.wake, why: decided.why };
  return { status: announced(status, notices, seen), asks: decided.asks, wake: decided.wake, why: decided.why };
}

/** Once all that was said at the end of a run has arrived, it is written down, so that no restart says it again. */
function acknowledged({ phase, outbox = [] }: CanaryStatus, { sentUpTo }: Observation): boolean {
  const resting = phase === "Initialized" || phase === "Succeeded" || phase === "Failed" || phase === "Waiting";
  const last = outbox.at(-1);
  return resting && last !== undefined && last.id <= sentUpTo;
}

function stalledNotice(before: CanaryStatus, problem: Problem | undefined): Notice[] {
  if (problem === undefined) return [];
  const known = before.conditions?.find((condition) => condition.type === "Stalled");
  return known?.status === "True" && known.reason === problem.reason ? [] : [warning(problem.reason, `${problem.path}: ${problem.message}`)];
}

function announced(status: CanaryStatus, notices: readonly Notice[], seen: Observation): CanaryStatus {
  const counters = { runs: status.counters?.runs ?? 0, announcements: status.counters?.announcements ?? 0 };
  const outbox: Announcement[] = (status.outbox ?? []).filter((announcement) => announcement.id > seen.sentUpTo);
  for (const notice of notices) {
    counters.announcements += 1;
    outbox.push({ id: counters.announcements, at: iso(seen.nowMs), ...notice, message: notice.message.slice(0, 400) });
  }
  return { ...status, counters, outbox: outbox.slice(-OUTBOX_MAX) };
}

/** Equal as JSON: a key that is undefined is a key that is absent. Compared and not written out, because every pass asks. */
function same(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (Array.isArray(left) && Array.isArray(right)) return left.length === right.length && left.every((element, index) => same(element, right[index]));
  // What is no map is written alike or not: NaN, for one, is null.
  if (!isMap(left) || !isMap(right)) return JSON.stringify(left) === JSON.stringify(right);
  return Object.keys(left).every((key) => same(left[key], right[key])) && Object.keys(right).every((key) => right[key] === undefined || left[key] !== undefined);
}
