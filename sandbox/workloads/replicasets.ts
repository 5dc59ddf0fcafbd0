// Which pods does a ReplicaSet have? As many as it asks for, and its status says how many are ready and available.
// It must never count a pod that is on its way out, nor remove a ready one while an unready one could go.
import type { Clock, Random } from "../api/types.ts";
import { randomSuffix } from "./naming.ts";
import { availableAt, condition, controlledBy, getAs, isPodReady, isTerminating, labelsMatch, listAs, ownerReference, pods, replicaSets, splitKey } from "./objects.ts";
import type { Pod, PodStore, ReplicaSet } from "./objects.ts";
import { updated } from "./write.ts";

export interface ReplicaSetPorts {
  store: PodStore;
  clock: Clock;
  random: Random;
  again(key: string, delayMs: number): void;
}

export function syncReplicaSet(key: string, ports: ReplicaSetPorts): void {
  const { store, clock } = ports;
  const [namespace, name] = splitKey(key);
  const set = getAs<ReplicaSet>(store, replicaSets, namespace, name);
  if (set === undefined || isTerminating(set)) return;
  const owned = listAs<Pod>(store, pods, namespace).filter((pod) => controlledBy(pod, set) && isActive(pod));
  const missing = (set.spec.replicas ?? 1) - owned.length;
  for (let count = 0; count < missing; count += 1) store.create(pods, podOf(set, ports.random));
  if (missing < 0) {
    for (const pod of [...owned].sort(goesBefore).slice(0, -missing)) {
      store.remove(pods, namespace, pod.metadata.name, { gracePeriodSeconds: pod.spec.terminationGracePeriodSeconds ?? 30 });
    }
  }
  const current = listAs<Pod>(store, pods, namespace).filter((pod) => controlledBy(pod, set) && isActive(pod));
  const status = statusOf(set, current, clock.now());
  updated(store, replicaSets, set, { ...set, status }, "status");
  const minReadySeconds = set.spec.minReadySeconds ?? 0;
  for (const pod of current) {
    const waitMs = (availableAt(pod, minReadySeconds) ?? 0) - clock.now();
    if (waitMs > 0) ports.again(key, waitMs);
  }
}

function statusOf(set: ReplicaSet, current: readonly Pod[], now: number): NonNullable<ReplicaSet["status"]> {
  const minReadySeconds = set.spec.minReadySeconds ?? 0;
  const ready = current.filter(isPodReady).length;
  const available = current.filter((pod) => (availableAt(pod, minReadySeconds) ?? Infinity) <= now).length;
  const labels = set.spec.template.metadata?.labels ?? {};
  const labelled = current.filter((pod) => labelsMatch(labels, pod.metadata.labels)).length;
  return {
    replicas: current.length,
    ...(labelled === 0 ? {} : { fullyLabeledReplicas: labelled }),
    ...(ready === 0 ? {} : { readyReplicas: ready }),
    ...(available === 0 ? {} : { availableReplicas: available }),
    observedGeneration: set.metadata.generation ?? 0,
  };
}

function podOf(set: ReplicaSet, random: Random): Pod {
  const { metadata, spec } = set.spec.template;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: `${set.metadata.name}-${randomSuffix(random)}`,
      namespace: set.metadata.namespace,
      ...(metadata?.labels === undefined ? {} : { labels: metadata.labels }),
      ...(metadata?.annotations === undefined ? {} : { annotations: metadata.annotations }),
      ownerReferences: [ownerReference(set)],
    },
    // There is one node and no scheduler: a pod is bound as it is made.
    spec: { ...spec, nodeName: "sandbox" },
  };
}

function isActive(pod: Pod): boolean {
  return !isTerminating(pod) && pod.status?.phase !== "Succeeded" && pod.status?.phase !== "Failed";
}

/** Unready before ready, then those ready for the shortest time, then the youngest. */
function goesBefore(a: Pod, b: Pod): number {
  const since = (pod: Pod) => Date.parse(condition(pod.status?.conditions, "Ready")?.lastTransitionTime ?? "") || 0;
  const born = (pod: Pod) => Date.parse(pod.metadata.creationTimestamp ?? "") || 0;
  return Number(isPodReady(a)) - Number(isPodReady(b)) || since(b) - since(a) || born(b) - born(a);
}
