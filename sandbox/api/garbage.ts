// Which objects outlive their owners? Plays the garbage collector of a cluster: a moment after a change it deletes
// dependents, or waits for them (foreground), or lets them go (orphan). It must never run inside the request that caused it.
import { copyJson, sameJson } from "./json.ts";
import type { ApiStore } from "./store.ts";
import type { KubeObject, OwnerReference, StoreEvent } from "./types.ts";

const FOREGROUND = "foregroundDeletion";
const ORPHAN = "orphan";

interface Node {
  resource: string;
  object: KubeObject;
}

export function collectGarbage(store: ApiStore): void {
  const collector = new Collector(store);
  store.subscribe((event) => collector.see(event));
}

class Collector {
  private readonly store: ApiStore;
  private readonly live = new Map<string, Node>();
  private readonly dependents = new Map<string, Set<string>>();
  private readonly dirty = new Set<string>();
  private scheduled = false;

  constructor(store: ApiStore) {
    this.store = store;
  }

  see(event: StoreEvent): void {
    const uid = event.object.metadata.uid ?? "";
    const known = this.live.get(uid)?.object;
    const owners = ownersOf(event.object);
    if (event.type === "DELETED") this.forget(uid, owners);
    else {
      this.live.set(uid, { resource: event.resource, object: event.object });
      const changed = known === undefined || !sameJson(known.metadata.ownerReferences, event.object.metadata.ownerReferences);
      if (changed) this.reindex(uid, known === undefined ? [] : ownersOf(known), owners);
      const deleting = event.object.metadata.deletionTimestamp !== undefined && policyOf(event.object) !== undefined;
      if ((changed && owners.length > 0) || deleting) this.dirty.add(uid);
      if (changed && known !== undefined) for (const owner of ownersOf(known)) this.dirty.add(owner.uid);
    }
    this.schedule();
  }

  private forget(uid: string, owners: readonly OwnerReference[]): void {
    this.live.delete(uid);
    this.reindex(uid, owners, []);
    for (const dependent of this.dependents.get(uid) ?? []) this.dirty.add(dependent);
    for (const owner of owners) this.dirty.add(owner.uid);
  }

  private reindex(uid: string, before: readonly OwnerReference[], after: readonly OwnerReference[]): void {
    for (const owner of before) {
      const siblings = this.dependents.get(owner.uid);
      siblings?.delete(uid);
      if (siblings?.size === 0) this.dependents.delete(owner.uid);
    }
    for (const owner of after) {
      const siblings = this.dependents.get(owner.uid) ?? new Set<string>();
      siblings.add(uid);
      this.dependents.set(owner.uid, siblings);
    }
  }

  private schedule(): void {
    if (this.scheduled || this.dirty.size === 0) return;
    this.scheduled = true;
    this.store.clock.after(0, () => {
      this.scheduled = false;
      const work = [...this.dirty];
      this.dirty.clear();
      for (const uid of work) this.visit(uid);
      this.schedule();
    });
  }

  private visit(uid: string): void {
    const node = this.live.get(uid);
    if (node === undefined) return;
    const deleting = node.object.metadata.deletionTimestamp !== undefined;
    const policy = policyOf(node.object);
    if (deleting && policy === ORPHAN) this.orphanDependents(node, uid);
    else if (deleting && policy === FOREGROUND) this.awaitDependents(node, uid);
    else if (!deleting) this.judgeOwners(node);
  }

  private orphanDependents(node: Node, uid: string): void {
    for (const dependent of this.dependentsOf(uid)) this.dropOwners(dependent, new Set([uid]));
    this.dropFinalizer(node, ORPHAN);
  }

  private awaitDependents(node: Node, uid: string): void {
    const dependents = this.dependentsOf(uid);
    for (const dependent of dependents) {
      if (dependent.object.metadata.deletionTimestamp === undefined) this.judgeOwners(dependent);
    }
    const blocking = this.dependentsOf(uid).filter((dependent) =>
      ownersOf(dependent.object).some((owner) => owner.uid === uid && owner.blockOwnerDeletion === true));
    if (blocking.length === 0) this.dropFinalizer(node, FOREGROUND);
  }

  private judgeOwners(node: Node): void {
    const owners = ownersOf(node.object);
    if (owners.length === 0) return;
    const leaving = new Set<string>();
    let foreground = false;
    for (const owner of owners) {
      const found = this.live.get(owner.uid);
      if (found === undefined || !reaches(found, node)) leaving.add(owner.uid);
      else if (found.object.metadata.deletionTimestamp !== undefined && policyOf(found.object) === FOREGROUND) {
        leaving.add(owner.uid);
        foreground = true;
      }
    }
    if (leaving.size === 0) return;
    if (leaving.size < owners.length) this.dropOwners(node, leaving);
    else this.remove(node, foreground && this.dependentsOf(node.object.metadata.uid ?? "").length > 0);
  }

  private remove(node: Node, foreground: boolean): void {
    const { namespace, name, uid } = node.object.metadata;
    if (this.current(node) === undefined) return;
    this.store.remove(node.resource, namespace, name, {
      ...(uid === undefined ? {} : { uid }),
      propagationPolicy: foreground ? "Foreground" : policyOf(node.object) === ORPHAN ? "Orphan" : "Background",
    });
  }

  private dropOwners(node: Node, uids: ReadonlySet<string>): void {
    const current = this.current(node);
    if (current === undefined) return;
    const next = copyJson(current);
    next.metadata.ownerReferences = ownersOf(current).filter((owner) => !uids.has(owner.uid));
    this.store.update(node.resource, next);
  }

  private dropFinalizer(node: Node, finalizer: string): void {
    const current = this.current(node);
    if (current === undefined) return;
    const next = copyJson(current);
    next.metadata.finalizers = (current.metadata.finalizers ?? []).filter((present) => present !== finalizer);
    this.store.update(node.resource, next);
  }

  /** The stored object, as long as it is the same one and not another of its name. */
  private current(node: Node): KubeObject | undefined {
    const { namespace, name, uid } = node.object.metadata;
    const found = this.store.get(node.resource, namespace, name);
    return found?.metadata.uid === uid ? found : undefined;
  }

  private dependentsOf(uid: string): Node[] {
    return [...this.dependents.get(uid) ?? []].map((dependent) => this.live.get(dependent)).filter((node) => node !== undefined);
  }
}

/** An owner in another namespace is no owner: the collector of a cluster takes it as absent. */
function reaches(owner: Node, dependent: Node): boolean {
  return owner.object.metadata.namespace === undefined || owner.object.metadata.namespace === dependent.object.metadata.namespace;
}

function ownersOf(object: KubeObject): readonly OwnerReference[] {
  return object.metadata.ownerReferences ?? [];
}

function policyOf(object: KubeObject): typeof FOREGROUND | typeof ORPHAN | undefined {
  const finalizers = object.metadata.finalizers ?? [];
  return finalizers.includes(ORPHAN) ? ORPHAN : finalizers.includes(FOREGROUND) ? FOREGROUND : undefined;
}
