// What the engine needs of the outside, as interfaces: the API server, HTTP, time and chance.
// It holds no code: the real ones are in engine/adapters, the sandbox's in sandbox/.

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

/** A kind as the API server serves it, for example { group: "apps", version: "v1", plural: "deployments", kind: "Deployment" }; group "" is core. */
export interface Resource {
  group: string;
  version: string;
  plural: string;
  kind: string;
}

/** A kind whatever its version: groups may have kinds of one name. */
export type Kind = Pick<Resource, "group" | "kind">;

export interface ObjectRef {
  resource: Resource;
  namespace: string;
  name: string;
}

/** Operating faults are values; the class is taken from the status code alone, never from the message. */
export type FaultClass = "transient" | "throttled" | "conflict" | "exists" | "not-found" | "forbidden" | "invalid" | "gone" | "deadline";

export interface Fault {
  class: FaultClass;
  /** HTTP status; absent when no answer came. */
  status?: number;
  /** For people; holds no secret. */
  message: string;
  retryAfterMs?: number;
}

export type Result<T> = { ok: true; value: T } | { ok: false; fault: Fault };

/** Uid and resourceVersion of the object that a write was computed from, or of a newer one that is alike in what is written; the API server answers 409 when either has moved. */
export interface Precondition {
  uid: string;
  resourceVersion: string;
}

/** Requests to one API server. Nothing here retries, re-reads or throws on a refusal. */
export interface KubeApi {
  get(ref: ObjectRef): Promise<Result<KubeObject>>;
  list(resource: Resource, namespace?: string, labelSelector?: string): Promise<Result<KubeObject[]>>;
  create(resource: Resource, object: KubeObject): Promise<Result<KubeObject>>;
  /** JSON merge patch; the precondition is sent within metadata. `subresource` is "status" or absent. */
  patch(ref: ObjectRef, patch: object, precondition: Precondition, subresource?: "status"): Promise<Result<KubeObject>>;
  delete(ref: ObjectRef, precondition: Precondition): Promise<Result<undefined>>;
  /** Group-version pairs served, for example "networking.istio.io/v1". */
  served(groupVersion: string): Promise<Result<boolean>>;
}

/** What an informer holds of one resource: the API server's objects as last heard, shared and never to be changed. */
export interface Cache {
  readonly resource: Resource;
  get(namespace: string, name: string): KubeObject | undefined;
  list(namespace?: string): readonly KubeObject[];
  /** False until the first list arrived, and while the watch is known to be broken for longer than its grace. */
  readonly synced: boolean;
  /**
   * Takes in an object that a write of ours returned, so that the cache is never older than our own last write.
   * An older resourceVersion than the cached one is ignored.
   */
  absorb(object: KubeObject): void;
  forget(namespace: string, name: string, uid: string): void;
}

export interface HttpRequest {
  method: "GET" | "POST";
  url: string;
  headers?: Record<string, string>;
  body?: string;
  timeoutMs: number;
  /** Bytes of the response that are read at most; more is a fault of class "invalid". */
  maxBytes: number;
  insecureSkipVerify?: boolean;
  /** PEM: whom to trust in place of everybody, and who we are. For the origin of `url` alone. */
  tls?: { ca?: string; cert?: string; key?: string };
  /** URL of an HTTP proxy; none when absent, whatever the environment says. */
  proxy?: string;
  signal?: AbortSignal;
}

export interface HttpResponse {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** Any answer is a value, whatever its status; a fault means that none came. */
export type Http = (request: HttpRequest) => Promise<Result<HttpResponse>>;

/** Milliseconds since the epoch for `now`; `monotonic` never goes backwards and is what leases are measured by. */
export interface Clock {
  now(): number;
  monotonic(): number;
  /** Runs `task` once after `delayMs`; the function returned cancels it. */
  after(delayMs: number, task: () => void): () => void;
}

/** A number in [0, 1). */
export type Random = () => number;

export interface Log {
  debug(fields: Record<string, unknown>, message: string): void;
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
  error(fields: Record<string, unknown>, message: string): void;
}
