// How do the sandbox's controllers write? Only what differs from what they read, as Kubernetes' own do: most passes find nothing to change, and a write
// that changes nothing is checked as thoroughly as any other.
import { sameJson } from "../api/json.ts";
import type { KubeObject, SandboxStore } from "../api/types.ts";

/** The object as it is then. */
export function updated<T extends KubeObject>(store: SandboxStore, resource: string, before: T, after: T, subresource?: "status"): T {
  return sameJson(before, after) ? before : (store.update(resource, after, subresource) as T);
}
