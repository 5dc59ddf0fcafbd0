// What does each verb do to a resource? Get, list, watch, create, update, patch and delete as the HTTP API means them;
// the rules of writing are the store's. It must never keep anything between two requests.
import { ApiError, expired, methodNotAllowed, notFound, unknownPath } from "./errors.ts";
import { copyJson } from "./json.ts";
import { agreeWithUrl, decodeObject, patched, refusePatchType, removeOptions } from "./request-body.ts";
import { chooseForm, inVersion, showList, showObject } from "./representation.ts";
import { header, parseUrl } from "./routes.ts";
import { scaleOf, scaled } from "./scale.ts";
import { fieldSelector, labelSelector } from "./selectors.ts";
import { checkUnknownFields } from "./unknown-fields.ts";
import { keyOf } from "./store.ts";
import { watch } from "./watch.ts";
import type { JsonRecord } from "./json.ts";
import type { View } from "./representation.ts";
import type { ResourceType } from "./resource-type.ts";
import type { ApiRequest, ApiResponse, ResourcePath } from "./routes.ts";
import type { Selects } from "./selectors.ts";
import type { ApiStore, UpdateTarget } from "./store.ts";
import type { KubeObject } from "./types.ts";

interface Call {
  store: ApiStore;
  request: ApiRequest;
  path: ResourcePath;
  type: ResourceType;
  query: URLSearchParams;
  view: View;
  warnings: string[];
}

/** @throws ApiError */
export function callResource(store: ApiStore, request: ApiRequest, path: ResourcePath): ApiResponse {
  const type = store.registry.find(path.group, path.version, path.plural);
  if (type === undefined) throw unknownPath();
  if (path.namespace !== undefined && !type.namespaced) throw unknownPath();
  if (path.name !== undefined && type.namespaced && path.namespace === undefined) throw unknownPath();
  const view: View = { type, version: path.version, form: chooseForm(header(request, "accept")), nowMs: store.clock.now() };
  const call: Call = { store, request, path, type, query: parseUrl(request.url).searchParams, view, warnings: [] };
  const response = path.name === undefined ? callCollection(call) : callObject(call, path.name);
  for (const warning of call.warnings) response.headers.Warning = `${response.headers.Warning === undefined ? "" : `${response.headers.Warning}, `}299 - ${JSON.stringify(warning)}`;
  return response;
}

function callCollection(call: Call): ApiResponse {
  switch (call.request.method) {
    case "GET": return isTrue(call.query.get("watch")) ? startWatch(call) : list(call);
    case "POST": return create(call);
    case "DELETE": return call.type.id === "namespaces" ? refuseMethod() : removeCollection(call);
    default: return refuseMethod();
  }
}

function callObject(call: Call, name: string): ApiResponse {
  const { path, type, request } = call;
  if (path.subresource === "scale" && type.scale !== undefined) return callScale(call, name);
  const target = subresource(call, name);
  switch (request.method) {
    case "GET": return reply(200, showObject(call.view, existing(call, name)));
    case "PUT": return replace(call, name, target);
    case "PATCH": return patchObject(call, name, target);
    case "DELETE": return target === undefined ? remove(call, name) : refuseMethod();
    default: return refuseMethod();
  }
}

function subresource({ path, type }: Call, name: string): UpdateTarget | undefined {
  if (path.subresource === undefined) return undefined;
  if (path.subresource === "status" && type.hasStatus) return "status";
  if (path.subresource === "finalize" && type.id === "namespaces") return "finalize";
  // A custom kind is asked for its object first, a built-in one for its path.
  throw type.custom ? notFound(type, name) : unknownPath();
}

function refuseMethod(): never {
  throw methodNotAllowed();
}

function isTrue(value: string | null): boolean {
  return value === "true" || value === "1";
}

function existing({ store, type, path }: Call, name: string): KubeObject {
  const found = store.get(type.id, path.namespace, name);
  if (found === undefined) throw notFound(type, name);
  return found;
}

function reply(status: number, body: JsonRecord): ApiResponse {
  return { status, headers: { "Content-Type": "application/json" }, body: `${JSON.stringify(body)}\n` };
}

function writeOptions(call: Call): { dryRun: boolean; version: string } {
  return { dryRun: call.query.has("dryRun"), version: call.path.version };
}

function create(call: Call): ApiResponse {
  const object = decodeObject(call.request, call);
  checkUnknownFields(call, object);
  const created = call.store.create(call.type.id, object, writeOptions(call));
  return reply(201, showObject(call.view, created));
}

function replace(call: Call, name: string, target: UpdateTarget | undefined): ApiResponse {
  const { store, type, path } = call;
  const object = decodeObject(call.request, call);
  if (store.get(type.id, path.namespace, name) === undefined && type.createOnUpdate === true && target === undefined) {
    return reply(201, showObject(call.view, store.create(type.id, object, writeOptions(call))));
  }
  existing(call, name);
  checkUnknownFields(call, object);
  return reply(200, showObject(call.view, store.update(type.id, object, target, writeOptions(call))));
}

function patchObject(call: Call, name: string, target: UpdateTarget | undefined): ApiResponse {
  const { store, type, request, path } = call;
  refusePatchType(request, type.shape);
  const current = inVersion(type, path.version, existing(call, name));
  const next = patched(request, type, type.shape, current);
  agreeWithUrl(next, path);
  checkUnknownFields(call, next, true);
  // A patch of what has no resourceVersion in it means "whatever is there"; one that carries another is a conflict.
  return reply(200, showObject(call.view, store.update(type.id, next, target, { ...writeOptions(call), patch: true })));
}

function callScale(call: Call, name: string): ApiResponse {
  const { store, type, request } = call;
  const paths = type.scale;
  if (paths === undefined) throw unknownPath();
  const current = existing(call, name);
  const show = (object: KubeObject): ApiResponse => reply(200, scaleOf(paths, object));
  const write = (wanted: KubeObject): ApiResponse => show(store.update(type.id, scaled(paths, copyJson(current), wanted), undefined, { dryRun: call.query.has("dryRun") }));
  switch (request.method) {
    case "GET": return show(current);
    case "PUT": return write(decodeObject(request, { ...call, kind: "Scale", apiVersion: "autoscaling/v1" }));
    case "PATCH": return write(patched(request, type, "Scale", scaleOf(paths, current)));
    default: return refuseMethod();
  }
}

function remove(call: Call, name: string): ApiResponse {
  const { store, type, path, request, query } = call;
  const { object, gone } = store.remove(type.id, path.namespace, name, removeOptions(request, query));
  if (!gone || type.returnsDeleted) return reply(200, showObject(call.view, object));
  const { group, plural } = type;
  return reply(200, {
    kind: "Status", apiVersion: "v1", metadata: {}, status: "Success",
    details: { name, ...(group === "" ? {} : { group }), kind: plural, uid: object.metadata.uid },
  });
}

function removeCollection(call: Call): ApiResponse {
  const { store, type, path, request, query, view } = call;
  const selects = selection(call);
  const options = { ...removeOptions(request, query) };
  delete options.uid;
  const chosen = store.list(type.id, path.namespace).filter(selects);
  const removed = chosen.map((object) => store.remove(type.id, object.metadata.namespace, object.metadata.name, options).object);
  return reply(200, showList(view, removed, { resourceVersion: String(store.revision) }));
}

function selection({ type, query }: Call): Selects {
  const byLabels = labelSelector(query.get("labelSelector") ?? "");
  const byFields = fieldSelector(type, query.get("fieldSelector") ?? "");
  return (object) => byLabels(object.metadata.labels ?? {}) && byFields(object);
}

interface ContinueToken {
  revision: number;
  after: string;
}

function list(call: Call): ApiResponse {
  const { store, type, path, query, view } = call;
  const selects = selection(call);
  const limitText = query.get("limit") ?? "0";
  const limit = Number(limitText);
  if (!Number.isInteger(limit)) throw new ApiError(400, "BadRequest", `strconv.ParseInt: parsing "${limitText}": invalid syntax`);
  const token = query.get("continue");
  const from = token === null || token === "" ? undefined : readToken(token);
  const revision = from?.revision ?? requestedRevision(store, query, limit);
  const all = revision === store.revision ? store.list(type.id, path.namespace) : snapshot(call, revision, from !== undefined);
  const left = all.filter((object) => selects(object) && (from === undefined || keyOf(object) > from.after));
  const page = limit > 0 ? left.slice(0, limit) : left;
  const last = page.at(-1);
  const metadata: JsonRecord = { resourceVersion: String(revision) };
  if (last !== undefined && page.length < left.length) {
    metadata.continue = writeToken({ revision, after: keyOf(last) });
    if (!query.has("labelSelector") && !query.has("fieldSelector")) metadata.remainingItemCount = left.length - page.length;
  }
  return reply(200, showList(view, page, metadata));
}

function snapshot({ store, type, path }: Call, revision: number, paging: boolean): readonly KubeObject[] {
  if (!store.history.isCompacted(revision)) return store.listAt(type.id, path.namespace, revision);
  throw expired(paging
    ? "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list."
    : `The resourceVersion for the provided list is too old.`);
}

/** Which state a list shows: the newest, unless an exact one was asked for. @throws ApiError 504 for one that is not there yet */
function requestedRevision(store: ApiStore, query: URLSearchParams, limit: number): number {
  const text = query.get("resourceVersion") ?? "";
  if (text === "" || text === "0") return store.revision;
  const asked = Number(text);
  if (!Number.isInteger(asked) || asked < 0) throw new ApiError(400, "BadRequest", `invalid resource version: resourceVersion: Invalid value: "${text}": strconv.ParseUint: parsing "${text}": invalid syntax`);
  if (asked > store.revision) {
    throw new ApiError(504, "Timeout", `Timeout: Too large resource version: ${asked}, current: ${store.revision}`, {
      causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
      retryAfterSeconds: 1,
    });
  }
  const match = query.get("resourceVersionMatch");
  const exact = match === "Exact" || (match === null && limit > 0);
  return exact ? asked : store.revision;
}

function writeToken(token: ContinueToken): string {
  return Buffer.from(JSON.stringify(token)).toString("base64url");
}

function readToken(text: string): ContinueToken {
  try {
    const { revision, after } = JSON.parse(Buffer.from(text, "base64url").toString()) as Partial<ContinueToken>;
    if (typeof revision === "number" && typeof after === "string") return { revision, after };
  } catch {
    // Refused below, like every other text that is no token.
  }
  throw new ApiError(400, "BadRequest", "continue key is not valid");
}

function startWatch(call: Call): ApiResponse {
  const { store, path, query, view, request } = call;
  const timeout = Number(query.get("timeoutSeconds") ?? 0);
  const resourceVersion = query.get("resourceVersion") ?? "";
  if (resourceVersion !== "" && !/^\d+$/.test(resourceVersion)) {
    // The real server takes it for its own mistake.
    throw new ApiError(500, "", `resourceVersion: Invalid value: "${resourceVersion}": strconv.ParseUint: parsing "${resourceVersion}": invalid syntax`);
  }
  const body = watch(store, {
    view,
    namespace: path.namespace,
    selects: selection(call),
    resourceVersion,
    initialEvents: isTrue(query.get("sendInitialEvents")),
    bookmarks: isTrue(query.get("allowWatchBookmarks")),
    timeoutSeconds: timeout > 0 ? timeout : undefined,
    signal: request.signal,
  });
  return { status: 200, headers: { "Content-Type": "application/json" }, body };
}
