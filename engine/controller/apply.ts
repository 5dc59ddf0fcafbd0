// Makes the cluster as it was rendered: fenced writes of what differs from the caches, in the order given.
// Guarantees: each write carries the uid and resourceVersion of what it was computed from, or of a newer one that is alike in what is written; nothing is
// re-read and tried again; nothing is written by a leader whose lease ran out, over an object with a higher epoch, or when pods would go whose route is not seen to be gone.
// Assumptions: the status that `wanted` was rendered from is committed.
import { isDeepStrictEqual } from "node:util";
import { isMap, type Json } from "../../crds/json.ts";
import { EPOCH, MARKS } from "../../crds/marks.ts";
import { mergePatch } from "../workload/mergepatch.ts";
import type { Fault, KubeObject, ObjectRef, Result } from "../ports.ts";
import { preconditionOf } from "./commit.ts";
import type { Context } from "./context.ts";
import { placeOf } from "./key.ts";

export interface Loaded {
  found: KubeObject | undefined;
  object: KubeObject;
  /** It cannot be changed: it is deleted and made anew. */
  replace?: boolean;
}

export interface Wanted {
  ref: ObjectRef;
  /** What the write is computed from; undefined creates. */
  found: KubeObject | undefined;
  object: KubeObject;
  /** Read live before this write, which must find that no traffic can reach the pods that go. Undefined when no pod goes. */
  before?: () => Promise<string | undefined>;
  /** For objects whose content is not cached: reads what is to be written, and what is there, instead of `found` and `object`. */
  load?: () => Promise<Loaded | Fault>;
  /** Told what was written. */
  written?: (object: KubeObject) => void;
}

export type Applied =
  | { kind: "done"; writes: number }
  /** The pass ends here; a watch event, an answer or the backoff brings the next one. */
  | { kind: "stopped"; why: string; fault?: Fault; ref?: ObjectRef };

/**
 * @param confirm proves, before the first write of a pass that committed nothing, that the Canary has not moved
 * @param repaired told of each write of such a pass: what was undone by somebody, and which fields
 */
export async function apply(
  context: Context,
  wanted: readonly Wanted[],
  confirm: () => Promise<string | undefined>,
  repaired?: (ref: ObjectRef, fields: string) => void,
): Promise<Applied> {
  let writes = 0;
  for (const { ref, before, load, written, ...rendered } of wanted) {
    const loaded: Loaded | Fault = load === undefined ? rendered : await load();
    if ("class" in loaded) return { kind: "stopped", why: loaded.message, fault: loaded, ref };
    const { found, object, replace } = loaded;
    const patch = found === undefined ? undefined : mergePatch(found, object);
    if (found !== undefined && patch === undefined) continue;
    const fenced = fence(context, found);
    if (fenced !== undefined) return { kind: "stopped", why: fenced };
    if (writes === 0) {
      const moved = await confirm();
      if (moved !== undefined) return { kind: "stopped", why: moved };
    }
    const unproved = await before?.();
    if (unproved !== undefined) return { kind: "stopped", why: unproved };
    if (!context.leadership.mayWrite()) return { kind: "stopped", why: "the lease may have run out" };
    const result = await write(context, ref, unmoved(context, ref, found, patch), object, patch, replace === true);
    if (!result.ok) return { kind: "stopped", why: result.fault.message, fault: result.fault, ref };
    context.caches.absorb(result.value);
    written?.(result.value);
    writes += 1;
    const fields = patch === undefined ? "created" : leaves(patch).join(",");
    repaired?.(ref, fields);
    context.log.debug({ object: `${ref.resource.plural}/${ref.namespace}/${ref.name}`, fields }, "written");
  }
  return { kind: "done", writes };
}

async function write({ api, caches }: Context, ref: ObjectRef, found: KubeObject | undefined, object: KubeObject, patch: object | undefined, replace: boolean): Promise<Result<KubeObject>> {
  if (found === undefined || patch === undefined) return api.create(ref.resource, object);
  if (!replace) return api.patch(ref, patch, preconditionOf(found));
  const deleted = await api.delete(ref, preconditionOf(found));
  if (!deleted.ok && deleted.fault.class !== "not-found") return deleted;
  caches.forget(found);
  const { uid: _uid, resourceVersion: _version, creationTimestamp: _created, managedFields: _fields, ...metadata } = object.metadata;
  return api.create(ref.resource, { ...object, metadata });
}

/**
 * The newest that the cache has of an object, where nothing has moved that is written here or says whose it is: the platform's controllers note in the status
 * and in annotations of their own that they have seen an edit, and each write that follows the edit at once would be refused.
 */
function unmoved({ caches }: Context, { resource, namespace, name }: ObjectRef, found: KubeObject | undefined, patch: object | undefined): KubeObject | undefined {
  const generation = found?.metadata.generation;
  const newest = generation === undefined ? undefined : caches.get(placeOf(resource), namespace, name);
  if (found === undefined || patch === undefined || newest === undefined || newest.metadata.generation !== generation) return found;
  return isDeepStrictEqual(marksOf(newest), marksOf(found)) && sameAt(patch, found, newest) ? newest : found;
}

function marksOf({ metadata }: KubeObject): unknown {
  const { uid, labels, annotations = {}, ownerReferences, deletionTimestamp } = metadata;
  return { uid, labels, ownerReferences, deletionTimestamp, marks: Object.entries(annotations).filter(([key]) => key.startsWith(MARKS)) };
}

/** Whether two objects are alike in what a patch writes. */
function sameAt(patch: object, left: object, right: object): boolean {
  return Object.entries(patch).every(([key, written]: [string, unknown]) => {
    const [before, after] = [(left as Json)[key], (right as Json)[key]];
    return isMap(written) && isMap(before) && isMap(after) ? sameAt(written, before, after) : isDeepStrictEqual(before, after);
  });
}

function fence({ leadership }: Context, found: KubeObject | undefined): string | undefined {
  if (!leadership.mayWrite()) return "the lease may have run out";
  const theirs = Number(found?.metadata.annotations?.[EPOCH] ?? Number.NaN);
  if (leadership.epoch === undefined || Number.isNaN(theirs) || theirs <= leadership.epoch) return undefined;
  leadership.superseded();
  return `a later leader (epoch ${theirs}) has written this object; ours is ${leadership.epoch}`;
}

/** Field paths of a patch, three levels deep: enough to name what somebody else keeps changing. */
function leaves(patch: object, depth = 3): string[] {
  return Object.entries(patch).flatMap(([key, value]: [string, unknown]) =>
    depth > 1 && value !== null && typeof value === "object" && !Array.isArray(value) ? leaves(value, depth - 1).map((inner) => `${key}.${inner}`) : [key],
  );
}
