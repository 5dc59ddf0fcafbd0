// What the rooms of the sandbox may assume of its Kubernetes API without going through HTTP.
// It must never know a controller, a mesh or a test.

/** Any Kubernetes object, as JSON. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: KubeMeta;
  [field: string]: unknown;
}

export interface KubeMeta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  finalizers?: string[];
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  [field: string]: unknown;
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

export interface StoreEvent {
  type: "ADDED" | "MODIFIED" | "DELETED";
  /** Plural and group as kubectl writes them: "pods", "deployments.apps". */
  resource: string;
  object: KubeObject;
}

/**
 * Direct access to the sandbox's objects for its own controllers. Objects handed out are frozen or copies: changing one
 * changes nothing. Writes obey the same rules as over HTTP (validation, resourceVersion conflicts, generation, finalizers).
 * @throws ApiError with the HTTP status and Kubernetes reason that a client would have received
 */
export interface SandboxStore {
  get(resource: string, namespace: string | undefined, name: string): KubeObject | undefined;
  list(resource: string, namespace?: string): readonly KubeObject[];
  create(resource: string, object: KubeObject): KubeObject;
  update(resource: string, object: KubeObject, subresource?: "status"): KubeObject;
  delete(resource: string, namespace: string | undefined, name: string): void;
  /** Called synchronously after each committed change, in resourceVersion order; returns the unsubscribe function. */
  subscribe(listener: (event: StoreEvent) => void): () => void;
}

/** Time and chance as ports, so that a test may own both. Milliseconds since the epoch. */
export interface Clock {
  now(): number;
  /** Runs `task` once after `delayMs`; the function returned cancels it. */
  after(delayMs: number, task: () => void): () => void;
}

/** A number in [0, 1). */
export type Random = () => number;
