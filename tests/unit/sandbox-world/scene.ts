// A simulated world for the tests: the sandbox's store, a virtual clock, seeded chance, and the few objects most tests need.
import { ApiStore } from "../../../sandbox/api/store.ts";
import type { KubeObject } from "../../../sandbox/api/types.ts";
import { virtualClock } from "../../../sandbox/clock.ts";
import { simulateWorld } from "../../../sandbox/world.ts";
import { ApiError } from "../../../sandbox/api/errors.ts";
import { deployments, listAs, pods, replicaSets } from "../../../sandbox/workloads/objects.ts";
import type { Deployment, Pod, ReplicaSet } from "../../../sandbox/workloads/objects.ts";

export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const namespace = "test";

export function scene(seed = 1) {
  const clock = virtualClock();
  const random = seededRandom(seed);
  const store = new ApiStore({ clock, random });
  store.create("namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  /** Whatever a pass threw beside the refusals that are part of life. */
  const faults: unknown[] = [];
  const world = simulateWorld({ store, clock, random, onFault: (_key, fault) => void (fault instanceof ApiError && fault.status === 409 ? 0 : faults.push(fault)) });
  return {
    clock, store, world, faults,
    deployment: (name = "app") => store.get(deployments, namespace, name) as Deployment,
    pods: () => listAs<Pod>(store, pods, namespace),
    replicaSets: () => listAs<ReplicaSet>(store, replicaSets, namespace),
    edit(resource: string, name: string, change: (object: KubeObject) => KubeObject) {
      const object = store.get(resource, namespace, name);
      if (object === undefined) throw new Error(`no ${resource} ${name}`);
      return store.update(resource, change(structuredClone(object)));
    },
    editDeployment(change: (spec: Deployment["spec"]) => void, name = "app") {
      const object = structuredClone(store.get(deployments, namespace, name)) as Deployment;
      change(object.spec);
      return store.update(deployments, object);
    },
  };
}

export function deploymentOf(image: string, spec: Partial<Deployment["spec"]> = {}, name = "app", env: Record<string, string> = {}): Deployment {
  const container = { name: "app", image, env: Object.entries(env).map(([key, value]) => ({ name: key, value })), ports: [{ name: "http", containerPort: 8080 }] };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [container] } },
      ...spec,
    },
  };
}

export function serviceOf(name: string, app = name): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace },
    spec: { selector: { app }, ports: [{ name: "http", port: 80, targetPort: "http" }] },
  };
}

export function virtualServiceOf(name: string, spec: object): KubeObject {
  return { apiVersion: "networking.istio.io/v1", kind: "VirtualService", metadata: { name, namespace }, spec };
}
