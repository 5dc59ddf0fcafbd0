// What should the cluster look like? Renders every object of a Canary from its spec, its committed status and the stored revisions. Pure: the same
// status renders the same objects, whoever asks and whenever.
import type { Canary, CanarySpec } from "../../crds/canary.ts";
import { CANARY_LABEL, EPOCH, HANDBACK, MARKS, ORIGIN, OWNER, PAUSED, REVISION, groupOf, originOf } from "../../crds/marks.ts";
import type { CanaryStatus } from "../../crds/status.ts";
import { cookiesOf } from "../machine/moves.ts";
import type { Settings } from "../machine/settings.ts";
import type { Affinity } from "../../routing/router.ts";
import type { KubeObject, OwnerReference } from "../ports.ts";
import { ABSENT, configOfKey, snapshotName, UNREADABLE } from "../workload/configs.ts";
import { adoptedRevision, renderPrimary } from "../workload/primary.ts";
import { renderRevision, type StoredRevision } from "../workload/revisions.ts";
import { leastReplicas, mostReplicas, renderScaler, SCALED_OBJECTS, withRest } from "../workload/scalers.ts";
import { renderServiceCopy } from "../workload/servicetarget.ts";
import { renderService, type ServiceIntent, type ServiceRole } from "../workload/service.ts";
import { keepsRevisions, namedRevisions, revisionNames } from "./platform.ts";
import type { ScalerSeen, World } from "./world.ts";

/** On the primary: the number of replicas that the engine gave it last. */
const GIVEN_REPLICAS = `${MARKS}replicas`;
/** On the primary: until when it serves on while the app is given back. */
export const DRAIN_UNTIL = `${MARKS}drain-until`;

/** What survives the Canary on its primary. */
export interface Handback {
  kind: string;
  group?: string;
  target: string;
  apex: string;
  replicas: number;
  drainSeconds: number;
  provider: string;
  /** Key of the object that holds the weights; absent where none does. */
  route?: string;
  /** Kind and name of the target's autoscaler. */
  autoscaler?: { kind: string; name: string };
}

export interface Drawing {
  canary: Canary;
  status: CanaryStatus;
  settings: Settings;
  world: World;
  provider: string;
  epoch: number | undefined;
  includeLabelPrefixes: readonly string[];
  /** Version of one of the router's kinds as it is served; "" when it is not. */
  version: (kind: string) => string;
}

/** The target's autoscaler, which may be told to rest, and the copy that the primary has. */
export interface Scalers {
  source: KubeObject | undefined;
  copy: KubeObject | undefined;
}

export interface Projected {
  revisions: KubeObject[];
  primary: KubeObject | undefined;
  previous: KubeObject | undefined;
  services: KubeObject[];
  routes: KubeObject[];
  apex: KubeObject | undefined;
  target: KubeObject | undefined;
  scalers: Scalers;
}

const NOTHING: Projected = { revisions: [], primary: undefined, previous: undefined, services: [], routes: [], apex: undefined, target: undefined, scalers: { source: undefined, copy: undefined } };

export function project(drawing: Drawing): Projected {
  const { status, world } = drawing;
  // Before the first decision nothing is anybody's business but the user's.
  if (status.primary === undefined) return NOTHING;
  const services = serviceIntent(drawing);
  const routed = status.route !== undefined && (services !== undefined || isAlone(drawing));
  return {
    revisions: missingRevisions(drawing),
    primary: isService(drawing) ? primaryCopy(drawing) : primary(drawing),
    previous: previous(drawing),
    services: services === undefined ? canaryCopy(drawing) : (["primary", "canary"] as const).map((role) => owned(drawing, renderService(services, role, world.services[role]), false)),
    routes: routed ? routes(drawing) : [],
    apex: routed && services !== undefined ? apexService(drawing, services) : undefined,
    target: target(drawing),
    scalers: scalers(drawing),
  };
}

/** What leads traffic, for reading back: the routes, and the Services by their roles; undefined while it cannot be rendered. */
export function traffic(drawing: Drawing): { routes: KubeObject[]; services: Partial<Record<ServiceRole, KubeObject>> } | undefined {
  const services = serviceIntent(drawing);
  if (drawing.status.route === undefined) return undefined;
  if (services === undefined) return isAlone(drawing) ? { routes: routes(drawing), services: {} } : undefined;
  return { routes: routes(drawing), services: { apex: apexService(drawing, services), primary: renderService(services, "primary", drawing.world.services.primary) } };
}

/** The target is a Service: its copies are what the mesh leads to, and the apex stays its owner's. */
function isService({ world }: Drawing): boolean {
  return world.workload?.primary === "copy";
}

/** No Services are made from its pods. */
function isAlone(drawing: Drawing): boolean {
  return isService(drawing) || keepsRevisions(drawing.world);
}

function primaryCopy(drawing: Drawing): KubeObject | undefined {
  const { world, status, settings } = drawing;
  const promoted = revisionAt(drawing, status.primary?.revision);
  if (promoted === undefined || world.target === undefined) return undefined;
  const rendered = renderServiceCopy({ target: world.target, revision: promoted, name: settings.primary, found: world.primary, includeLabelPrefixes: drawing.includeLabelPrefixes });
  rendered.metadata = { ...rendered.metadata, annotations: { ...rendered.metadata.annotations, [HANDBACK]: handback(drawing) } };
  return owned(drawing, rendered, true);
}

/** While it has users it stays what they were led to; a revision that came meanwhile begins with a copy of its own. */
function canaryCopy(drawing: Drawing): KubeObject[] {
  const { world, status, settings } = drawing;
  const found = world.services.canary;
  const revision = world.revisions.get(status.run?.revision ?? status.primary?.revision ?? "")?.revision ?? world.revision;
  if (!isService(drawing) || world.target === undefined || revision === undefined || (found !== undefined && status.target?.paused === true)) return [];
  return [owned(drawing, renderServiceCopy({ target: world.target, revision, name: `${settings.apex}-canary`, found, includeLabelPrefixes: drawing.includeLabelPrefixes }), false)];
}

function apexService(drawing: Drawing, services: ServiceIntent): KubeObject {
  const rendered = renderService(services, "apex", drawing.world.services.apex);
  return owned(drawing, { ...rendered, metadata: { ...rendered.metadata, annotations: { ...rendered.metadata.annotations, [HANDBACK]: handback(drawing) } } }, true);
}

function handback(drawing: Drawing): string {
  const { canary, status, settings, provider, world } = drawing;
  const { autoscalerRef } = canary.spec;
  const route = world.router?.keys(routeIntent(drawing)).route;
  const info: Handback = {
    kind: settings.kind,
    group: settings.group,
    target: settings.target,
    apex: settings.apex,
    replicas: status.target?.replicas ?? 1,
    drainSeconds: Math.round(settings.drainMs / 1000),
    provider,
    ...(route === undefined ? {} : { route }),
    ...(autoscalerRef === undefined ? {} : { autoscaler: { kind: autoscalerRef.kind, name: autoscalerRef.name } }),
  };
  return JSON.stringify(info);
}

export function routeIntent({ canary, status, settings, world }: Pick<Drawing, "canary" | "status" | "settings" | "world">) {
  const { primaryWeight, canaryWeight, matched, mirror } = status.route ?? { primaryWeight: 100, canaryWeight: 0 };
  const scope = matched === true ? ("matched" as const) : ("all" as const);
  const revisions = revisionNames(world, status);
  // As soon as it is promoted it is both, and has everything whatever its part is called.
  const both = revisions?.primary !== undefined && revisions.primary === revisions.canary;
  const weights = both ? { primaryWeight: 100, canaryWeight: 0 } : { primaryWeight, canaryWeight };
  return { namespace: world.namespace, apex: settings.apex, spec: canary.spec, ...weights, scope, mirror: mirror === true, affinity: affinity(canary, status, settings), owner: world.owner, ...(revisions === undefined ? {} : { revisions }) };
}

export function serviceIntent({ canary, settings, world, status }: Pick<Drawing, "canary" | "settings" | "world" | "status">): ServiceIntent | undefined {
  const { service } = canary.spec;
  const { label } = world;
  const template = (world.revisions.get(status.primary?.revision ?? "")?.revision ?? world.revision)?.template;
  if (service === undefined || label === undefined || template === undefined) return undefined;
  const serving = status.rollbackWindow?.serving === true ? ("previous" as const) : undefined;
  return { namespace: world.namespace, apex: settings.apex, service, owner: world.owner, label, template, ...(serving === undefined ? {} : { serving }) };
}

/** Cookies are for weighted canaries: A/B chooses its users itself, and blue/green sends all of them. */
function affinity(canary: Canary, status: CanaryStatus, settings: Settings): Affinity | undefined {
  const cookies = settings.strategy === "canary" ? cookiesOf(status, canary.spec) : undefined;
  return cookies === undefined ? undefined : { ...cookies, primarySeconds: settings.intervalMs / 1000 };
}

function routes(drawing: Drawing): KubeObject[] {
  const { world } = drawing;
  if (world.router === undefined || !leads(world)) return [];
  return world.router.render(routeIntent(drawing), world.found, drawing.version).map((object) => owned(drawing, object, true));
}

/** A router that leads to Services has nothing to do with a target that has none, and the other way round. */
export function leads({ router, workload }: Pick<World, "router" | "workload">): boolean {
  return (router?.revisions === true) === (workload?.primary === "revision");
}

/** A revision as it is stored, or as this very pass stores it first. */
export function revisionAt(drawing: Drawing, hash = ""): StoredRevision | undefined {
  return drawing.world.revisions.get(hash)?.revision ?? unstored(drawing).get(hash);
}

/** Stored before anything runs on it, and only ever from the live target while that is still the revision in question. */
function unstored({ world, status }: Pick<Drawing, "world" | "status">): Map<string, StoredRevision> {
  const { primary, label, configs } = world;
  // A primary that another engine rendered is the only source of what it runs.
  const adopted = primary !== undefined && label !== undefined && primary.metadata.annotations?.[REVISION] === undefined ? adoptedRevision(primary, label, world.revision, configs.originals, configs.primary) : undefined;
  const wanted = new Set([status.primary?.revision, status.run?.revision, status.lastPromotedSpec]);
  const found = (keepsRevisions(world) ? namedRevisions(world) : [world.revision, adopted]).filter((revision) => revision !== undefined && wanted.has(revision.hash) && !world.revisions.has(revision.hash)) as StoredRevision[];
  return new Map(found.map((revision) => [revision.hash, revision]));
}

function missingRevisions(drawing: Drawing): KubeObject[] {
  const { world, status, settings } = drawing;
  const kept = keepsRevisions(world);
  return [...unstored(drawing).values()].map((revision) => {
    const object = renderRevision(world.namespace, settings.target, revision, (status.counters?.runs ?? 0) + 1);
    // Nothing else remembers how to give the app back, so they outlive the Canary in any case.
    return owned(kept ? { ...drawing, settings: { ...settings, revertOnDeletion: true } } : drawing, { ...object, metadata: { ...object.metadata, annotations: { [ORIGIN]: "created", ...(kept ? { [HANDBACK]: handback(drawing) } : {}) } } }, false);
  });
}

function primary(drawing: Drawing): KubeObject | undefined {
  const { world, status } = drawing;
  const promoted = revisionAt(drawing, status.primary?.revision);
  if (promoted === undefined || world.target === undefined || world.label === undefined) return undefined;
  const found = world.primary;
  const replicas = found === undefined ? 0 : (world.workload?.replicas(found) ?? 0);
  const declared = status.target?.replicas ?? 1;
  // As many as its owner asks for when it is made and when it takes over a revision; never none. One that somebody else has scaled since, an autoscaler
  // perhaps, is left to them: it is about to take all traffic.
  const ours = found?.metadata.annotations?.[GIVEN_REPLICAS];
  const untouched = ours === undefined || Number(ours) === replicas;
  const floor = status.phase === "Promoting" ? floorOf(status, world.scaler) : undefined;
  const raised = world.scaler === undefined ? (untouched ? declared : undefined) : floor !== undefined && replicas < floor ? floor : undefined;
  const given = found === undefined || replicas === 0 ? declared : status.phase === "Promoting" ? raised : undefined;
  const rendered = renderPrimary({
    target: world.target,
    label: world.label,
    revision: promoted,
    copies: world.copiesOf(promoted),
    replicas: given,
    found,
    includeLabelPrefixes: drawing.includeLabelPrefixes,
  });
  // Left over where a Canary is made anew while the app was being given back.
  const { [DRAIN_UNTIL]: _, ...annotations } = rendered.metadata.annotations ?? {};
  const replicasGiven: Record<string, string> = given === undefined ? {} : { [GIVEN_REPLICAS]: String(given) };
  // One that another engine made for this Canary is the Canary's, as all else that it made.
  const origin = found === undefined ? undefined : originOf(found, world.owner.uid);
  rendered.metadata = { ...rendered.metadata, annotations: { ...annotations, ...replicasGiven, ...(origin === undefined ? {} : { [ORIGIN]: origin }), [HANDBACK]: handback(drawing) } };
  return owned(drawing, rendered, true);
}

function scalers(drawing: Drawing): Scalers {
  const { world, status, canary, settings } = drawing;
  const { source, copy } = world.scaler ?? {};
  const ref = canary.spec.autoscalerRef;
  if (ref === undefined || source === undefined || world.primary === undefined) return { source: undefined, copy: undefined };
  const rendered = renderScaler({ ref, source, found: copy, target: settings.target, primary: settings.primary, floor: floorOf(status, world.scaler) });
  const rests = ref.kind === SCALED_OBJECTS.kind && status.target !== undefined && status.target.scale !== "AsFound";
  return { source: rests ? withRest(source, status.target?.scale === "Zero") : undefined, copy: owned(drawing, rendered, false) };
}

/** Kept as it was stored, reading snapshots: the primary's copies are of the revision that followed. As many pods as the primary has when they are made. */
function previous(drawing: Drawing): KubeObject | undefined {
  const { world, status, settings } = drawing;
  const { target: live, label, primary: serving, workload } = world;
  const stored = world.revisions.get(status.rollbackWindow?.revision ?? "")?.revision;
  const kept = status.rollbackWindow?.serving === true || settings.window?.keepPods === true;
  if (stored === undefined || live === undefined || label === undefined || workload === undefined || serving === undefined || !kept) return undefined;
  const snapshots = Object.entries(stored.configs).filter(([, checksum]) => checksum !== ABSENT && checksum !== UNREADABLE);
  const copies = new Map(snapshots.map(([key, checksum]) => [key, snapshotName(configOfKey(key).name, settings.target, checksum)]));
  const found = world.previous;
  const rendered = renderPrimary({ target: live, label, revision: stored, copies, replicas: found === undefined ? Math.max(1, workload.replicas(serving)) : undefined, found, role: "previous", includeLabelPrefixes: drawing.includeLabelPrefixes });
  return owned(drawing, rendered, false);
}

/** While users are, or have just been, with the canary. The copy's maximum is its owner's word. */
export function floorOf({ phase, run, route, target: rested }: CanaryStatus, scaler: ScalerSeen | undefined): number | undefined {
  if (scaler?.copy === undefined || run?.primaryFloor === undefined) return undefined;
  const underWay = phase === "Progressing" || phase === "WaitingPromotion" || phase === "Promoting" || phase === "Finalising";
  return underWay || (route?.canaryWeight ?? 0) > 0 || rested?.scale !== "Zero" ? Math.min(run.primaryFloor, mostReplicas(scaler.copy)) : undefined;
}

function target(drawing: Drawing): KubeObject | undefined {
  const { world, status } = drawing;
  const found = world.target;
  const wanted = status.target;
  if (found === undefined || wanted === undefined || world.workload?.primary !== "pods") return undefined;
  const replicas = world.workload.replicas(found);
  const given = wanted.scale === "Zero" ? 0 : wanted.scale === "Up" && replicas === 0 ? (world.scaler?.source === undefined ? wanted.replicas : leastReplicas(world.scaler.source)) : undefined;
  const ours = found.metadata.annotations?.[PAUSED] !== undefined;
  const paused = wanted.paused ? true : ours ? false : undefined;
  // Nothing of a target that is left as it was found is anybody's to fight for.
  if (wanted.scale === "AsFound" && paused === undefined) return undefined;
  return stamped(drawing, world.workload.scaled(found, given, paused), found);
}

/** Marks an object as this Canary's. Only what the engine made is also owned, and only where its deletion may follow the Canary's at once. */
export function owned(drawing: Drawing, object: KubeObject, fenced: boolean): KubeObject {
  const { canary, settings } = drawing;
  const group = groupOf(canary.apiVersion);
  const uid = canary.metadata.uid ?? "";
  const others = (object.metadata.ownerReferences ?? []).filter((reference) => reference.uid !== uid);
  const reference: OwnerReference = { apiVersion: canary.apiVersion, kind: canary.kind, name: canary.metadata.name, uid, controller: true, blockOwnerDeletion: true };
  const created = object.metadata.annotations?.[ORIGIN] === "created";
  const marked: KubeObject = {
    ...object,
    metadata: {
      ...object.metadata,
      labels: { ...object.metadata.labels, [CANARY_LABEL]: labelValue(canary.metadata.name) },
      annotations: { ...object.metadata.annotations, [OWNER]: `${group}/${canary.metadata.name}` },
      ownerReferences: created && !settings.revertOnDeletion ? [...others, reference] : others,
    },
  };
  return fenced ? stamped(drawing, marked, marked) : marked;
}

/** While a run is in flight the objects that carry traffic are stamped with our epoch, so that no write of an earlier leader can succeed any more. */
function stamped({ status, epoch }: Drawing, object: KubeObject, found: KubeObject): KubeObject {
  const known = found.metadata.annotations?.[EPOCH];
  const value = epoch !== undefined && inFlight(status) ? String(Math.max(epoch, Number(known ?? 0))) : known;
  return value === undefined ? object : { ...object, metadata: { ...object.metadata, annotations: { ...object.metadata.annotations, [EPOCH]: value } } };
}

export function inFlight(status: CanaryStatus): boolean {
  return !(status.phase === "Initialized" || status.phase === "Succeeded" || status.phase === "Failed") || status.target?.scale !== "Zero";
}

/** Names may be longer than label values; the annotation beside the label has the whole name. */
export function labelValue(name: string): string {
  return name.slice(0, 63).replace(/[^A-Za-z0-9]+$/, "");
}

export type { CanarySpec, ServiceRole };
