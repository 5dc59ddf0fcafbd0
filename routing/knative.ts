// How does Knative split traffic? By spec.traffic of its own Service, which is the target and the route in one: by name, between the Revision that is promoted
// and the one under analysis, so that one which comes meanwhile gets nothing.
import { isDeepStrictEqual } from "node:util";
import { isMap, list, map, number, text, type Json } from "../crds/json.ts";
import { FLAGGERS_REVISION, groupOf, markedAnnotations, originalSpec, originOf, PRIMARY_REVISION, unmarked } from "../crds/marks.ts";
import type { Problem } from "../crds/problem.ts";
import type { KubeObject, Resource } from "../engine/ports.ts";
import { foreign } from "./adopt.ts";
import { beyond, isFlaggers, isPercent } from "./refusals.ts";
import { keyOf, type FoundObjects, type RouteIntent, type Router, type RouteReading } from "./router.ts";

const SERVICE: Resource = { group: "serving.knative.dev", version: "v1", plural: "services", kind: "Service" };
/** What Knative does where nothing is said. */
const NEWEST: Json[] = [{ latestRevision: true, percent: 100 }];
const CAN = { weights: true, mirror: false, match: false, sessionAffinity: false };

type Asked = Pick<RouteIntent, "namespace" | "spec">;

export const knative: Router = {
  name: "knative",
  revisions: true,
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
  restore: ({ owner }, found) => ({ restored: [...found.values()].filter((object) => isService(object) && originOf(object, owner.uid) !== undefined).map(restored), deleted: [] }),
};

function routeKey({ namespace, spec }: Asked): string {
  return keyOf(SERVICE, namespace, spec.targetRef.name);
}

function isService({ apiVersion, kind }: KubeObject): boolean {
  return kind === SERVICE.kind && groupOf(apiVersion) === SERVICE.group;
}

function entriesOf(spec: unknown): Json[] {
  return list(map(spec).traffic).map(map);
}

function hasUsers({ percent }: Json): boolean {
  return percent !== undefined && percent !== null && percent !== 0;
}

// Check

function check(intent: RouteIntent, found: FoundObjects): Problem[] {
  const { owner, spec } = intent;
  const said = [...beyond(intent, CAN), ...(isFlaggers(owner) ? [] : needless(spec))];
  const object = found.get(routeKey(intent));
  if (object === undefined) return said;
  const taken = originOf(object, owner.uid) !== undefined || isFlaggersPin(object);
  return [...said, ...foreign(object, intent).map((problem) => ({ ...problem, path: "spec.targetRef.name" })), ...(taken ? [] : split(object))];
}

/** Flagger leaves these out for Knative, and so does the engine for its manifests. */
function needless({ service, analysis }: RouteIntent["spec"]): Problem[] {
  const asked: [boolean, string, string][] = [
    [service !== undefined, "spec.service", "A Knative Service is called by its own address, and no Services are made for it. Remove service."],
    [(analysis?.stepWeightPromotion ?? 0) > 0, "spec.analysis.stepWeightPromotion", "The Revision that was analysed is the promoted one from the first moment on, so there is nothing to lead back. Remove stepWeightPromotion."],
  ];
  return asked.filter(([is]) => is).map(([, path, message]) => ({ reason: "Unsupported", path, message }));
}

/** Nobody knows which of several is the promoted one. */
function split(object: KubeObject): Problem[] {
  if (entriesOf(object.spec).filter(hasUsers).length <= 1) return [];
  const message = `${SERVICE.kind} ${object.metadata.namespace ?? ""}/${object.metadata.name} splits its traffic already, and it cannot be told which of its Revisions is promoted. Give one of spec.traffic 100 percent.`;
  return [{ reason: "Unsupported", path: "spec.targetRef.name", message }];
}

// Render

/** Without the names nothing is written: what is there stays. */
function render(intent: RouteIntent, found: FoundObjects): KubeObject[] {
  const before = found.get(routeKey(intent));
  const { primary, canary } = intent.revisions ?? {};
  if (before === undefined || primary === undefined || (canary === undefined && intent.canaryWeight > 0)) return [];
  // Knative writes latestRevision out where it is left out, and the difference would be repaired for ever.
  const parts = [{ latestRevision: false, revisionName: primary, percent: intent.primaryWeight }, { latestRevision: false, revisionName: canary, percent: intent.canaryWeight }];
  const traffic = parts.filter(({ percent }) => percent > 0);
  const spec = map(before.spec);
  const origin = originOf(before, intent.owner.uid) ?? "adopted";
  const annotations = { ...markedAnnotations(before, origin, { traffic: recorded(before) }), [PRIMARY_REVISION]: primary };
  return [{ ...before, metadata: { ...before.metadata, annotations }, spec: { ...spec, traffic: [...traffic, ...tagged(spec)] } }];
}

/** Another engine's pin is not what the owner wrote. */
function recorded(object: KubeObject): unknown[] {
  const traffic = list(map(object.spec).traffic);
  return isFlaggersPin(object) || traffic.length === 0 ? NEWEST : traffic;
}

/** What it has left behind says nothing where the traffic has moved on. */
function isFlaggersPin({ metadata, spec }: KubeObject): boolean {
  const pin = metadata.annotations?.[FLAGGERS_REVISION];
  return pin !== undefined && entriesOf(spec).some((entry) => hasUsers(entry) && entry.revisionName === pin);
}

/** Addresses of their own, which the owner has given to Revisions, stay; they get nothing of what comes to the app's. */
function tagged(spec: Json): Json[] {
  return entriesOf(spec)
    .filter(({ tag }) => text(tag) !== undefined && tag !== "")
    .map((entry) => (hasUsers(entry) ? { ...entry, percent: 0 } : entry));
}

// Read

function read(intent: Asked & Pick<RouteIntent, "revisions">, found: FoundObjects): RouteReading {
  const object = found.get(routeKey(intent));
  if (object === undefined) return { kind: "absent" };
  const unknown = (why: string): RouteReading => ({ kind: "unknown", why: `${SERVICE.kind} ${intent.namespace}/${object.metadata.name}: ${why}` });
  const { primary, canary } = intent.revisions ?? {};
  if (primary === undefined) return unknown("it is not known which Revision is promoted");
  const asked = partsOf(entriesOf(object.spec).filter(hasUsers));
  const names = [...asked.keys()];
  if (names.some((name) => name !== primary && name !== canary)) return unknown(`it should lead to ${primary}${canary === undefined || canary === primary ? "" : ` and ${canary}`} alone, by name`);
  const weights = [asked.get(primary) ?? 0, canary === undefined || canary === primary ? 0 : (asked.get(canary) ?? 0)] as const;
  const [primaryWeight, canaryWeight] = weights;
  if (!isPercent(primaryWeight) || !isPercent(canaryWeight) || primaryWeight + canaryWeight !== 100) return unknown("its weights are no percents that sum to 100");
  const late = unapplied(object, asked);
  return late === undefined ? { kind: "known", primaryWeight, canaryWeight, scope: "all", mirror: false } : unknown(late);
}

/** By the names of Revisions; what has none is under "", and what is no number counts as none. */
function partsOf(entries: readonly Json[]): Map<string, number> {
  const parts = new Map<string, number>();
  for (const { revisionName, percent, latestRevision } of entries) {
    const name = latestRevision === true ? "" : (text(revisionName) ?? "");
    parts.set(name, (parts.get(name) ?? 0) + (number(percent) ?? Number.NaN));
  }
  return parts;
}

/** What is asked for is not what users get before Knative says that it is; undefined where it does. An object that no API server has counted was never sent. */
function unapplied({ metadata, status }: KubeObject, asked: ReadonlyMap<string, number>): string | undefined {
  if (metadata.generation === undefined) return undefined;
  const { observedGeneration, conditions, traffic } = map(status);
  if (observedGeneration !== metadata.generation) return "Knative has not seen the last change yet";
  const { status: ready, message } = map(list(conditions).find((entry) => map(entry).type === "RoutesReady"));
  if (ready !== "True") return `Knative has not led the traffic yet${text(message) === undefined ? "" : `: ${text(message)}`}`;
  // It names the newest one too, and says so beside the name.
  const applied = partsOf(list(traffic).map(map).filter(hasUsers).map((entry) => ({ ...entry, latestRevision: false })));
  return isDeepStrictEqual(new Map([...applied].sort()), new Map([...asked].sort())) ? undefined : "Knative leads the traffic elsewhere";
}

// Restore

/** As it was found; what lost its record is as Knative has it where nothing is said. */
function restored(object: KubeObject): KubeObject {
  const { traffic } = originalSpec(object) ?? {};
  const before = Array.isArray(traffic) && traffic.every(isMap) ? traffic : NEWEST;
  return { ...unmarked(object), spec: { ...map(object.spec), traffic: before } };
}
