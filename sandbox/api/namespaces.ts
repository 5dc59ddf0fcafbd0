// What happens to a namespace that was deleted? Its content is deleted, and when the last object's finalizers let it go
// the namespace goes too. It must never delete content of a namespace that is not terminating.
import { copyJson } from "./json.ts";
import type { ApiStore } from "./store.ts";
import type { StoreEvent } from "./types.ts";

export function terminateNamespaces(store: ApiStore): void {
  const terminating = new Set<string>();
  let scheduled = false;

  const schedule = (): void => {
    if (scheduled || terminating.size === 0) return;
    scheduled = true;
    store.clock.after(0, () => {
      scheduled = false;
      for (const name of [...terminating]) if (drain(store, name)) terminating.delete(name);
    });
  };
  store.subscribe((event: StoreEvent) => {
    if (event.resource === "namespaces") {
      if (event.type === "DELETED") terminating.delete(event.object.metadata.name);
      else if (event.object.metadata.deletionTimestamp !== undefined) {
        terminating.add(event.object.metadata.name);
        schedule();
      }
    } else if (event.type === "DELETED" && terminating.has(event.object.metadata.namespace ?? "")) schedule();
  });
}

/** Deletes what is left; true when nothing was and the namespace has been released. */
function drain(store: ApiStore, name: string): boolean {
  const namespace = store.get("namespaces", undefined, name);
  if (namespace?.metadata.deletionTimestamp === undefined) return true;
  for (const type of store.registry.all()) {
    if (!type.namespaced) continue;
    for (const object of store.list(type.id, name)) {
      if (object.metadata.deletionTimestamp !== undefined) continue;
      // A listener of an earlier deletion may have removed this one already.
      if (store.get(type.id, name, object.metadata.name) !== undefined) store.remove(type.id, name, object.metadata.name, { propagationPolicy: "Background" });
    }
  }
  const left = store.registry.all().some((type) => type.namespaced && store.list(type.id, name).length > 0);
  if (left) return false;
  const released = store.get("namespaces", undefined, name);
  if (released !== undefined) store.update("namespaces", { ...copyJson(released), spec: {} }, "finalize");
  return true;
}
