// The way back: weight 0 first, and pods only when that was seen and drained. Needs nothing but a primary with available pods.
import type { RunOutcome } from "../../../crds/status.ts";
import { canaryWeightOf, endRun, move, named, routeBack, stay, warning } from "../moves.ts";
import type { Move, Situation } from "../types.ts";

/**
 * @param reason CamelCase, for `status.run.reason` and the event
 * @param message in words, for people
 */
export function rollBack(at: Situation, outcome: RunOutcome, reason: string, message: string): Move {
  const { status, seen, settings } = at;
  const weight = canaryWeightOf(status);
  if (weight > 0 && (seen.primary?.availableReplicas ?? 0) === 0 && (seen.target?.availableReplicas ?? 0) > 0) {
    const problem = {
      reason: "PrimaryUnavailable" as const,
      path: "spec.targetRef.name",
      message: `a rollback is due (${message}), but ${named(at, settings.primary)} has no available pod; the weight stays until it has one`,
    };
    return { ...stay(at, problem.message), problem };
  }
  const name = named(at, at.canary.metadata.name);
  return move(
    at,
    { phase: "Failed", canaryWeight: 0, iterations: 0, ...routeBack(status), ...endRun(at, outcome, reason) },
    `rolling back: ${message}`,
    warning("RollingBack", `Rolling back ${name}: ${message}`),
    warning(outcome === "Inconclusive" ? "Inconclusive" : "Failed", `Canary failed! Scaling down ${name}`),
  );
}
