// How does Skipper split traffic? By a second Ingress for the same hosts and paths, each of which leads to primary and canary with weights in an annotation, and which a
// predicate puts in front of the user's. Without weight another predicate switches it off.
import { mapFromText, type Json } from "../crds/json.ts";
import type { Problem } from "../crds/problem.ts";
import type { KubeObject } from "../engine/ports.ts";
import { isOurs, removed } from "./beside.ts";
import { backendsOf, besideIngress, INGRESS, INGRESS_VERSION, ingressProblems, ledTo, objectAt, routeKey, sourceKeys } from "./ingress.ts";
import { beyond, isPercent, notHttp, unheard } from "./refusals.ts";
import type { FoundObjects, RouteIntent, Router, RouteReading } from "./router.ts";

const PREFIX = "zalando.org/";
const WEIGHTS = `${PREFIX}backend-weights`;
const PREDICATE = `${PREFIX}skipper-predicate`;
/** Routes that are written out would be there twice. */
const ROUTES = `${PREFIX}skipper-routes`;
const IN_FRONT = "Weight(100)";
const OFF = "False()";
const CAN = { weights: true, mirror: false, match: false, sessionAffinity: false };

type Asked = Pick<RouteIntent, "namespace" | "apex" | "spec" | "owner">;

export const skipper: Router = {
  name: "skipper",
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

function backends({ apex }: Pick<RouteIntent, "apex">): [string, string] {
  return [`${apex}-primary`, `${apex}-canary`];
}

function check(intent: RouteIntent, found: FoundObjects): Problem[] {
  const said = [...beyond(intent, CAN), ...notHttp(intent), ...unheard(intent, [], "Remove it: the Ingress says by its rules and annotations what becomes of requests.")];
  return [...said, ...ingressProblems(intent, found, { classes: ["skipper"], product: "Skipper", more: (source, where) => shared(intent, source, where) })];
}

function shared({ apex }: RouteIntent, source: KubeObject, where: string): Problem[] {
  if (!Object.hasOwn(mapFromText(source.metadata.annotations?.[WEIGHTS]) ?? {}, apex)) return [];
  return [{ reason: "Unsupported", path: "spec.ingressRef.name", message: `${where} gives Service ${apex} a weight beside others (${WEIGHTS}), and percents of a part cannot be kept. Remove it there, or give the app an Ingress of its own.` }];
}

function render(intent: RouteIntent, found: FoundObjects): KubeObject[] {
  const [primary, canary] = backends(intent);
  const { primaryWeight, canaryWeight } = intent;
  const switched = canaryWeight === 0 ? OFF : IN_FRONT;
  return besideIngress(intent, found, {
    isOwn: (key) => key.startsWith(PREFIX),
    isCopied: (key) => ![WEIGHTS, PREDICATE, ROUTES].includes(key),
    annotations: (source) => {
      const said = withoutSwitch(source.metadata.annotations?.[PREDICATE] ?? "");
      return { [WEIGHTS]: JSON.stringify({ [primary]: primaryWeight, [canary]: canaryWeight }), [PREDICATE]: [...(said === "" ? [] : [said]), switched].join(" && ") };
    },
    backends: (backend: Json) => [ledTo(backend, primary), ledTo(backend, canary)],
    byDefault: false,
  });
}

/** What the user's predicate says: where the user's Ingress is gone it is read from the engine's own. */
function withoutSwitch(predicate: string): string {
  const last = [IN_FRONT, OFF].find((word) => predicate === word || predicate.endsWith(`&& ${word}`));
  return last === undefined ? predicate : predicate.slice(0, -last.length).replace(/\s*&&\s*$/, "");
}

function read(intent: Asked, found: FoundObjects): RouteReading {
  const object = objectAt(routeKey(intent), found);
  if (object === undefined) return { kind: "absent" };
  const unknown = (why: string): RouteReading => ({ kind: "unknown", why: `Ingress ${intent.namespace}/${object.metadata.name}: ${why}` });
  if (!isOurs(object, intent)) return unknown("it was not made by the engine");
  const names = backends(intent);
  const led = backendsOf(object.spec);
  // Always in pairs: a path with one of the two gives it everything.
  const paired = led.length > 0 && led.every((name, at) => name === names[at % 2]) && led.length % 2 === 0;
  if (!paired) return unknown(`each of its paths should lead to ${names.join(" and to ")}`);
  const weights = mapFromText(object.metadata.annotations?.[WEIGHTS]) ?? {};
  const [primary, canary] = names.map((name) => weights[name]);
  if (!isPercent(primary) || !isPercent(canary) || primary + canary !== 100 || Object.keys(weights).length !== 2) return unknown("its weights are no percents that sum to 100");
  const predicate = object.metadata.annotations?.[PREDICATE] ?? "";
  const switched = canary === 0 ? OFF : IN_FRONT;
  if (predicate !== switched && !predicate.endsWith(`&& ${switched}`)) return unknown(`its predicate should end in ${switched}`);
  return { kind: "known", primaryWeight: primary, canaryWeight: canary, scope: "all", mirror: false };
}
