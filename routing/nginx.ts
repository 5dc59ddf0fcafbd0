// How does ingress-nginx split traffic? By a second Ingress for the same hosts and paths, whose annotations say how much of it, or of whom, goes to its backend.
// The user's Ingress leads to the apex Service and is never written; the one beside it is the engine's.
import type { CanarySpec } from "../crds/canary.ts";
import { isMap, list, map, text, type Json } from "../crds/json.ts";
import type { Problem } from "../crds/problem.ts";
import type { KubeObject } from "../engine/ports.ts";
import { isOurs, removed } from "./beside.ts";
import { backendsOf, besideIngress, INGRESS, INGRESS_VERSION, ingressProblems, ledTo, objectAt, routeKey, sourceKeys } from "./ingress.ts";
import { beyond, isFlaggers, notHttp, unheard } from "./refusals.ts";
import type { FoundObjects, RouteIntent, Router, RouteReading } from "./router.ts";

const PREFIX = "nginx.ingress.kubernetes.io/";
const CANARY = `${PREFIX}canary`;
const WEIGHT = `${PREFIX}canary-weight`;
const WEIGHT_TOTAL = `${PREFIX}canary-weight-total`;
const BY_HEADER = `${PREFIX}canary-by-header`;
const BY_HEADER_VALUE = `${PREFIX}canary-by-header-value`;
const BY_HEADER_PATTERN = `${PREFIX}canary-by-header-pattern`;
const BY_COOKIE = `${PREFIX}canary-by-cookie`;
const CAN = { weights: true, mirror: false, match: true, sessionAffinity: false };

type Asked = Pick<RouteIntent, "namespace" | "apex" | "spec" | "owner">;

export const nginx: Router = {
  name: "nginx",
  kinds: [[INGRESS]],
  rare: true,
  needs: () => [INGRESS],
  refersTo: [],
  can: CAN,
  keys: (intent) => ({ route: routeKey(intent), others: [] }),
  reads: sourceKeys,
  check,
  render,
  read,
  restore: (intent, found) => removed(INGRESS.kind, INGRESS_VERSION, intent, found),
};

// Check

function check(intent: RouteIntent, found: FoundObjects): Problem[] {
  const said = [...beyond(intent, CAN), ...notHttp(intent), ...choiceProblems(intent.spec), ...unheard(intent, [], "Remove it: the Ingress says by its rules and annotations what becomes of requests.")];
  return [...said, ...ingressProblems(intent, found, { classes: ["nginx"], product: "ingress-nginx", more: (source, where) => dialects(source, where) })];
}

function dialects(source: KubeObject, where: string): Problem[] {
  const path = "spec.ingressRef.name";
  const annotations = source.metadata.annotations ?? {};
  const foreign = Object.keys(annotations).find((annotation) => annotation.startsWith("nginx.org/") || annotation.startsWith("nginx.com/"));
  const problems: Problem[] = [];
  if (foreign !== undefined) problems.push({ reason: "Unsupported", path, message: `${where} is written for the controller of F5 (${foreign}), which does not know the canary annotations of ingress-nginx. Name an Ingress of ingress-nginx, or use another provider.` });
  if (annotations[CANARY] === "true") problems.push({ reason: "InvalidSpec", path, message: `${where} is itself the canary of another one (${CANARY}). Name that one.` });
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
  const own = { isOwn, isCopied: (key: string) => !isCanary(key), annotations: () => canaryAnnotations(intent), backends: (backend: Json) => [ledTo(backend, `${intent.apex}-canary`)], byDefault: true };
  return besideIngress(intent, found, own);
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

function isOwn(key: string): boolean {
  return key.startsWith(PREFIX);
}

function isCanary(key: string): boolean {
  return key === CANARY || key.startsWith(`${CANARY}-`);
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
