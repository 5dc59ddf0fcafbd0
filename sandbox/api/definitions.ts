// Which custom kinds are served? Follows the CustomResourceDefinitions of the store: a definition that appears is served
// at once, one that is deleted takes its objects along. It must never judge a custom object itself.
import { copyJson } from "./json.ts";
import { customType } from "./custom-type.ts";
import type { ApiStore } from "./store.ts";
import type { KubeObject } from "./types.ts";

export const DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io";
export const CLEANUP_FINALIZER = "customresourcecleanup.apiextensions.k8s.io";

export function followDefinitions(store: ApiStore): void {
  const leaving = new Set<string>();
  let scheduled = false;

  const schedule = (): void => {
    if (scheduled || leaving.size === 0) return;
    scheduled = true;
    store.clock.after(0, () => {
      scheduled = false;
      for (const name of [...leaving]) if (removeInstances(store, name)) leaving.delete(name);
    });
  };
  store.subscribe((event) => {
    const { name, deletionTimestamp } = event.object.metadata;
    if (event.resource !== DEFINITIONS) {
      if (event.type === "DELETED" && leaving.has(event.resource)) schedule();
    } else if (event.type === "DELETED") {
      store.registry.remove(name);
    } else {
      store.registry.add(customType(event.object));
      if (deletionTimestamp !== undefined) {
        leaving.add(name);
        schedule();
      }
    }
  });
}

/** A definition's name is its resource's id, so its objects are found by it. True when the definition was released. */
function removeInstances(store: ApiStore, name: string): boolean {
  for (const object of store.list(name)) {
    const { namespace, name: instance, deletionTimestamp } = object.metadata;
    if (deletionTimestamp === undefined && store.get(name, namespace, instance) !== undefined) store.remove(name, namespace, instance, {});
  }
  if (store.list(name).length > 0) return false;
  const definition: KubeObject | undefined = store.get(DEFINITIONS, undefined, name);
  if (definition === undefined) return true;
  const next = copyJson(definition);
  next.metadata.finalizers = (next.metadata.finalizers ?? []).filter((finalizer) => finalizer !== CLEANUP_FINALIZER);
  store.update(DEFINITIONS, next);
  return true;
}
