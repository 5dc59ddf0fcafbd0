// What do the sandbox's controllers read of Deployments, ReplicaSets, Pods and Services? Shapes, the few defaults that
// an object may lack, and ownership. It must never write to the store.
import type { KubeObject, OwnerReference, SandboxStore } from "../api/types.ts";

export const deployments = "deployments.apps";
export const replicaSets = "replicasets.apps";
export const pods = "pods";
export const services = "services";
export const endpointSlices = "endpointslices.discovery.k8s.io";

export const hashLabel = "pod-template-hash";
export const revisionAnnotation = "deployment.kubernetes.io/revision";
export const portAnnotation = "sandbox.kurator.dev/port";
/** What its container was started with: what a ConfigMap says later concerns later containers. */
export const behaviourAnnotation = "sandbox.kurator.dev/behaviour";

export interface EnvVar {
  name: string;
  value?: string;
  valueFrom?: { configMapKeyRef?: { name: string; key: string } };
}

export interface Container {
  name: string;
  image: string;
  env?: EnvVar[];
  envFrom?: { prefix?: string; configMapRef?: { name: string } }[];
  ports?: { name?: string; containerPort: number }[];
}

export interface PodSpec {
  containers: Container[];
  nodeName?: string;
  terminationGracePeriodSeconds?: number;
  [field: string]: unknown;
}

export interface PodTemplate {
  metadata?: { labels?: Record<string, string>; annotations?: Record<string, string> };
  spec: PodSpec;
}

export interface LabelSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

export interface Condition {
  type: string;
  status: "True" | "False" | "Unknown";
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
  lastUpdateTime?: string;
}

export interface DeploymentStatus {
  observedGeneration?: number;
  replicas?: number;
  updatedReplicas?: number;
  readyReplicas?: number;
  availableReplicas?: number;
  unavailableReplicas?: number;
  conditions?: Condition[];
}

export interface Deployment extends KubeObject {
  spec: {
    replicas?: number;
    paused?: boolean;
    minReadySeconds?: number;
    progressDeadlineSeconds?: number;
    revisionHistoryLimit?: number;
    selector: LabelSelector;
    strategy?: { type?: string; rollingUpdate?: { maxSurge?: number | string; maxUnavailable?: number | string } };
    template: PodTemplate;
  };
  status?: DeploymentStatus;
}

export interface ReplicaSet extends KubeObject {
  spec: { replicas?: number; minReadySeconds?: number; selector: LabelSelector; template: PodTemplate };
  status?: {
    replicas?: number;
    fullyLabeledReplicas?: number;
    readyReplicas?: number;
    availableReplicas?: number;
    observedGeneration?: number;
  };
}

export interface Pod extends KubeObject {
  spec: PodSpec;
  status?: { phase?: string; podIP?: string; conditions?: Condition[]; [field: string]: unknown };
}

export interface Service extends KubeObject {
  spec: {
    selector?: Record<string, string>;
    ports?: { name?: string; port: number; targetPort?: number | string; protocol?: string; appProtocol?: string }[];
    publishNotReadyAddresses?: boolean;
  };
}

/** The store, and how a pod is asked to leave: above 0 seconds it stays, marked, until the kubelet deletes it. */
export interface PodStore extends SandboxStore {
  remove(resource: string, namespace: string | undefined, name: string, options: { gracePeriodSeconds?: number }): unknown;
}

/** The store checked the shape when it took the object; these name what is in it. */
export function getAs<T extends KubeObject>(store: SandboxStore, resource: string, namespace: string, name: string): T | undefined {
  return store.get(resource, namespace, name) as T | undefined;
}

export function listAs<T extends KubeObject>(store: SandboxStore, resource: string, namespace?: string): readonly T[] {
  return store.list(resource, namespace) as readonly T[];
}

export const keyOf = ({ metadata }: KubeObject): string => `${metadata.namespace ?? ""}/${metadata.name}`;

export function splitKey(key: string): [namespace: string, name: string] {
  const slash = key.indexOf("/");
  return [key.slice(0, slash), key.slice(slash + 1)];
}

export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}

export function controlledBy(object: KubeObject, owner: KubeObject): boolean {
  return controllerOf(object)?.uid === owner.metadata.uid;
}

export function ownerReference(owner: KubeObject): OwnerReference {
  const { name, uid } = owner.metadata;
  return { apiVersion: owner.apiVersion, kind: owner.kind, name, uid: uid ?? "", controller: true, blockOwnerDeletion: true };
}

export function labelsMatch(selector: Record<string, string>, labels: Record<string, string> = {}): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}

export const isTerminating = (object: KubeObject): boolean => object.metadata.deletionTimestamp !== undefined;

export function condition(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((each) => each.type === type);
}

export const isPodReady = (pod: Pod): boolean => condition(pod.status?.conditions, "Ready")?.status === "True";

/** Kubernetes counts in whole seconds; keeping to it keeps `kubectl` and the engine's parsers on known ground. */
export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** The instant from which a ready pod counts as available; undefined while it is not ready. */
export function availableAt(pod: Pod, minReadySeconds: number): number | undefined {
  const ready = condition(pod.status?.conditions, "Ready");
  if (ready?.status !== "True") return undefined;
  return (minReadySeconds === 0 ? 0 : Date.parse(ready.lastTransitionTime ?? "") || 0) + minReadySeconds * 1000;
}
