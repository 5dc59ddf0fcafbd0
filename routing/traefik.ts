// How does Traefik split traffic? By a weighted TraefikService of the apex' name, to which the user's IngressRoute leads in place of the Service.
import { defined, isMap, list, map, text, without, type Json } from "../crds/json.ts";
import type { Problem } from "../crds/problem.ts";
import type { KubeObject, Resource } from "../engine/ports.ts";
import { foreign, givenBack, isTaken, routeObject } from "./adopt.ts";
import { beyond, isPercent, notHttp, unheard } from "./refusals.ts";
import { keyOf, type FoundObjects, type RouteIntent, type Router, type RouteReading } from "./router.ts";

const SERVICE: Resource = { group: "traefik.io", version: "v1alpha1", plural: "traefikservices", kind: "TraefikService" };
/** Other ways than by weights; of several at a time Traefik refuses the whole. */
const OTHER_WAYS = ["mirroring", "failover", "highestRandomWeight"];
const CAN = { weights: true, mirror: false, match: false, sessionAffinity: false };

type Names = Pick<RouteIntent, "namespace" | "apex">;

export const traefik: Router = {
  name: "traefik",
  kinds: [[SERVICE]],
  rare: true,
  needs: () => [SERVICE],
  refersTo: [],
  can: CAN,
  keys: (intent) => ({ route: routeKey(intent), others: [] }),
  reads: () => [],
  check,
  render,
  read,
  restore: (intent, found) => {
    const toApex = (spec: Json): Json => rewritten(spec, intent, (template) => [{ ...template, name: intent.apex, weight: 1 }]);
    return givenBack(found.get(routeKey(intent)), intent, toApex, (record) => appServices(record, intent).every(({ name }) => name === intent.apex));
  },
};

function routeKey({ namespace, apex }: Names): string {
  return keyOf(SERVICE, namespace, apex);
}

function backends({ apex }: Names): [string, string] {
  return [`${apex}-primary`, `${apex}-canary`];
}

function servicesOf(spec: Json): Json[] {
  return list(map(spec.weighted).services).map(map);
}

/** Where no kind is said it is a Service. */
function isAppService(service: Json, names: Names): boolean {
  const { name, kind = "Service", namespace = names.namespace } = service;
  return [names.apex, ...backends(names)].includes(text(name) ?? "") && kind === "Service" && namespace === names.namespace;
}

function appServices(spec: Json, names: Names): Json[] {
  return servicesOf(spec).filter((service) => isAppService(service, names));
}

/** The app's entries replaced by what `become` makes of the first of them, in its place. */
function rewritten(spec: Json, names: Names, become: (template: Json) => Json[]): Json {
  const [template] = appServices(spec, names);
  if (template === undefined) return spec;
  const services = servicesOf(spec).flatMap((service) => (service === template ? become(template) : isAppService(service, names) ? [] : [service]));
  return { ...spec, weighted: { ...map(spec.weighted), services } };
}

function check(intent: RouteIntent, found: FoundObjects): Problem[] {
  const route = found.get(routeKey(intent));
  const said = [...beyond(intent, CAN), ...notHttp(intent), ...unheard(intent, [], "Remove it: the IngressRoute and its middlewares say what becomes of requests."), ...foreign(route, intent)];
  if (route === undefined || !isTaken(route, intent)) return said;
  const where = `${SERVICE.kind} ${intent.namespace}/${intent.apex}`;
  const spec = map(route.spec);
  if (appServices(spec, intent).length === 0) {
    return [...said, { reason: "NameTaken", path: "spec.service.name", message: `${where} exists, and none of its weighted services is the Service ${intent.apex}. Let one be it, or rename the ${SERVICE.kind}.` }];
  }
  const shared = servicesOf(spec).find((service) => !isAppService(service, intent) && service.weight !== 0);
  if (shared === undefined) return said;
  const message = `${where} leads to ${intent.apex} and to ${text(shared.name) ?? ""} as well, and percents of a part cannot be kept. Give the app a ${SERVICE.kind} of its own, or the other one the weight 0.`;
  return [...said, { reason: "Unsupported", path: "spec.service.name", message }];
}

/** A weight of 0 is written out: without one it would be 1. */
function render(intent: RouteIntent, found: FoundObjects): KubeObject[] {
  const weights = [intent.primaryWeight, intent.canaryWeight];
  const split = (template: Json): Json[] => backends(intent).map((name, index) => ({ ...template, name, weight: weights[index] }));
  const template = defined({ name: intent.apex, port: intent.spec.service?.port });
  return [
    routeObject(intent, found.get(routeKey(intent)), {
      apiVersion: `${SERVICE.group}/${SERVICE.version}`,
      kind: SERVICE.kind,
      made: (before) => ({ ...without(before, OTHER_WAYS), weighted: { ...map(before.weighted), services: split(template) } }),
      taken: (before) => rewritten(before, intent, split),
    }),
  ];
}

function read(intent: Names, found: FoundObjects): RouteReading {
  const object = found.get(routeKey(intent));
  if (object === undefined) return { kind: "absent" };
  const unknown = (why: string): RouteReading => ({ kind: "unknown", why: `${SERVICE.kind} ${intent.namespace}/${intent.apex}: ${why}` });
  const spec = map(object.spec);
  const ways = OTHER_WAYS.filter((way) => isMap(spec[way]));
  if (ways.length > 0) return unknown(`${ways.join(" and ")} beside weighted leaves open where requests go`);
  const services = appServices(spec, intent);
  const [primary, canary] = backends(intent).map((name) => services.find((service) => service.name === name)?.weight);
  if (services.length !== 2 || servicesOf(spec).some((service) => !isAppService(service, intent) && service.weight !== 0)) return unknown(`it should lead to ${backends(intent).join(" and ")} alone`);
  if (!isPercent(primary) || !isPercent(canary) || primary + canary !== 100) return unknown("its weights are no percents that sum to 100");
  return { kind: "known", primaryWeight: primary, canaryWeight: canary, scope: "all", mirror: false };
}
