// What exactly was analysed? Stores what makes up a revision of a target in a ControllerRevision, whose data the API server keeps anyone from
// changing, and reads it back. It never reads the live target when a stored revision is asked for.
import { defined, isMap, list, map, text, texts, type Json } from "../../crds/json.ts";
import type { KubeObject } from "../ports.ts";
import { templateHash } from "./canonical.ts";
import { revisionHash, type Configs } from "./configs.ts";
import { cleanTemplate, updateStrategyOf } from "./daemonset.ts";
import { imagesOf } from "./deployment.ts";
import { isKnative, readyRevision } from "./knative.ts";
import { serviceRevision } from "./servicetarget.ts";

export interface StoredRevision {
  /** Of the template and of what it reads. */
  hash: string;
  /** What the platform calls it, where that keeps revisions by itself; undefined until it is known, and before that it is not stored. */
  name?: string;
  /** Of the target that the platform made it of: one that is made anew counts from the beginning, and gives old names to other templates. */
  uid?: string;
  images: string[];
  /** The pod template, verbatim. */
  template: Json;
  /** Checksums of the ConfigMaps and Secrets of which the primary has a copy. */
  configs: Configs;
  /** What else of the workload's spec is promoted together with the template. */
  fields: Json;
}

/** Of Deployments and DaemonSets; each has some of them. */
export const PROMOTED_FIELDS = ["strategy", "updateStrategy", "minReadySeconds", "progressDeadlineSeconds", "revisionHistoryLimit"] as const;

export function revisionName(target: string, hash: string): string {
  return `${target}-${hash}`;
}

/** The revision that a live target is at; also how an existing primary is read when it is adopted. */
export function revisionOf(workload: KubeObject, configs: Configs = {}): StoredRevision {
  if (isKnative(workload)) {
    const template = map(map(workload.spec).template);
    return { hash: templateHash(template), name: readyRevision(workload), uid: workload.metadata.uid, images: imagesOf(template), template, configs: {}, fields: {} };
  }
  if (workload.kind === "Service") {
    const template = serviceRevision(workload);
    return { hash: templateHash(template), images: [], template, configs: {}, fields: {} };
  }
  const spec: Json = { ...map(workload.spec), ...(workload.kind === "DaemonSet" ? { updateStrategy: updateStrategyOf(workload) } : {}) };
  const template = cleanTemplate(map(spec.template));
  return { hash: revisionHash(templateHash(template), configs), images: imagesOf(template), template, configs, fields: promoted(spec) };
}

/** One of which nothing is known but what the platform calls it: somebody else has promoted it. */
export function revisionNamed(name: string, uid: string | undefined): StoredRevision {
  return { hash: templateHash({ name }), name, uid, images: [], template: {}, configs: {}, fields: {} };
}

function promoted(spec: Json): Json {
  return defined(Object.fromEntries(PROMOTED_FIELDS.map((field) => [field, spec[field] ?? undefined])));
}

/**
 * Carries no label of the target's selector: the controllers of DaemonSets and StatefulSets adopt every orphaned ControllerRevision that their
 * selector finds, and would prune it.
 */
export function renderRevision(namespace: string, target: string, { hash, name, uid, images, template, configs, fields }: StoredRevision, revisionNumber: number): KubeObject {
  return {
    apiVersion: "apps/v1",
    kind: "ControllerRevision",
    metadata: { name: revisionName(target, hash), namespace },
    data: { ...(name === undefined ? {} : defined({ name, uid })), images, template, ...fields, ...(Object.keys(configs).length === 0 ? {} : { configs }) },
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
    name: text(data.name),
    uid: text(data.uid),
    images: list(data.images).map(text).filter((image) => image !== undefined),
    template: data.template,
    configs: texts(data.configs),
    fields: promoted(data),
  };
}
