// How are Istio's words for conditions and headers said in the Gateway API, and which of them cannot be? What cannot be said is named, never left out.
import type { CanarySpec } from "../crds/canary.ts";
import { parseDuration } from "../crds/durations.ts";
import { defined, isMap, list, map, text, texts, type Json } from "../crds/json.ts";
import type { Problem } from "../crds/problem.ts";

const PATHS: Readonly<Record<string, string>> = { exact: "Exact", prefix: "PathPrefix", regex: "RegularExpression" };
const VALUES: Readonly<Record<string, string>> = { exact: "Exact", regex: "RegularExpression" };
const SAYABLE = new Set(["uri", "method", "headers", "queryParams", "name"]);

/** Matches of a rule, with the defaults that the API server would write. */
export function matchesOf(conditions: readonly Json[]): Json[] {
  return (conditions.length === 0 ? [{}] : conditions).map((one) => defined({ path: pathOf(map(one.uri)), method: text(map(one.method).exact), ...valuesOf(one) }));
}

/** Matches that ask for what each one asked for, and for each of the conditions at a time. Where both name a header, the condition counts. */
export function crossed(matches: readonly Json[], conditions: readonly Json[]): Json[] {
  return (matches.length === 0 ? [{}] : matches).flatMap((match) =>
    conditions.map((condition) => {
      const { headers, queryParams } = valuesOf(condition);
      return defined({ ...match, headers: joined(match.headers, headers, (name) => name.toLowerCase()), queryParams: joined(match.queryParams, queryParams, (name) => name) });
    }),
  );
}

function valuesOf(condition: Json): { headers?: Json[]; queryParams?: Json[] } {
  const [headers, queryParams] = [values(map(condition.headers)), values(map(condition.queryParams))];
  return { ...(headers.length === 0 ? {} : { headers }), ...(queryParams.length === 0 ? {} : { queryParams }) };
}

function joined(before: unknown, added: readonly Json[] = [], same: (name: string) => string): Json[] | undefined {
  const names = new Set(added.map(({ name }) => same(text(name) ?? "")));
  const all = [...list(before).map(map).filter(({ name }) => !names.has(same(text(name) ?? ""))), ...added];
  return all.length === 0 ? undefined : all;
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
  const cors = corsOf(service);
  return cors === undefined ? filters : [...filters, cors];
}

const CORS_SECONDS = 5;

function corsOf(service: CanarySpec["service"]): Json | undefined {
  const policy = service?.corsPolicy;
  if (policy === undefined) return undefined;
  const some = <T>(values: readonly T[] | undefined): readonly T[] | undefined => (values === undefined || values.length === 0 ? undefined : values);
  const exact = (policy.allowOrigins ?? []).flatMap((origin) => (origin.exact === undefined ? [] : [origin.exact]));
  const cors = defined({
    allowOrigins: some([...(policy.allowOrigin ?? []), ...exact]),
    allowMethods: some(policy.allowMethods),
    allowHeaders: some(policy.allowHeaders),
    exposeHeaders: some(policy.exposeHeaders),
    // Older versions know no false here, which is the same as saying nothing.
    allowCredentials: policy.allowCredentials === true ? true : undefined,
    // Written out, as the API server would do it, so that nothing differs afterwards.
    maxAge: policy.maxAge === undefined ? CORS_SECONDS : Math.max(Math.round((parseDuration(policy.maxAge) ?? CORS_SECONDS * 1000) / 1000), 1),
  });
  return { type: "CORS", cors };
}

function modifier(operations: Json): Json | undefined {
  const pairs = (of: unknown): Json[] => Object.entries(texts(of)).sort(([left], [right]) => (left < right ? -1 : 1)).map(([name, value]) => ({ name, value }));
  const [add, set, remove] = [pairs(operations.add), pairs(operations.set), list(operations.remove)];
  const said = defined({ add: add.length === 0 ? undefined : add, set: set.length === 0 ? undefined : set, remove: remove.length === 0 ? undefined : remove });
  return Object.keys(said).length === 0 ? undefined : said;
}

const no = (path: string, message: string): Problem => ({ reason: "Unsupported", path, message });

/** Which of the conditions that choose users an HTTPRoute cannot say. */
export function unsayableChoice({ analysis }: CanarySpec): Problem[] {
  return list(analysis?.match).flatMap((match, index) => unsayable(map(match), `spec.analysis.match[${index}]`));
}

/** What of `spec.service` an HTTPRoute cannot say. */
export function unsayableService({ service, analysis }: CanarySpec): Problem[] {
  const problems = list(service?.match).flatMap((match, index) => unsayable(map(match), `spec.service.match[${index}]`));
  (service?.corsPolicy?.allowOrigins ?? []).forEach((origin, index) => {
    if (origin.exact === undefined) problems.push(no(`spec.service.corsPolicy.allowOrigins[${index}]`, "An HTTPRoute names origins by exact alone, in which * stands for any part of a host. Use it."));
  });
  const { uri, type } = service?.rewrite ?? {};
  const matches = Math.max(service?.match?.length ?? 0, 1) * Math.max(analysis?.match?.length ?? 0, 1);
  if (uri !== undefined && type === "ReplacePrefixMatch") {
    if (matches > 1) problems.push(no("spec.service.rewrite.type", "An HTTPRoute replaces a prefix for a single condition alone. Leave one in spec.service.match and spec.analysis.match, or use ReplaceFullPath."));
    const by = map(map(list(service?.match)[0]).uri);
    if (by.exact !== undefined || by.regex !== undefined) problems.push(no("spec.service.match[0].uri", "An HTTPRoute replaces a prefix that was matched by prefix alone. Use it, or rewrite.type ReplaceFullPath."));
  }
  return problems;
}

function unsayable(match: Json, path: string): Problem[] {
  const known = (condition: unknown): boolean => Object.keys(VALUES).some((form) => isMap(condition) && form in condition);
  return [
    ...Object.keys(match).filter((key) => !SAYABLE.has(key)).map((key) => no(`${path}.${key}`, `An HTTPRoute knows no ${key}. Remove it.`)),
    ...["headers", "queryParams"].flatMap((key) =>
      Object.entries(map(match[key])).filter(([, condition]) => !known(condition)).map(([name]) => no(`${path}.${key}.${name}`, "An HTTPRoute matches by exact or regex alone. Use one of them.")),
    ),
    ...(match.method !== undefined && text(map(match.method).exact) === undefined ? [no(`${path}.method`, "An HTTPRoute matches a method by exact alone. Use it.")] : []),
    ...(match.uri !== undefined && !Object.keys(PATHS).some((form) => form in map(match.uri)) ? [no(`${path}.uri`, "An HTTPRoute matches a path by exact, prefix or regex. Use one of them.")] : []),
  ];
}
