// Who works on which change? Wires the controllers of the sandbox to its store: a change wakes the keys it concerns.
// It must never act within a change: each key waits for its queue.
import type { Clock, KubeObject, Random } from "../api/types.ts";
import { syncDeployment } from "./deployments.ts";
import { serviceNameLabel, syncEndpointSlice } from "./endpointslices.ts";
import { Kubelet } from "./kubelet.ts";
import { controllerOf, deployments, endpointSlices, keyOf, pods, replicaSets, services, splitKey } from "./objects.ts";
import type { PodStore } from "./objects.ts";
import { keyQueue } from "./queue.ts";
import type { PodRuntime } from "./runtime.ts";
import { syncReplicaSet } from "./replicasets.ts";

export interface WorkloadPorts {
  store: PodStore;
  clock: Clock;
  random: Random;
  runtime: PodRuntime;
  /** A pass that threw; it is tried again. Refused writes are ordinary, anything else is worth showing. */
  onFault?(key: string, fault: unknown): void;
}

export interface Workloads {
  stop(): void;
}

export function startWorkloads({ store, clock, random, runtime, onFault = () => undefined }: WorkloadPorts): Workloads {
  const byDeployment = keyQueue(clock, (key) => syncDeployment(key, { store, clock, again: byDeploymentLater }), onFault);
  const byReplicaSet = keyQueue(clock, (key) => syncReplicaSet(key, { store, clock, random, again: byReplicaSetLater }), onFault);
  const byService = keyQueue(clock, (key) => syncEndpointSlice(key, store), onFault);
  function byDeploymentLater(key: string, delayMs: number) {
    byDeployment.addAfter(key, delayMs);
  }
  function byReplicaSetLater(key: string, delayMs: number) {
    byReplicaSet.addAfter(key, delayMs);
  }
  const ownerKey = (object: KubeObject, kind: string) => {
    const owner = controllerOf(object);
    return owner?.kind === kind ? `${object.metadata.namespace ?? ""}/${owner.name}` : undefined;
  };
  const wake = (resource: string, object: KubeObject) => {
    switch (resource) {
      case deployments:
        return byDeployment.add(keyOf(object));
      case replicaSets: {
        const deployment = ownerKey(object, "Deployment");
        if (deployment !== undefined) byDeployment.add(deployment);
        return byReplicaSet.add(keyOf(object));
      }
      case pods: {
        const set = ownerKey(object, "ReplicaSet");
        if (set !== undefined) byReplicaSet.add(set);
        // A Recreate rollout waits for pods that no ReplicaSet's status counts any more.
        const owner = set === undefined ? undefined : store.get(replicaSets, ...splitKey(set));
        const deployment = owner === undefined ? undefined : ownerKey(owner, "Deployment");
        if (deployment !== undefined) byDeployment.add(deployment);
        return wakeServices(object);
      }
      case services:
        return byService.add(keyOf(object));
      case endpointSlices: {
        const service = object.metadata.labels?.[serviceNameLabel];
        if (service !== undefined) byService.add(`${object.metadata.namespace ?? ""}/${service}`);
      }
    }
  };
  // All of the namespace's: a pod whose labels changed must leave the Services that it matched before.
  const wakeServices = ({ metadata }: KubeObject) => {
    for (const service of store.list(services, metadata.namespace)) byService.add(keyOf(service));
  };
  const unsubscribe = store.subscribe(({ resource, object }) => wake(resource, object));
  for (const resource of [deployments, replicaSets, pods, services]) {
    for (const object of store.list(resource)) wake(resource, object);
  }
  const kubelet = new Kubelet({ store, clock, runtime, onFault });
  return {
    stop() {
      unsubscribe();
      kubelet.stop();
      for (const queue of [byDeployment, byReplicaSet, byService]) queue.stop();
    },
  };
}
