// Does a request meet the conditions of an Istio route? Pure; conditions within one match must all hold, one match of
// the list is enough. It must never throw on a pattern that is no regular expression: such a match never holds.
import type { HttpMatch, HttpRoute, StringMatch } from "./config.ts";

export interface MeshRequest {
  /** As in the Host header; a port is ignored. */
  host: string;
  method: string;
  /** With the query. */
  path: string;
  /** Names in lower case. */
  headers: Readonly<Record<string, string | undefined>>;
}

/** The match that holds; "always" for a route without conditions. */
export function matchingOf(route: HttpRoute, request: MeshRequest): HttpMatch | "always" | undefined {
  if (route.match === undefined || route.match.length === 0) return "always";
  return route.match.find((match) => holds(match, request));
}

function holds(match: HttpMatch, request: MeshRequest): boolean {
  const [path = "/", query = ""] = request.path.split("?", 2);
  const parameters = new URLSearchParams(query);
  // Every request comes through the gateway, which has no labels.
  if (Object.keys(match.sourceLabels ?? {}).length > 0) return false;
  return isMatch(match.uri, path, match.ignoreUriCase)
    && isMatch(match.method, request.method)
    && isMatch(match.authority, request.host)
    && every(match.headers, (name, wanted) => isMatch(wanted, request.headers[name.toLowerCase()] ?? null))
    && every(match.withoutHeaders, (name, wanted) => !isMatch(wanted, request.headers[name.toLowerCase()] ?? null))
    && every(match.queryParams, (name, wanted) => isMatch(wanted, parameters.get(name)));
}

function every(wanted: Record<string, StringMatch> | undefined, test: (name: string, match: StringMatch) => boolean): boolean {
  return Object.entries(wanted ?? {}).every(([name, match]) => test(name, match));
}

/** Null is a value that is not there; an empty condition asks only that it is. */
function isMatch(match: StringMatch | undefined, value: string | null, ignoreCase = false): boolean {
  if (match === undefined) return true;
  if (value === null) return false;
  const fold = (text: string) => (ignoreCase ? text.toLowerCase() : text);
  if (match.exact !== undefined) return fold(value) === fold(match.exact);
  if (match.prefix !== undefined) return fold(value).startsWith(fold(match.prefix));
  return match.regex === undefined || fullMatch(match.regex, value);
}

function fullMatch(pattern: string, value: string): boolean {
  try {
    return new RegExp(`^(?:${pattern})$`, "u").test(value);
  } catch {
    return false;
  }
}
