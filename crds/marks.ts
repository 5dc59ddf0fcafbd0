// By which marks does the engine know the objects that it made or took over, and what was there before?
// The only place for their names. It never decides whether an object may be written: that is what `foreignController` lets others do.
import { mapFromText, type Json } from "./json.ts";
import type { Problem } from "./problem.ts";

export const MARKS = "rollout.kurator.dev/";

/** Label: name of the Canary that the object belongs to. Stamped by the shell. */
export const CANARY_LABEL = `${MARKS}canary`;
/** Annotation: `<API group>/<name>` of that Canary, because two groups are served. Stamped by the shell. */
export const OWNER = `${MARKS}owner`;
/** Annotation: leadership (transitions of the Lease) that wrote last. Stamped by the shell, kept by every codec. */
export const EPOCH = `${MARKS}epoch`;
/** Annotation: `created` by the engine, or `adopted` from somebody else. */
export const ORIGIN = `${MARKS}origin`;
/** Annotation on adopted objects: what the engine overwrote in `spec`, as JSON. Written once. */
export const ORIGINAL_SPEC = `${MARKS}original-spec`;
/** Annotation on the primary: hash of the stored revision that it was rendered from. */
export const REVISION = `${MARKS}revision`;

/** Annotation on a target whose platform keeps revisions by itself: the name that the promoted one has there. */
export const PRIMARY_REVISION = `${MARKS}primary-revision`;
/** The same, as Flagger writes it. */
export const FLAGGERS_REVISION = "flagger.app/primary-revision";

/** Annotation on the primary and the apex Service, on stored revisions where there are none: all that is needed to give the app back when the Canary is gone. */
export const HANDBACK = `${MARKS}handback`;

/** Annotation on a target that the engine has paused, so that it never lifts a pause of somebody else. */
export const PAUSED = `${MARKS}paused`;
/** Node selector of a DaemonSet that is to have no pod: no node has such a label. */
export const SCALED_TO_ZERO = `${MARKS}scale-to-zero`;

/** What pods read, as `status.trackedConfigs` names it. */
export const CONFIG_KINDS = ["configmap", "secret"] as const;
export type ConfigKind = (typeof CONFIG_KINDS)[number];
/** Annotations on ConfigMaps and Secrets, the engine's own first: `disabled`, `live` or `snapshot` (see engine/workload/configs.ts). */
export const CONFIG_TRACKING = [`${MARKS}config-tracking`, "flagger.app/config-tracking"] as const;
/** Annotation on a copy of a ConfigMap or Secret: checksum of what it holds. */
export const CHECKSUM = `${MARKS}checksum`;

/** GitOps tools that apply a parent of the object leave it alone when they find these. */
export const HANDS_OFF: Readonly<Record<string, string>> = {
  "kustomize.toolkit.fluxcd.io/reconcile": "disabled",
  "helm.toolkit.fluxcd.io/driftDetection": "disabled",
};

/** Labels and annotations of GitOps tools: a copy of an object that carried them would be taken for the tool's own and pruned. */
export const TOOLKIT = "toolkit.fluxcd.io";

/** The group of an apiVersion, for example "flagger.app" of "flagger.app/v1beta1"; "" is core. */
export function groupOf(apiVersion: string): string {
  return apiVersion.includes("/") ? (apiVersion.split("/")[0] ?? "") : "";
}

export type Origin = "created" | "adopted";

/** The Canary on whose behalf objects are written. */
export interface OwnerIdentity {
  apiVersion: string;
  name: string;
  uid: string;
}

/** What the marks are read from and put on: any Kubernetes object. */
export interface Markable {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    ownerReferences?: { apiVersion: string; kind: string; name: string; uid: string; controller?: boolean }[];
  };
}

/**
 * Undefined for an object that nobody's engine touched. One that this Canary controls without a mark was made for it by another
 * implementation of the same API, so it counts as created.
 */
export function originOf(object: Markable, ownerUid: string | undefined): Origin | undefined {
  const mark = object.metadata.annotations?.[ORIGIN];
  if (mark === "created" || mark === "adopted") return mark;
  const controller = controllerOf(object);
  return controller !== undefined && controller.uid === ownerUid ? "created" : undefined;
}

/** Value of the OWNER annotation. */
export function ownerMark(owner: Pick<OwnerIdentity, "apiVersion" | "name">): string {
  return `${groupOf(owner.apiVersion)}/${owner.name}`;
}

/** Two controllers that write one object undo each other's weights, so the second one must not begin. */
export function foreignController(object: Markable, owner: OwnerIdentity, path: string): Problem | undefined {
  const controller = controllerOf(object);
  const mark = object.metadata.annotations?.[OWNER];
  const what = `${object.kind} ${object.metadata.namespace ?? ""}/${object.metadata.name}`;
  if (controller === undefined) {
    // An adopted object has no controller reference; the mark alone tells whose it is.
    if (mark === undefined || mark === ownerMark(owner)) return undefined;
    const cure = `Choose another spec.service.name, or delete that Canary; if it is gone already, remove the annotation ${OWNER}.`;
    return { reason: "ForeignController", path, message: `${what} was taken over by the Canary ${mark}. ${cure}` };
  }
  if (controller.uid === owner.uid) return undefined;
  const who = `${controller.kind} ${controller.name} (${controller.apiVersion})`;
  return { reason: "ForeignController", path, message: `${what} is controlled by ${who}, and two controllers would undo each other's changes. ${giveUp(object, controller)}` };
}

function giveUp(object: Markable, controller: { apiVersion: string; name: string }): string {
  if (!controller.apiVersion.startsWith("flagger.app/")) return "Remove its ownerReference where it is made, or choose another spec.service.name.";
  const command = `kubectl delete canaries.flagger.app ${controller.name} -n ${object.metadata.namespace ?? "default"} --cascade=orphan`;
  return `It was made for that Canary, which Flagger may still work on. Stop Flagger, then run "${command}": the object stays and can be taken over.`;
}

/** The annotations of an object that the engine renders: everything found, plus the marks. */
export function markedAnnotations(found: Markable | undefined, origin: Origin, original: object | undefined): Record<string, string> {
  const annotations = { ...(found === undefined ? HANDS_OFF : {}), ...found?.metadata.annotations, [ORIGIN]: origin };
  if (original === undefined || ORIGINAL_SPEC in annotations) return annotations;
  return { ...annotations, [ORIGINAL_SPEC]: JSON.stringify(original) };
}

/** Undefined when there is none, or none that can be read. */
export function originalSpec(object: Markable): Json | undefined {
  return mapFromText(object.metadata.annotations?.[ORIGINAL_SPEC]);
}

/** A copy that no longer says anything of the engine. */
export function unmarked<T extends Markable>(object: T): T {
  const { labels, annotations, ...metadata } = object.metadata;
  const left = { labels: withoutMarks(labels), annotations: withoutMarks(annotations) };
  return {
    ...object,
    metadata: {
      ...metadata,
      ...(left.labels === undefined ? {} : { labels: left.labels }),
      ...(left.annotations === undefined ? {} : { annotations: left.annotations }),
    },
  };
}

function withoutMarks(entries: Record<string, string> | undefined): Record<string, string> | undefined {
  const kept = Object.entries(entries ?? {}).filter(([key]) => !key.startsWith(MARKS));
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}

function controllerOf(object: Markable): NonNullable<Markable["metadata"]["ownerReferences"]>[number] | undefined {
  return object.metadata.ownerReferences?.find((reference) => reference.controller === true);
}
