// How does Contour split traffic? By an HTTPProxy of the apex' name, which the user's root HTTPProxy includes, with weighted services in its routes. A route of the
// user's own keeps all that it says but where it leads. Routes carry no mark, so each state is known by where they lead:
//
//   all        [both]                     everybody, by weights
//   matched    [both] [both] [primary]    one for each condition, by weights, and everybody else
import { defined, list, map, text, without, type Json } from "../crds/json.ts";
import type { Problem } from "../crds/problem.ts";
import type { KubeObject, Resource } from "../engine/ports.ts";
import { foreign, givenBack, isTaken, routeObject } from "./adopt.ts";
import { conditionsOf, joined, unsayable } from "./contour-conditions.ts";
import { beyond, isFlaggers, isPercent, notHttp, unheard } from "./refusals.ts";
import { keyOf, type FoundObjects, type RouteIntent, type Router, type RouteReading } from "./router.ts";

const PROXY: Resource = { group: "projectcontour.io", version: "v1", plural: "httpproxies", kind: "HTTPProxy" };
const CAN = { weights: true, mirror: true, match: true, sessionAffinity: false };
/** Connections that say nothing are not cut before a request may have been answered. */
const IDLE = "5m";

type Names = Pick<RouteIntent, "namespace" | "apex">;

export const contour: Router = {
  name: "contour",
  kinds: [[PROXY]],
  rare: true,
  needs: () => [PROXY],
  refersTo: [],
  can: CAN,
  keys: (intent) => ({ route: routeKey(intent), others: [] }),
  reads: () => [],
  check,
  render,
  read,
  restore: (intent, found) => {
    const toApex = (spec: Json, ours: boolean): Json => ({ ...spec, routes: replaced(routesOf(spec), intent, ours, (base) => [base]) });
    return givenBack(found.get(routeKey(intent)), intent, toApex, (record) => routesOf(record).every((route) => ["apex", undefined].includes(leadsTo(route, intent))));
  },
};

function routeKey({ namespace, apex }: Names): string {
  return keyOf(PROXY, namespace, apex);
}

function backends({ apex }: Pick<Names, "apex">): [string, string] {
  return [`${apex}-primary`, `${apex}-canary`];
}

// Where routes lead

function routesOf(spec: Json): Json[] {
  return list(spec.routes).map(map);
}

function servicesOf(route: Json, names: Names): { app: Json[]; others: Json[] } {
  const all = list(route.services).map(map);
  const isApp = ({ name }: Json): boolean => [names.apex, ...backends(names)].includes(text(name) ?? "");
  return { app: all.filter(isApp), others: all.filter((service) => !isApp(service)) };
}

/** Undefined for a route that does not concern the app. */
function leadsTo(route: Json, names: Names): "apex" | "both" | "primary" | "canary" | undefined {
  const services = servicesOf(route, names).app.filter(({ mirror }) => mirror !== true).map(({ name }) => name);
  const [primary, canary] = backends(names).map((name) => services.includes(name));
  if (services.includes(names.apex)) return "apex";
  if (primary === true) return canary === true ? "both" : "primary";
  return canary === true ? "canary" : undefined;
}

/** As it was before it was split: with the apex Service as its one service of the app. */
function whole(route: Json, names: Names): Json {
  const { app, others } = servicesOf(route, names);
  return { ...route, services: [{ ...without(map(app[0]), ["mirror"]), name: names.apex, weight: 1 }, ...others] };
}

/** A route for chosen users, which is followed by the one for everybody else, was made of that. */
function isExtra(routes: readonly Json[], at: number, names: Names): boolean {
  if (leadsTo(routes[at] ?? {}, names) !== "both") return false;
  const next = routes.slice(at + 1).map((route) => leadsTo(route, names)).find((leads) => leads !== "both");
  return next === "primary";
}

/** @param ours whether the engine wrote the routes: in those that it never wrote none was made of another */
function replaced(routes: readonly Json[], names: Names, ours: boolean, become: (base: Json) => Json[]): Json[] {
  return routes.flatMap((route, at) => {
    if (leadsTo(route, names) === undefined) return [route];
    return ours && isExtra(routes, at, names) ? [] : become(whole(route, names));
  });
}

// Check

function check(intent: RouteIntent, found: FoundObjects): Problem[] {
  const { spec, owner } = intent;
  const route = found.get(routeKey(intent));
  const said = [...beyond(intent, CAN), ...notHttp(intent), ...foreign(route, intent), ...list(spec.analysis?.match).flatMap((match, index) => unsayable(map(match), `spec.analysis.match[${index}]`, "choice"))];
  const { mirror, mirrorWeight = 100 } = spec.analysis ?? {};
  if (mirror === true && mirrorWeight !== 100 && !isFlaggers(owner)) said.push({ reason: "Unsupported", path: "spec.analysis.mirrorWeight", message: "This router mirrors every request or none. Remove mirrorWeight, or use the provider istio." });
  if (route !== undefined && isTaken(route, intent)) return [...said, ...unsplittable(intent, route)];
  const service = list(spec.service?.match).flatMap((match, index) => unsayable(map(match), `spec.service.match[${index}]`, "route"));
  return [...said, ...(isFlaggers(owner) ? [] : service), ...unheard(intent, ["match", "timeout", "retries"], `Remove it, or say it in an ${PROXY.kind} ${intent.apex} of your own.`)];
}

function unsplittable(intent: RouteIntent, route: KubeObject): Problem[] {
  const where = `${PROXY.kind} ${intent.namespace}/${intent.apex}`;
  const leading = routesOf(map(route.spec)).filter((one) => leadsTo(one, intent) !== undefined);
  if (leading.length === 0) return [{ reason: "NameTaken", path: "spec.service.name", message: `${where} exists, and none of its routes leads to Service ${intent.apex}. Let one lead there, or rename it.` }];
  const shared = leading.flatMap((one) => servicesOf(one, intent).others).find(({ weight, mirror }) => weight !== 0 && mirror !== true);
  if (shared === undefined) return [];
  const message = `A route of ${where} leads to Service ${intent.apex} and to ${text(shared.name) ?? ""} as well, and percents of a part cannot be kept. Give each a route of its own, or the other one the weight 0.`;
  return [{ reason: "Unsupported", path: "spec.service.name", message }];
}

// Render

function render(intent: RouteIntent, found: FoundObjects): KubeObject[] {
  return [
    routeObject(intent, found.get(routeKey(intent)), {
      apiVersion: `${PROXY.group}/${PROXY.version}`,
      kind: PROXY.kind,
      made: (before) => ({ ...before, routes: bases(intent).flatMap((base) => expanded(base, intent)) }),
      taken: (before, ours) => ({ ...before, routes: replaced(routesOf(before), intent, ours, (base) => expanded(base, intent)) }),
    }),
  ];
}

/** The routes that the manifest asks for, with the apex Service in place of the backends: one of its conditions has to hold. */
function bases({ apex, spec, owner }: RouteIntent): Json[] {
  const { port, timeout, retries, match = [] } = spec.service ?? {};
  const { attempts, perTryTimeout, retryOn } = retries ?? {};
  const common = defined({
    services: [{ name: apex, port, weight: 1 }],
    timeoutPolicy: timeout === undefined ? undefined : { response: timeout, idle: IDLE },
    retryPolicy: retries === undefined ? undefined : defined({ count: attempts, perTryTimeout, retryOn: retryOn?.split(",").map((reason) => reason.trim()) }),
  });
  const conditions = match.length === 0 ? [{}] : match;
  return conditions.map((one) => ({ conditions: conditionsOf({ uri: { prefix: "/" }, ...map(one) }, isFlaggers(owner)), ...common }));
}

function expanded(base: Json, intent: RouteIntent): Json[] {
  const { app, others } = servicesOf(base, intent);
  const [template = {}] = app;
  const [primary, canary] = backends(intent);
  const to = (name: string, weight: number): Json => ({ ...template, name, weight });
  const leading = (...services: Json[]): Json => ({ ...base, services: [...services, ...others] });
  const weighted = [to(primary, intent.primaryWeight), to(canary, intent.canaryWeight)];
  if (intent.scope === "matched") {
    const chosen = list(intent.spec.analysis?.match).map(map);
    // The conditions are gone from the manifest: nobody is chosen any more.
    if (chosen.length === 0) return [leading(to(primary, 100), to(canary, 0))];
    return [...chosen.map((one) => ({ ...leading(...weighted), conditions: joined(list(base.conditions).map(map), conditionsOf(one, isFlaggers(intent.owner))) })), leading(to(primary, 100))];
  }
  return [leading(...weighted, ...(intent.mirror === true ? [{ ...without(template, ["weight"]), name: canary, mirror: true }] : []))];
}

// Read

function read(intent: Names, found: FoundObjects): RouteReading {
  const object = found.get(routeKey(intent));
  if (object === undefined) return { kind: "absent" };
  const unknown = (why: string): RouteReading => ({ kind: "unknown", why: `${PROXY.kind} ${intent.namespace}/${intent.apex}: ${why}` });
  const leading = routesOf(map(object.spec)).filter((route) => leadsTo(route, intent) !== undefined);
  const words = leading.map((route) => leadsTo(route, intent)).join(" ");
  const matched = /^((both )+primary( |$))+$/.test(words);
  if (!matched && !/^both( both)*$/.test(words)) return unknown(`its routes for the app should lead to ${backends(intent).join(" and ")}, for everybody or for the chosen`);
  const split = leading.filter((route) => leadsTo(route, intent) === "both");
  const readings = split.map((route) => weightsOf(servicesOf(route, intent), intent));
  const [reading] = readings;
  if (reading === undefined || readings.some((other) => other?.primaryWeight !== reading.primaryWeight)) return unknown("its routes disagree, or their weights are no percents that sum to 100");
  const mirror = leading.some((route) => servicesOf(route, intent).app.some((service) => service.mirror === true));
  return { kind: "known", ...reading, scope: matched ? "matched" : "all", mirror };
}

function weightsOf({ app, others }: { app: Json[]; others: Json[] }, names: Names): { primaryWeight: number; canaryWeight: number } | undefined {
  const led = app.filter(({ mirror }) => mirror !== true);
  const [left, right] = backends(names).map((name) => led.find((service) => service.name === name)?.weight);
  if (led.length !== 2 || !isPercent(left) || !isPercent(right) || left + right !== 100) return undefined;
  return others.some(({ weight, mirror }) => weight !== 0 && mirror !== true) ? undefined : { primaryWeight: left, canaryWeight: right };
}
