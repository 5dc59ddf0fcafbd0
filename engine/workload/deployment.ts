// What does a Deployment say of itself: which template, how many pods, is it ready? Reads only; a mangled object reads as not ready, never as ready.
import { list, map, number, text, texts, type Json } from "../../crds/json.ts";
import type { Readiness } from "../machine/types.ts";
import type { KubeObject } from "../ports.ts";
import { templateHash } from "./canonical.ts";

export interface WorkloadSeen {
  uid: string;
  generation: number;
  /** Canonical hash of the pod template. */
  hash: string;
  images: string[];
  /** spec.replicas, 1 where it is not set. */
  replicas: number;
  paused: boolean;
  /** Pods that exist, whatever they run. */
  pods: number;
  availableReplicas: number;
  readiness: Readiness;
}

/** The label by which Services find the pods of a workload. */
export interface SelectorLabel {
  key: string;
  value: string;
}

/** In order of preference. */
export const SELECTOR_LABELS: readonly string[] = ["app", "name", "app.kubernetes.io/name"];

const MAX_IMAGES = 32;

export function readDeployment(object: KubeObject, readyThresholdPercent: number, wantedUp = true): WorkloadSeen {
  const spec = map(object.spec);
  const status = map(object.status);
  return {
    uid: object.metadata.uid ?? "",
    generation: object.metadata.generation ?? 0,
    hash: templateHash(spec.template),
    images: imagesOf(spec.template),
    replicas: number(spec.replicas) ?? 1,
    paused: spec.paused === true,
    pods: number(status.replicas) ?? 0,
    availableReplicas: number(status.availableReplicas) ?? 0,
    readiness: readiness(object, readyThresholdPercent, wantedUp),
  };
}

/** The first of `labels` by which the workload selects its pods. */
export function selectorLabel(target: KubeObject, labels: readonly string[] = SELECTOR_LABELS): SelectorLabel | undefined {
  const matchLabels = texts(map(map(target.spec).selector).matchLabels);
  for (const key of labels) {
    const value = matchLabels[key];
    if (value !== undefined && value !== "") return { key, value };
  }
  return undefined;
}

export function imagesOf(template: unknown): string[] {
  const images = list(map(map(template).spec).containers).map((container) => text(map(container).image));
  return images.filter((image) => image !== undefined).slice(0, MAX_IMAGES);
}

/**
 * A Deployment without replicas is ready only where nothing is wanted of it: weight is never moved onto an empty workload. A paused one whose
 * template is rolled out is as ready as any other.
 */
function readiness(object: KubeObject, thresholdPercent: number, wantedUp: boolean): Readiness {
  const spec = map(object.spec);
  const status = map(object.status);
  const replicas = number(spec.replicas) ?? 1;
  const observed = number(status.observedGeneration);
  if (observed === undefined || observed < (object.metadata.generation ?? 0)) return { ...waiting("its controller has not seen the last change yet"), unobserved: true };
  const progressing = condition(status, "Progressing");
  if (text(progressing.reason) === "ProgressDeadlineExceeded" && progressing.status === "False") {
    return { ready: false, why: `it passed its own progress deadline${because(status)}`, deadlineExceeded: true };
  }
  if (wantedUp && replicas === 0) return waiting("it is scaled to zero");

  const updated = number(status.updatedReplicas) ?? 0;
  const total = number(status.replicas) ?? 0;
  const available = number(status.availableReplicas) ?? 0;
  if (updated < replicas) {
    const paused = spec.paused === true ? ", and it is paused" : "";
    return waiting(`${updated} of ${replicas} pods are of its template${paused}${because(status)}`);
  }
  if (total > updated) return waiting(`${total - updated} old pods are still there`);
  const needed = replicas === 0 ? 0 : Math.max(1, Math.trunc((replicas * thresholdPercent) / 100));
  if (available < needed) return waiting(`${available} of ${needed} pods are available${because(status)}`);
  return { ready: true };
}

function waiting(why: string): Extract<Readiness, { ready: false }> {
  return { ready: false, why, deadlineExceeded: false };
}

/** What keeps pods from being made, for example a quota; the only cause that the Deployment itself tells. */
function because(status: Json): string {
  const failure = condition(status, "ReplicaFailure");
  const message = text(failure.message);
  return failure.status === "True" && message !== undefined ? `: ${message}` : "";
}

function condition(status: Json, type: string): Json {
  return map(list(status.conditions).find((entry) => map(entry).type === type));
}
