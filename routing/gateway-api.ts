// How does a gateway of the Gateway API split traffic? By one HTTPRoute, or GRPCRoute, whose rules lead to primary and canary with weights. One that the user made is kept
// as it is but for the backends of the rules that lead to the app.
import { isDeepStrictEqual } from "node:util";
import type { CanarySpec } from "../crds/canary.ts";
import { defined, list, map, text, type Json } from "../crds/json.ts";
import { foreignController, markedAnnotations, originalSpec, originOf, unmarked } from "../crds/marks.ts";
import type { Problem } from "../crds/problem.ts";
import type { KubeObject, Resource } from "../engine/ports.ts";
import { GRPC_ROUTE } from "./gateway-grpc.ts";
import { GROUP, HTTP_ROUTE, type RouteKind } from "./gateway-rules.ts";
import { appRefs, backends, expanded, groupsOf, hasOwnHeaders, leadsTo, otherRefs, replaced } from "./gateway-split.ts";
import { isFlaggers } from "./refusals.ts";
import { keyOf, type FoundObjects, type RouteIntent, type Router, type RouteReading } from "./router.ts";

const GATEWAY: Resource = { group: GROUP, version: "v1", plural: "gateways", kind: "Gateway" };
const KINDS: readonly RouteKind[] = [HTTP_ROUTE, GRPC_ROUTE];

type Names = Pick<RouteIntent, "namespace" | "apex">;
type Asked = Names & Pick<RouteIntent, "spec" | "owner">;

/** Two names for one thing: which version is written is what the API server serves, and not what the manifest calls it. */
function gatewayApi(name: string): Router {
  const versions = (resource: Resource): Resource[] => [resource, { ...resource, version: "v1beta1" }];
  return {
    name,
    kinds: [versions(HTTP_ROUTE.resource), [GRPC_ROUTE.resource], versions(GATEWAY)],
    needs: (intent) => [kindOf(intent).resource, GATEWAY],
    refersTo: [GATEWAY.kind],
    can: { weights: true, mirror: true, match: true, sessionAffinity: true },
    keys: (intent) => ({ route: routeKey(intent, kindOf(intent)), others: [] }),
    reads: (intent) => [
      ...gatewayRefs(intent.spec).map((ref) => keyOf(GATEWAY, text(ref.namespace) ?? intent.namespace, text(ref.name) ?? "")),
      ...KINDS.filter((kind) => kind !== kindOf(intent)).map((kind) => routeKey(intent, kind)),
    ],
    check,
    render,
    read,
    restore,
  };
}

export const gatewayApiV1 = gatewayApi("gatewayapi:v1");
export const gatewayApiV1beta1 = gatewayApi("gatewayapi:v1beta1");

/**
 * Manifests of Flagger's get an HTTPRoute, which carries gRPC too, whatever their protocol is: that is what is there when they are taken over, and a
 * GRPCRoute of the same host beside it would be refused by every gateway.
 */
function kindOf({ spec, owner }: Pick<RouteIntent, "spec" | "owner">): RouteKind {
  return spec.service?.appProtocol?.toLowerCase() === "grpc" && !isFlaggers(owner) ? GRPC_ROUTE : HTTP_ROUTE;
}

function routeKey({ namespace, apex }: Names, { resource }: RouteKind): string {
  return keyOf(resource, namespace, apex);
}

/** With the defaults that the API server would write, so that nothing differs afterwards. */
function gatewayRefs(spec: CanarySpec): Json[] {
  return list(spec.service?.gatewayRefs).map((ref) => ({ group: GROUP, kind: GATEWAY.kind, ...defined(map(ref)) }));
}

// Check

function check(intent: RouteIntent, found: FoundObjects): Problem[] {
  const { spec, owner } = intent;
  const kind = kindOf(intent);
  const route = found.get(routeKey(intent, kind));
  const foreign = route === undefined ? undefined : foreignController(route, owner, "spec.service.name");
  const problems = [...(foreign === undefined ? [] : [foreign]), ...kind.unsayableChoice(spec), ...portions(intent), ...rivals(intent, found)];
  // The rules of a route that is the user's own are the user's own.
  if (route !== undefined && (originOf(route, owner.uid) ?? "adopted") === "adopted") return [...problems, ...unsplittable(intent, route)];
  const path = "spec.service.gatewayRefs";
  const message = `Without a Gateway no traffic would ever come. Name one in ${path}, or make the ${kind.resource.kind} ${intent.apex} of your own that leads to Service ${intent.apex}.`;
  if (gatewayRefs(spec).length === 0) problems.push({ reason: "InvalidSpec", path, message });
  return [...problems, ...missingGateways(intent, found), ...kind.unsayableService(spec), ...othersWords(intent)];
}

/** A route of the other kind that leads to the app: by the user, or by the engine before the protocol was another one. */
function rivals(intent: Asked, found: FoundObjects): Problem[] {
  const kind = kindOf(intent);
  const rival = KINDS.find((other) => other !== kind && rulesOf(map(found.get(routeKey(intent, other))?.spec)).some((rule) => leadsTo(rule, intent) !== undefined));
  if (rival === undefined) return [];
  const message = `${rival.resource.kind} ${intent.namespace}/${intent.apex} leads to the app too, where appProtocol asks for a ${kind.resource.kind}. Delete it, or let spec.service.appProtocol ask for it.`;
  return [{ reason: "NameTaken", path: "spec.service.appProtocol", message }];
}

/** Words that only Istio understands. Manifests of Flagger's carry them about, and Flagger leaves them out; ours have no reason to. */
function othersWords({ spec, owner }: RouteIntent): Problem[] {
  if (isFlaggers(owner)) return [];
  const given = (["gateways", "retries", "trafficPolicy", "delegation"] as const).filter((word) => spec.service?.[word] !== undefined);
  return given.map((word) => ({ reason: "Unsupported", path: `spec.service.${word}`, message: `Only the provider istio knows ${word}. Remove it.` }));
}

/** Not every version has portions of a mirror, and one that has not forgets them silently. Flagger leaves them out, so its manifests are taken as they are. */
function portions({ spec, owner }: RouteIntent): Problem[] {
  const { mirror, mirrorWeight = 100 } = spec.analysis ?? {};
  if (mirror !== true || mirrorWeight === 100 || isFlaggers(owner)) return [];
  return [{ reason: "Unsupported", path: "spec.analysis.mirrorWeight", message: "This router mirrors every request or none. Remove mirrorWeight, or use the provider istio." }];
}

/** What keeps a route of the user's own from being led by weights. */
function unsplittable(intent: RouteIntent, route: KubeObject): Problem[] {
  const where = `${route.kind} ${intent.namespace}/${intent.apex}`;
  const leading = list(map(route.spec).rules).map(map).filter((rule) => leadsTo(rule, intent) !== undefined);
  // It would stay as it is, and no weight would do anything.
  if (leading.length === 0) {
    return [{ reason: "NameTaken", path: "spec.service.name", message: `${where} exists and none of its rules leads to Service ${intent.apex}. Let one lead there, or rename the route.` }];
  }
  const problems: Problem[] = [];
  const shared = leading.flatMap((rule) => otherRefs(rule, intent)).find((ref) => ref.weight !== 0);
  if (shared !== undefined) {
    const message = `A rule of ${where} leads to Service ${intent.apex} and to ${text(shared.name) ?? ""} as well, and percents of a part cannot be kept. Give each a rule of its own, or the other one the weight 0.`;
    problems.push({ reason: "Unsupported", path: "spec.service.name", message });
  }
  if (intent.spec.analysis?.sessionAffinity !== undefined && leading.some((rule) => hasOwnHeaders(rule, intent))) {
    const message = `A backend of ${where} has a ResponseHeaderModifier of its own, where the cookies would have to go. Move it to the rule, or remove sessionAffinity.`;
    problems.push({ reason: "Unsupported", path: "spec.analysis.sessionAffinity", message });
  }
  return problems;
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
  const kind = kindOf(intent);
  const before = found.get(routeKey(intent, kind));
  const origin = before === undefined ? "created" : (originOf(before, intent.owner.uid) ?? "adopted");
  const spec = map(before?.spec);
  const apex = origin === "created" ? intent.spec.service?.apex : undefined;
  const labels = { ...before?.metadata.labels, ...apex?.labels };
  return [
    {
      ...before,
      apiVersion: `${GROUP}/${version(kind.resource.kind)}`,
      kind: kind.resource.kind,
      metadata: defined({
        ...before?.metadata,
        name: intent.apex,
        namespace: intent.namespace,
        labels: Object.keys(labels).length === 0 ? undefined : labels,
        annotations: { ...markedAnnotations(before, origin, origin === "adopted" ? spec : undefined), ...apex?.annotations },
      }),
      spec: origin === "created" ? generated(intent, spec) : { ...spec, rules: replaced(rulesOf(spec), intent, before !== undefined && originOf(before, intent.owner.uid) !== undefined, (base) => expanded(base, intent)) },
    },
  ];
}

function generated(intent: RouteIntent, before: Json): Json {
  const hosts = (intent.spec.service?.hosts ?? []).filter((host) => host !== "*");
  return defined({ ...before, parentRefs: gatewayRefs(intent.spec), hostnames: hosts.length === 0 ? undefined : hosts, rules: expanded(manifestRule(intent), intent) });
}

/** The rule that the manifest asks for, with the apex Service as its backend. */
function manifestRule(intent: RouteIntent): Json {
  const { apex, spec } = intent;
  return { ...kindOf(intent).ruleOf(spec), backendRefs: [{ group: "", kind: "Service", name: apex, port: spec.service?.port, weight: 1 }] };
}

function rulesOf(spec: Json): Json[] {
  return list(spec.rules).map(map);
}

// Read

function read(intent: Asked, found: FoundObjects): RouteReading {
  const object = found.get(routeKey(intent, kindOf(intent)));
  if (object === undefined) return { kind: "absent" };
  const unknown = (why: string): RouteReading => ({ kind: "unknown", why: `${object.kind} ${intent.namespace}/${intent.apex}: ${why}` });
  const refused = notAccepted(object);
  if (refused !== undefined) return unknown(refused);
  const [primary, canary] = backends(intent);
  const groups = groupsOf(rulesOf(map(object.spec)), intent);
  const [first] = groups;
  if (first === undefined || groups.some(({ state }) => state === "unsplit")) return unknown(`each of its rules for the app should lead to ${primary} and ${canary}`);
  const readings = groups.map((group) => weightsOf(appRefs(group.split, intent), primary, canary));
  const [reading] = readings;
  if (reading === undefined || readings.some((other) => other?.primaryWeight !== reading.primaryWeight)) return unknown("its rules disagree, or their weights are no percents that sum to 100");
  if (first.state === "sticky" && reading.canaryWeight === 0) return unknown(`users are kept at ${canary}, which has no weight`);
  if (groups.some(({ state }) => state !== first.state)) return unknown("its rules do not choose the same users");
  return { kind: "known", ...reading, scope: first.state === "matched" ? "matched" : "all", mirror: groups.some(({ split }) => mirrors(split, canary)) };
}

function mirrors(rule: Json, canary: string): boolean {
  return list(rule.filters).some((filter) => map(map(map(filter).requestMirror).backendRef).name === canary);
}

function weightsOf(refs: Json[], primary: string, canary: string): { primaryWeight: number; canaryWeight: number } | undefined {
  const [left, right] = [refs.find((ref) => ref.name === primary)?.weight, refs.find((ref) => ref.name === canary)?.weight];
  if (refs.length !== 2 || !isPercent(left) || !isPercent(right) || left + right !== 100) return undefined;
  return { primaryWeight: left, canaryWeight: right };
}

function isPercent(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 100;
}

/** A gateway that refused the route, or has not seen its newest generation, sends what it sent before. Gateways that it names no more do not count. */
function notAccepted(object: KubeObject): string | undefined {
  const wanted = list(map(object.spec).parentRefs).map(map);
  for (const { parentRef, conditions } of list(map(object.status).parents).map(map)) {
    if (!wanted.some((ref) => isDeepStrictEqual(ref, parentRef))) continue;
    const accepted = list(conditions).map(map).find((condition) => condition.type === "Accepted");
    if (accepted === undefined) continue;
    const gateway = text(map(parentRef).name) ?? "";
    if (accepted.status !== "True") return `Gateway ${gateway} did not accept it: ${text(accepted.reason) ?? ""}`;
    if (typeof accepted.observedGeneration === "number" && accepted.observedGeneration < (object.metadata.generation ?? 0)) return `Gateway ${gateway} has not seen its last change yet`;
  }
  return undefined;
}

// Restore

function restore(intent: Names & { owner: RouteIntent["owner"] }, found: FoundObjects): { restored: KubeObject[]; deleted: KubeObject[] } {
  const objects = KINDS.flatMap((kind) => found.get(routeKey(intent, kind)) ?? []).filter((object) => originOf(object, intent.owner.uid) !== undefined);
  return { restored: objects.map((object) => ({ ...unmarked(object), spec: givenBack(object, intent) })), deleted: [] };
}

/**
 * As it was found. A route that the engine made, one whose record somebody destroyed and one that its owner has edited since keep what they say now, with
 * the apex Service in place of the backends, which are about to go.
 */
function givenBack(object: KubeObject, intent: Names): Json {
  const toApex = (spec: Json, ours: boolean): Json => ({ ...spec, rules: replaced(rulesOf(spec), intent, ours, (base) => [base]) });
  const now = toApex(map(object.spec), true);
  const record = originalSpec(object);
  if (record === undefined || !isDeepStrictEqual(now, toApex(record, false))) return now;
  return rulesOf(record).every((rule) => [undefined, "apex"].includes(leadsTo(rule, intent))) ? record : now;
}
