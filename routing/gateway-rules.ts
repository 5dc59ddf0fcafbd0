// How are Istio's words for conditions and headers said in the Gateway API, and which of them cannot be? What cannot be said is named, never left out.
import type { CanarySpec } from "../crds/canary.ts";
import { defined, isMap, list, map, text, texts, type Json } from "../crds/json.ts";
import type { Problem } from "../crds/problem.ts";

const PATHS: Readonly<Record<string, string>> = { exact: "Exact", prefix: "PathPrefix", regex: "RegularExpression" };
const VALUES: Readonly<Record<string, string>> = { exact: "Exact", regex: "RegularExpression" };
const SAYABLE = new Set(["uri", "method", "headers", "queryParams", "name"]);

/** Matches of a rule, with the defaults that the API server would write. Where both lists name a header, the second one counts. */
export function matchesOf(service: readonly Json[], chosen: readonly Json[]): Json[] {
  const outer = service.length === 0 ? [{}] : service;
  const inner = chosen.length === 0 ? [{}] : chosen;
  return outer.flatMap((one) =>
    inner.map((other) => {
      const headers = values({ ...map(one.headers), ...map(other.headers) });
      const queryParams = values({ ...map(one.queryParams), ...map(other.queryParams) });
      const method = text(map(one.method).exact);
      return defined({
        path: pathOf(map(one.uri)),
        method,
        headers: headers.length === 0 ? undefined : headers,
        queryParams: queryParams.length === 0 ? undefined : queryParams,
      });
    }),
  );
}

function pathOf(uri: Json): Json {
  for (const [form, type] of Object.entries(PATHS)) if (typeof uri[form] === "string") return { type, value: uri[form] };
  return { type: "PathPrefix", value: "/" };
}

/** In the order of their names, so that the same manifest always gives the same rule. */
function values(conditions: Json): Json[] {
  return Object.entries(conditions)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .flatMap(([name, condition]) => Object.entries(VALUES).flatMap(([form, type]) => (typeof map(condition)[form] === "string" ? [{ type, name, value: map(condition)[form] }] : [])));
}

export function filtersOf({ service }: CanarySpec): Json[] {
  const filters: Json[] = [];
  const request = modifier(map(service?.headers?.request));
  const response = modifier(map(service?.headers?.response));
  if (request !== undefined) filters.push({ type: "RequestHeaderModifier", requestHeaderModifier: request });
  if (response !== undefined) filters.push({ type: "ResponseHeaderModifier", responseHeaderModifier: response });
  const { uri, authority, type } = service?.rewrite ?? {};
  if (uri !== undefined || authority !== undefined) {
    const path = uri === undefined ? undefined : type === "ReplacePrefixMatch" ? { type, replacePrefixMatch: uri } : { type: "ReplaceFullPath", replaceFullPath: uri };
    filters.push({ type: "URLRewrite", urlRewrite: defined({ hostname: authority, path }) });
  }
  for (const { backendRef } of service?.mirror ?? []) {
    if (backendRef !== undefined) filters.push({ type: "RequestMirror", requestMirror: { backendRef: { group: "", kind: "Service", ...defined(map(backendRef)) } } });
  }
  return filters;
}

function modifier(operations: Json): Json | undefined {
  const pairs = (of: unknown): Json[] => Object.entries(texts(of)).sort(([left], [right]) => (left < right ? -1 : 1)).map(([name, value]) => ({ name, value }));
  const [add, set, remove] = [pairs(operations.add), pairs(operations.set), list(operations.remove)];
  const said = defined({ add: add.length === 0 ? undefined : add, set: set.length === 0 ? undefined : set, remove: remove.length === 0 ? undefined : remove });
  return Object.keys(said).length === 0 ? undefined : said;
}

/** What of the manifest an HTTPRoute cannot say. */
export function unmatchable(spec: CanarySpec): Problem[] {
  const no = (path: string, message: string): Problem => ({ reason: "Unsupported", path, message });
  const conditions = [
    ...list(spec.service?.match).map((match, index) => ({ match: map(match), path: `spec.service.match[${index}]` })),
    ...list(spec.analysis?.match).map((match, index) => ({ match: map(match), path: `spec.analysis.match[${index}]` })),
  ];
  const problems = conditions.flatMap(({ match, path }) => [
    ...Object.keys(match).filter((key) => !SAYABLE.has(key)).map((key) => no(`${path}.${key}`, `An HTTPRoute knows no ${key}. Remove it.`)),
    ...["headers", "queryParams"].flatMap((key) =>
      Object.entries(map(match[key])).filter(([, condition]) => !Object.keys(VALUES).some((form) => isMap(condition) && form in condition)).map(([name]) => no(`${path}.${key}.${name}`, "An HTTPRoute matches by exact or regex alone. Use one of them.")),
    ),
    ...(match.method !== undefined && text(map(match.method).exact) === undefined ? [no(`${path}.method`, "An HTTPRoute matches a method by exact alone. Use it.")] : []),
  ]);
  if (spec.service?.corsPolicy !== undefined) problems.push(no("spec.service.corsPolicy", "Not every version of the Gateway API has it. Let the app answer CORS requests itself, or use an HTTPRoute of your own."));
  return problems;
}
