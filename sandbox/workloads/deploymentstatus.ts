// What does a Deployment's status say? Counts and conditions from its ReplicaSets, with the reasons that clients of
// Kubernetes wait for. Pure; it must never report progress that did not happen, since the progress deadline counts on it.
import { boundsOf } from "./rollout.ts";
import { condition, timestamp } from "./objects.ts";
import type { Condition, Deployment, DeploymentStatus, ReplicaSet } from "./objects.ts";

/** What the pass that asks did to the new ReplicaSet. */
export type NewSetEvent = "created" | "found" | "none";

const defaultProgressDeadlineSeconds = 600;
/** The value with which Kubernetes spells "no deadline". */
const noDeadline = 2147483647;

export function progressDeadlineSeconds({ spec }: Deployment): number | undefined {
  const seconds = spec.progressDeadlineSeconds ?? defaultProgressDeadlineSeconds;
  return seconds === noDeadline ? undefined : seconds;
}

export function deploymentStatus(
  deployment: Deployment, fresh: ReplicaSet | undefined, olds: readonly ReplicaSet[], event: NewSetEvent, now: number,
): DeploymentStatus {
  const all = fresh === undefined ? olds : [fresh, ...olds];
  const available = total(all, (set) => set.status?.availableReplicas);
  const wanted = total(all, (set) => set.spec.replicas ?? 1);
  const counts: DeploymentStatus = {
    observedGeneration: deployment.metadata.generation ?? 0,
    replicas: total(all, (set) => set.status?.replicas),
    updatedReplicas: fresh?.status?.replicas ?? 0,
    readyReplicas: total(all, (set) => set.status?.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, wanted - available),
  };
  let conditions = withCondition(deployment.status?.conditions ?? [], availability(deployment, available), now);
  const progressing = progress(deployment, counts, fresh, event, now);
  if (progressing !== undefined) conditions = withCondition(conditions, progressing, now, progressing.reason === "ReplicaSetUpdated");
  // Kubernetes leaves zeros out.
  return { ...Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0)), conditions };
}

function availability(deployment: Deployment, available: number): Condition {
  const floor = (deployment.spec.replicas ?? 1) - boundsOf(deployment).unavailable;
  return available >= floor
    ? { type: "Available", status: "True", reason: "MinimumReplicasAvailable", message: "Deployment has minimum availability." }
    : { type: "Available", status: "False", reason: "MinimumReplicasUnavailable", message: "Deployment does not have minimum availability." };
}

/** Undefined where the condition stays as it is. */
function progress(
  deployment: Deployment, counts: DeploymentStatus, fresh: ReplicaSet | undefined, event: NewSetEvent, now: number,
): Condition | undefined {
  const deadline = progressDeadlineSeconds(deployment);
  if (deadline === undefined) return undefined;
  const current = condition(deployment.status?.conditions, "Progressing");
  const name = fresh === undefined ? `Deployment "${deployment.metadata.name}"` : `ReplicaSet "${fresh.metadata.name}"`;
  const says = (status: Condition["status"], reason: string, message: string): Condition => ({ type: "Progressing", status, reason, message });
  const timedOut = current?.reason === "ProgressDeadlineExceeded";
  if (deployment.spec.paused === true) {
    return timedOut || current?.reason === "DeploymentPaused" ? undefined : says("Unknown", "DeploymentPaused", "Deployment is paused");
  }
  if (current?.reason === "DeploymentPaused") return says("Unknown", "DeploymentResumed", "Deployment is resumed");
  if (event === "created") return says("True", "NewReplicaSetCreated", `Created new ${name}`);
  if (current === undefined && event === "found") return says("True", "FoundNewReplicaSet", `Found new ${name}`);
  const settled = counts.replicas === counts.updatedReplicas && current?.reason === "NewReplicaSetAvailable";
  if (settled) return undefined;
  if (isComplete(deployment, counts)) return says("True", "NewReplicaSetAvailable", `${name} has successfully progressed.`);
  if (hasProgressed(deployment.status ?? {}, counts)) return says("True", "ReplicaSetUpdated", `${name} is progressing.`);
  if (timedOut || current === undefined || current.reason === "NewReplicaSetAvailable") return undefined;
  const since = Date.parse(current.lastUpdateTime ?? "");
  return now >= since + deadline * 1000 ? says("False", "ProgressDeadlineExceeded", `${name} has timed out progressing.`) : undefined;
}

/** When the progress deadline falls due; undefined where none is running. */
export function deadlineAt(deployment: Deployment, conditions: readonly Condition[] | undefined): number | undefined {
  const deadline = progressDeadlineSeconds(deployment);
  const current = condition(conditions, "Progressing");
  const idle = ["NewReplicaSetAvailable", "ProgressDeadlineExceeded", "DeploymentPaused"].includes(current?.reason ?? "");
  if (deadline === undefined || current === undefined || idle) return undefined;
  return Date.parse(current.lastUpdateTime ?? "") + deadline * 1000;
}

export function isComplete(deployment: Deployment, counts: DeploymentStatus): boolean {
  const desired = deployment.spec.replicas ?? 1;
  return counts.updatedReplicas === desired && counts.replicas === desired && counts.availableReplicas === desired;
}

function hasProgressed(before: DeploymentStatus, after: DeploymentStatus): boolean {
  const old = ({ replicas = 0, updatedReplicas = 0 }: DeploymentStatus) => replicas - updatedReplicas;
  return (after.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0)
    || old(after) < old(before)
    || (after.readyReplicas ?? 0) > (before.readyReplicas ?? 0)
    || (after.availableReplicas ?? 0) > (before.availableReplicas ?? 0);
}

/** `refresh` moves lastUpdateTime although nothing else changed: that is how progress restarts the deadline. */
function withCondition(conditions: readonly Condition[], next: Condition, now: number, refresh = false): Condition[] {
  const current = condition(conditions, next.type);
  if (!refresh && current?.status === next.status && current.reason === next.reason) return [...conditions];
  const at = timestamp(now);
  const lastTransitionTime = current?.status === next.status ? current.lastTransitionTime ?? at : at;
  const entry = { ...next, lastTransitionTime, lastUpdateTime: at };
  return current === undefined ? [...conditions, entry] : conditions.map((each) => (each.type === next.type ? entry : each));
}

function total(sets: readonly ReplicaSet[], count: (set: ReplicaSet) => number | undefined): number {
  return sets.reduce((sum, set) => sum + (count(set) ?? 0), 0);
}
