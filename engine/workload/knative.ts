// A Knative Service as the target: what it makes of each template is a Revision, which nobody changes and which scales by itself. The promoted one and the one
// under analysis are two of them, so nothing is copied, and nothing is scaled. It is told from what the Service says of itself: a mangled one reads as not ready.
import { list, map, text, type Json } from "../../crds/json.ts";
import { FLAGGERS_REVISION, groupOf, PRIMARY_REVISION } from "../../crds/marks.ts";
import type { Readiness } from "../machine/types.ts";
import type { KubeObject, Resource } from "../ports.ts";
import type { WorkloadSeen } from "./deployment.ts";

export const KNATIVE_SERVICES: Resource = { group: "serving.knative.dev", version: "v1", plural: "services", kind: "Service" };

export function isKnative({ apiVersion, kind }: Pick<KubeObject, "apiVersion" | "kind">): boolean {
  return kind === KNATIVE_SERVICES.kind && groupOf(apiVersion) === KNATIVE_SERVICES.group;
}

/** One stands for whatever Knative makes of it, which may be none while nobody asks. */
export function readKnative(object: KubeObject): Omit<WorkloadSeen, "hash" | "images"> {
  const failed = isObserved(object) && condition(object, "ConfigurationsReady").status === "False";
  return { uid: object.metadata.uid ?? "", generation: object.metadata.generation ?? 0, replicas: 1, paused: false, pods: 1, availableReplicas: failed ? 0 : 1, readiness: readiness(object) };
}

/** Of the Revision that Knative has made of the template as it is now, and that is ready; undefined until both are known. */
export function readyRevision(object: KubeObject): string | undefined {
  return readiness(object).ready ? text(map(object.status).latestReadyRevisionName) : undefined;
}

/**
 * The Revision that has the traffic by its name, because an engine or a person has pinned it there; undefined where the newest one gets it, and where it is
 * split by hand. What an engine wrote down counts only while traffic leads there.
 */
export function pinnedRevision(object: KubeObject): string | undefined {
  const entries = list(map(object.spec).traffic).map(map).filter(({ percent }) => typeof percent === "number" && percent > 0);
  const names = entries.flatMap(({ revisionName }) => text(revisionName) ?? []);
  const { [PRIMARY_REVISION]: ours, [FLAGGERS_REVISION]: flaggers } = object.metadata.annotations ?? {};
  return [ours, flaggers].find((name) => name !== undefined && names.includes(name)) ?? (entries.length === 1 ? names[0] : undefined);
}

/** That a Revision of an earlier template is ready says nothing: Knative sees a change, makes a Revision of it, and only then waits for that one. */
function readiness(object: KubeObject): Readiness {
  const waiting = (why: string): Extract<Readiness, { ready: false }> => ({ ready: false, why, deadlineExceeded: false });
  if (!isObserved(object)) return { ...waiting("Knative has not seen the last change yet"), unobserved: true };
  const status = map(object.status);
  const { status: ready, message } = condition(object, "ConfigurationsReady");
  const created = text(status.latestCreatedRevisionName) ?? "";
  const said = text(message) ?? "";
  if (ready !== "True" || created === "" || created !== status.latestReadyRevisionName) return waiting(`its Revision ${created} is not ready${said === "" ? "" : `: ${said}`}`);
  return { ready: true };
}

function isObserved({ metadata, status }: KubeObject): boolean {
  return metadata.generation !== undefined && map(status).observedGeneration === metadata.generation;
}

function condition({ status }: KubeObject, type: string): Json {
  return map(list(map(status).conditions).find((entry) => map(entry).type === type));
}
