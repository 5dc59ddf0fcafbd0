// What must be sent so that one object becomes the other? The difference of two JSON values as an RFC 7386 merge patch.
// It never sends what only looks different: a missing member, null and an empty map or list are alike in the maps of a Kubernetes object.
import { isMap, type Json } from "../../crds/json.ts";

/** Undefined when nothing has to be sent. */
export function mergePatch(from: object, to: object): object | undefined {
  const patch = difference({ ...from }, { ...to });
  return Object.keys(patch).length === 0 ? undefined : patch;
}

function difference(from: Json, to: Json): Json {
  const patch: Json = {};
  for (const key of new Set([...Object.keys(from), ...Object.keys(to)])) {
    const before = from[key];
    const after = to[key];
    // First, because whether a map is empty is known only at its bottom: asked at each level, a deep one would take the square of its depth.
    if (isMap(before) && isMap(after)) {
      const inner = difference(before, after);
      if (Object.keys(inner).length > 0) patch[key] = inner;
    } else if (isEmpty(before) && isEmpty(after)) {
      continue;
    } else if (isEmpty(after)) {
      patch[key] = null;
    } else if (!sameElement(before, after)) {
      // The map is merged into nothing or replaces a scalar: RFC 7386 drops nulls in it, as does this.
      patch[key] = isMap(after) ? withoutNulls(after) : after;
    }
  }
  return patch;
}

/** Lists are sent whole. Inside them empty maps have a meaning (`emptyDir: {}`), so only null and missing are alike. */
function sameElement(a: unknown, b: unknown): boolean {
  if (a === b || (isNothing(a) && isNothing(b))) return true;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((element, i) => sameElement(element, b[i]));
  if (!isMap(a) || !isMap(b)) return false;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => sameElement(a[key], b[key]));
}

function withoutNulls(map: Json): Json {
  const kept = Object.entries(map).filter(([, value]) => !isNothing(value));
  return Object.fromEntries(kept.map(([key, value]) => [key, isMap(value) ? withoutNulls(value) : value]));
}

function isNothing(value: unknown): boolean {
  return value === null || value === undefined;
}

function isEmpty(value: unknown): boolean {
  if (isNothing(value)) return true;
  if (Array.isArray(value)) return value.length === 0;
  return isMap(value) && Object.values(value).every(isEmpty);
}
