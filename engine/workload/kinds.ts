// What kinds of workload are rolled out, and how is each read, scaled and held? One codec a kind; nothing outside asks which kind it has.
import { PAUSED } from "../../crds/marks.ts";
import { map, number, type Json } from "../../crds/json.ts";
import type { Kind, KubeObject, Resource } from "../ports.ts";
import { daemonReplicas, readDaemonSet, scaleDaemonSet } from "./daemonset.ts";
import { KNATIVE_SERVICES, pinnedRevision, readKnative } from "./knative.ts";
import { readServiceTarget } from "./servicetarget.ts";
import { readDeployment, type WorkloadSeen } from "./deployment.ts";

export interface Workload {
  resource: Resource;
  /**
   * What serves the promoted revision: a workload with pods of its own, to which Services lead; a copy of the target; or a revision that the platform keeps,
   * so that nothing is made, nothing scaled, and the target itself is the route.
   */
  primary: "pods" | "copy" | "revision";
  /** It is watched with its router, from the first Canary on that asks for it. */
  rare?: boolean;
  /** The name of the revision to which traffic is pinned, where the platform keeps revisions. */
  pinned?(object: KubeObject): string | undefined;
  read(object: KubeObject, readyPercent: number): Omit<WorkloadSeen, "hash" | "images">;
  /** What it is told to run; 0 is at rest. */
  replicas(object: KubeObject): number;
  /**
   * Undefined for what is to stay as it is. Touches no other field: the target belongs to its users and their GitOps tool.
   * A paused Deployment that is scaled up from zero grows its *old* pods, so a caller scales first and pauses when the new ones are there.
   */
  scaled(found: KubeObject, replicas: number | undefined, paused: boolean | undefined): KubeObject;
}

export const DEPLOYMENTS: Resource = { group: "apps", version: "v1", plural: "deployments", kind: "Deployment" };
export const DAEMONSETS: Resource = { group: "apps", version: "v1", plural: "daemonsets", kind: "DaemonSet" };

export const SERVICES: Resource = { group: "", version: "v1", plural: "services", kind: "Service" };

const deployments: Workload = {
  resource: DEPLOYMENTS,
  primary: "pods",
  read: (object, readyPercent) => readDeployment(object, readyPercent),
  replicas: (object) => number(map(object.spec).replicas) ?? 1,
  scaled(found, replicas, paused) {
    const spec: Json = { ...map(found.spec) };
    const { [PAUSED]: mark, ...annotations } = found.metadata.annotations ?? {};
    if (replicas !== undefined) spec.replicas = replicas;
    if (paused === true) spec.paused = true;
    if (paused === false) delete spec.paused;
    const marked = paused === true ? "true" : paused === undefined ? mark : undefined;
    return { ...found, metadata: { ...found.metadata, annotations: marked === undefined ? annotations : { ...annotations, [PAUSED]: marked } }, spec };
  },
};

const daemonSets: Workload = { resource: DAEMONSETS, primary: "pods", read: readDaemonSet, replicas: daemonReplicas, scaled: scaleDaemonSet };

const services: Workload = { resource: SERVICES, primary: "copy", read: readServiceTarget, replicas: () => 1, scaled: (found) => found };

const knativeServices: Workload = { resource: KNATIVE_SERVICES, primary: "revision", rare: true, pinned: pinnedRevision, read: readKnative, replicas: () => 1, scaled: (found) => found };

export const WORKLOADS: readonly Workload[] = [deployments, daemonSets, services, knativeServices];

/** Undefined for a kind that is not rolled out. Of a group that nobody knows it is the usual one of that name. */
export function workloadOf({ group, kind }: Kind): Workload | undefined {
  const named = WORKLOADS.filter(({ resource }) => resource.kind === kind);
  return named.find(({ resource }) => resource.group === group) ?? named[0];
}
