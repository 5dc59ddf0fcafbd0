// When must a run end at once, whatever its checks say? Crash loops, ready pods lost under weight, deadlines. Knows nothing of metrics.
import type { Run } from "../../crds/status.ts";
import { canaryWeightOf, instant, named } from "./moves.ts";
import type { Situation, TargetSeen } from "./types.ts";

/** Restarts of one new pod that make a crash loop: at Kubernetes' back-off the third comes within a minute, long before any deadline. */
export const CRASH_LOOP_RESTARTS = 3;

export function unsafe(at: Situation, run: Run, target: TargetSeen): { reason: string; message: string } | undefined {
  const { status, seen, settings } = at;
  const name = named(at, settings.target);
  const failedChecks = status.failedChecks ?? 0;
  // Only where a rollback was due and could not be done yet.
  if (failedChecks >= settings.threshold) return { reason: "ChecksFailed", message: `failed checks threshold reached ${failedChecks}` };
  // Before the old pods have drained, restarts and readiness still speak of the revision before this one.
  const rolling = canaryWeightOf(status) > 0 || status.target?.paused !== true;
  if (rolling && target.restarts >= CRASH_LOOP_RESTARTS) {
    return { reason: "CrashLoop", message: `a pod of ${name} restarted ${target.restarts} times` };
  }
  if (canaryWeightOf(status) > 0 && target.availableReplicas === 0) {
    return { reason: "CanaryUnavailable", message: `${name} has no available pod left at weight ${canaryWeightOf(status)}` };
  }
  if (target.readiness.ready) return undefined;
  if (rolling && target.readiness.deadlineExceeded) {
    return { reason: "ProgressDeadlineExceeded", message: `${name} exceeded its own progress deadline: ${target.readiness.why}` };
  }
  if (seen.nowMs >= instant(run.deadlineAt)) {
    return { reason: "ProgressDeadlineExceeded", message: `${name} was not ready within ${settings.deadlineMs / 1000}s: ${target.readiness.why}` };
  }
  return undefined;
}
