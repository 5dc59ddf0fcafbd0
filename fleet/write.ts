// Makes one object as it was rendered, and leaves what others added to it. The hash of what was rendered last tells apart what was taken out of the
// Application, which goes, from what somebody else put in, which stays; so a person may suspend one Canary by hand, and the API server may fill in defaults.
import { createHash } from "node:crypto";
import { isMap, type Json } from "../crds/json.ts";
import { mergePatch } from "../engine/workload/mergepatch.ts";
import type { Fault, KubeObject, ObjectRef, Precondition, Resource } from "../engine/ports.ts";
import { appOf, appText, isOrphanOfKurator, isSyncOfKurator, RENDERED, type AppName } from "./marks.ts";
import type { Member } from "./members.ts";
import type { FleetProblem } from "./problem.ts";

export type Written = { kind: "same" | "written" } | { kind: "fault"; fault: Fault } | { kind: "problem"; problem: FleetProblem };

export interface Writing {
  member: Pick<Member, "api" | "caches">;
  mayWrite: () => boolean;
  /** Why an object that is there may not be written; undefined when it is ours. */
  taken: (found: KubeObject) => FleetProblem | undefined;
}

const STALE: Fault = { class: "conflict", message: "the lease may have run out" };

export async function ensure({ member, mayWrite, taken }: Writing, resource: Resource, rendered: KubeObject): Promise<Written> {
  const { namespace = "", name } = rendered.metadata;
  const ref: ObjectRef = { resource, namespace, name };
  const wanted = withHash(rendered);
  const cached = cachedOf(member, resource, namespace, name);
  if (!mayWrite()) return { kind: "fault", fault: STALE };
  if (cached === undefined) {
    const created = await member.api.create(resource, wanted);
    if (created.ok) {
      member.caches.absorb(created.value);
      return { kind: "written" };
    }
    if (created.fault.class !== "exists") return { kind: "fault", fault: created.fault };
  }
  let found = cached;
  if (found === undefined) {
    const read = await member.api.get(ref);
    if (!read.ok) return { kind: "fault", fault: read.fault };
    found = read.value;
  }
  const problem = taken(found);
  if (problem !== undefined) return { kind: "problem", problem };
  const patch = mergePatch(found, target(found, wanted));
  if (patch === undefined) return { kind: "same" };
  if (!mayWrite()) return { kind: "fault", fault: STALE };
  const patched = await member.api.patch(ref, patch, preconditionOf(found));
  if (!patched.ok) return { kind: "fault", fault: patched.fault };
  member.caches.absorb(patched.value);
  return { kind: "written" };
}

export function preconditionOf({ metadata: { uid = "", resourceVersion = "" } }: KubeObject): Precondition {
  return { uid, resourceVersion };
}

/** Of the very group: a Canary of flagger.app is not one of the engine's own group. */
export function cachedOf({ caches }: Pick<Member, "caches">, { plural, group }: Resource, namespace: string, name: string): KubeObject | undefined {
  if (plural === "canaries") return caches.canaries(group).get(namespace, name);
  return caches.everything().find(({ plural: other, object: { apiVersion, metadata } }) => other === plural && metadata.name === name && metadata.namespace === namespace && (group === "" || apiVersion.startsWith(`${group}/`)))?.object;
}

/**
 * Undefined for what was made for this Application, or left behind by Kurator.
 * @param cluster as people call it
 * @param path the Application's field that asks for the object
 */
export function takenBy(found: KubeObject, app: AppName, cluster: string, path: string): FleetProblem | undefined {
  const what = `${found.kind} ${found.metadata.namespace ?? ""}/${found.metadata.name} in ${cluster}`;
  const owner = appOf(found);
  if (owner !== undefined) {
    if (appText(owner) === appText(app)) return undefined;
    return { reason: "DuplicateTarget", path, message: `${what} is of the Application ${appText(owner)}; roll the workload out by one of the two` };
  }
  if (isOrphanOfKurator(found) || isSyncOfKurator(found, app)) return undefined;
  const cure = found.kind === "Ingress" ? "name it in canarySpec.ingressRef, delete it" : "delete it";
  return { reason: "NameTaken", path, message: `${what} exists and was not made for this Application; ${cure}, or remove the rollout here` };
}

function target(found: KubeObject, wanted: KubeObject): KubeObject {
  const { labels = {}, annotations = {} } = wanted.metadata;
  const metadata = { ...found.metadata, labels: { ...found.metadata.labels, ...labels }, annotations: { ...found.metadata.annotations, ...annotations } };
  const same = found.metadata.annotations?.[RENDERED] === annotations[RENDERED];
  return { ...found, metadata, spec: same ? overlaid(found.spec, wanted.spec) : wanted.spec };
}

/** What is wanted, where it is not so already; everything else as it was found. */
function overlaid(found: unknown, wanted: unknown): unknown {
  if (isMap(found) && isMap(wanted)) {
    const out: Json = { ...found };
    for (const [key, value] of Object.entries(wanted)) out[key] = overlaid(found[key], value);
    return out;
  }
  if (Array.isArray(found) && Array.isArray(wanted) && found.length === wanted.length) return wanted.map((item: unknown, index) => overlaid(found[index], item));
  return wanted;
}

function withHash(rendered: KubeObject): KubeObject {
  const hash = createHash("sha256").update(JSON.stringify([rendered.metadata.labels, rendered.spec])).digest("hex").slice(0, 16);
  return { ...rendered, metadata: { ...rendered.metadata, annotations: { ...rendered.metadata.annotations, [RENDERED]: hash } } };
}
