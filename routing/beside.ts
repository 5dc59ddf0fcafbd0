// What do routers have in common that make an object of their own beside one of the user's? The user's is read and never written; the other one holds the
// weights, is the engine's alone, and goes when the app is given back.
import { foreignController, markedAnnotations, originOf } from "../crds/marks.ts";
import { defined, type Json } from "../crds/json.ts";
import type { Problem } from "../crds/problem.ts";
import type { KubeObject } from "../engine/ports.ts";
import type { FoundObjects, RouteIntent } from "./router.ts";

/** Never one that somebody else made: that is not written over, and not believed. */
export function isOurs(object: KubeObject, { owner }: Pick<RouteIntent, "owner">): boolean {
  return originOf(object, owner.uid) === "created";
}

/** What keeps the engine from making its object. */
export function taken(object: KubeObject | undefined, { owner }: Pick<RouteIntent, "owner">, path: string): Problem[] {
  if (object === undefined) return [];
  const foreign = foreignController(object, owner, path);
  if (foreign !== undefined) return [foreign];
  if (originOf(object, owner.uid) === "created") return [];
  const message = `${object.kind} ${object.metadata.namespace ?? ""}/${object.metadata.name} exists and is somebody else's, and the weights would be written there. Delete or rename it.`;
  return [{ reason: "NameTaken", path, message }];
}

export interface Copy {
  apiVersion: string;
  kind: string;
  name: string;
  /** Annotations that are this router's, found ones with such keys go. */
  annotations?: Record<string, string>;
  isOwnAnnotation?: (key: string) => boolean;
  spec: Json;
}

/**
 * Labels of the user's object are not copied: a GitOps tool finds what it made by them, and would prune a copy that carries them. Others' labels, annotations
 * and fields beside the spec stay.
 */
export function copied(intent: RouteIntent, found: KubeObject | undefined, copy: Copy): KubeObject {
  const { isOwnAnnotation = () => false } = copy;
  const others = Object.fromEntries(Object.entries(markedAnnotations(found, "created", undefined)).filter(([key]) => !isOwnAnnotation(key)));
  const labels = { ...found?.metadata.labels, ...intent.spec.service?.apex?.labels };
  return {
    ...found,
    apiVersion: copy.apiVersion,
    kind: copy.kind,
    metadata: defined({
      ...found?.metadata,
      name: copy.name,
      namespace: intent.namespace,
      labels: Object.keys(labels).length === 0 ? undefined : labels,
      annotations: { ...others, ...intent.spec.service?.apex?.annotations, ...copy.annotations },
    }),
    spec: copy.spec,
  };
}

/** The user's object was never touched, so there is nothing to give back. */
export function removed(kind: string, apiVersion: string, { owner }: Pick<RouteIntent, "owner">, found: FoundObjects): { restored: KubeObject[]; deleted: KubeObject[] } {
  const deleted = [...found.values()].filter((object) => object.kind === kind && object.apiVersion === apiVersion && isOurs(object, { owner }));
  return { restored: [], deleted };
}
