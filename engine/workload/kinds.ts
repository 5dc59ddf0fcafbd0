// What kinds of workload are rolled out, and how is each read, scaled and held? One codec a kind; nothing outside asks which kind it has.
import { PAUSED } from "../../crds/marks.ts";
import { map, number, type Json } from "../../crds/json.ts";
import type { KubeObject, Resource } from "../ports.ts";
import { daemonReplicas, readDaemonSet, scaleDaemonSet } from "./daemonset.ts";
import { readDeployment, type WorkloadSeen } from "./deployment.ts";

export interface Workload {
  resource: Resource;
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

const deployments: Workload = {
  resource: DEPLOYMENTS,
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

const daemonSets: Workload = { resource: DAEMONSETS, read: readDaemonSet, replicas: daemonReplicas, scaled: scaleDaemonSet };

export const WORKLOADS: readonly Workload[] = [deployments, daemonSets];

/** Undefined for a kind that is not rolled out. */
export function workloadOf(kind: string): Workload | undefined {
  return WORKLOADS.find(({ resource }) => resource.kind === kind);
}
