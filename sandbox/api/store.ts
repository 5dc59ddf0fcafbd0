// Where do the sandbox's objects live, and which changes does a Kubernetes API server accept? One writer, one revision
// counter, everything synchronous. It must never speak HTTP, and never change an object it has handed out.
import { copyJson, freezeJson, sameJson } from "./json.ts";
import { ApiError, alreadyExists, badRequest, conflict, forbidden, invalid, notFound } from "./errors.ts";
import { History } from "./history.ts";
import { createdMeta, metaErrors, movesGeneration, refuseErrors, requireMeta, timestamp, updatedMeta } from "./metadata.ts";
import { ResourceRegistry, apiVersionOf } from "./resource-type.ts";
import { builtinTypes } from "./builtins.ts";
import { collectGarbage } from "./garbage.ts";
import { followDefinitions } from "./definitions.ts";
import { terminateNamespaces } from "./namespaces.ts";
import type { FieldError } from "./errors.ts";
import type { AdmissionContext, ResourceType } from "./resource-type.ts";
import type { Clock, KubeObject, Random, SandboxStore, StoreEvent } from "./types.ts";

export interface StoreOptions {
  clock: Clock;
  random: Random;
  /** How many changes a watch may look back before it is answered with 410. */
  historyLimit?: number;
}

export interface WriteOptions {
  dryRun?: boolean;
  /** The API version that the client wrote in; unknown fields are judged by it. */
  version?: string;
  /** A patch may not change the uid, where a whole object with another uid has met the wrong one. */
  patch?: boolean;
}

export type Propagation = "Background" | "Foreground" | "Orphan";

export interface RemoveOptions {
  uid?: string;
  resourceVersion?: string;
  propagationPolicy?: Propagation;
  /** Above 0 a pod with a node only gets its deletionTimestamp; whoever plays the kubelet removes it with 0. */
  gracePeriodSeconds?: number;
  dryRun?: boolean;
}

export type UpdateTarget = "status" | "finalize";

export class ApiStore implements SandboxStore {
  readonly registry = new ResourceRegistry();
  readonly history: History;
  readonly clock: Clock;
  readonly random: Random;
  /** resource id -> namespace ("" for cluster scope) -> name -> object */
  private readonly objects = new Map<string, Map<string, Map<string, KubeObject>>>();
  private readonly listeners = new Set<(event: StoreEvent) => void>();
  private readonly undelivered: StoreEvent[] = [];
  private delivering = false;
  private lastRevision = 1;

  constructor(options: StoreOptions) {
    this.clock = options.clock;
    this.random = options.random;
    this.history = new History(options.historyLimit ?? 20_000);
    for (const type of builtinTypes()) this.registry.add(type);
    followDefinitions(this);
    collectGarbage(this);
    terminateNamespaces(this);
    for (const name of ["default", "kube-system", "kube-public", "kube-node-lease"]) {
      this.create("namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
    }
  }

  get revision(): number {
    return this.lastRevision;
  }

  get(resource: string, namespace: string | undefined, name: string): KubeObject | undefined {
    const type = this.registry.get(resource);
    if (type === undefined) return undefined;
    return this.objects.get(resource)?.get(scopeOf(type, namespace))?.get(name);
  }

  list(resource: string, namespace?: string): readonly KubeObject[] {
    const byNamespace = this.objects.get(resource);
    if (byNamespace === undefined) return [];
    const chosen = namespace === undefined ? [...byNamespace.values()] : [byNamespace.get(namespace) ?? new Map<string, KubeObject>()];
    return chosen.flatMap((byName) => [...byName.values()]).sort(byKey);
  }

  create(resource: string, object: KubeObject, options: WriteOptions = {}): KubeObject {
    const type = this.typeOf(resource);
    const created = copyJson(object);
    requireMeta(created);
    if (created.metadata.resourceVersion !== undefined && created.metadata.resourceVersion !== "") {
      throw new ApiError(500, "", "resourceVersion should not be set on objects to be created");
    }
    created.metadata = createdMeta(type, created.metadata, this.clock.now(), this.random);
    const name = created.metadata.name;
    if (type.namespaced) this.requireNamespace(type, created);
    if (type.hasStatus && type.keepsStatusOnCreate !== true) delete created.status;
    this.admit(type, created, undefined, { operation: "create", version: options.version ?? type.storageVersion });
    if (this.get(resource, created.metadata.namespace, name) !== undefined) throw alreadyExists(type, name);
    return this.commit(type, "ADDED", created, undefined, options.dryRun === true);
  }

  update(resource: string, object: KubeObject, subresource?: UpdateTarget, options: WriteOptions = {}): KubeObject {
    const type = this.typeOf(resource);
    const given = copyJson(object);
    requireMeta(given);
    const name = given.metadata.name;
    const old = this.get(resource, given.metadata.namespace, name);
    if (old === undefined) throw notFound(type, name);
    requireSameVersion(type, given, old, options.patch === true);
    const next = this.written(type, given, old, subresource);
    next.metadata = updatedMeta(next.metadata, old.metadata);
    this.admit(type, next, old, {
      operation: "update",
      version: options.version ?? type.storageVersion,
      old,
      ...(subresource === "status" ? { subresource } : {}),
    });
    if (isFinished(next)) {
      // The last update of a deleted object is not stored: watchers see the state before it, the writer its own.
      this.commit(type, "DELETED", copyJson(old), old, options.dryRun === true);
      return freezeJson(next);
    }
    if (sameJson(old, next)) return old;
    if (movesGeneration(type, old, next)) next.metadata.generation = (old.metadata.generation ?? 0) + 1;
    return this.commit(type, "MODIFIED", next, old, options.dryRun === true);
  }

  delete(resource: string, namespace: string | undefined, name: string): void {
    this.remove(resource, namespace, name, {});
  }

  /** What is left of the object: its last state when it is gone, else the state with a deletionTimestamp. */
  remove(resource: string, namespace: string | undefined, name: string, options: RemoveOptions): { object: KubeObject; gone: boolean } {
    const type = this.typeOf(resource);
    const old = this.get(resource, namespace, name);
    if (old === undefined) throw notFound(type, name);
    checkPreconditions(type, old, options);
    const next = copyJson(old);
    const finalizers = finalizersFor(type, old, options.propagationPolicy);
    if (finalizers.length > 0) next.metadata.finalizers = finalizers;
    else delete next.metadata.finalizers;
    const graceSeconds = gracePeriod(type, old, options);
    const waits = finalizers.length > 0 || graceSeconds > 0 || type.id === "namespaces";
    if (!waits) return { object: this.commit(type, "DELETED", next, old, options.dryRun === true), gone: true };
    if (next.metadata.deletionTimestamp === undefined) {
      next.metadata.deletionTimestamp = timestamp(this.clock.now() + graceSeconds * 1000);
      if (type.id !== "namespaces") next.metadata.deletionGracePeriodSeconds = graceSeconds;
      if (next.metadata.generation !== undefined) next.metadata.generation += 1;
      if (type.id === "namespaces") next.status = { ...(next.status as object | undefined), phase: "Terminating" };
    }
    if (sameJson(old, next)) return { object: old, gone: false };
    return { object: this.commit(type, "MODIFIED", next, old, options.dryRun === true), gone: false };
  }

  subscribe(listener: (event: StoreEvent) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Forgets the history, as etcd's compaction does: watches and pages from older resourceVersions get 410. */
  compact(): void {
    this.history.compact(this.lastRevision);
  }

  /** The objects of a resource as they were at `revision`; for the later pages of a list. @throws ApiError 410 */
  listAt(resource: string, namespace: string | undefined, revision: number): readonly KubeObject[] {
    const then = new Map(this.list(resource, namespace).map((object) => [keyOf(object), object]));
    for (const change of this.history.since(revision, this.lastRevision).toReversed()) {
      if (change.event.resource !== resource) continue;
      const object = change.event.object;
      if (namespace !== undefined && (object.metadata.namespace ?? "") !== namespace) continue;
      if (change.previous === undefined) then.delete(keyOf(object));
      else then.set(keyOf(object), change.previous);
    }
    return [...then.values()].sort(byKey);
  }

  private typeOf(resource: string): ResourceType {
    const type = this.registry.get(resource);
    if (type === undefined) throw new ApiError(404, "NotFound", "the server could not find the requested resource", {});
    return type;
  }

  private admit(type: ResourceType, object: KubeObject, old: KubeObject | undefined, base: Omit<AdmissionContext, "list" | "nowMs">): void {
    const context: AdmissionContext = { ...base, nowMs: this.clock.now(), list: (resource) => this.list(resource) };
    type.prune?.(object, base.version);
    object.apiVersion = apiVersionOf(type.group, type.storageVersion);
    object.kind = type.kind;
    type.defaulted(object, context);
    refuseErrors(type, object.metadata.name ?? "", [...metaErrors(type, object, old), ...type.validate(object, old, context)]);
  }

  private requireNamespace(type: ResourceType, object: KubeObject): void {
    const namespace = object.metadata.namespace;
    if (namespace === undefined || namespace === "") throw badRequest("an empty namespace may not be set during creation");
    const owner = this.get("namespaces", undefined, namespace);
    if (owner === undefined) throw notFound({ group: "", plural: "namespaces", kind: "Namespace" }, namespace);
    if (owner.metadata.deletionTimestamp === undefined) return;
    throw forbidden(type, object.metadata.name, `unable to create new content in namespace ${namespace} because it is being terminated`, [
      { reason: "NamespaceTerminating", message: `namespace ${namespace} is being terminated`, field: "metadata.namespace" },
    ]);
  }

  /** Which half of the object a write may touch: the status through its subresource, the rest beside it. */
  private written(type: ResourceType, given: KubeObject, old: KubeObject, subresource: UpdateTarget | undefined): KubeObject {
    if (subresource === "finalize") return { ...copyJson(old), spec: given.spec };
    if (subresource === "status") {
      const next = copyJson(old);
      if (given.status === undefined) delete next.status;
      else next.status = given.status;
      return next;
    }
    if (type.hasStatus) {
      if (old.status === undefined) delete given.status;
      else given.status = copyJson(old.status);
    }
    if (type.id === "namespaces") given.spec = copyJson(old.spec);
    return given;
  }

  private commit(type: ResourceType, kind: StoreEvent["type"], object: KubeObject, previous: KubeObject | undefined, dryRun: boolean): KubeObject {
    if (dryRun) return freezeJson(object);
    this.lastRevision += 1;
    object.metadata.resourceVersion = String(this.lastRevision);
    const committed = freezeJson(object);
    const scope = scopeOf(type, committed.metadata.namespace);
    const byNamespace = childMap(this.objects, type.id);
    const byName = childMap(byNamespace, scope);
    if (kind === "DELETED") byName.delete(committed.metadata.name);
    else byName.set(committed.metadata.name, committed);
    if (byName.size === 0) byNamespace.delete(scope);
    const event: StoreEvent = { type: kind, resource: type.id, object: committed };
    this.history.append({ revision: this.lastRevision, event, previous });
    this.deliver(event);
    return committed;
  }

  /** A listener may write: its own event then waits until every listener has heard of this one. */
  private deliver(event: StoreEvent): void {
    this.undelivered.push(event);
    if (this.delivering) return;
    this.delivering = true;
    try {
      for (let next = this.undelivered.shift(); next !== undefined; next = this.undelivered.shift()) {
        for (const listener of [...this.listeners]) listener(next);
      }
    } finally {
      this.delivering = false;
    }
  }
}

function childMap<V>(parent: Map<string, Map<string, V>>, key: string): Map<string, V> {
  const present = parent.get(key);
  if (present !== undefined) return present;
  const created = new Map<string, V>();
  parent.set(key, created);
  return created;
}

function scopeOf(type: ResourceType, namespace: string | undefined): string {
  return type.namespaced ? namespace ?? "" : "";
}

export function keyOf(object: KubeObject): string {
  return object.metadata.namespace === undefined ? object.metadata.name : `${object.metadata.namespace}/${object.metadata.name}`;
}

function byKey(left: KubeObject, right: KubeObject): number {
  const a = keyOf(left);
  const b = keyOf(right);
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Deleted and nothing holds it any more. */
function isFinished(object: KubeObject): boolean {
  const { deletionTimestamp, finalizers, deletionGracePeriodSeconds } = object.metadata;
  if (deletionTimestamp === undefined || (finalizers?.length ?? 0) > 0) return false;
  if (object.kind === "Namespace" && object.apiVersion === "v1") {
    return ((object.spec as { finalizers?: string[] } | undefined)?.finalizers?.length ?? 0) === 0;
  }
  return deletionGracePeriodSeconds === undefined || deletionGracePeriodSeconds === 0;
}

function requireSameVersion(type: ResourceType, given: KubeObject, old: KubeObject, isPatch: boolean): void {
  const { uid, resourceVersion, name } = given.metadata;
  const isOther = uid !== undefined && uid !== "" && uid !== old.metadata.uid;
  if (isOther && !isPatch) {
    throw conflict(type, name, `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid ?? ""}`);
  }
  const isGiven = resourceVersion !== undefined && resourceVersion !== "" && resourceVersion !== "0";
  if (isGiven && resourceVersion !== old.metadata.resourceVersion) throw conflict(type, name);
  if (!isGiven && !type.unconditionalUpdate) {
    throw invalid({ ...type, kind: type.plural }, name, [{ type: "Invalid value", field: "metadata.resourceVersion", value: 0, detail: "must be specified for an update" }]);
  }
  if (isOther) {
    const error: FieldError = { type: "Invalid value", field: "metadata.uid", value: uid, detail: "field is immutable" };
    throw invalid(type, name, [error, error]);
  }
}

function checkPreconditions(type: ResourceType, old: KubeObject, options: RemoveOptions): void {
  const { uid, resourceVersion } = old.metadata;
  // Here alone the real server names the kind where it otherwise names the resource.
  const subject = { group: type.group, plural: type.kind, kind: type.kind };
  if (options.uid !== undefined && options.uid !== uid) {
    throw conflict(subject, old.metadata.name, `the UID in the precondition (${options.uid}) does not match the UID in record (${uid ?? ""}). The object might have been deleted and then recreated`);
  }
  if (options.resourceVersion !== undefined && options.resourceVersion !== resourceVersion) {
    throw conflict(subject, old.metadata.name, `the ResourceVersion in the precondition (${options.resourceVersion}) does not match the ResourceVersion in record (${resourceVersion ?? ""}). The object might have been modified`);
  }
}

/** The garbage collector reads the chosen policy from these two finalizers. */
function finalizersFor(type: ResourceType, old: KubeObject, policy: Propagation | undefined): string[] {
  const kept = (old.metadata.finalizers ?? []).filter((finalizer) => policy === undefined || (finalizer !== "orphan" && finalizer !== "foregroundDeletion"));
  const added = policy === "Orphan" ? "orphan" : policy === "Foreground" ? "foregroundDeletion" : undefined;
  const cleanup = type.cleanupFinalizer;
  return [...new Set([...kept, ...(added === undefined ? [] : [added]), ...(cleanup === undefined || old.metadata.deletionTimestamp !== undefined ? [] : [cleanup])])];
}

function gracePeriod(type: ResourceType, old: KubeObject, options: RemoveOptions): number {
  const spec = old.spec as { nodeName?: string } | undefined;
  if (type.id !== "pods" || spec?.nodeName === undefined || spec.nodeName === "") return 0;
  return options.gracePeriodSeconds ?? 0;
}
