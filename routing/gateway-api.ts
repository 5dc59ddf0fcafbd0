// How does a gateway of the Gateway API split traffic? By one HTTPRoute whose rules lead to primary and canary with weights. One that the user made is kept
// as it is but for the backends of the rules that lead to the app.
import type { CanarySpec } from "../crds/canary.ts";
import { defined, isMap, list, map, text, type Json } from "../crds/json.ts";
import { foreignController, markedAnnotations, originalSpec, originOf, unmarked } from "../crds/marks.ts";
import type { Problem } from "../crds/problem.ts";
import type { KubeObject, Resource } from "../engine/ports.ts";
import { filtersOf, matchesOf, unmatchable } from "./gateway-rules.ts";
import { keyOf, type FoundObjects, type RouteIntent, type Router, type RouteReading } from "./router.ts";

const GROUP = "gateway.networking.k8s.io";
const HTTP_ROUTE: Resource = { group: GROUP, version: "v1", plural: "httproutes", kind: "HTTPRoute" };
const GATEWAY: Resource = { group: GROUP, version: "v1", plural: "gateways", kind: "Gateway" };

type Names = Pick<RouteIntent, "namespace" | "apex">;

/** Two names for one thing: which version is written is what the API server serves, and not what the manifest calls it. */
function gatewayApi(name: string): Router {
  const versions = (resource: Resource): Resource[] => [resource, { ...resource, version: "v1beta1" }];
  return {
    name,
    kinds: [versions(HTTP_ROUTE), versions(GATEWAY)],
    refersTo: [GATEWAY.kind],
    can: { weights: true, mirror: true, match: true, sessionAffinity: false },
    keys: (intent) => ({ route: routeKey(intent), others: [] }),
    reads: ({ namespace, spec }) => gatewayRefs(spec).map((ref) => keyOf(GATEWAY, text(ref.namespace) ?? namespace, text(ref.name) ?? "")),
    check,
    render,
    read,
    restore,
  };
}

export const gatewayApiV1 = gatewayApi("gatewayapi:v1");
export const gatewayApiV1beta1 = gatewayApi("gatewayapi:v1beta1");

function routeKey({ namespace, apex }: Names): string {
  return keyOf(HTTP_ROUTE, namespace, apex);
}

/** With the defaults that the API server would write, so that nothing differs afterwards. */
function gatewayRefs(spec: CanarySpec): Json[] {
  return list(spec.service?.gatewayRefs).map((ref) => ({ group: GROUP, kind: GATEWAY.kind, ...defined(map(ref)) }));
}

function backends({ apex }: Pick<Names, "apex">): [string, string] {
  return [`${apex}-primary`, `${apex}-canary`];
}

// Check

function check(intent: RouteIntent, found: FoundObjects): Problem[] {
  const { spec, owner } = intent;
  const route = found.get(routeKey(intent));
  const theirs = route !== undefined && (originOf(route, owner.uid) ?? "adopted") === "adopted";
  const problems: Problem[] = [];
  const foreign = route === undefined ? undefined : foreignController(route, owner, "spec.service.name");
  if (foreign !== undefined) problems.push(foreign);
  if (spec.analysis?.sessionAffinity !== undefined) {
    problems.push({ reason: "Unsupported", path: "spec.analysis.sessionAffinity", message: "Session affinity is not done by this router. Remove it, or use the provider istio." });
  }
  // The rules of a route that is the user's own are the user's own.
  if (theirs) return [...problems, ...unledRoute(intent, route)];
  if (gatewayRefs(spec).length === 0) problems.push({ reason: "InvalidSpec", path: "spec.service.gatewayRefs", message: "names no Gateway, so no traffic would ever come. Add one, or make an HTTPRoute of the app's name." });
  problems.push(...missingGateways(intent, found), ...unmatchable(spec), ...othersWords(intent));
  return problems;
}

/** Words that only Istio understands. Manifests of Flagger's carry them about, and Flagger leaves them out; ours have no reason to. */
function othersWords({ spec, owner }: RouteIntent): Problem[] {
  if (owner.apiVersion.startsWith("flagger.app/")) return [];
  const given = (["gateways", "retries", "trafficPolicy", "delegation"] as const).filter((word) => spec.service?.[word] !== undefined);
  return given.map((word) => ({ reason: "Unsupported", path: `spec.service.${word}`, message: `Only the provider istio knows ${word}. Remove it.` }));
}

/** A route of the app's name that leads elsewhere would stay as it is, and no weight would do anything. */
function unledRoute(intent: Names, route: KubeObject): Problem[] {
  if (list(map(route.spec).rules).some((rule) => leads(map(rule), intent))) return [];
  const message = `HTTPRoute ${intent.namespace}/${intent.apex} exists and none of its rules leads to Service ${intent.apex}. Let one lead there, or rename the route.`;
  return [{ reason: "NameTaken", path: "spec.service.name", message }];
}

function missingGateways({ namespace, spec }: RouteIntent, found: FoundObjects): Problem[] {
  return gatewayRefs(spec).flatMap((ref, index) => {
    const [inside, name] = [text(ref.namespace) ?? namespace, text(ref.name) ?? ""];
    if (ref.kind !== GATEWAY.kind || found.has(keyOf(GATEWAY, inside, name))) return [];
    return [{ reason: "GatewayMissing" as const, path: `spec.service.gatewayRefs[${index}]`, message: `There is no Gateway ${inside}/${name} of ${GROUP}. Create it, or name one that is there.` }];
  });
}

// Render

function render(intent: RouteIntent, found: FoundObjects, version: (kind: string) => string): KubeObject[] {
  const before = found.get(routeKey(intent));
  const origin = before === undefined ? "created" : (originOf(before, intent.owner.uid) ?? "adopted");
  const spec = map(before?.spec);
  const apex = origin === "created" ? intent.spec.service?.apex : undefined;
  const labels = { ...before?.metadata.labels, ...apex?.labels };
  return [
    {
      ...before,
      apiVersion: `${GROUP}/${version(HTTP_ROUTE.kind)}`,
      kind: HTTP_ROUTE.kind,
      metadata: defined({
        ...before?.metadata,
        name: intent.apex,
        namespace: intent.namespace,
        labels: Object.keys(labels).length === 0 ? undefined : labels,
        annotations: { ...markedAnnotations(before, origin, origin === "adopted" ? spec : undefined), ...apex?.annotations },
      }),
      spec: origin === "created" ? generated(intent, spec) : adopted(intent, spec, map(before === undefined ? {} : (originalSpec(before) ?? spec))),
    },
  ];
}

function generated(intent: RouteIntent, before: Json): Json {
  const hosts = intent.spec.service?.hosts ?? [];
  return defined({ ...before, parentRefs: gatewayRefs(intent.spec), hostnames: hosts.length === 0 ? undefined : hosts.filter((host) => host !== "*"), rules: rulesOf(intent) });
}

function rulesOf(intent: RouteIntent): Json[] {
  const service = intent.spec.service;
  const { timeout, backendTimeout } = service ?? {};
  const timeouts = timeout === undefined && backendTimeout === undefined ? undefined : defined({ request: timeout, backendRequest: backendTimeout });
  const rule = (matches: Json[], backendRefs: Json[]): Json => {
    const filters = [...filtersOf(intent.spec), ...mirror(intent)];
    return defined({ matches, filters: filters.length === 0 ? undefined : filters, backendRefs, timeouts });
  };
  const everybody = matchesOf(list(service?.match).map(map), []);
  const primaryOnly = [backendRef(intent, 0, 1)];
  if (intent.scope !== "matched") return [rule(everybody, split(intent))];
  const chosen = list(intent.spec.analysis?.match).map(map);
  if (chosen.length === 0) return [rule(everybody, primaryOnly)];
  return [rule(matchesOf(list(service?.match).map(map), chosen), split(intent)), rule(everybody, primaryOnly)];
}

/** Rules that led to the app when the route was taken over lead to both backends; every other one stays. */
function adopted(intent: RouteIntent, spec: Json, original: Json): Json {
  const rules = list(original.rules).map(map);
  const changed = rules.flatMap((rule) => {
    if (!leads(rule, intent)) return [rule];
    const others = list(rule.backendRefs).map(map).filter((ref) => !names(intent).includes(text(ref.name) ?? ""));
    const filters = [...list(rule.filters), ...mirror(intent)];
    const led = { ...rule, ...(filters.length === 0 ? {} : { filters }), backendRefs: [...split(intent), ...others] };
    if (intent.scope !== "matched") return [led];
    const chosen = matchesOf([], list(intent.spec.analysis?.match).map(map));
    const rest = { ...rule, backendRefs: [backendRef(intent, 0, 1), ...others] };
    const matches = list(rule.matches).map(map).flatMap((outer) => chosen.map((inner) => ({ ...outer, ...defined({ headers: inner.headers, queryParams: inner.queryParams }) })));
    return chosen.length === 0 ? [rest] : [{ ...led, matches }, rest];
  });
  return { ...spec, rules: changed };
}

function split(intent: RouteIntent): Json[] {
  return [backendRef(intent, 0, intent.primaryWeight), backendRef(intent, 1, intent.canaryWeight)];
}

function backendRef(intent: RouteIntent, which: 0 | 1, weight: number): Json {
  return { group: "", kind: "Service", name: backends(intent)[which], port: intent.spec.service?.port, weight };
}

function mirror(intent: RouteIntent): Json[] {
  if (intent.mirror !== true) return [];
  const { weight: _, ...backend } = backendRef(intent, 1, 0);
  return [{ type: "RequestMirror", requestMirror: { backendRef: backend } }];
}

function names({ apex }: Pick<Names, "apex">): string[] {
  return [apex, ...backends({ apex })];
}

function leads(rule: Json, intent: Pick<Names, "apex">): boolean {
  return list(rule.backendRefs).some((ref) => names(intent).includes(text(map(ref).name) ?? "") && (map(ref).kind ?? "Service") === "Service");
}

// Read

function read(intent: Pick<RouteIntent, "namespace" | "apex" | "spec">, found: FoundObjects): RouteReading {
  const object = found.get(routeKey(intent));
  if (object === undefined) return { kind: "absent" };
  const refused = notAccepted(object);
  if (refused !== undefined) return unknown(intent, refused);
  const [primary, canary] = backends(intent);
  const refsOf = (rule: Json): Json[] => list(rule.backendRefs).map(map).filter((ref) => ref.name === primary || ref.name === canary);
  const rules = list(map(object.spec).rules).map(map).filter((rule) => refsOf(rule).length > 0);
  const splits = rules.filter((rule) => refsOf(rule).length > 1);
  const [first] = splits;
  if (first === undefined) return unknown(intent, "none of its rules leads to primary and canary");
  const readings = splits.map((rule) => weightsOf(refsOf(rule), primary, canary));
  const [reading] = readings;
  if (reading === undefined || readings.some((other) => other?.primaryWeight !== reading.primaryWeight)) return unknown(intent, "its rules disagree, or a weight is not a percent");
  const rest = rules.filter((rule) => refsOf(rule).length === 1);
  if (rest.some((rule) => refsOf(rule)[0]?.name !== primary) || (rest.length > 0 && rest.length !== splits.length)) return unknown(intent, "a rule leads to the canary alone");
  const mirrors = list(first.filters).map(map).some((filter) => map(map(filter.requestMirror).backendRef).name === canary);
  return { kind: "known", ...reading, scope: rest.length > 0 ? "matched" : "all", mirror: mirrors };
}

function weightsOf(refs: Json[], primary: string, canary: string): { primaryWeight: number; canaryWeight: number } | undefined {
  const [left, right] = [refs.find((ref) => ref.name === primary)?.weight, refs.find((ref) => ref.name === canary)?.weight];
  if (refs.length !== 2 || !isPercent(left) || !isPercent(right) || left + right !== 100) return undefined;
  return { primaryWeight: left, canaryWeight: right };
}

function isPercent(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 100;
}

/** A gateway that refused the route, or has not seen its newest generation, sends what it sent before. */
function notAccepted(object: KubeObject): string | undefined {
  for (const parent of list(map(object.status).parents).map(map)) {
    const accepted = list(parent.conditions).map(map).find((condition) => condition.type === "Accepted");
    if (!isMap(accepted)) continue;
    const gateway = text(map(parent.parentRef).name) ?? "";
    if (accepted.status !== "True") return `Gateway ${gateway} did not accept it: ${text(accepted.reason) ?? ""}`;
    if (typeof accepted.observedGeneration === "number" && accepted.observedGeneration < (object.metadata.generation ?? 0)) return `Gateway ${gateway} has not seen its last change yet`;
  }
  return undefined;
}

function unknown({ namespace, apex }: Names, why: string): RouteReading {
  return { kind: "unknown", why: `HTTPRoute ${namespace}/${apex}: ${why}` };
}

// Restore

function restore(intent: Names & { owner: RouteIntent["owner"] }, found: FoundObjects): { restored: KubeObject[]; deleted: KubeObject[] } {
  const object = found.get(routeKey(intent));
  if (object === undefined || originOf(object, intent.owner.uid) === undefined) return { restored: [], deleted: [] };
  return { restored: [{ ...unmarked(object), spec: originalSpec(object) ?? toApex(map(object.spec), intent) }], deleted: [] };
}

/** A route that the engine made, or whose record somebody destroyed: the backends are about to go, so it leads to the apex Service. */
function toApex(spec: Json, intent: Names): Json {
  const rules = list(spec.rules).map(map).filter((rule) => leads(rule, intent));
  const last = rules.at(-1);
  if (last === undefined) return spec;
  const [ref] = list(last.backendRefs).map(map);
  const filters = list(last.filters).map(map).filter((filter) => map(map(filter.requestMirror).backendRef).name !== backends(intent)[1]);
  const { filters: _, ...rest } = last;
  const led = { ...rest, ...(filters.length === 0 ? {} : { filters }), backendRefs: [{ ...ref, name: intent.apex, weight: 1 }] };
  return { ...spec, rules: [...list(spec.rules).map(map).filter((rule) => !leads(rule, intent)), led] };
}
