// How does Kuma split traffic? By one MeshHTTPRoute in the app's namespace, for everybody who calls the app's MeshService. Its rules are those of an HTTPRoute in other
// words, so they are made and read as such.
import { defined, list, map, text, without, type Json } from "../crds/json.ts";
import type { Problem } from "../crds/problem.ts";
import type { KubeObject, Resource } from "../engine/ports.ts";
import { foreign, givenBack, isTaken, routeObject } from "./adopt.ts";
import { HTTP_ROUTE } from "./gateway-rules.ts";
import { expanded, leadsTo, otherRefs, replaced, splitOf } from "./gateway-split.ts";
import { beyond, isFlaggers, notHttp, unheard } from "./refusals.ts";
import { keyOf, type FoundObjects, type RouteIntent, type Router, type RouteReading } from "./router.ts";

const ROUTE: Resource = { group: "kuma.io", version: "v1alpha1", plural: "meshhttproutes", kind: "MeshHTTPRoute" };
const MESH_SERVICE = "MeshService";
const MESH = "kuma.io/mesh";
const CAN = { weights: true, mirror: true, match: true, sessionAffinity: false };

type Names = Pick<RouteIntent, "namespace" | "apex">;

export const kuma: Router = {
  name: "kuma",
  kinds: [[ROUTE]],
  rare: true,
  needs: () => [ROUTE],
  refersTo: [],
  can: CAN,
  keys: (intent) => ({ route: routeKey(intent), others: [] }),
  reads: () => [],
  check,
  render,
  read,
  restore: (intent, found) => {
    const toApex = (spec: Json, ours: boolean): Json => rewritten(spec, intent, ours, (base) => [base]);
    const clean = (record: Json): boolean => rulesOf(record, intent).every((rule) => [undefined, "apex"].includes(leadsTo(rule, intent)));
    return givenBack(found.get(routeKey(intent)), intent, toApex, clean);
  },
};

function routeKey({ namespace, apex }: Names): string {
  return keyOf(ROUTE, namespace, apex);
}

// The same rules in two words

/** A name without a namespace is one of the route's own; which of the two was written is kept as `within`. */
function ruleOf(rule: Json, { namespace }: Names): Json {
  const told = map(rule.default);
  const refOf = (ref: unknown): Json => {
    const { kind, namespace: inside, ...others } = map(ref);
    const near = kind === MESH_SERVICE && (inside === undefined || inside === namespace);
    return near ? defined({ ...others, kind: "Service", within: inside }) : map(ref);
  };
  return defined({ ...without(rule, ["default"]), more: without(told, ["filters", "backendRefs"]), filters: mirrored(told.filters, refOf), backendRefs: list(told.backendRefs).map(refOf) });
}

function kumaRuleOf(rule: Json): Json {
  const refOf = (ref: unknown): Json => {
    const { kind, within, ...others } = map(ref);
    return kind === "Service" ? defined({ kind: MESH_SERVICE, ...others, namespace: within }) : map(ref);
  };
  return { ...without(rule, ["more", "filters", "backendRefs"]), default: defined({ ...map(rule.more), filters: mirrored(rule.filters, refOf), backendRefs: list(rule.backendRefs).map(refOf) }) };
}

function mirrored(filters: unknown, refOf: (ref: unknown) => Json): Json[] | undefined {
  if (filters === undefined) return undefined;
  return list(filters).map(map).map((filter) => (filter.requestMirror === undefined ? filter : { ...filter, requestMirror: { ...map(filter.requestMirror), backendRef: refOf(map(filter.requestMirror).backendRef) } }));
}

function speaksOfApp(entry: Json, { namespace, apex }: Names): boolean {
  const { kind, name, namespace: inside } = map(entry.targetRef);
  return kind === MESH_SERVICE && name === apex && (inside === undefined || inside === namespace);
}

function entriesOf(spec: Json): Json[] {
  return list(spec.to).map(map);
}

function rulesOf(spec: Json, names: Names): Json[] {
  return entriesOf(spec).filter((entry) => speaksOfApp(entry, names)).flatMap((entry) => list(entry.rules).map(map).map((rule) => ruleOf(rule, names)));
}

function rewritten(spec: Json, names: Names, ours: boolean, become: (base: Json) => Json[]): Json {
  const to = entriesOf(spec).map((entry) => {
    if (!speaksOfApp(entry, names)) return entry;
    const rules = list(entry.rules).map(map).map((rule) => ruleOf(rule, names));
    return { ...entry, rules: replaced(rules, names, ours, become).map(kumaRuleOf) };
  });
  return { ...spec, to };
}

// Check

function check(intent: RouteIntent, found: FoundObjects): Problem[] {
  const { spec, owner } = intent;
  const route = found.get(routeKey(intent));
  const said = [...beyond(intent, CAN), ...notHttp(intent), ...HTTP_ROUTE.unsayableChoice(spec), ...foreign(route, intent)];
  const { mirror, mirrorWeight = 100 } = spec.analysis ?? {};
  if (mirror === true && mirrorWeight !== 100 && !isFlaggers(owner)) said.push({ reason: "Unsupported", path: "spec.analysis.mirrorWeight", message: "This router mirrors every request or none. Remove mirrorWeight, or use the provider istio." });
  if (route !== undefined && isTaken(route, intent)) return [...said, ...unsplittable(intent, route)];
  return [...said, ...unheard(intent, ["match", "headers", "rewrite"], "Remove it: Kuma has policies of their own for it."), ...HTTP_ROUTE.unsayableService(spec)];
}

function unsplittable(intent: RouteIntent, route: KubeObject): Problem[] {
  const where = `${ROUTE.kind} ${intent.namespace}/${intent.apex}`;
  const leading = rulesOf(map(route.spec), intent).filter((rule) => leadsTo(rule, intent) !== undefined);
  if (leading.length === 0) {
    return [{ reason: "NameTaken", path: "spec.service.name", message: `${where} exists, and none of its rules for the ${MESH_SERVICE} ${intent.apex} leads there. Let one lead there, or rename the route.` }];
  }
  const shared = leading.flatMap((rule) => otherRefs(rule, intent)).find((ref) => ref.weight !== 0);
  if (shared === undefined) return [];
  const message = `A rule of ${where} leads to ${intent.apex} and to ${text(shared.name) ?? ""} as well, and percents of a part cannot be kept. Give each a rule of its own, or the other one the weight 0.`;
  return [{ reason: "Unsupported", path: "spec.service.name", message }];
}

// Render and read

function render(intent: RouteIntent, found: FoundObjects): KubeObject[] {
  const { apex, namespace, spec } = intent;
  return [
    routeObject(intent, found.get(routeKey(intent)), {
      apiVersion: `${ROUTE.group}/${ROUTE.version}`,
      kind: ROUTE.kind,
      labels: { [MESH]: "default" },
      made: (before) => {
        const base = { ...HTTP_ROUTE.ruleOf({ ...spec, service: spec.service === undefined ? undefined : { port: spec.service.port, match: spec.service.match, headers: spec.service.headers, rewrite: spec.service.rewrite } }), backendRefs: [{ kind: "Service", within: namespace, name: apex, port: spec.service?.port, weight: 1 }] };
        return { ...before, to: [{ targetRef: { kind: MESH_SERVICE, name: apex, namespace }, rules: expanded(base, intent).map(kumaRuleOf) }] };
      },
      taken: (before, ours) => rewritten(before, intent, ours, (base) => expanded(base, intent)),
    }),
  ];
}

function read(intent: Names, found: FoundObjects): RouteReading {
  const object = found.get(routeKey(intent));
  if (object === undefined) return { kind: "absent" };
  const reading = splitOf(rulesOf(map(object.spec), intent), intent);
  return typeof reading === "string" ? { kind: "unknown", why: `${ROUTE.kind} ${intent.namespace}/${intent.apex}: ${reading}` } : { kind: "known", ...reading };
}
