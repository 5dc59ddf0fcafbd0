// Requests to one API server, with faults as values that are classified by status code alone. Nothing here retries or re-reads.
import type { Clock, Fault, FaultClass, KubeApi, KubeObject, ObjectRef, Precondition, Resource, Result } from "../ports.ts";
import { hiderOf } from "../../analysis/hiding.ts";
import { sleep } from "./waiting.ts";
import { TimeoutError, type Transport, type TransportRequest, type TransportResponse } from "./transport.ts";

const TIMEOUT_MS = 15_000;
const PAGE = 500;
const PAUSE_MAX_MS = 30_000;

export interface KubeOptions {
  transport: Transport;
  clock: Clock;
  timeoutMs?: number;
  /** Told of each answer: verb, resource and status (0 where none came). */
  observe?: (verb: string, resource: string, status: number) => void;
  signal?: AbortSignal;
}

interface Call {
  verb: "get" | "list" | "create" | "patch" | "delete";
  group: string;
  /** As it is counted. */
  resource: string;
  /** As people read it. */
  what: string;
}

type Request = Omit<TransportRequest, "timeoutMs">;

/**
 * Guarantees: a write is sent at the instant of the call or not at all, so that who may write now is not found writing later.
 * Assumptions: the caller tries again when it sees fit.
 */
export function createKubeApi({ transport, clock, timeoutMs = TIMEOUT_MS, observe, signal }: KubeOptions): KubeApi {
  // An API server that asks for a pause means all requests to that group, not the one that happened to hear it. Not those to other groups:
  // a lease that cannot be renewed because events are throttled would make an overload worse.
  const pausedUntilMs = new Map<string, number>();

  async function pause({ verb, group, what }: Call): Promise<Fault | undefined> {
    const waitMs = (pausedUntilMs.get(group) ?? 0) - clock.monotonic();
    if (waitMs <= 0) return undefined;
    if (verb !== "get" && verb !== "list") return { class: "throttled", message: `${verb} ${what}: the API server asked for a pause`, retryAfterMs: waitMs };
    await sleep(clock, waitMs, signal ?? NEVER);
    return undefined;
  }

  async function send(call: Call, request: Request): Promise<Result<TransportResponse>> {
    const { verb, resource, what } = call;
    const paused = await pause(call);
    if (paused !== undefined) return { ok: false, fault: paused };
    let response: TransportResponse;
    try {
      response = await transport.request({ ...request, timeoutMs, signal });
    } catch (error) {
      observe?.(verb, resource, 0);
      const late = error instanceof TimeoutError;
      return { ok: false, fault: { class: late ? "deadline" : "transient", message: `${verb} ${what}: ${late ? error.message : codeOf(error)}` } };
    }
    observe?.(verb, resource, response.status);
    if (response.status >= 200 && response.status < 300) return { ok: true, value: response };
    const fault = faultOf(verb, what, resource === "secrets" ? quiet(response, request.body) : response);
    if (fault.retryAfterMs !== undefined) pausedUntilMs.set(call.group, clock.monotonic() + Math.min(fault.retryAfterMs, PAUSE_MAX_MS));
    return { ok: false, fault };
  }

  async function object(verb: Call["verb"], { group, plural }: Resource, what: string, request: Request): Promise<Result<KubeObject>> {
    const result = await send({ verb, group, resource: plural, what }, request);
    return result.ok ? parsed(result.value.body, `${verb} ${what}`) : result;
  }

  return {
    get: (ref) => object("get", ref.resource, nameOf(ref), { method: "GET", path: pathOf(ref) }),
    create: (resource, wanted) => {
      const ref = { resource, namespace: wanted.metadata.namespace ?? "", name: wanted.metadata.name };
      return object("create", resource, nameOf(ref), { method: "POST", path: collection(resource, ref.namespace), body: JSON.stringify(wanted) });
    },
    patch: (ref, patch, precondition, subresource) => {
      const fenced = withPrecondition(patch, precondition);
      const path = subresource === undefined ? pathOf(ref) : `${pathOf(ref)}/${subresource}`;
      return object("patch", ref.resource, nameOf(ref), { method: "PATCH", path, contentType: "application/merge-patch+json", body: JSON.stringify(fenced) });
    },
    async delete(ref, precondition) {
      const body = { apiVersion: "v1", kind: "DeleteOptions", preconditions: precondition, propagationPolicy: "Background" };
      const call: Call = { verb: "delete", group: ref.resource.group, resource: ref.resource.plural, what: nameOf(ref) };
      const result = await send(call, { method: "DELETE", path: pathOf(ref), body: JSON.stringify(body) });
      return result.ok ? { ok: true, value: undefined } : result;
    },
    async list(resource, namespace, labelSelector) {
      const items: KubeObject[] = [];
      let next = "";
      do {
        const query = { limit: String(PAGE), ...(labelSelector === undefined ? {} : { labelSelector }), ...(next === "" ? {} : { continue: next }) };
        const page = await object("list", resource, resource.plural, { method: "GET", path: collection(resource, namespace ?? ""), query });
        if (!page.ok) return page;
        const { items: found = [], metadata } = page.value as unknown as { items?: KubeObject[]; metadata?: { continue?: string } };
        items.push(...found.map((item) => ({ ...item, apiVersion: apiVersionOf(resource), kind: resource.kind })));
        next = metadata?.continue ?? "";
      } while (next !== "");
      return { ok: true, value: items };
    },
    async served(groupVersion) {
      const path = groupVersion.includes("/") ? `/apis/${groupVersion}` : `/api/${groupVersion}`;
      const result = await send({ verb: "get", group: "", resource: "apis", what: groupVersion }, { method: "GET", path });
      if (result.ok) return { ok: true, value: true };
      return result.fault.class === "not-found" ? { ok: true, value: false } : result;
    },
  };
}

export function apiVersionOf({ group, version }: Pick<Resource, "group" | "version">): string {
  return group === "" ? version : `${group}/${version}`;
}

export function collection(resource: Resource, namespace: string): string {
  const root = resource.group === "" ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  return namespace === "" ? `${root}/${resource.plural}` : `${root}/namespaces/${encodeURIComponent(namespace)}/${resource.plural}`;
}

function pathOf({ resource, namespace, name }: ObjectRef): string {
  return `${collection(resource, namespace)}/${encodeURIComponent(name)}`;
}

function nameOf({ resource, namespace, name }: ObjectRef): string {
  return `${resource.plural} ${namespace === "" ? "" : `${namespace}/`}${name}`;
}

function withPrecondition(patch: object, { uid, resourceVersion }: Precondition): object {
  const metadata = (patch as { metadata?: object }).metadata ?? {};
  return { ...patch, metadata: { ...metadata, uid, resourceVersion } };
}

function parsed(body: string, what: string): Result<KubeObject> {
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value === "object" && value !== null && "metadata" in value) return { ok: true, value: value as KubeObject };
  } catch {
    // The same answer as for JSON that is no object: something between us and the API server spoke in its place.
  }
  return { ok: false, fault: { class: "transient", message: `${what}: the answer is not an object` } };
}

const NEVER = new AbortController().signal;

/** Messages hold what the API server said, shortened; never a header, never a body of ours. */
export function faultOf(verb: string, what: string, { status, headers, body }: TransportResponse): Fault {
  const seconds = Number(headers["retry-after"] ?? Number.NaN);
  const pause = (status === 429 || status === 503) && seconds >= 0 ? { retryAfterMs: seconds * 1000 } : {};
  return { class: classOf(verb, status), status, message: `${verb} ${what}: ${said(body) ?? `status ${status}`}`, ...pause };
}

/** What is said about a Secret that was not taken may quote it: admission that looks for keys does. */
function quiet(response: TransportResponse, sent: string | undefined): TransportResponse {
  if (sent === undefined) return response;
  const { data = {} } = JSON.parse(sent) as { data?: Record<string, string | null> };
  const values = Object.values(data).filter((value) => value !== null);
  const hide = hiderOf(values.flatMap((value) => [value, Buffer.from(value, "base64").toString("utf8")]));
  return { ...response, body: hide(response.body) };
}

function classOf(verb: string, status: number): FaultClass {
  if (status === 409) return verb === "create" ? "exists" : "conflict";
  if (status === 404) return "not-found";
  if (status === 401 || status === 403) return "forbidden";
  if (status === 410) return "gone";
  if (status === 429) return "throttled";
  if (status === 504 || status === 408) return "deadline";
  if (status >= 500) return "transient";
  return "invalid";
}

function said(body: string): string | undefined {
  try {
    const { message } = JSON.parse(body) as { message?: unknown };
    return typeof message === "string" ? message.slice(0, 500) : undefined;
  } catch {
    return undefined;
  }
}

/** ECONNREFUSED and its like; never the text of an error, which may hold what was sent. */
function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : "no answer";
}
