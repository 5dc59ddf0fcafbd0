// How are Istio's words for conditions and headers said in the Gateway API, and which of them cannot be? What cannot be said is named, never left out.
import type { CanarySpec } from "../crds/canary.ts";
import { parseDuration } from "../crds/durations.ts";
import { defined, isMap, list, map, text, texts, type Json } from "../crds/json.ts";
import type { Problem } from "../crds/problem.ts";
import type { Resource } from "../engine/ports.ts";

export const GROUP = "gateway.networking.k8s.io";

/** A kind of route: what it can say of the manifest, and what it cannot. */
export interface RouteKind {
  resource: Resource;
  /** The rule that the manifest asks for, but for its backends, with the defaults that the API server would write. */
  ruleOf(spec: CanarySpec): Json;
  unsayableChoice(spec: CanarySpec): Problem[];
  unsayableService(spec: CanarySpec): Problem[];
}

export const HTTP_ROUTE: RouteKind = {
  resource: { group: GROUP, version: "v1", plural: "httproutes", kind: "HTTPRoute" },
  ruleOf: ({ service }) => {
    const filters = filtersOf(service);
    const { timeout, backendTimeout } = service ?? {};
    const timeouts = timeout === undefined && backendTimeout === undefined ? {} : { timeouts: defined({ request: timeout, backendRequest: backendTimeout }) };
    return { matches: matchesOf(list(service?.match).map(map)), ...(filters.length === 0 ? {} : { filters }), ...timeouts };
  },
  unsayableChoice: ({ analysis }) => list(analysis?.match).flatMap((match, index) => conditions(map(match), `spec.analysis.match[${index}]`)),
  unsayableService,
};

const PATHS: Readonly<Record<string, string>> = { exact: "Exact", prefix: "PathPrefix", regex: "RegularExpression" };
const VALUES: Readonly<Record<string, string>> = { exact: "Exact", regex: "RegularExpression" };
const SAYABLE: ReadonlySet<string> = new Set(["uri", "method", "headers", "queryParams", "name"]);

function matchesOf(conditions: readonly Json[]): Json[] {
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
  return defined({ headers: headersOf(condition.headers), queryParams: headersOf(condition.queryParams) });
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

/** In the order of their names, so that the same manifest always gives the same rule. Undefined when there are none. */
export function headersOf(conditions: unknown): Json[] | undefined {
  const said = Object.entries(map(conditions))
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .flatMap(([name, condition]) => Object.entries(VALUES).flatMap(([form, type]) => (typeof map(condition)[form] === "string" ? [{ type, name, value: map(condition)[form] }] : [])));
  return said.length === 0 ? undefined : said;
}

type Service = NonNullable<CanarySpec["service"]>;

export function filtersOf(service: Partial<Service> | undefined): Json[] {
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

function corsOf(service: Partial<Service> | undefined): Json | undefined {
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

export function unsaid(path: string, message: string): Problem {
  return { reason: "Unsupported", path, message };
}

/** What of `spec.service` an HTTPRoute cannot say. */
function unsayableService({ service, analysis }: CanarySpec): Problem[] {
  const problems = list(service?.match).flatMap((match, index) => conditions(map(match), `spec.service.match[${index}]`));
  (service?.corsPolicy?.allowOrigins ?? []).forEach((origin, index) => {
    if (origin.exact === undefined) problems.push(unsaid(`spec.service.corsPolicy.allowOrigins[${index}]`, "An HTTPRoute names origins by exact alone, in which * stands for any part of a host. Use it."));
  });
  const { uri, type } = service?.rewrite ?? {};
  const matches = Math.max(service?.match?.length ?? 0, 1) * Math.max(analysis?.match?.length ?? 0, 1);
  if (uri !== undefined && type === "ReplacePrefixMatch") {
    if (matches > 1) problems.push(unsaid("spec.service.rewrite.type", "An HTTPRoute replaces a prefix for a single condition alone. Leave one in spec.service.match and spec.analysis.match, or use ReplaceFullPath."));
    const by = map(map(list(service?.match)[0]).uri);
    if (by.exact !== undefined || by.regex !== undefined) problems.push(unsaid("spec.service.match[0].uri", "An HTTPRoute replaces a prefix that was matched by prefix alone. Use it, or rewrite.type ReplaceFullPath."));
  }
  return problems;
}

function conditions(match: Json, path: string): Problem[] {
  const problems = unsayable(match, path, { kind: "HTTPRoute", words: SAYABLE });
  if (match.method !== undefined && text(map(match.method).exact) === undefined) problems.push(unsaid(`${path}.method`, "An HTTPRoute matches a method by exact alone. Use it."));
  if (match.uri !== undefined && !Object.keys(PATHS).some((form) => form in map(match.uri))) problems.push(unsaid(`${path}.uri`, "An HTTPRoute matches a path by exact, prefix or regex. Use one of them."));
  return problems;
}

/** Words that the kind does not know, and forms of values that no kind knows. */
export function unsayable(match: Json, path: string, { kind, words }: { kind: string; words: ReadonlySet<string> }): Problem[] {
  const known = (condition: unknown): boolean => Object.keys(VALUES).some((form) => isMap(condition) && form in condition);
  const valued = (["headers", "queryParams"] as const).filter((key) => words.has(key));
  return [
    ...Object.keys(match).filter((key) => !words.has(key)).map((key) => unsaid(`${path}.${key}`, `The kind ${kind} knows no ${key}. Remove it.`)),
    ...valued.flatMap((key) =>
      Object.entries(map(match[key])).filter(([, condition]) => !known(condition)).map(([name]) => unsaid(`${path}.${key}.${name}`, `The kind ${kind} matches by exact or regex alone. Use one of them.`)),
    ),
  ];
}
