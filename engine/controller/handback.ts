// Gives an app back whose Canary is gone: the target serves again before the primary goes. Driven by what is found, because the status went with the Canary.
// There is no finalizer: a Canary, its namespace or the whole installation can always be deleted, and until this has run the primary goes on serving.
import { EPOCH, ORIGIN, PAUSED, unmarked, HANDBACK } from "../../crds/marks.ts";
import { iso } from "../machine/moves.ts";
import type { KubeObject, ObjectRef, Precondition, Resource, Result } from "../ports.ts";
import { selectorLabel } from "../workload/deployment.ts";
import { SERVICES, WORKLOADS, workloadOf, type Workload } from "../workload/kinds.ts";
import { mergePatch } from "../workload/mergepatch.ts";
import { HPAS, SCALED_OBJECTS, withRest } from "../workload/scalers.ts";
import { primaryName } from "../workload/primary.ts";
import { restoreService, serviceName } from "../workload/service.ts";
import { preconditionOf } from "./commit.ts";
import type { Context } from "./context.ts";
import { keyText, kindOf, placeOf, type Key } from "./key.ts";
import type { Memory } from "./memory.ts";
import { keyOf } from "./observe.ts";
import { DRAIN_UNTIL, type Handback } from "./project.ts";
import type { Pass } from "./reconcile.ts";
import { configResources } from "./configs.ts";
import { routesKnown } from "./world.ts";
import { REVISIONS } from "./wanted.ts";

const NAMESPACES: Resource = { group: "", version: "v1", plural: "namespaces", kind: "Namespace" };

const STOPPED: Pass = { kind: "retry", why: "the lease may have run out" };

interface Estate {
  namespace: string;
  /** Every object that carries the marks of the Canary and that garbage collection will not take. */
  objects: { resource: Resource; object: KubeObject }[];
  primary: KubeObject | undefined;
  target: KubeObject | undefined;
  info: Handback;
  workload: Workload;
}

export async function handBack(key: Key, context: Context, memory: Memory): Promise<Pass> {
  const text = keyText(key);
  context.pods.stop(text);
  memory.forget(text, undefined);
  context.recorder.forget(key);
  const estate = estateOf(key, context);
  if (estate === undefined) return { kind: "forget" };
  if (estate === "unknown") return { kind: "retry", why: "it is not known yet which routes and autoscalers there are" };
  if (!context.leadership.mayWrite()) return STOPPED;
  const namespace = await context.api.get({ resource: NAMESPACES, namespace: "", name: key.namespace });
  // Everything in a terminating namespace goes by itself; starting pods there would only be in the way.
  if (namespace.ok ? namespace.value.metadata.deletionTimestamp !== undefined : namespace.fault.class === "not-found") return { kind: "forget" };
  const live = await context.api.get({ resource: { group: key.group, version: context.groups.get(key.group) ?? "", plural: "canaries", kind: "Canary" }, namespace: key.namespace, name: key.name });
  // The cache may be late: a Canary that was made anew keeps its primary.
  if (live.ok || live.fault.class !== "not-found") return { kind: "retry", why: "the Canary is there again, or could not be looked for" };
  context.log.debug({ canary: text }, "giving the app back");
  return estate.target === undefined ? dissolve(estate, context, key) : giveBack(estate, estate.target, context, key);
}

function estateOf(key: Key, context: Context): Estate | "unknown" | undefined {
  const { caches } = context;
  const owner = `${key.group}/${key.name}`;
  const kinds: Resource[] = [HPAS, ...WORKLOADS.flatMap(({ resource, rare }) => (rare === true ? [] : [resource])), REVISIONS, ...configResources(context.options.configKinds)];
  const marked = (resource: Resource): { resource: Resource; object: KubeObject }[] =>
    caches
      .owned(placeOf(resource), key.namespace, owner)
      .filter((object) => !collected(object, key))
      .map((object) => ({ resource, object }));
  const others = kinds.flatMap(marked);
  const remembering = others.filter(({ object }) => object.metadata.annotations?.[HANDBACK] !== undefined);
  const memory = remembering.find(({ resource }) => resource !== SERVICES) ?? remembering[0];
  const info = infoOf(memory?.object, key);
  const router = memory === undefined ? undefined : context.router(info.provider);
  // What may not be seen cannot be led back, and what it leads to must not go.
  if (!routesKnown(context, router) || router?.kinds.flat().some((kind) => caches.forbidden(kind)) === true) return "unknown";
  const routes = context.routedKinds.flatMap((kind) => caches.resource(kind) ?? []).flatMap(marked);
  // Routes go first: one that is left leads to Services which are about to go.
  const objects = [...routes, ...others];
  if (objects.length === 0) return undefined;
  const workload = workloadOf({ group: info.group ?? "", kind: info.kind }) ?? WORKLOADS[0];
  const primary = remembering.find(({ resource, object }) => resource === workload?.resource && object.metadata.name === primaryName(info.target))?.object;
  if (info.autoscaler?.kind === SCALED_OBJECTS.kind) {
    if (!caches.seek(SCALED_OBJECTS) || caches.forbidden(SCALED_OBJECTS)) return "unknown";
    objects.push(...marked(SCALED_OBJECTS));
  }
  if (workload === undefined) return undefined;
  return { namespace: key.namespace, objects, primary, target: caches.get(placeOf(workload.resource), key.namespace, info.target), info, workload };
}

function collected(object: KubeObject, key: Key): boolean {
  return object.metadata.ownerReferences?.some((reference) => reference.apiVersion.startsWith(`${key.group}/`) && reference.name === key.name) === true;
}

/** As the primary has it, or the apex Service where the primary is gone; with neither nothing of the engine serves, and the names are the usual ones. */
function infoOf(memory: KubeObject | undefined, key: Key): Handback {
  const usual: Handback = { kind: "Deployment", target: key.name, apex: key.name, replicas: 1, drainSeconds: 0, provider: "istio" };
  try {
    return { ...usual, ...(JSON.parse(memory?.metadata.annotations?.[HANDBACK] ?? "{}") as Partial<Handback>) };
  } catch {
    return usual;
  }
}

async function giveBack(estate: Estate, target: KubeObject, context: Context, key: Key): Promise<Pass> {
  const { info, primary, workload } = estate;
  const woken = await wakeScaler(estate, context);
  if (woken !== undefined) return woken;
  const up = workload.scaled(target, workload.replicas(target) === 0 ? replicasOf(estate) : undefined, target.metadata.annotations?.[PAUSED] === undefined ? undefined : false);
  const raised = await send(context, workload.resource, target, withoutMarks(up));
  if (raised !== undefined) return raised;
  const { readiness } = workload.read(target, 100);
  if (primary !== undefined && !readiness.ready) {
    context.log.debug({ canary: keyText(key), why: readiness.why }, "waiting for the target before the primary goes");
    // The manifest that named the target is gone, so nothing else remembers to look when its pods are ready.
    return { kind: "wait", wake: "on-change", watch: [`${workload.resource.plural}/${estate.namespace}/${info.target}`] };
  }
  const returned = await returnTraffic(estate, target, context);
  if (returned !== undefined) return returned;
  if (primary !== undefined) {
    const until = primary.metadata.annotations?.[DRAIN_UNTIL];
    const nowMs = context.clock.now();
    if (until === undefined) {
      const marked = { ...primary, metadata: { ...primary.metadata, annotations: { ...primary.metadata.annotations, [DRAIN_UNTIL]: iso(nowMs + info.drainSeconds * 1000) } } };
      return (await send(context, workload.resource, primary, marked)) ?? { kind: "again" };
    }
    if (Date.parse(until) > nowMs) return { kind: "wait", wake: { atMs: Date.parse(until) } };
  }
  return remove(estate, context, key);
}

/** An autoscaler has had the primary at what the traffic takes, and the target is about to get that traffic. */
function replicasOf({ info, primary, workload }: Estate): number {
  return info.autoscaler === undefined || primary === undefined ? info.replicas : Math.max(info.replicas, workload.replicas(primary));
}

async function wakeScaler({ info, namespace }: Estate, context: Context): Promise<Pass | undefined> {
  const scaler = info.autoscaler?.kind === SCALED_OBJECTS.kind ? context.caches.get(SCALED_OBJECTS.plural, namespace, info.autoscaler.name) : undefined;
  return scaler === undefined ? undefined : send(context, SCALED_OBJECTS, scaler, withRest(scaler, false));
}

/**
 * The apex first: whatever the routes fall back to has to lead to the target by then. Where the primary is gone it is last, because the names that all
 * this goes by are on it, and nothing serves anyway.
 */
async function returnTraffic(estate: Estate, target: KubeObject, context: Context): Promise<Pass | undefined> {
  return estate.primary === undefined
    ? ((await returnRoutes(estate, context)) ?? (await returnApex(estate, target, context)))
    : ((await returnApex(estate, target, context)) ?? (await returnRoutes(estate, context)));
}

async function returnApex(estate: Estate, target: KubeObject, context: Context): Promise<Pass | undefined> {
  const label = selectorLabel(target);
  const apex = estate.objects.find(({ resource, object }) => resource === SERVICES && object.metadata.name === estate.info.apex)?.object;
  if (apex !== undefined && label !== undefined) {
    const { object } = restoreService(apex, undefined, label) ?? { object: apex };
    // One that the engine made stays: who has learned to call it goes on calling it.
    const spec = { ...(object.spec as object), ...(object === apex ? { selector: { [label.key]: label.value } } : {}) };
    return send(context, SERVICES, apex, { ...unmarked(object), spec });
  }
  return undefined;
}

async function returnRoutes(estate: Estate, context: Context): Promise<Pass | undefined> {
  for (const object of restoredRoutes(estate, context).restored) {
    const resource = context.caches.resource(kindOf(object));
    const found = estate.objects.find((entry) => keyOf(entry.object) === keyOf(object))?.object;
    const sent = resource === undefined || found === undefined ? undefined : await send(context, resource, found, object);
    if (sent !== undefined) return sent;
  }
  return undefined;
}

function restoredRoutes({ info, namespace, objects }: Estate, context: Context): { restored: KubeObject[]; deleted: KubeObject[] } {
  const router = context.router(info.provider);
  const found = new Map(objects.map(({ object }) => [keyOf(object), object]));
  return router?.restore({ namespace, apex: info.apex, owner: { apiVersion: "", name: "", uid: "" } }, found) ?? { restored: [], deleted: [] };
}

/** The last step. What was restored carries no mark any more, so what still does is the engine's own. */
async function remove(estate: Estate, context: Context, key: Key): Promise<Pass> {
  const own = [serviceName(estate.info.apex, "primary"), serviceName(estate.info.apex, "canary")];
  for (const { resource, object } of estate.objects) {
    // The primary is the last to go, because its annotation is the memory of all this.
    if (object === estate.primary || (resource === SERVICES && !own.includes(object.metadata.name))) continue;
    // What somebody else made is never deleted, whatever could not be restored.
    if (object.metadata.annotations?.[ORIGIN] !== "created") continue;
    const failed = await destroy(context, resource, object);
    if (failed !== undefined) return failed;
  }
  if (estate.primary !== undefined) {
    const failed = await destroy(context, estate.workload.resource, estate.primary);
    if (failed !== undefined) return failed;
  }
  context.log.info({ canary: keyText(key) }, "the app was given back");
  return { kind: "forget" };
}

/** The target is gone too, so there is nothing to give the app back to: what the engine made goes, what it took over is restored. */
async function dissolve(estate: Estate, context: Context, key: Key): Promise<Pass> {
  for (const object of restoredRoutes(estate, context).restored) {
    const resource = context.caches.resource(kindOf(object));
    const found = estate.objects.find((entry) => keyOf(entry.object) === keyOf(object))?.object;
    const created = found?.metadata.annotations?.[ORIGIN] === "created";
    if (resource === undefined || found === undefined) continue;
    const failed = created ? await destroy(context, resource, found) : await send(context, resource, found, object);
    if (failed !== undefined) return failed;
  }
  for (const { resource, object } of estate.objects) {
    if (resource !== SERVICES || object.metadata.name !== estate.info.apex) continue;
    const restored = restoreService(object, undefined, { key: "app", value: estate.info.target });
    const failed = restored?.kind === "restored" ? await send(context, SERVICES, object, restored.object) : await destroy(context, SERVICES, object);
    if (failed !== undefined) return failed;
  }
  const done = new Set(restoredRoutes(estate, context).restored.map(keyOf));
  const left = estate.objects.filter(({ resource, object }) => !(resource === SERVICES && object.metadata.name === estate.info.apex) && !done.has(keyOf(object)));
  return remove({ ...estate, objects: left }, context, key);
}

function withoutMarks(target: KubeObject): KubeObject {
  const { [PAUSED]: _paused, [EPOCH]: _epoch, ...annotations } = target.metadata.annotations ?? {};
  return { ...target, metadata: { ...target.metadata, annotations } };
}

/** Undefined when nothing had to be sent. */
async function send(context: Context, resource: Resource, found: KubeObject, wanted: KubeObject): Promise<Pass | undefined> {
  const patch = mergePatch(found, wanted);
  if (patch === undefined) return undefined;
  if (!context.leadership.mayWrite()) return STOPPED;
  return passOf(context, await context.api.patch(refTo(resource, found), patch, preconditionOf(found)));
}

async function destroy(context: Context, resource: Resource, object: KubeObject): Promise<Pass | undefined> {
  if (!context.leadership.mayWrite()) return STOPPED;
  const precondition: Precondition = preconditionOf(object);
  const result = await context.api.delete(refTo(resource, object), precondition);
  if (!result.ok && result.fault.class !== "not-found") return { kind: "retry", why: result.fault.message };
  context.caches.forget(object);
  return undefined;
}

function refTo(resource: Resource, object: KubeObject): ObjectRef {
  return { resource, namespace: object.metadata.namespace ?? "", name: object.metadata.name };
}

function passOf(context: Context, result: Result<KubeObject>): Pass {
  if (!result.ok) return { kind: "retry", why: result.fault.message };
  context.caches.absorb(result.value);
  return { kind: "again" };
}
