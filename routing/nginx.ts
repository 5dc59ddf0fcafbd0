// How does ingress-nginx split traffic? By a second Ingress for the same hosts and paths, whose annotations say how much of it, or of whom, goes to its backend.
// The user's Ingress leads to the apex Service and is never written; the one beside it is the engine's.
import type { CanarySpec } from "../crds/canary.ts";
import { defined, isMap, list, map, text, type Json } from "../crds/json.ts";
import type { Problem } from "../crds/problem.ts";
import type { KubeObject, Resource } from "../engine/ports.ts";
import { copied, isOurs, removed, taken } from "./beside.ts";
import { beyond, isFlaggers, notHttp, unheard } from "./refusals.ts";
import { keyOf, type FoundObjects, type RouteIntent, type Router, type RouteReading } from "./router.ts";

const INGRESS: Resource = { group: "networking.k8s.io", version: "v1", plural: "ingresses", kind: "Ingress" };
const API_VERSION = `${INGRESS.group}/${INGRESS.version}`;
const PREFIX = "nginx.ingress.kubernetes.io/";
const CANARY = `${PREFIX}canary`;
const WEIGHT = `${PREFIX}canary-weight`;
const WEIGHT_TOTAL = `${PREFIX}canary-weight-total`;
const BY_HEADER = `${PREFIX}canary-by-header`;
const BY_HEADER_VALUE = `${PREFIX}canary-by-header-value`;
const BY_HEADER_PATTERN = `${PREFIX}canary-by-header-pattern`;
const BY_COOKIE = `${PREFIX}canary-by-cookie`;
const CLASS = "kubernetes.io/ingress.class";
/** Names that other controllers give their classes by default. The object behind a name may be out of sight, so any other name is believed. */
const OTHER_CLASSES: ReadonlySet<string> = new Set(["alb", "apisix", "azure-application-gateway", "azure/application-gateway", "cilium", "contour", "gce", "gce-internal", "haproxy", "istio", "kong", "openshift-default", "skipper", "traefik"]);

const CAN = { weights: true, mirror: false, match: true, sessionAffinity: false };

type Names = Pick<RouteIntent, "namespace" | "apex">;
type Asked = Names & Pick<RouteIntent, "spec" | "owner">;

export const nginx: Router = {
  name: "nginx",
  kinds: [[INGRESS]],
  rare: true,
  needs: () => [INGRESS],
  refersTo: [],
  can: CAN,
  keys: (intent) => ({ route: routeKey(intent), others: [] }),
  reads: (intent) => sourceKey(intent) ?? [],
  check,
  render,
  read,
  restore: (intent, found) => removed(INGRESS.kind, API_VERSION, intent, found),
};

function sourceKey({ namespace, spec }: Pick<Asked, "namespace" | "spec">): [string] | undefined {
  return spec.ingressRef === undefined ? undefined : [keyOf(INGRESS, namespace, spec.ingressRef.name)];
}

function routeKey({ namespace, spec }: Pick<Asked, "namespace" | "spec">): string | undefined {
  return spec.ingressRef === undefined ? undefined : keyOf(INGRESS, namespace, copyName(spec.ingressRef));
}

function copyName({ name }: { name: string }): string {
  return `${name}-canary`;
}

function objectAt(key: string | undefined, found: FoundObjects): KubeObject | undefined {
  return key === undefined ? undefined : found.get(key);
}

// Check

function check(intent: RouteIntent, found: FoundObjects): Problem[] {
  const { spec } = intent;
  const said = [...beyond(intent, CAN), ...notHttp(intent), ...choiceProblems(spec), ...unheard(intent, [], "Remove it: the Ingress says by its rules and annotations what becomes of requests.")];
  if (spec.ingressRef === undefined) {
    return [...said, { reason: "InvalidSpec", path: "spec.ingressRef", message: `Without an Ingress no traffic would ever come. Name the one that leads to Service ${intent.apex}: ingressRef: { apiVersion: ${API_VERSION}, kind: Ingress, name: ... }.` }];
  }
  return [...said, ...sourceProblems(intent, spec.ingressRef.name, found), ...taken(objectAt(routeKey(intent), found), intent, "spec.ingressRef.name")];
}

function sourceProblems(intent: RouteIntent, name: string, found: FoundObjects): Problem[] {
  const path = "spec.ingressRef.name";
  const where = `Ingress ${intent.namespace}/${name}`;
  const [key = ""] = sourceKey(intent) ?? [];
  const source = found.get(key);
  if (source === undefined) return [{ reason: "GatewayMissing", path, message: `There is no ${where}. Create it with a rule that leads to Service ${intent.apex}, or name one that is there.` }];
  const annotations = source.metadata.annotations ?? {};
  const problems: Problem[] = [];
  const named = text(map(source.spec).ingressClassName) ?? annotations[CLASS];
  const dialect = Object.keys(annotations).find((annotation) => annotation.startsWith("nginx.org/") || annotation.startsWith("nginx.com/"));
  if (named !== undefined && OTHER_CLASSES.has(named)) {
    problems.push({ reason: "Unsupported", path, message: `${where} is of the class ${named}, whose controller does not know the canary annotations of ingress-nginx. Name an Ingress of ingress-nginx, or use another provider.` });
  } else if (dialect !== undefined) {
    problems.push({ reason: "Unsupported", path, message: `${where} is written for the controller of F5 (${dialect}), which does not know the canary annotations of ingress-nginx. Name an Ingress of ingress-nginx, or use another provider.` });
  }
  if (annotations[CANARY] === "true") problems.push({ reason: "InvalidSpec", path, message: `${where} is itself the canary of another one (${CANARY}). Name that one.` });
  if (split(source.spec, intent) === undefined) problems.push({ reason: "InvalidSpec", path, message: `None of the rules of ${where} leads to Service ${intent.apex}. Let one lead there, or name the Ingress that does.` });
  return problems;
}

// Whom the manifest chooses

interface Choice {
  header?: { name: string; values: { form: string; value: string }[] };
  cookie?: string;
}

/** Undefined as soon as something cannot be said: one header with any of several values, or one cookie that says "always". */
function choiceOf(conditions: readonly Json[]): Choice | undefined {
  const choice: Choice = {};
  for (const condition of conditions) {
    const [header, ...others] = Object.entries(map(condition.headers));
    if (header === undefined || others.length > 0 || Object.keys(condition).some((word) => word !== "headers")) return undefined;
    const [name, wanted] = header;
    const [said, ...more] = isMap(wanted) ? Object.entries(wanted) : [];
    const value = text(said?.[1]);
    if (said === undefined || value === undefined || more.length > 0) return undefined;
    if (name.toLowerCase() === "cookie") {
      if (said[0] !== "exact" || (choice.cookie ?? value) !== value) return undefined;
      choice.cookie = value;
    } else {
      if ((choice.header?.name ?? name).toLowerCase() !== name.toLowerCase()) return undefined;
      choice.header = { name: choice.header?.name ?? name, values: [...(choice.header?.values ?? []), { form: said[0], value }] };
    }
  }
  return choice;
}

function choiceProblems({ analysis }: CanarySpec): Problem[] {
  const conditions = list(analysis?.match).map(map);
  if (conditions.length === 0) return [];
  const problems: Problem[] = [];
  const path = "spec.analysis.match";
  if (choiceOf(conditions) === undefined) {
    problems.push({ reason: "Unsupported", path, message: `An Ingress of nginx chooses users by one header, with any of several values, and by one cookie (headers: { cookie: { exact: NAME } }, which is sent as NAME=always). Write each condition with a single header, the same in all of them.` });
  }
  if ((analysis?.iterations ?? 0) === 0) problems.push({ reason: "Unsupported", path, message: "An Ingress of nginx leads the chosen users to the canary or not, and no percents of them. Use analysis.iterations in place of weights, or remove match." });
  if ((analysis?.stepWeightPromotion ?? 0) > 0) problems.push({ reason: "Unsupported", path: "spec.analysis.stepWeightPromotion", message: "An Ingress of nginx leads the chosen users back all at once. Remove stepWeightPromotion, or match." });
  return problems;
}

/** Flagger hands its regular expressions on as they are; ours mean the whole value, as everywhere else. */
function chosen({ spec, owner }: RouteIntent): Record<string, string> {
  const { header, cookie } = choiceOf(list(spec.analysis?.match).map(map)) ?? {};
  const [first, ...others] = header?.values ?? [];
  const byHeader = ((): Record<string, string> => {
    if (header === undefined || first === undefined) return {};
    if (others.length === 0 && first.form === "exact") return { [BY_HEADER]: header.name, [BY_HEADER_VALUE]: first.value };
    if (others.length === 0 && first.form === "regex" && isFlaggers(owner)) return { [BY_HEADER]: header.name, [BY_HEADER_PATTERN]: first.value };
    return { [BY_HEADER]: header.name, [BY_HEADER_PATTERN]: `^(?:${header.values.map(patternOf).join("|")})$` };
  })();
  return { ...byHeader, ...(cookie === undefined ? {} : { [BY_COOKIE]: cookie }) };
}

function patternOf({ form, value }: { form: string; value: string }): string {
  const literal = value.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  if (form === "regex") return `(?:${value})`;
  return form === "prefix" ? `${literal}.*` : form === "suffix" ? `.*${literal}` : literal;
}

// Render

function render(intent: RouteIntent, found: FoundObjects): KubeObject[] {
  const { spec } = intent;
  const before = objectAt(routeKey(intent), found);
  const source = objectAt(sourceKey(intent)?.[0], found);
  // Where the user's is gone, what was made of it stays; it can still be led to nobody.
  const rules = source === undefined ? map(before?.spec) : split(source.spec, intent);
  if (spec.ingressRef === undefined || (source === undefined && before === undefined) || (before !== undefined && !isOurs(before, intent))) return [];
  // The copy of rules that lead nowhere any more would be refused as one without rules.
  if (rules === undefined && before === undefined) return [];
  const inherited = Object.entries((source ?? before)?.metadata.annotations ?? {}).filter(([key]) => isOwn(key) && !isCanary(key));
  return [
    copied(intent, before, {
      apiVersion: API_VERSION,
      kind: INGRESS.kind,
      name: copyName(spec.ingressRef),
      isOwnAnnotation: isOwn,
      annotations: { ...Object.fromEntries(inherited), ...canaryAnnotations(intent) },
      spec: rules ?? map(before?.spec),
    }),
  ];
}

/**
 * A header or cookie goes before the weight, which then speaks of everybody else. The chosen all go or none: in between they stay where the promoted
 * version is.
 */
function canaryAnnotations(intent: RouteIntent): Record<string, string> {
  const { canaryWeight, scope } = intent;
  if (scope !== "matched") return { [CANARY]: "true", [WEIGHT]: String(canaryWeight) };
  return { [CANARY]: "true", [WEIGHT]: "0", ...(canaryWeight === 100 ? chosen(intent) : {}) };
}

/** Issuers of certificates, DNS and the like act on the Ingress that their annotations are on: of all others only the class is copied. */
function isOwn(key: string): boolean {
  return key.startsWith(PREFIX) || key === CLASS;
}

function isCanary(key: string): boolean {
  return key === CANARY || key.startsWith(`${CANARY}-`);
}

/** What of an Ingress leads to the apex, with the canary in its place; undefined where nothing does. Certificates are those of the user's Ingress. */
function split(spec: unknown, { apex }: Names): Json | undefined {
  const { ingressClassName, defaultBackend, rules } = map(spec);
  const leads = (backend: unknown): boolean => map(map(backend).service).name === apex;
  const moved = (backend: unknown): Json => ({ ...map(backend), service: { ...map(map(backend).service), name: `${apex}-canary` } });
  const kept = list(rules).map(map).flatMap((rule) => {
    const paths = list(map(rule.http).paths).map(map).filter(({ backend }) => leads(backend));
    return paths.length === 0 ? [] : [{ ...rule, http: { ...map(rule.http), paths: paths.map((path) => ({ ...path, backend: moved(path.backend) })) } }];
  });
  if (kept.length === 0 && !leads(defaultBackend)) return undefined;
  return defined({ ingressClassName, defaultBackend: leads(defaultBackend) ? moved(defaultBackend) : undefined, rules: kept.length === 0 ? undefined : kept });
}

// Read

function read(intent: Asked, found: FoundObjects): RouteReading {
  const object = objectAt(routeKey(intent), found);
  if (object === undefined) return { kind: "absent" };
  const unknown = (why: string): RouteReading => ({ kind: "unknown", why: `Ingress ${intent.namespace}/${object.metadata.name}: ${why}` });
  if (!isOurs(object, intent)) return unknown("it was not made by the engine");
  const annotations = object.metadata.annotations ?? {};
  const canary = `${intent.apex}-canary`;
  const backends = backendsOf(object.spec);
  if (backends.length === 0 || backends.some((name) => name !== canary)) return unknown(`it should lead to ${canary} alone`);
  if (annotations[CANARY] !== "true") return unknown(`without ${CANARY} it takes all traffic, or none`);
  const weight = annotations[WEIGHT] ?? "";
  if (!/^(100|[1-9]?\d)$/.test(weight) || (annotations[WEIGHT_TOTAL] ?? "100") !== "100") return unknown("its weight is no percent from 0 to 100");
  const percent = Number(weight);
  if (annotations[BY_HEADER] === undefined && annotations[BY_COOKIE] === undefined) return { kind: "known", primaryWeight: 100 - percent, canaryWeight: percent, scope: "all", mirror: false };
  if (percent !== 0) return unknown("users are chosen by header or cookie, and others by weight as well");
  return { kind: "known", primaryWeight: 0, canaryWeight: 100, scope: "matched", mirror: false };
}

function backendsOf(spec: unknown): (string | undefined)[] {
  const { defaultBackend, rules } = map(spec);
  const paths = list(rules).flatMap((rule) => list(map(map(rule).http).paths).map((path) => map(path).backend));
  return [...(defaultBackend === undefined ? [] : [defaultBackend]), ...paths].map((backend) => text(map(map(backend).service).name));
}
