// How does APISIX split traffic? By a second ApisixRoute with those rules of the user's that lead to the app, of a higher priority, and with weighted backends. The user's
// is never written.
import { defined, list, map, number, text, type Json } from "../crds/json.ts";
import type { Problem } from "../crds/problem.ts";
import type { KubeObject, Resource } from "../engine/ports.ts";
import { copied, isOurs, removed, taken } from "./beside.ts";
import { beyond, isPercent, notHttp, unheard } from "./refusals.ts";
import { keyOf, type FoundObjects, type RouteIntent, type Router, type RouteReading } from "./router.ts";

const ROUTE: Resource = { group: "apisix.apache.org", version: "v2", plural: "apisixroutes", kind: "ApisixRoute" };
const API_VERSION = `${ROUTE.group}/${ROUTE.version}`;
const PATH = "spec.routeRef.name";
/** More than any rule of a user's that is for the same requests. */
const IN_FRONT = 10_000;
const CAN = { weights: true, mirror: false, match: false, sessionAffinity: false };

type Asked = Pick<RouteIntent, "namespace" | "apex" | "spec" | "owner">;

export const apisix: Router = {
  name: "apisix",
  kinds: [[ROUTE]],
  rare: true,
  needs: () => [ROUTE],
  refersTo: [],
  can: CAN,
  keys: (intent) => ({ route: routeKey(intent), others: [] }),
  reads: (intent) => (intent.spec.routeRef === undefined ? [] : [keyOf(ROUTE, intent.namespace, intent.spec.routeRef.name)]),
  check,
  render,
  read,
  restore: (intent, found) => removed(ROUTE.kind, API_VERSION, intent, found),
};

function copyName({ apex, spec }: Pick<Asked, "apex" | "spec">): string | undefined {
  return spec.routeRef === undefined ? undefined : `${spec.routeRef.name}-${apex}-canary`;
}

function routeKey(intent: Pick<Asked, "namespace" | "apex" | "spec">): string | undefined {
  const name = copyName(intent);
  return name === undefined ? undefined : keyOf(ROUTE, intent.namespace, name);
}

function sourceOf({ namespace, spec }: Asked, found: FoundObjects): KubeObject | undefined {
  return spec.routeRef === undefined ? undefined : found.get(keyOf(ROUTE, namespace, spec.routeRef.name));
}

function beforeOf(intent: Asked, found: FoundObjects): KubeObject | undefined {
  const key = routeKey(intent);
  return key === undefined ? undefined : found.get(key);
}

function rulesOf(spec: unknown): Json[] {
  return list(map(spec).http).map(map);
}

function serviceNames(rule: Json): (string | undefined)[] {
  return list(rule.backends).map((backend) => text(map(backend).serviceName));
}

function check(intent: RouteIntent, found: FoundObjects): Problem[] {
  const { spec, namespace, apex } = intent;
  const said = [...beyond(intent, CAN), ...notHttp(intent), ...unheard(intent, [], `Remove it: the ${ROUTE.kind} says by its rules and plugins what becomes of requests.`)];
  if (spec.routeRef === undefined) {
    return [...said, { reason: "InvalidSpec", path: "spec.routeRef", message: `Without an ${ROUTE.kind} no traffic would ever come. Name the one that leads to Service ${apex}: routeRef: { apiVersion: ${API_VERSION}, kind: ${ROUTE.kind}, name: ... }.` }];
  }
  const where = `${ROUTE.kind} ${namespace}/${spec.routeRef.name}`;
  const source = sourceOf(intent, found);
  const problems = [...said, ...taken(beforeOf(intent, found), intent, PATH)];
  if (source === undefined) return [...problems, { reason: "GatewayMissing", path: PATH, message: `There is no ${where}. Create it with a rule that leads to Service ${apex}, or name one that is there.` }];
  const leading = rulesOf(source.spec).filter((rule) => serviceNames(rule).includes(apex));
  if (leading.length === 0) problems.push({ reason: "InvalidSpec", path: PATH, message: `None of the rules of ${where} leads to Service ${apex}. Let one lead there, or name the ${ROUTE.kind} that does.` });
  const shared = leading.find((rule) => serviceNames(rule).length > 1);
  if (shared !== undefined) problems.push({ reason: "Unsupported", path: PATH, message: `The rule ${text(shared.name) ?? ""} of ${where} leads to Service ${apex} and to others as well, and percents of a part cannot be kept. Give the app a rule of its own.` });
  return problems;
}

/** Where the user's route is gone, or leads to the app no more, what was made of it stays, so that it can still lead to the primary alone. */
function render(intent: RouteIntent, found: FoundObjects): KubeObject[] {
  const [before, source, name] = [beforeOf(intent, found), sourceOf(intent, found), copyName(intent)];
  if (name === undefined || (before !== undefined && !isOurs(before, intent))) return [];
  const made = source === undefined ? [] : rulesOf(source.spec).filter((rule) => serviceNames(rule).includes(intent.apex) && serviceNames(rule).length === 1);
  const http = made.length > 0 ? made.map((rule) => inFront(rule, intent)) : rulesOf(before?.spec).map((rule) => ({ ...rule, backends: weighted(rule, intent) }));
  if (http.length === 0) return [];
  const { ingressClassName } = map((source ?? before)?.spec);
  return [copied(intent, before, { apiVersion: API_VERSION, kind: ROUTE.kind, name, spec: defined({ ingressClassName, http }) })];
}

function inFront(rule: Json, intent: RouteIntent): Json {
  return { ...rule, priority: (number(rule.priority) ?? 0) + IN_FRONT, backends: weighted(rule, intent) };
}

function weighted(rule: Json, { apex, primaryWeight, canaryWeight }: RouteIntent): Json[] {
  const template = map(list(rule.backends)[0]);
  return [{ ...template, serviceName: `${apex}-primary`, weight: primaryWeight }, { ...template, serviceName: `${apex}-canary`, weight: canaryWeight }];
}

function read(intent: Asked, found: FoundObjects): RouteReading {
  const object = beforeOf(intent, found);
  if (object === undefined) return { kind: "absent" };
  const unknown = (why: string): RouteReading => ({ kind: "unknown", why: `${ROUTE.kind} ${intent.namespace}/${object.metadata.name}: ${why}` });
  if (!isOurs(object, intent)) return unknown("it was not made by the engine");
  const names = [`${intent.apex}-primary`, `${intent.apex}-canary`];
  const readings = rulesOf(object.spec).map((rule) => {
    const backends = list(rule.backends).map(map);
    const [primary, canary] = names.map((name) => backends.find(({ serviceName }) => serviceName === name)?.weight);
    return backends.length === 2 && isPercent(primary) && isPercent(canary) && primary + canary === 100 ? { primaryWeight: primary, canaryWeight: canary } : undefined;
  });
  const [reading] = readings;
  if (reading === undefined || readings.some((other) => other?.primaryWeight !== reading.primaryWeight)) return unknown(`each of its rules should lead to ${names.join(" and ")} alone, by the same percents that sum to 100`);
  return { kind: "known", ...reading, scope: "all", mirror: false };
}
