// How does Istio split traffic between primary and canary? One VirtualService with two weighted destinations, and a DestinationRule for each.
// It owns hosts, gateways and routes of that VirtualService and the policy of the rules; whatever else is on them belongs to others and stays.
import { isDeepStrictEqual } from "node:util";
import type { CanarySpec } from "../crds/canary.ts";
import { defined, isMap, list, map, mapFromText, text, without, type Json } from "../crds/json.ts";
import { foreignController, markedAnnotations, originalSpec, originOf, unmarked } from "../crds/marks.ts";
import type { Problem } from "../crds/problem.ts";
import type { KubeObject, Resource } from "../engine/ports.ts";
import { httpRoutes, splitOf, withoutRun } from "./istio-routes.ts";
import { keyOf, type FoundObjects, type RouteIntent, type Router, type RouteReading } from "./router.ts";

const GROUP = "networking.istio.io";
const MESH = "mesh";

type Names = Pick<RouteIntent, "namespace" | "apex">;

const VIRTUAL_SERVICE = versions("virtualservices", "VirtualService");
const DESTINATION_RULE = versions("destinationrules", "DestinationRule");
const GATEWAY = versions("gateways", "Gateway");

export const istio: Router = {
  name: "istio",
  kinds: [VIRTUAL_SERVICE.all, DESTINATION_RULE.all, GATEWAY.all],
  needs: () => [VIRTUAL_SERVICE.first, DESTINATION_RULE.first, GATEWAY.first],
  refersTo: [GATEWAY.first.kind],
  can: { weights: true, mirror: true, match: true, sessionAffinity: true },
  keys: keysOf,
  reads: (intent) => gateways(intent.spec).flatMap((gateway) => gatewayKeys(gateway, intent.namespace)),
  check,
  render,
  read,
  restore,
};

function versions(plural: string, kind: string): { first: Resource; all: Resource[] } {
  const first = { group: GROUP, version: "v1", plural, kind };
  return { first, all: [first, { ...first, version: "v1beta1" }] };
}

function keysOf(intent: Names): { route: string; others: string[] } {
  return { route: routeKey(intent), others: hosts(intent).map((host) => ruleKey(intent, host)) };
}

function routeKey({ namespace, apex }: Names): string {
  return keyOf(VIRTUAL_SERVICE.first, namespace, apex);
}

function ruleKey({ namespace }: Names, host: string): string {
  return keyOf(DESTINATION_RULE.first, namespace, host);
}

/** Primary first. */
function hosts({ apex }: Pick<Names, "apex">): [string, string] {
  return [`${apex}-primary`, `${apex}-canary`];
}

// What the spec asks for

type Service = NonNullable<CanarySpec["service"]>;

function isTcp(spec: CanarySpec): boolean {
  return spec.service?.appProtocol?.toLowerCase() === "tcp";
}

function delegated(spec: CanarySpec): boolean {
  return spec.service?.delegation === true;
}

/** Empty for a VirtualService that another one delegates to. */
function gateways(spec: CanarySpec): string[] {
  if (delegated(spec)) return [];
  const named = spec.service?.gateways ?? [];
  return named.length === 0 ? [MESH] : named;
}

/** Callers who get routes of their own, because of what a destination has to say to them. */
interface Side {
  /** Whether destinations name the port. */
  named: boolean;
  /** Whether there is another side, from which its conditions tell it. */
  apart: boolean;
  conditions: Json[];
}

/**
 * A gateway has to be told which of several ports is meant, or it finds none; within the mesh it is the one that was called, and naming one would lead
 * callers of all others to it. Where both lead to the app each gets its own routes.
 */
function sidesOf(spec: CanarySpec): Side[] {
  const conditions = list(spec.service?.match).map(map);
  const outside = gateways(spec).filter((name) => name !== MESH);
  const within = gateways(spec).includes(MESH);
  if (spec.service?.portDiscovery !== true || !within || outside.length === 0) {
    return [{ named: spec.service?.portDiscovery === true && !within, apart: false, conditions }];
  }
  const narrowed = (side: string[]): Json[] => {
    if (conditions.length === 0) return [{ gateways: side }];
    const kept = conditions.map((one) => ({ ...one, gateways: one.gateways === undefined ? side : list(one.gateways).filter((name) => (name === MESH) === (side[0] === MESH)) }));
    return kept.filter((one) => one.gateways.length > 0);
  };
  const sides = [{ named: true, apart: true, conditions: narrowed(outside) }, { named: false, apart: true, conditions: narrowed([MESH]) }];
  return sides.filter((side) => side.conditions.length > 0);
}

function isMeshRoute(route: Json): boolean {
  const matches = list(route.match).map(map);
  return matches.length > 0 && matches.every((match) => isDeepStrictEqual(match.gateways, [MESH]));
}

function routedHosts({ apex, spec }: RouteIntent): string[] {
  if (delegated(spec)) return [];
  const named = spec.service?.hosts ?? [];
  return named.includes("*") || named.includes(apex) ? named : [...named, apex];
}

// Check

function check(intent: RouteIntent, found: FoundObjects): Problem[] {
  const { route, others } = keysOf(intent);
  const foreign = [route, ...others].map((key) => {
    const object = found.get(key);
    return object === undefined ? undefined : foreignController(object, intent.owner, "spec.service.name");
  });
  return [...unsupported(intent.spec), ...contradictions(intent.spec), ...missingGateways(intent, found), ...foreign.filter((problem) => problem !== undefined)];
}

/** TCP has neither headers nor cookies, and a copy of a connection is no copy of a request. */
function unsupported(spec: CanarySpec): Problem[] {
  if (!isTcp(spec)) return [];
  const analysis = spec.analysis;
  const asked: [boolean, string, string][] = [
    [(analysis?.match?.length ?? 0) > 0, "spec.analysis.match", "A/B testing by match conditions"],
    [analysis?.mirror === true, "spec.analysis.mirror", "Mirroring of traffic"],
    [analysis?.sessionAffinity !== undefined, "spec.analysis.sessionAffinity", "Session affinity"],
  ];
  return asked
    .filter(([wanted]) => wanted)
    .map(([, path, what]) => ({ reason: "Unsupported", path, message: `${what} is not possible for TCP. Remove ${path}, or the appProtocol tcp.` }));
}

function contradictions(spec: CanarySpec): Problem[] {
  if (!delegated(spec) || ((spec.service?.hosts?.length ?? 0) === 0 && (spec.service?.gateways?.length ?? 0) === 0)) return [];
  const message = "A VirtualService that another one delegates to can have no hosts and gateways of its own. Remove spec.service.hosts and spec.service.gateways, or spec.service.delegation.";
  return [{ reason: "InvalidSpec", path: "spec.service.delegation", message }];
}

function missingGateways({ namespace, spec }: RouteIntent, found: FoundObjects): Problem[] {
  const problems: Problem[] = [];
  gateways(spec).forEach((gateway, index) => {
    const keys = gatewayKeys(gateway, namespace);
    if (keys.length === 0 || keys.some((key) => found.has(key))) return;
    const where = gateway.includes("/") ? gateway : `${namespace}/${gateway}`;
    const message =
      `There is no Gateway ${where}. Create it, or name one that "kubectl get gateways.networking.istio.io -A" lists, ` +
      `as "namespace/name" when it is in another namespace than the Canary.`;
    problems.push({ reason: "GatewayMissing", path: `spec.service.gateways[${index}]`, message });
  });
  return problems;
}

/** Where a gateway may be: "namespace/name", a name in the Canary's namespace, or the old spelling as a DNS name. None for the mesh itself. */
function gatewayKeys(gateway: string, namespace: string): string[] {
  if (gateway === MESH) return [];
  const slash = gateway.indexOf("/");
  if (slash >= 0) {
    const named = gateway.slice(0, slash);
    return [keyOf(GATEWAY.first, named === "." ? namespace : named, gateway.slice(slash + 1))];
  }
  const [name, domain, suffix] = gateway.split(".");
  const local = keyOf(GATEWAY.first, namespace, gateway);
  return name !== undefined && domain !== undefined && suffix === "svc" ? [local, keyOf(GATEWAY.first, domain, name)] : [local];
}

// Render

function render(intent: RouteIntent, found: FoundObjects, version: (kind: string) => string): KubeObject[] {
  const { route, others } = keysOf(intent);
  const apex = intent.spec.service?.apex;
  return [
    whole(intent, VIRTUAL_SERVICE.first, intent.apex, version, found.get(route), {
      spec: (before) => virtualServiceSpec(intent, before),
      original: (object) => originalOf(object, intent),
      labels: apex?.labels,
      annotations: apex?.annotations,
    }),
    ...hosts(intent).map((host, i) =>
      whole(intent, DESTINATION_RULE.first, host, version, found.get(others[i] ?? ""), {
        spec: (before) => defined({ ...before, host, trafficPolicy: intent.spec.service?.trafficPolicy }),
        original: (object) => map(object.spec),
      }),
    ),
  ];
}

interface Parts {
  spec: (before: Json) => Json;
  /** What is kept of an object that somebody else made. */
  original: (object: KubeObject) => Json;
  /** Put on objects that the engine made, and on no others: what an adopted one carries can then be given back as it was. */
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}

function whole(intent: RouteIntent, resource: Resource, name: string, version: (kind: string) => string, found: KubeObject | undefined, parts: Parts): KubeObject {
  const origin = found === undefined ? "created" : (originOf(found, intent.owner.uid) ?? "adopted");
  const original = found !== undefined && origin === "adopted" ? parts.original(found) : undefined;
  const created = origin === "created";
  const labels = { ...found?.metadata.labels, ...(created ? parts.labels : {}) };
  return {
    ...found,
    apiVersion: `${GROUP}/${version(resource.kind)}`,
    kind: resource.kind,
    metadata: defined({
      ...found?.metadata,
      name,
      namespace: intent.namespace,
      labels: Object.keys(labels).length === 0 ? undefined : labels,
      annotations: { ...markedAnnotations(found, origin, original), ...(created ? parts.annotations : {}) },
    }),
    spec: parts.spec(map(found?.spec)),
  };
}

function virtualServiceSpec(intent: RouteIntent, before: Json): Json {
  const foreign = without(before, ["hosts", "gateways", "http", "tcp"]);
  const place = delegated(intent.spec) ? {} : { hosts: routedHosts(intent), gateways: gateways(intent.spec) };
  const sides = sidesOf(intent.spec);
  if (isTcp(intent.spec)) return { ...foreign, ...place, tcp: sides.map((side) => tcpRoute(intent, side)) };
  // Routes for other ports of an adopted VirtualService stay; those of ours were for an app that used to speak TCP.
  const others = before.tcp === undefined || leadsToApp(before.tcp, intent) ? {} : { tcp: before.tcp };
  const http = sides.flatMap((side) => httpRoutes(intent, { base: httpBase(intent), split: destinations(intent, side), service: side.conditions }));
  return { ...foreign, ...place, ...others, http };
}

function httpBase(intent: RouteIntent): Json {
  const service: Partial<Service> = intent.spec.service ?? {};
  const { uri, authority } = service.rewrite ?? {};
  const rewrite = defined({ uri, authority });
  return defined({
    rewrite: Object.keys(rewrite).length === 0 ? undefined : rewrite,
    timeout: service.timeout,
    retries: service.retries,
    corsPolicy: service.corsPolicy,
    headers: service.headers,
  });
}

/** Of the match conditions only ports and gateways mean something to TCP. */
function tcpRoute(intent: RouteIntent, side: Side): Json {
  const said = side.conditions.map(({ port, gateways }) => defined({ port, gateways: side.apart ? gateways : undefined })).filter((match) => Object.keys(match).length > 0);
  return { ...(said.length === 0 ? {} : { match: said }), route: destinations(intent, side) };
}

/** A weight of 0 is written out: a destination without one is something else to Istio and to `read`. */
function destinations(intent: RouteIntent, { named }: Side): Json[] {
  const port = named ? { port: { number: intent.spec.service?.port } } : {};
  const weights = [intent.primaryWeight, intent.canaryWeight];
  return hosts(intent).map((host, i) => ({ destination: { host, ...port }, weight: weights[i] }));
}

// Read

function read(intent: Pick<RouteIntent, "namespace" | "apex" | "spec">, found: FoundObjects): RouteReading {
  const object = found.get(routeKey(intent));
  if (object === undefined) return { kind: "absent" };
  const routes = list(isTcp(intent.spec) ? map(object.spec).tcp : map(object.spec).http).map(map);
  const sides = sidesOf(intent.spec);
  const [first, ...others] = sides.length < 2 ? [readSide(intent, routes)] : sides.map(({ named }) => readSide(intent, routes.filter((route) => isMeshRoute(route) !== named)));
  if (first === undefined) return unknown(intent, "no route leads to it");
  const unclear = others.find((other) => other.kind !== "known") ?? first;
  if (unclear.kind !== "known") return unclear;
  return others.every((other) => isDeepStrictEqual(other, first)) ? first : unknown(intent, "its routes for gateways and for the mesh disagree");
}

function readSide(intent: Pick<RouteIntent, "namespace" | "apex" | "spec">, routes: Json[]): RouteReading {
  if (!isTcp(intent.spec)) {
    const split = splitOf(routes, hosts(intent)[1]);
    return split.kind === "unclear" ? unknown(intent, split.why) : weightsOf(intent, split.route, { scope: split.scope, mirror: split.mirror });
  }
  const [route] = routes;
  if (route === undefined || routes.length !== 1) return unknown(intent, `it has ${routes.length} tcp routes, where one should split all traffic`);
  return weightsOf(intent, list(route.route).map(map), { scope: "all", mirror: false });
}

function weightsOf(intent: Names, route: Json[], more: { scope: "all" | "matched"; mirror: boolean }): RouteReading {
  const [primary, canary] = hosts(intent).map((host) => route.find((entry) => map(entry.destination).host === host));
  if (route.length !== 2 || primary === undefined || canary === undefined) return unknown(intent, `its route should lead to ${hosts(intent).join(" and ")} alone`);
  const [primaryWeight, canaryWeight] = [primary.weight, canary.weight];
  if (!isPercent(primaryWeight) || !isPercent(canaryWeight)) return unknown(intent, "a destination has no weight from 0 to 100");
  if (primaryWeight + canaryWeight !== 100) return unknown(intent, `its weights ${primaryWeight} and ${canaryWeight} do not sum to 100`);
  return { kind: "known", primaryWeight, canaryWeight, ...more };
}

function isPercent(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 100;
}

function unknown({ namespace, apex }: Names, why: string): RouteReading {
  return { kind: "unknown", why: `VirtualService ${namespace}/${apex}: ${why}` };
}

function leadsToApp(routes: unknown, names: Pick<Names, "apex">): boolean {
  const own: string[] = hosts(names);
  return list(routes).some((route) => list(map(route).route).some((entry) => own.includes(text(map(map(entry).destination).host) ?? "")));
}

// Restore

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";
const FLAGGER_ORIGINAL = "flagger.kubernetes.io/original-configuration";

/** What a VirtualService said before any engine wrote it: one that leads to the app's two backends already was taken over by Flagger, which keeps a record. */
function originalOf(object: KubeObject, intent: RouteIntent): Json {
  const spec = map(object.spec);
  if (!leadsToApp(spec.http, intent) && !leadsToApp(spec.tcp, intent)) return spec;
  const annotations = object.metadata.annotations;
  const records = [map(mapFromText(annotations?.[LAST_APPLIED])).spec, mapFromText(annotations?.[FLAGGER_ORIGINAL])];
  const record = records.filter(isMap).find((candidate) => !leadsToApp(candidate.http, intent) && !leadsToApp(candidate.tcp, intent));
  return record ?? spec;
}

function restore(intent: Names & { owner: RouteIntent["owner"] }, found: FoundObjects): { restored: KubeObject[]; deleted: KubeObject[] } {
  const { route, others } = keysOf(intent);
  const restored: KubeObject[] = [];
  const deleted: KubeObject[] = [];
  for (const key of [route, ...others]) {
    const object = found.get(key);
    const origin = object === undefined ? undefined : originOf(object, intent.owner.uid);
    if (object === undefined || origin === undefined) continue;
    if (origin === "created" && key !== route) deleted.push(object);
    else restored.push({ ...unmarked(object), spec: originalSpec(object) ?? withoutRecord(map(object.spec), intent, key === route) });
  }
  return { restored, deleted };
}

/**
 * A route that the engine made, or whose record somebody destroyed. The backends are about to go, so what leads to them is led to the apex Service; what
 * else it says, rewriting above all, is what callers reach the app by.
 */
function withoutRecord(spec: Json, intent: Names, isRoute: boolean): Json {
  if (!isRoute) return spec;
  const toApex = (routes: unknown): unknown => {
    if (!leadsToApp(routes, intent)) return routes;
    const kept = list(routes).map(map).flatMap((route) => (leadsToApp([route], intent) ? handedBack(route, intent) : [route]));
    return kept.length === 0 ? [{ route: [{ destination: { host: intent.apex } }] }] : kept;
  };
  return defined({ ...spec, http: toApex(spec.http), tcp: toApex(spec.tcp) });
}

function handedBack(route: Json, intent: Names): Json[] {
  const base = withoutRun(route);
  if (base === undefined) return [];
  const destination = list(route.route).map((entry) => map(map(entry).destination)).find(({ host }) => hosts(intent).includes(text(host) ?? ""));
  return [{ ...base, route: [{ destination: { ...destination, host: intent.apex } }] }];
}
