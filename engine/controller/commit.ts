// Writes the decided status before anything else happens: a compare-and-swap on the Canary's resourceVersion.
// Guarantees: the status in the API server is the one returned, or a fault is. Assumptions: the caller applies nothing after a fault.
import { isDeepStrictEqual } from "node:util";
import type { CanaryStatus } from "../../crds/status.ts";
import type { Problem } from "../../crds/problem.ts";
import type { KubeApi, KubeObject, ObjectRef, Precondition, Result } from "../ports.ts";

export interface Committed {
  object: KubeObject;
  /** Set when the API server dropped fields of the status: its CRD is older than this engine. */
  pruned?: Problem;
}

export async function commit(api: KubeApi, ref: ObjectRef, canary: KubeObject, status: CanaryStatus): Promise<Result<Committed>> {
  const patch = difference((canary.status ?? {}) as Fields, status as Fields);
  if (Object.keys(patch).length === 0) return { ok: true, value: { object: canary } };
  const written = await api.patch(ref, { status: patch }, preconditionOf(canary), "status");
  if (!written.ok) return written;
  const pruned = prunedField({ status }, { status: written.value.status ?? {} });
  return { ok: true, value: pruned === undefined ? { object: written.value } : { object: written.value, pruned: outdated(ref, pruned) } };
}

type Fields = Record<string, unknown>;

/** Exact, unlike the difference of rendered objects: an empty map that users know, such as `trackedConfigs: {}`, is sent. */
function difference(before: Fields, after: Fields): Fields {
  const patch: Fields = {};
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [from, to] = [before[key], after[key]];
    if (to === undefined) {
      if (from !== undefined) patch[key] = null;
    } else if (isFields(from) && isFields(to)) {
      const inner = difference(from, to);
      if (Object.keys(inner).length > 0) patch[key] = inner;
    } else if (!isDeepStrictEqual(from, JSON.parse(JSON.stringify(to)))) patch[key] = to;
  }
  return patch;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function preconditionOf(object: KubeObject): Precondition {
  return { uid: object.metadata.uid ?? "", resourceVersion: object.metadata.resourceVersion ?? "" };
}

function outdated(ref: ObjectRef, path: string): Problem {
  const group = ref.resource.group;
  return {
    reason: "CRDOutdated",
    path,
    message: `the installed CRD canaries.${group} does not know this field, so the engine cannot remember it; run: kurator-rollout crds --api-groups ${group} | kubectl apply --server-side -f -`,
  };
}

/** The first path of `sent` that did not come back. */
function prunedField(sent: object, back: object, path = ""): string | undefined {
  for (const [key, value] of Object.entries(sent)) {
    if (value === undefined || value === null) continue;
    const inner: unknown = (back as Record<string, unknown>)[key];
    const here = path === "" ? key : `${path}.${key}`;
    if (inner === undefined) {
      if (typeof value === "object" && Object.keys(value as object).length === 0) continue;
      return here;
    }
    if (typeof value === "object" && !Array.isArray(value) && typeof inner === "object" && inner !== null) {
      const deeper = prunedField(value as object, inner, here);
      if (deeper !== undefined) return deeper;
    }
  }
  return undefined;
}
