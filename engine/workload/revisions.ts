// What exactly was analysed? Stores what makes up a revision of a target in a ControllerRevision, whose data the API server keeps anyone from
// changing, and reads it back. It never reads the live target when a stored revision is asked for.
import { defined, isMap, list, map, number, text, type Json } from "../../crds/json.ts";
import type { KubeObject } from "../ports.ts";
import { templateHash } from "./canonical.ts";
import { imagesOf } from "./deployment.ts";

export interface StoredRevision {
  hash: string;
  images: string[];
  /** The pod template, verbatim. */
  template: Json;
  strategy: Json | undefined;
  minReadySeconds: number | undefined;
  progressDeadlineSeconds: number | undefined;
  revisionHistoryLimit: number | undefined;
}

export function revisionName(target: string, hash: string): string {
  return `${target}-${hash}`;
}

/** The revision that a live Deployment is at; also how an existing primary is read when it is adopted. */
export function revisionOf(deployment: KubeObject): StoredRevision {
  const spec = map(deployment.spec);
  return {
    hash: templateHash(spec.template),
    images: imagesOf(spec.template),
    template: map(spec.template),
    strategy: isMap(spec.strategy) ? spec.strategy : undefined,
    minReadySeconds: number(spec.minReadySeconds),
    progressDeadlineSeconds: number(spec.progressDeadlineSeconds),
    revisionHistoryLimit: number(spec.revisionHistoryLimit),
  };
}

/**
 * Carries no label of the target's selector: the controllers of DaemonSets and StatefulSets adopt every orphaned ControllerRevision that their
 * selector finds, and would prune it.
 */
export function renderRevision(namespace: string, target: string, revision: StoredRevision, revisionNumber: number): KubeObject {
  const { hash, ...data } = revision;
  return {
    apiVersion: "apps/v1",
    kind: "ControllerRevision",
    metadata: { name: revisionName(target, hash), namespace },
    data: defined(data),
    revision: revisionNumber,
  };
}

/** Undefined when the object does not hold a revision of that target. */
export function readRevision(object: KubeObject, target: string): StoredRevision | undefined {
  const data = map(object.data);
  const prefix = revisionName(target, "");
  if (!object.metadata.name.startsWith(prefix) || !isMap(data.template)) return undefined;
  return {
    hash: object.metadata.name.slice(prefix.length),
    images: list(data.images).map(text).filter((image) => image !== undefined),
    template: data.template,
    strategy: isMap(data.strategy) ? data.strategy : undefined,
    minReadySeconds: number(data.minReadySeconds),
    progressDeadlineSeconds: number(data.progressDeadlineSeconds),
    revisionHistoryLimit: number(data.revisionHistoryLimit),
  };
}
