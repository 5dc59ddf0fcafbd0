// How does an object look through its scale subresource, and what does a new Scale make of it? It must never touch
// anything but the replica count.
import { ApiError, invalid } from "./errors.ts";
import { at, childOf, copyJson, isRecord, numberOf, textOf } from "./json.ts";
import type { JsonRecord } from "./json.ts";
import type { ScalePaths } from "./resource-type.ts";
import type { KubeObject } from "./types.ts";

export function scaleOf(scale: ScalePaths, object: KubeObject): KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const replicas = numberOf(at(object, ...fields(scale.specReplicas)));
  const selector = selectorText(scale, object);
  // A real server leaves a zero out of the spec.
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: replicas === undefined || replicas === 0 ? {} : { replicas },
    status: { replicas: numberOf(at(object, ...fields(scale.statusReplicas))) ?? 0, ...(selector === "" ? {} : { selector }) },
  };
}

/** @throws ApiError 422 for a negative count */
export function scaled(scale: ScalePaths, object: KubeObject, wanted: KubeObject): KubeObject {
  const replicas = at(wanted, "spec", "replicas") ?? 0;
  const { resourceVersion, uid } = wanted.metadata;
  if (typeof replicas !== "number") throw new ApiError(400, "BadRequest", "Scale in version \"v1\" cannot be handled as a Scale: spec.replicas is not a number");
  if (replicas < 0) {
    throw invalid({ group: "autoscaling", plural: "scales", kind: "Scale" }, object.metadata.name, [
      { type: "Invalid value", field: "spec.replicas", value: replicas, detail: "must be greater than or equal to 0" },
    ]);
  }
  const next = copyJson(object);
  if (resourceVersion !== undefined && resourceVersion !== "") next.metadata.resourceVersion = resourceVersion;
  if (uid !== undefined && uid !== "") next.metadata.uid = uid;
  const path = fields(scale.specReplicas);
  let parent: JsonRecord = next;
  for (const field of path.slice(0, -1)) parent = childOf(parent, field);
  parent[path.at(-1) ?? ""] = replicas;
  return next;
}

function fields(path: string): string[] {
  return path.split(".").filter((field) => field !== "");
}

function selectorText(scale: ScalePaths, object: KubeObject): string {
  if (scale.labelSelector !== undefined) return textOf(at(object, ...fields(scale.labelSelector))) ?? "";
  const labels = at(object, "spec", "selector", "matchLabels");
  if (!isRecord(labels)) return "";
  return Object.entries(labels).map(([key, value]) => `${key}=${String(value)}`).sort().join(",");
}
