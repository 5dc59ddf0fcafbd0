// How do others read the status? Flagger's Promoted condition, and kstatus' Ready, Reconciling and Stalled beside it. Pure.
import type { Problem } from "../../crds/problem.ts";
import type { CanaryStatus, Condition, Phase } from "../../crds/status.ts";
import { iso } from "./moves.ts";

const PROMOTED_MESSAGES: Record<Phase, string> = {
  Initializing: "New KIND detected, starting initialization.",
  Initialized: "KIND initialization completed.",
  Waiting: "Waiting for approval.",
  Progressing: "New revision detected, progressing canary analysis.",
  WaitingPromotion: "Waiting for approval.",
  Promoting: "Canary analysis completed, starting primary rolling update.",
  Finalising: "Canary analysis completed, routing all traffic to primary.",
  Succeeded: "Canary analysis completed successfully, promotion finished.",
  Failed: "Canary analysis failed, KIND scaled to zero.",
  Terminating: "Terminating.",
  Terminated: "Terminated.",
};

type Said = Pick<Condition, "type" | "status" | "reason" | "message">;

export interface Context {
  /** Of the target. */
  kind: string;
  nowMs: number;
  generation: number;
  suspended: boolean;
  problem: Problem | undefined;
}

/** The conditions of a status, keeping each instant that has not really changed. */
export function conditionsOf(status: CanaryStatus, context: Context): Condition[] {
  const said = [promoted(status, context.kind), ...kstatus(status, context)];
  const now = iso(Math.floor(context.nowMs / 1000) * 1000);
  return said.map((condition) => {
    const before = status.conditions?.find((known) => known.type === condition.type);
    const same = before?.status === condition.status && before.reason === condition.reason && before.message === condition.message;
    return {
      ...condition,
      observedGeneration: context.generation,
      lastTransitionTime: before?.status === condition.status ? (before.lastTransitionTime ?? now) : now,
      lastUpdateTime: same ? (before.lastUpdateTime ?? now) : now,
    };
  });
}

function promoted(status: CanaryStatus, kind: string): Said {
  const phase = status.phase ?? "Initializing";
  const blocked = phase === "Failed" && status.run?.outcome === "PromotionBlocked" && (status.route?.canaryWeight ?? 0) > 0;
  return {
    type: "Promoted",
    status: phase === "Initialized" || phase === "Succeeded" ? "True" : phase === "Failed" ? "False" : "Unknown",
    reason: phase,
    message: blocked ? "Promotion failed, primary not ready; the canary serves all traffic." : messageOf(phase, kind),
  };
}

function messageOf(phase: Phase, kind: string): string {
  return PROMOTED_MESSAGES[phase].replace("KIND", kind);
}

function kstatus(status: CanaryStatus, { kind, suspended, problem }: Context): Said[] {
  const phase = status.phase ?? "Initializing";
  const atRest = phase === "Initialized" || phase === "Succeeded";
  const stalled = problem ?? failure(status);
  if (stalled !== undefined) {
    const message = stalled.path === "" ? stalled.message : `${stalled.path}: ${stalled.message}`;
    return [
      { type: "Ready", status: "False", reason: stalled.reason, message },
      { type: "Reconciling", status: "False", reason: "Stalled", message: "" },
      { type: "Stalled", status: "True", reason: stalled.reason, message },
    ];
  }
  const message = messageOf(phase, kind);
  const notStalled: Said = { type: "Stalled", status: "False", reason: "NotStalled", message: "" };
  if (suspended) {
    const why = "spec.suspend is true: nothing moves until it is false.";
    return [{ type: "Ready", status: atRest ? "True" : "Unknown", reason: "Suspended", message: why }, { type: "Reconciling", status: "False", reason: "Suspended", message: why }, notStalled];
  }
  return atRest
    ? [{ type: "Ready", status: "True", reason: phase, message }, { type: "Reconciling", status: "False", reason: phase, message: "" }, notStalled]
    : [{ type: "Ready", status: "Unknown", reason: phase, message }, { type: "Reconciling", status: "True", reason: phase, message }, notStalled];
}

/** A run that failed needs a person, which is what Stalled means to GitOps tools; without it they would wait for Ready for ever. */
function failure(status: CanaryStatus): Problem | undefined {
  if (status.phase !== "Failed") return undefined;
  const why = status.run?.reason ?? "unknown";
  return status.run?.outcome === "PromotionBlocked"
    ? { reason: "PromotionBlocked", path: "", message: "The primary did not become ready; the canary serves all traffic. Fix what keeps the primary's pods from starting, or release another revision." }
    : { reason: "RolledBack", path: "", message: `Revision ${status.run?.revision ?? ""} was rolled back (${why}); release another revision or revert.` };
}
