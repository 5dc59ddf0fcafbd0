// How does a gateway of the Gateway API split traffic? By one HTTPRoute, or GRPCRoute, whose rules lead to primary and canary with weights. One that the user made is kept
// as it is but for the backends of the rules that lead to the app.
import { isDeepStrictEqual } from "node:util";
import type { CanarySpec } from "../crds/canary.ts";
import { defined, list, map, text, type Json } from "../crds/json.ts";
import type { Problem } from "../crds/problem.ts";
import type { KubeObject, Resource } from "../engine/ports.ts";
import { foreign, givenBack, isTaken, routeObject } from "./adopt.ts";
import { GRPC_ROUTE } from "./gateway-grpc.ts";
import { GROUP, HTTP_ROUTE, type RouteKind } from "./gateway-rules.ts";
import { expanded, hasOwnHeaders, leadsTo, otherRefs, replaced, splitOf } from "./gateway-split.ts";
import { beyond, isFlaggers } from "./refusals.ts";
import { keyOf, type FoundObjects, type RouteIntent, type Router, type RouteReading } from "./router.ts";

const GATEWAY: Resource = { group: GROUP, version: "v1", plural: "gateways", kind: "Gateway" };
const KINDS: readonly RouteKind[] = [HTTP_ROUTE, GRPC_ROUTE];

type Names = Pick<RouteIntent, "namespace" | "apex">;
type Asked = Names & Pick<RouteIntent, "spec" | "owner">;

/** Where products that are led by the same routes differ. */
export interface Variant {
  can?: Partial<Router["can"]>;
  /** What the engine's route is attached to where the manifest names no Gateway; nothing when absent. */
  parents?(intent: Asked): Json[];
  /** What the product does not do with a route of the engine's. */
  refuses?(intent: RouteIntent): Problem[];
}

const CAN = { weights: true, mirror: true, match: true, sessionAffinity: true };

export function gatewayApi(name: string, variant: Variant = {}): Router {
  const can = { ...CAN, ...variant.can };
  const versions = (resource: Resource): Resource[] => [resource, { ...resource, version: "v1beta1" }];
  return {
    name,
    kinds: [versions(HTTP_ROUTE.resource), [GRPC_ROUTE.resource], versions(GATEWAY)],
    needs: (intent) => [kindOf(intent).resource, ...(variant.parents !== undefined && gatewayRefs(intent.spec).length === 0 ? [] : [GATEWAY])],
    refersTo: [GATEWAY.kind],
    can,
    keys: (intent) => ({ route: routeKey(intent, kindOf(intent)), others: [] }),
    reads: (intent) => [
      ...gatewayRefs(intent.spec).map((ref) => keyOf(GATEWAY, text(ref.namespace) ?? intent.namespace, text(ref.name) ?? "")),
      ...KINDS.filter((kind) => kind !== kindOf(intent)).map((kind) => routeKey(intent, kind)),
    ],
    check: (intent, found) => [...beyond(intent, can), ...check(intent, found, variant)],
    render: (intent, found, version) => render(intent, found, version, variant),
    read,
    restore,
  };
}

/** Two names for one thing: which version is written is what the API server serves, and not what the manifest calls it. */
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

function parentsOf(intent: Asked, variant: Variant): Json[] {
  const named = gatewayRefs(intent.spec);
  return named.length === 0 ? (variant.parents?.(intent) ?? []) : named;
}

// Check

function check(intent: RouteIntent, found: FoundObjects, variant: Variant): Problem[] {
  const { spec } = intent;
  const kind = kindOf(intent);
  const route = found.get(routeKey(intent, kind));
  const problems = [...foreign(route, intent), ...kind.unsayableChoice(spec), ...portions(intent), ...rivals(intent, found)];
  // The rules of a route that is the user's own are the user's own.
  if (route !== undefined && isTaken(route, intent)) return [...problems, ...unsplittable(intent, route)];
  const path = "spec.service.gatewayRefs";
  const message = `Without a Gateway no traffic would ever come. Name one in ${path}, or make the ${kind.resource.kind} ${intent.apex} of your own that leads to Service ${intent.apex}.`;
  if (parentsOf(intent, variant).length === 0) problems.push({ reason: "InvalidSpec", path, message });
  return [...problems, ...missingGateways(intent, found), ...kind.unsayableService(spec), ...othersWords(intent), ...(variant.refuses?.(intent) ?? [])];
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

function render(intent: RouteIntent, found: FoundObjects, version: (kind: string) => string, variant: Variant): KubeObject[] {
  const kind = kindOf(intent);
  const before = found.get(routeKey(intent, kind));
  return [
    routeObject(intent, before, {
      apiVersion: `${GROUP}/${version(kind.resource.kind)}`,
      kind: kind.resource.kind,
      made: (spec) => generated(intent, spec, variant),
      taken: (spec, ours) => ({ ...spec, rules: replaced(rulesOf(spec), intent, ours, (base) => expanded(base, intent)) }),
    }),
  ];
}

function generated(intent: RouteIntent, before: Json, variant: Variant): Json {
  const hosts = (intent.spec.service?.hosts ?? []).filter((host) => host !== "*");
  return defined({ ...before, parentRefs: parentsOf(intent, variant), hostnames: hosts.length === 0 ? undefined : hosts, rules: expanded(manifestRule(intent), intent) });
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
  const reading = splitOf(rulesOf(map(object.spec)), intent);
  return typeof reading === "string" ? unknown(reading) : { kind: "known", ...reading };
}

/** A gateway that refused the route, or has not seen its newest generation, sends what it sent before. Gateways that it names no more do not count. */
function notAccepted(object: KubeObject): string | undefined {
  // Some write the namespace out that the route has left out.
  const inside = (ref: Json): Json => ({ namespace: object.metadata.namespace, ...ref });
  const wanted = list(map(object.spec).parentRefs).map(map).map(inside);
  for (const { parentRef, conditions } of list(map(object.status).parents).map(map)) {
    if (!wanted.some((ref) => isDeepStrictEqual(ref, inside(map(parentRef))))) continue;
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
  const toApex = (spec: Json, ours: boolean): Json => ({ ...spec, rules: replaced(rulesOf(spec), intent, ours, (base) => [base]) });
  const clean = (record: Json): boolean => rulesOf(record).every((rule) => [undefined, "apex"].includes(leadsTo(rule, intent)));
  return { restored: KINDS.flatMap((kind) => givenBack(found.get(routeKey(intent, kind)), intent, toApex, clean).restored), deleted: [] };
}
