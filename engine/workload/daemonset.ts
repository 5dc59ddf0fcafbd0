// What does a DaemonSet say of itself, and how is it brought to rest, started and held? It has neither replicas nor a pause of its own: a node selector
// that no node fulfils is its zero, and the update strategy OnDelete its pause.
import { isMap, map, mapFromText, number, type Json } from "../../crds/json.ts";
import { PAUSED, SCALED_TO_ZERO } from "../../crds/marks.ts";
import type { Readiness } from "../machine/types.ts";
import type { KubeObject } from "../ports.ts";
import type { WorkloadSeen } from "./deployment.ts";

/** The engine's own, and the one by which Flagger leaves a DaemonSet at rest. */
const ZERO_SELECTORS = [SCALED_TO_ZERO, "flagger.app/scale-to-zero"];

const DEFAULT_STRATEGY: Json = { type: "RollingUpdate" };

/** One stands for all of its pods, 0 for none. */
export function daemonReplicas(object: KubeObject): number {
  const selector = map(map(map(map(object.spec).template).spec).nodeSelector);
  return ZERO_SELECTORS.some((key) => key in selector) ? 0 : 1;
}

export function readDaemonSet(object: KubeObject, readyPercent: number): Omit<WorkloadSeen, "hash" | "images"> {
  const status = map(object.status);
  return {
    uid: object.metadata.uid ?? "",
    generation: object.metadata.generation ?? 0,
    replicas: daemonReplicas(object),
    paused: object.metadata.annotations?.[PAUSED] !== undefined,
    pods: number(status.currentNumberScheduled) ?? 0,
    availableReplicas: number(status.numberAvailable) ?? 0,
    readiness: readiness(object, readyPercent),
  };
}

/** Undefined for what is to stay as it is. */
export function scaleDaemonSet(found: KubeObject, replicas: number | undefined, paused: boolean | undefined): KubeObject {
  const spec: Json = { ...map(found.spec) };
  const { [PAUSED]: _, ...annotations } = found.metadata.annotations ?? {};
  if (replicas !== undefined) spec.template = replicas === 0 ? selecting(map(spec.template)) : cleanTemplate(map(spec.template));
  if (paused === true && found.metadata.annotations?.[PAUSED] === undefined) {
    annotations[PAUSED] = JSON.stringify(isMap(spec.updateStrategy) ? spec.updateStrategy : DEFAULT_STRATEGY);
    spec.updateStrategy = { type: "OnDelete" };
  } else if (paused === true) {
    annotations[PAUSED] = found.metadata.annotations?.[PAUSED] ?? "";
    // Somebody who sends the manifest again lifts the pause with it.
    spec.updateStrategy = { type: "OnDelete" };
  } else if (paused === false) {
    spec.updateStrategy = updateStrategyOf(found);
  } else if (found.metadata.annotations?.[PAUSED] !== undefined) {
    annotations[PAUSED] = found.metadata.annotations[PAUSED];
  }
  return { ...found, metadata: { ...found.metadata, annotations }, spec };
}

/** As its owner has it, also while it is held. */
export function updateStrategyOf(found: KubeObject): Json {
  const live = map(map(found.spec).updateStrategy);
  const kept = mapFromText(found.metadata.annotations?.[PAUSED]);
  return kept !== undefined && live.type === "OnDelete" ? kept : Object.keys(live).length === 0 ? DEFAULT_STRATEGY : live;
}

/** The template without what stands for zero, so that coming to rest is not a new revision. */
export function cleanTemplate(template: Json): Json {
  const selector = map(map(template.spec).nodeSelector);
  if (!ZERO_SELECTORS.some((key) => key in selector)) return template;
  const left = Object.entries(selector).filter(([key]) => !ZERO_SELECTORS.includes(key));
  const { nodeSelector: _, ...spec } = map(template.spec);
  return { ...template, spec: left.length === 0 ? spec : { ...spec, nodeSelector: Object.fromEntries(left) } };
}

function selecting(template: Json): Json {
  const clean = cleanTemplate(template);
  return { ...clean, spec: { ...map(clean.spec), nodeSelector: { ...map(map(clean.spec).nodeSelector), [SCALED_TO_ZERO]: "true" } } };
}

/** A DaemonSet without a node to run on is never ready: weight is not moved onto an empty workload. */
function readiness(object: KubeObject, readyPercent: number): Readiness {
  const status = map(object.status);
  const observed = number(status.observedGeneration);
  if (observed === undefined || observed < (object.metadata.generation ?? 0)) return waiting("its controller has not seen the last change yet");
  if (daemonReplicas(object) === 0) return waiting("it is scaled to zero");
  const desired = number(status.desiredNumberScheduled) ?? 0;
  if (desired === 0) return waiting("no node may run it");
  const updated = number(status.updatedNumberScheduled) ?? 0;
  if (updated < desired) return waiting(`${updated} of ${desired} pods are of its template`);
  const needed = Math.max(1, Math.trunc((desired * readyPercent) / 100));
  const available = number(status.numberAvailable) ?? 0;
  return available < needed ? waiting(`${available} of ${needed} pods are available`) : { ready: true };
}

function waiting(why: string): Readiness {
  return { ready: false, why, deadlineExceeded: false };
}
