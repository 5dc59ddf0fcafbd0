// What did the client send, and may it be sent here? Decodes bodies, names the patch types, and compares what a body
// says about itself with what the URL says. It must never write.
import { parse as parseYaml } from "yaml";
import { ApiError, badRequest, unsupportedMediaType } from "./errors.ts";
import { isRecord, recordOf, textOf } from "./json.ts";
import { jsonPatch, mergePatch } from "./json-patch.ts";
import { requireMeta } from "./metadata.ts";
import { PROTOBUF_TYPE } from "./protobuf.ts";
import { apiVersionOf } from "./resource-type.ts";
import { header } from "./routes.ts";
import { strategicMerge } from "./strategic-merge.ts";
import type { ResourceType } from "./resource-type.ts";
import type { ApiRequest, ResourcePath } from "./routes.ts";
import type { Propagation, RemoveOptions } from "./store.ts";
import type { KubeObject } from "./types.ts";

const JSON_TYPE = "application/json";
const PATCH_TYPES = ["application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json"] as const;
const APPLY_TYPE = "application/apply-patch+yaml";

function contentType(request: ApiRequest): string {
  return (header(request, "content-type").split(";")[0] ?? "").trim();
}

/** @throws ApiError 415 for anything but JSON or YAML, 400 when it does not parse */
export function decodeBody(request: ApiRequest): unknown {
  const type = contentType(request);
  if (type === "application/yaml") return readYaml(request.body ?? "");
  if (type !== "" && type !== JSON_TYPE) throw unsupportedMediaType([JSON_TYPE, "application/yaml", PROTOBUF_TYPE]);
  return parseJson(request.body ?? "");
}

function readYaml(text: string): unknown {
  try {
    return parseYaml(text);
  } catch (error) {
    throw badRequest(`error converting YAML to JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(`couldn't get version/kind; json parse error: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export interface DecodeContext {
  type: ResourceType;
  path: ResourcePath;
  /** The kind that the endpoint takes; a Scale is not of the kind whose replicas it sets. */
  kind?: string;
  apiVersion?: string;
}

/** The object of a POST or PUT, agreeing with the URL. @throws ApiError 400 */
export function decodeObject(request: ApiRequest, context: DecodeContext): KubeObject {
  const body = decodeBody(request);
  if (!isRecord(body)) throw badRequest("the request body is not an object");
  const { type, path } = context;
  const apiVersion = context.apiVersion ?? apiVersionOf(path.group, path.version);
  const kind = context.kind ?? type.kind;
  // A body that does not say what it is is taken for what the endpoint serves, except of custom kinds.
  if (type.custom && body.kind === undefined) throw badRequest("Object 'Kind' is missing in request body");
  if ((body.kind ?? kind) !== kind) {
    throw badRequest(`${String(body.kind)} in version "${String(body.apiVersion)}" cannot be handled as a ${kind}: the object provided is unrecognized (must be of type ${kind})`);
  }
  if ((body.apiVersion ?? apiVersion) !== apiVersion) {
    throw badRequest(`the API version in the data (${String(body.apiVersion)}) does not match the expected API version (${apiVersion})`);
  }
  body.apiVersion = apiVersion;
  body.kind = kind;
  requireMeta(body);
  agreeWithUrl(body, path);
  return body;
}

/** @throws ApiError 400 */
export function agreeWithUrl(object: KubeObject, path: ResourcePath): void {
  const { metadata } = object;
  if (path.namespace !== undefined) {
    if (metadata.namespace === undefined || metadata.namespace === "") metadata.namespace = path.namespace;
    if (metadata.namespace !== path.namespace) throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  }
  if (path.name === undefined) return;
  if (metadata.name === undefined || metadata.name === "") throw badRequest("name must be provided");
  if (metadata.name !== path.name) throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${path.name})`);
}

function acceptedPatches(shape: string | undefined): readonly string[] {
  return shape === undefined ? PATCH_TYPES.slice(0, 2) : PATCH_TYPES;
}

/** @throws ApiError 415 for a patch type that this kind does not take; said before anything about the object */
export function refusePatchType(request: ApiRequest, shape: string | undefined): void {
  const form = contentType(request);
  const accepted = acceptedPatches(shape);
  if (form === APPLY_TYPE) {
    throw new ApiError(415, "UnsupportedMediaType", `server-side apply (${APPLY_TYPE}) is not served by this API; accepted media types include: ${accepted.join(", ")}`);
  }
  if (accepted.includes(form)) return;
  if (shape !== undefined) throw new ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {});
  throw unsupportedMediaType([...accepted, APPLY_TYPE]);
}

/** What the patch in the request makes of `current`. */
export function patched(request: ApiRequest, type: ResourceType, shape: string | undefined, current: KubeObject): KubeObject {
  refusePatchType(request, shape);
  const form = contentType(request);
  const patch = parseJson(request.body ?? "");
  if (form !== PATCH_TYPES[0] && !isRecord(patch)) throw badRequest("error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}");
  const result = form === PATCH_TYPES[0] ? jsonPatch(current, patch)
    : form === PATCH_TYPES[1] ? mergePatch(current, patch)
    : strategicMerge(shape, current, recordOf(patch));
  requireMeta(result);
  if (result.kind !== current.kind || result.apiVersion !== current.apiVersion) {
    throw badRequest(`the patch makes a ${String(result.apiVersion)} ${String(result.kind)} of a ${current.apiVersion} ${type.kind}`);
  }
  return result;
}

/** Options of a DELETE: in its body, in the query, or nowhere. @throws ApiError 422 */
export function removeOptions(request: ApiRequest, query: URLSearchParams): RemoveOptions {
  const given = request.body === undefined || request.body === "" ? {} : recordOf(decodeBody(request));
  const preconditions = recordOf(given.preconditions);
  const policy = textOf(given.propagationPolicy) ?? query.get("propagationPolicy") ?? undefined;
  const orphan = given.orphanDependents;
  const grace = given.gracePeriodSeconds ?? (query.has("gracePeriodSeconds") ? Number(query.get("gracePeriodSeconds")) : undefined);
  const uid = textOf(preconditions.uid);
  const resourceVersion = textOf(preconditions.resourceVersion);
  const dryRun = query.has("dryRun") || (Array.isArray(given.dryRun) && given.dryRun.length > 0);
  return {
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    ...(policy !== undefined ? { propagationPolicy: propagation(policy) } : orphan === true ? { propagationPolicy: "Orphan" as const } : {}),
    ...(typeof grace === "number" ? { gracePeriodSeconds: grace } : {}),
    dryRun,
  };
}

function propagation(policy: string): Propagation {
  if (policy === "Background" || policy === "Foreground" || policy === "Orphan") return policy;
  const told = `propagationPolicy: Unsupported value: "${policy}": supported values: "Foreground", "Background", "Orphan", "nil"`;
  throw new ApiError(422, "Invalid", `DeleteOptions.meta.k8s.io "" is invalid: ${told}`, {
    group: "meta.k8s.io",
    kind: "DeleteOptions",
    causes: [{ reason: "FieldValueNotSupported", message: told.slice("propagationPolicy: ".length), field: "propagationPolicy" }],
  });
}
