// Which resource and which object does a URL name? Reads the path grammar of the Kubernetes API; it must never look at
// what exists.
import { badRequest } from "./errors.ts";

export interface ApiRequest {
  method: string;
  /** Path and query; a scheme and host in front are ignored. */
  url: string;
  headers?: Readonly<Record<string, string | undefined>>;
  body?: string;
  /** Ends a watch. */
  signal?: AbortSignal;
}

export interface ApiResponse {
  status: number;
  headers: Record<string, string>;
  body: string | AsyncIterable<string>;
}

export interface ResourcePath {
  group: string;
  version: string;
  plural: string;
  namespace?: string;
  name?: string;
  subresource?: string;
}

/** @throws ApiError 400 for what is no URL */
export function parseUrl(url: string): URL {
  return orRefuse(() => new URL(url, "http://api"));
}

function orRefuse<T>(parse: () => T): T {
  try {
    return parse();
  } catch {
    throw badRequest("the URL of the request cannot be read");
  }
}

export function header(request: ApiRequest, name: string): string {
  const headers = request.headers ?? {};
  const direct = headers[name];
  if (direct !== undefined) return direct;
  const found = Object.keys(headers).find((key) => key.toLowerCase() === name);
  return found === undefined ? "" : headers[found] ?? "";
}

/** Undefined for a path that is no resource: discovery, version, health. @throws ApiError 400 */
export function resourcePath(pathname: string): ResourcePath | undefined {
  const parts = orRefuse(() => pathname.split("/").filter((part) => part !== "").map(decodeURIComponent));
  const [root, ...rest] = parts;
  const core = root === "api";
  if (!core && root !== "apis") return undefined;
  const [group = "", version = "", ...tail] = core ? ["", ...rest] : rest;
  if (tail.length === 0) return undefined;
  const base = { group, version };
  if (tail[0] === "namespaces" && tail.length >= 2) {
    const [, namespace = "", plural, name, subresource, ...extra] = tail;
    // /api/v1/namespaces/x, .../x/status and .../x/finalize are about the Namespace itself.
    if (core && (plural === undefined || ((plural === "status" || plural === "finalize") && name === undefined))) {
      return { ...base, plural: "namespaces", name: namespace, ...(plural === undefined ? {} : { subresource: plural }) };
    }
    if (plural === undefined || extra.length > 0) return undefined;
    return { ...base, namespace, plural, ...(name === undefined ? {} : { name }), ...(subresource === undefined ? {} : { subresource }) };
  }
  const [plural = "", name, subresource, ...extra] = tail;
  if (extra.length > 0) return undefined;
  return { ...base, plural, ...(name === undefined ? {} : { name }), ...(subresource === undefined ? {} : { subresource }) };
}
