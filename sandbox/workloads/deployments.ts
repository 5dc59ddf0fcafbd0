// Which ReplicaSets does a Deployment have, and how large? The controller around the arithmetic of rollout.ts: level
// based, one small step per pass. It must never touch a ReplicaSet that the Deployment does not control.
import type { Clock, SandboxStore } from "../api/types.ts";
import { deadlineAt, deploymentStatus, isComplete } from "./deploymentstatus.ts";
import type { NewSetEvent } from "./deploymentstatus.ts";
import { contentHash } from "./naming.ts";
import {
  controlledBy, controllerOf, deployments, getAs, hashLabel, isTerminating, listAs, ownerReference, pods, replicaSets, revisionAnnotation, splitKey,
} from "./objects.ts";
import type { Deployment, DeploymentStatus, ReplicaSet } from "./objects.ts";
import { boundsOf, isScalingEvent, recreateStep, rollingStep, scaleStep, sizeOfNew } from "./rollout.ts";
import type { Resize, SizedSet } from "./rollout.ts";
import { updated } from "./write.ts";

const desiredAnnotation = "deployment.kubernetes.io/desired-replicas";
const ceilingAnnotation = "deployment.kubernetes.io/max-replicas";
const defaultHistory = 10;

export interface DeploymentPorts {
  store: SandboxStore;
  clock: Clock;
  /** Asks for another pass at a later instant. */
  again(key: string, delayMs: number): void;
}

export function syncDeployment(key: string, { store, clock, again }: DeploymentPorts): void {
  const [namespace, name] = splitKey(key);
  const deployment = getAs<Deployment>(store, deployments, namespace, name);
  if (deployment === undefined || isTerminating(deployment)) return;
  const owned = listAs<ReplicaSet>(store, replicaSets, namespace).filter((set) => controlledBy(set, deployment) && !isTerminating(set));
  const hash = contentHash(deployment.spec.template);
  const olds = owned.filter((set) => set.metadata.labels?.[hashLabel] !== hash);
  const found = owned.find((set) => set.metadata.labels?.[hashLabel] === hash);
  const fresh = freshSet(store, deployment, found, olds, hash);
  const revised = recordRevision(store, deployment, fresh);
  resize(store, revised, owned, step(store, revised, fresh, olds));

  const event: NewSetEvent = fresh === undefined ? "none" : found === undefined ? "created" : "found";
  // Sizes as they were before this pass: what it changed comes back as events, and with them the next pass.
  const status = deploymentStatus(revised, fresh, olds, event, clock.now());
  updated(store, deployments, revised, { ...revised, status }, "status");
  const due = deadlineAt(revised, status.conditions);
  if (due !== undefined) again(key, Math.max(0, due - clock.now()) + 1000);
  forgetHistory(store, revised, olds, status);
}

/** The ReplicaSet of the current template, created if need be; undefined while the Deployment is paused or Recreate waits. */
function freshSet(
  store: SandboxStore, deployment: Deployment, found: ReplicaSet | undefined, olds: readonly ReplicaSet[], hash: string,
): ReplicaSet | undefined {
  const { spec, metadata } = deployment;
  if (found !== undefined) {
    const revision = String(highestRevision(olds) + 1);
    if (spec.paused === true || Number(found.metadata.annotations?.[revisionAnnotation] ?? 0) >= Number(revision)) return found;
    return annotate(store, found, { [revisionAnnotation]: revision });
  }
  if (spec.paused === true) return undefined;
  const desired = spec.replicas ?? 1;
  const recreate = spec.strategy?.type === "Recreate";
  if (recreate && (olds.some((old) => (old.spec.replicas ?? 1) > 0) || podsLeft(store, olds))) return undefined;
  const total = olds.reduce((sum, old) => sum + (old.spec.replicas ?? 1), 0);
  const labels = { ...spec.template.metadata?.labels, [hashLabel]: hash };
  const set: ReplicaSet = {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: {
      name: `${metadata.name}-${hash}`,
      namespace: metadata.namespace,
      labels,
      annotations: { [revisionAnnotation]: String(highestRevision(olds) + 1), ...sizeAnnotations(deployment) },
      ownerReferences: [ownerReference(deployment)],
    },
    spec: {
      replicas: recreate ? desired : sizeOfNew(desired, boundsOf(deployment), 0, total),
      ...(spec.minReadySeconds === undefined ? {} : { minReadySeconds: spec.minReadySeconds }),
      selector: { ...spec.selector, matchLabels: { ...spec.selector.matchLabels, [hashLabel]: hash } },
      template: { ...spec.template, metadata: { ...spec.template.metadata, labels } },
    },
  };
  return store.create(replicaSets, set) as ReplicaSet;
}

function step(store: SandboxStore, deployment: Deployment, fresh: ReplicaSet | undefined, olds: readonly ReplicaSet[]): Resize {
  const { spec } = deployment;
  const desired = spec.replicas ?? 1;
  const sizedFresh = fresh === undefined ? undefined : sized(fresh);
  const sizedOlds = olds.map(sized);
  const all = sizedFresh === undefined ? sizedOlds : [sizedFresh, ...sizedOlds];
  if (spec.paused === true || isScalingEvent(desired, all)) return scaleStep(desired, boundsOf(deployment), sizedFresh, sizedOlds);
  if (spec.strategy?.type === "Recreate") return recreateStep(desired, sizedFresh, sizedOlds, podsLeft(store, olds));
  return sizedFresh === undefined ? new Map() : rollingStep(desired, boundsOf(deployment), sizedFresh, sizedOlds);
}

function resize(store: SandboxStore, deployment: Deployment, sets: readonly ReplicaSet[], sizes: Resize): void {
  const marks = sizeAnnotations(deployment);
  for (const { metadata } of sets) {
    const set = getAs<ReplicaSet>(store, replicaSets, metadata.namespace ?? "", metadata.name);
    const replicas = sizes.get(metadata.name) ?? set?.spec.replicas;
    if (set === undefined || replicas === undefined) continue;
    const marked = replicas === 0 || set.metadata.annotations?.[desiredAnnotation] === marks[desiredAnnotation];
    if (replicas === set.spec.replicas && marked) continue;
    const annotations = { ...set.metadata.annotations, ...marks };
    store.update(replicaSets, { ...set, metadata: { ...set.metadata, annotations }, spec: { ...set.spec, replicas } });
  }
}

function recordRevision(store: SandboxStore, deployment: Deployment, fresh: ReplicaSet | undefined): Deployment {
  const revision = fresh?.metadata.annotations?.[revisionAnnotation];
  if (revision === undefined || deployment.metadata.annotations?.[revisionAnnotation] === revision) return deployment;
  const annotations = { ...deployment.metadata.annotations, [revisionAnnotation]: revision };
  return store.update(deployments, { ...deployment, metadata: { ...deployment.metadata, annotations } }) as Deployment;
}

function forgetHistory(store: SandboxStore, deployment: Deployment, olds: readonly ReplicaSet[], status: DeploymentStatus): void {
  if (!isComplete(deployment, { replicas: 0, updatedReplicas: 0, availableReplicas: 0, ...status })) return;
  const empty = olds.filter(({ spec, status: counts }) => spec.replicas === 0 && (counts?.replicas ?? 0) === 0);
  const excess = empty.length - (deployment.spec.revisionHistoryLimit ?? defaultHistory);
  if (excess <= 0) return;
  for (const { metadata } of empty.sort((a, b) => revisionOf(a) - revisionOf(b)).slice(0, excess)) {
    store.delete(replicaSets, metadata.namespace, metadata.name);
  }
}

function podsLeft(store: SandboxStore, sets: readonly ReplicaSet[]): boolean {
  const uids = new Set(sets.map((set) => set.metadata.uid));
  const namespace = sets[0]?.metadata.namespace;
  return sets.length > 0 && store.list(pods, namespace).some((pod) => uids.has(controllerOf(pod)?.uid));
}

function sizeAnnotations(deployment: Deployment): Record<string, string> {
  const desired = deployment.spec.replicas ?? 1;
  return { [desiredAnnotation]: String(desired), [ceilingAnnotation]: String(desired + boundsOf(deployment).surge) };
}

function annotate(store: SandboxStore, set: ReplicaSet, extra: Record<string, string>): ReplicaSet {
  const annotations = { ...set.metadata.annotations, ...extra };
  return store.update(replicaSets, { ...set, metadata: { ...set.metadata, annotations } }) as ReplicaSet;
}

function sized(set: ReplicaSet): SizedSet {
  const { annotations, creationTimestamp, name } = set.metadata;
  const number = (mark: string) => (annotations?.[mark] === undefined ? undefined : Number(annotations[mark]));
  return {
    name,
    replicas: set.spec.replicas ?? 1,
    available: set.status?.availableReplicas ?? 0,
    createdAt: Date.parse(creationTimestamp ?? "") || 0,
    desired: number(desiredAnnotation),
    ceiling: number(ceilingAnnotation),
  };
}

const revisionOf = (set: ReplicaSet): number => Number(set.metadata.annotations?.[revisionAnnotation] ?? 0);

const highestRevision = (sets: readonly ReplicaSet[]): number => Math.max(0, ...sets.map(revisionOf));
