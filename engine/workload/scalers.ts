// How is the primary scaled when the target is? Copies the target's HorizontalPodAutoscaler or ScaledObject for the primary and keeps KEDA from starting pods of a
// target at rest. A HorizontalPodAutoscaler needs no such care: it leaves what has no replicas alone.
import type { CanarySpec } from "../../crds/canary.ts";
import { defined, isMap, list, map, number, text, texts, type Json } from "../../crds/json.ts";
import { HANDS_OFF, ORIGIN, TOOLKIT } from "../../crds/marks.ts";
import type { KubeObject, Resource } from "../ports.ts";

export type AutoscalerRef = NonNullable<CanarySpec["autoscalerRef"]>;

export const HPAS: Resource = { group: "autoscaling", version: "v2", plural: "horizontalpodautoscalers", kind: "HorizontalPodAutoscaler" };
export const SCALED_OBJECTS: Resource = { group: "keda.sh", version: "v1alpha1", plural: "scaledobjects", kind: "ScaledObject" };
export const SCALERS: readonly Resource[] = [HPAS, SCALED_OBJECTS];

/** KEDA sets this many replicas and looks at no trigger while an object has it. */
const PAUSED_REPLICAS = "autoscaling.keda.sh/paused-replicas";
const HPA_FIELDS = ["minReplicas", "maxReplicas", "metrics", "behavior"];
const SCALED_OBJECT_FIELDS = ["pollingInterval", "cooldownPeriod", "initialCooldownPeriod", "idleReplicaCount", "minReplicaCount", "maxReplicaCount", "advanced", "triggers", "fallback"];
/** KEDA's own. */
const DEFAULT_MAX_REPLICAS = 100;

export interface ScalerIntent {
  ref: AutoscalerRef;
  /** The target's scaler. */
  source: KubeObject;
  found: KubeObject | undefined;
  target: string;
  primary: string;
  /** The primary is about to take traffic that this many pods carry: it gets no fewer. */
  floor: number | undefined;
}

export function scalerName(name: string): string {
  return `${name}-primary`;
}

export function scalerResource(kind: string): Resource | undefined {
  return SCALERS.find((resource) => resource.kind === kind);
}

/** Replicas that the scaler starts with, at least 1. */
export function leastReplicas(scaler: KubeObject): number {
  const spec = map(scaler.spec);
  return Math.max(1, number(spec.minReplicas) ?? number(spec.minReplicaCount) ?? 1);
}

export function mostReplicas(scaler: KubeObject): number {
  const spec = map(scaler.spec);
  return number(spec.maxReplicas) ?? number(spec.maxReplicaCount) ?? DEFAULT_MAX_REPLICAS;
}

/** Everything that decides about pods is the source's; metadata that others put on the copy stay. */
export function renderScaler(intent: ScalerIntent): KubeObject {
  const { ref, source, found, target, primary } = intent;
  const labels = Object.fromEntries(Object.entries(source.metadata.labels ?? {}).filter(([key]) => !key.includes(TOOLKIT)));
  return {
    ...found,
    apiVersion: source.apiVersion,
    kind: source.kind,
    metadata: {
      ...found?.metadata,
      name: scalerName(source.metadata.name),
      namespace: source.metadata.namespace,
      labels: { ...found?.metadata.labels, ...labels },
      annotations: { ...(found === undefined ? HANDS_OFF : found.metadata.annotations), [ORIGIN]: "created" },
    },
    spec: ref.kind === HPAS.kind ? hpaSpec(intent) : scaledObjectSpec(intent, target, primary),
  };
}

function hpaSpec({ ref, source, found, primary, floor }: ScalerIntent): Json {
  const spec = map(source.spec);
  const bounds = boundsOf(ref, number(spec.minReplicas), number(spec.maxReplicas), floor);
  return defined({ ...without(map(found?.spec), HPA_FIELDS), ...only(spec, HPA_FIELDS), minReplicas: bounds.min, maxReplicas: bounds.max, scaleTargetRef: { ...map(spec.scaleTargetRef), name: primary } });
}

function scaledObjectSpec({ ref, source, found, floor }: ScalerIntent, target: string, primary: string): Json {
  const spec = map(source.spec);
  const bounds = boundsOf(ref, number(spec.minReplicaCount), number(spec.maxReplicaCount), floor);
  const triggers = list(spec.triggers).map((trigger) => retargeted(map(trigger), ref.primaryScalerQueries ?? {}, target, primary));
  const config = map(map(spec.advanced).horizontalPodAutoscalerConfig);
  const advanced = text(config.name) === undefined ? spec.advanced : { ...map(spec.advanced), horizontalPodAutoscalerConfig: { ...config, name: scalerName(text(config.name) ?? "") } };
  return defined({
    ...without(map(found?.spec), SCALED_OBJECT_FIELDS),
    ...only(spec, SCALED_OBJECT_FIELDS),
    advanced,
    triggers,
    minReplicaCount: bounds.min,
    maxReplicaCount: bounds.max,
    scaleTargetRef: { ...map(spec.scaleTargetRef), name: primary },
  });
}

/** A floor above the maximum would be refused, and the maximum is its owner's word. */
function boundsOf({ primaryScalerReplicas }: AutoscalerRef, sourceMin: number | undefined, sourceMax: number | undefined, floor: number | undefined): { min: number | undefined; max: number | undefined } {
  const max = primaryScalerReplicas?.maxReplicas ?? sourceMax;
  const min = primaryScalerReplicas?.minReplicas ?? sourceMin;
  if (floor === undefined || floor <= (min ?? 1)) return { min, max };
  return { min: Math.max(min ?? 0, Math.min(floor, max ?? DEFAULT_MAX_REPLICAS)), max };
}

/** A query about the target's pods would scale the primary by the canary's load. By name where the manifest gives one, else wherever the target's name stands. */
function retargeted(trigger: Json, queries: Readonly<Record<string, string>>, target: string, primary: string): Json {
  const metadata = map(trigger.metadata);
  const query = text(metadata.query);
  const given = queries[text(trigger.name) ?? ""];
  if (given === undefined && query === undefined) return trigger;
  return { ...trigger, metadata: { ...metadata, query: given ?? (query ?? "").replaceAll(`${target}-canary`, primary).replace(wholeName(target), primary) } };
}

/** Not within a longer name, that of the primary above all; a pattern of pod names (`podinfo-.*`, `podinfo-[0-9a-z]+`) is none, and neither is a label of that name. */
function wholeName(name: string): RegExp {
  return new RegExp(`(?<![A-Za-z0-9_-])${name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?!-?[A-Za-z0-9_]|\\s*[=!])`, "g");
}

/** A ScaledObject that starts no pods, or does so again. */
export function withRest(found: KubeObject, resting: boolean): KubeObject {
  const { [PAUSED_REPLICAS]: paused, ...annotations } = texts(found.metadata.annotations);
  // Any other number is somebody's own pause.
  if (!resting && paused !== "0" && paused !== undefined) return found;
  return { ...found, metadata: { ...found.metadata, annotations: resting ? { ...annotations, [PAUSED_REPLICAS]: "0" } : annotations } };
}

/** Why this object does not scale the target; undefined where it does. */
export function scalesOther(scaler: KubeObject, target: string): string | undefined {
  const ref = map(map(scaler.spec).scaleTargetRef);
  return isMap(map(scaler.spec).scaleTargetRef) && ref.name === target ? undefined : `scales ${text(ref.name) ?? "nothing"} and not ${target}`;
}

function only(spec: Json, keys: readonly string[]): Json {
  return Object.fromEntries(Object.entries(spec).filter(([key]) => keys.includes(key)));
}

function without(spec: Json, keys: readonly string[]): Json {
  return Object.fromEntries(Object.entries(spec).filter(([key]) => !keys.includes(key)));
}
