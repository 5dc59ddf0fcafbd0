// In which form does a client get an object: whole, metadata only, or as a table? Decided by its Accept header alone.
// It must never change what is stored.
import { ApiError } from "./errors.ts";
import { apiVersionOf } from "./resource-type.ts";
import { tableOf } from "./table.ts";
import type { JsonRecord } from "./json.ts";
import type { ResourceType } from "./resource-type.ts";
import type { KubeObject } from "./types.ts";

export type Form = "object" | "metadata" | "table";

export interface View {
  type: ResourceType;
  version: string;
  form: Form;
  nowMs: number;
}

/** @throws ApiError 406 when nothing that the client accepts can be served */
export function chooseForm(accept: string): Form {
  if (accept.trim() === "") return "object";
  for (const choice of accept.split(",")) {
    const [mediaType = "", ...parameters] = choice.split(";").map((part) => part.trim());
    if (mediaType !== "application/json" && mediaType !== "*/*" && mediaType !== "application/*") continue;
    const as = parameters.find((parameter) => parameter.startsWith("as="))?.slice(3);
    if (as === undefined) return "object";
    const isV1 = parameters.includes("v=v1") && parameters.includes("g=meta.k8s.io");
    if (isV1 && as === "Table") return "table";
    if (isV1 && (as === "PartialObjectMetadata" || as === "PartialObjectMetadataList")) return "metadata";
  }
  throw new ApiError(406, "NotAcceptable", "only the following media types are accepted: application/json");
}

export function inVersion(type: ResourceType, version: string, object: KubeObject): KubeObject {
  return version === type.storageVersion ? object : { ...object, apiVersion: apiVersionOf(type.group, version) };
}

export function showObject(view: View, object: KubeObject): JsonRecord {
  switch (view.form) {
    case "object": return inVersion(view.type, view.version, object);
    case "metadata": return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: object.metadata };
    case "table": return tableOf(view, [object], { resourceVersion: object.metadata.resourceVersion });
  }
}

export function showList(view: View, objects: readonly KubeObject[], metadata: JsonRecord): JsonRecord {
  switch (view.form) {
    case "object":
      return {
        kind: view.type.listKind ?? `${view.type.kind}List`,
        apiVersion: apiVersionOf(view.type.group, view.version),
        metadata,
        items: objects.map((object) => listItem(view, object)),
      };
    case "metadata":
      return {
        kind: "PartialObjectMetadataList",
        apiVersion: "meta.k8s.io/v1",
        metadata,
        items: objects.map(({ metadata: meta }) => ({ kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: meta })),
      };
    case "table": return tableOf(view, objects, metadata);
  }
}

/** The items of a built-in list do not say what they are: a client that relies on it fails against a real server. */
function listItem(view: View, object: KubeObject): JsonRecord {
  if (view.type.custom) return inVersion(view.type, view.version, object);
  return Object.fromEntries(Object.entries(object).filter(([field]) => field !== "apiVersion" && field !== "kind"));
}
