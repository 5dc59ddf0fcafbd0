// Makes one member as one Application wants it: what is missing is made, what nobody wants any more goes, and what the waves decided is asked of the engine
// there. It works in one cluster only, so that a slow one holds nobody else up; what it found out is its outcome, which the Application's own pass reads.
import type { Rollout } from "../crds/application.ts";
import { ACTION } from "../crds/action.ts";
import { list, map } from "../crds/json.ts";
import { HANDBACK } from "../crds/marks.ts";
import type { Fault, KubeObject, Resource } from "../engine/ports.ts";
import { ACTOR, appOf, appText, type AppName } from "./marks.ts";
import { canaries, DAEMONSETS, DEPLOYMENTS, INGRESSES, SERVICES, templates, troubleOf, type Group, type Member } from "./members.ts";
import { namespaceKey, prepareNamespace } from "./namespaces.ts";
import { fromSpec, type FleetProblem } from "./problem.ts";
import { placeOf, renderRollout } from "./render.ts";
import { cachedOf, ensure, preconditionOf, takenBy, type Written } from "./write.ts";
import type { WaveDecision } from "./waves.ts";

export interface PlannedRollout {
  policy: string;
  /** Of the policy in `spec.syncPolicies`. */
  index: number;
  rollout: Rollout;
}

/** A decision, and the Canary that it is about. */
export type PlannedDecision = WaveDecision & { namespace: string; name: string };

/** What an Application wants of one member. */
export interface Plan {
  rollouts: readonly PlannedRollout[];
  decisions: readonly PlannedDecision[];
  /** False while it is not known what is wanted, so that nothing goes. */
  mayRemove: boolean;
  /** Rollouts that were made there, now or earlier, as `rolloutId` writes them. */
  made: readonly string[];
}

export interface Outcome {
  problems: readonly FleetProblem[];
  /** Objects of this Application that are still there and should not be, and apps that are not given back yet. */
  leftovers: number;
  /** Of what was made and is not wanted any more, the rollouts whose app is not given back yet. */
  returning: readonly string[];
  /** The request that did not come through; it is tried again. */
  fault?: Fault;
}

/** Nothing is left there that should not be, and nothing is unknown about that. */
export function isClean(outcome: Outcome | undefined): boolean {
  return outcome !== undefined && outcome.leftovers === 0 && outcome.fault === undefined;
}

export interface MemberWork {
  app: AppName;
  cluster: string;
  member: Member;
  plan: Plan;
  loadTesterImage: string;
  mayWrite: () => boolean;
  /** What was looked up once, for the life of this process: by namespace or place. */
  memo: Map<string, unknown>;
}

export async function memberPass(work: MemberWork): Promise<Outcome> {
  const problems: FleetProblem[] = [];
  const wanted = new Set<string>();
  let fault: Fault | undefined;
  for (const planned of work.plan.rollouts) {
    const done = await one(work, planned, wanted);
    problems.push(...done.problems);
    fault ??= done.fault;
  }
  // After a request that failed it is not known what all is wanted.
  const removal: Removal = fault === undefined ? await remove(work, wanted) : { leftovers: 0, returning: [...work.plan.made] };
  for (const decision of work.plan.decisions) fault ??= await ask(work, decision);
  return { problems, leftovers: removal.leftovers, returning: removal.returning, fault: fault ?? removal.fault };
}

/** `KIND/NAMESPACE/NAME` of the workload. */
export function rolloutId(app: AppName, rollout: Rollout): string {
  const { namespace, name } = placeOf(app, rollout);
  return `${rollout.workload.kind ?? "Deployment"}/${namespace}/${name}`;
}

interface Done {
  problems: FleetProblem[];
  fault?: Fault;
}

async function one(work: MemberWork, planned: PlannedRollout, wanted: Set<string>): Promise<Done> {
  const { app, cluster, member, mayWrite, loadTesterImage } = work;
  const { rollout, index, policy } = planned;
  const place = placeOf(app, rollout);
  const path = `spec.syncPolicies[${index}].rollout.workload`;
  const group = await groupFor(work, place);
  if (typeof group !== "string") return { problems: [], fault: group };
  // Whatever becomes of the rest, what is there for this rollout is not somebody's leftover.
  wanted.add(idOf(canaries(group), place.namespace, place.name));
  const port = await targetPort(work, group, place, rollout);
  if ("fault" in port) return { problems: [], fault: port.fault };
  const result = renderRollout({ app, policy, index, rollout, group, targetPort: port.found ? port.targetPort : undefined, loadTesterImage });
  if (!result.ok) {
    for (const kept of made(work, place.namespace)) wanted.add(kept);
    return { problems: result.problems.map((problem) => ({ ...fromSpec(problem), message: `${problem.message} (in ${cluster})` })) };
  }
  const { canary, supporting } = result.rendered;
  const objects = [...supporting.map((object) => ({ object, resource: resourceOf(object, group) })), { object: canary, resource: canaries(group) }];
  for (const { object, resource } of objects) wanted.add(idOf(resource, object.metadata.namespace ?? "", object.metadata.name));
  const problems: FleetProblem[] = [];
  if (rollout.rolloutPolicy.waves !== undefined && group === "flagger") {
    problems.push({ reason: "Unsupported", path: `spec.syncPolicies[${index}].rollout.rolloutPolicy.waves`, message: `${cluster} serves Canaries of flagger.app alone, which cannot wait for their wave; install the CRDs of rollout.kurator.dev there` });
    return { problems };
  }
  // Without the app its namespace may be another one than before.
  if (!port.found) work.memo.delete(namespaceKey(place.namespace, rollout));
  const namespace = await prepareNamespace(work, place.namespace, rollout);
  if (namespace !== undefined) return "class" in namespace ? { problems, fault: namespace } : { problems: [...problems, namespace] };
  if (!port.found) {
    return { problems: [...problems, { reason: "ServiceMissing", path: `spec.syncPolicies[${index}].rollout.serviceName`, message: `Service ${place.namespace}/${rollout.serviceName} with port ${rollout.port} is not in ${cluster} yet; the rollout begins when it is there`, passing: true }] };
  }
  for (const { object, resource } of objects) {
    const written: Written = await ensure({ member, mayWrite, taken: (found) => takenBy(found, app, cluster, path) }, resource, object);
    if (written.kind === "problem") return { problems: [...problems, written.problem] };
    if (written.kind === "fault") {
      if (written.fault.class === "not-found") work.memo.delete(namespaceKey(place.namespace, rollout));
      return refusedOr(written.fault, problems, path, cluster);
    }
  }
  return { problems };
}

/** What the API server refuses for good is told to the user; all else is tried again. */
function refusedOr(fault: Fault, problems: FleetProblem[], path: string, cluster: string): Done {
  if (fault.class === "invalid") return { problems: [...problems, { reason: "Refused", path, message: `the API server of ${cluster} refuses it: ${fault.message}` }] };
  // The namespace went, and is made again by the next try; or the kind did.
  if (fault.class === "not-found") return { problems: [...problems, { reason: "EngineMissing", path: "", message: `${cluster}: ${fault.message}; if the engine's CRDs are gone there, install the chart kurator-rollout`, passing: true }], fault };
  if (fault.class === "forbidden") return { problems: [...problems, { reason: "Forbidden", path: "", message: `${cluster}: ${troubleOf(fault).message}` }], fault };
  return { problems, fault };
}

/** The engine's own group, unless a Canary of the other one is there already: two for one workload would block each other. */
async function groupFor({ app, member, memo }: MemberWork, { namespace, name }: { namespace: string; name: string }): Promise<Group | Fault> {
  const [only] = member.groups;
  if (only !== undefined && member.groups.length === 1) return only;
  for (const group of member.groups) {
    const cached = cachedOf(member, canaries(group), namespace, name);
    if (cached !== undefined && appText(appOf(cached) ?? app) === appText(app)) return group;
  }
  const key = `group/${namespace}/${name}`;
  const known = memo.get(key) as Group | undefined;
  if (known !== undefined) return known;
  const read = await member.api.get({ resource: canaries("flagger"), namespace, name });
  if (!read.ok && read.fault.class !== "not-found") return read.fault;
  const group: Group = read.ok ? "flagger" : "own";
  memo.set(key, group);
  return group;
}

/** The Service is looked at before there is a Canary, and again when the port changes; from then on its ports are the engine's. */
async function targetPort({ member }: MemberWork, group: Group, { namespace, name }: { namespace: string; name: string }, { serviceName, port }: Rollout): Promise<{ fault: Fault } | { found: true; targetPort: number | string | undefined } | { found: false }> {
  const known = map(map(cachedOf(member, canaries(group), namespace, name)?.spec).service);
  if (known.port === port && known.name === serviceName) return { found: true, targetPort: known.targetPort as number | string | undefined };
  const read = await member.api.get({ resource: SERVICES, namespace, name: serviceName });
  if (!read.ok) return read.fault.class === "not-found" ? { found: false } : { fault: read.fault };
  const entry = list(map(read.value.spec).ports).map(map).find((one) => one.port === port);
  return entry === undefined ? { found: false } : { found: true, targetPort: entry.targetPort as number | string | undefined };
}

interface Removal {
  leftovers: number;
  returning: string[];
  fault?: Fault;
}

/** Canaries first: what they refer to is needed until their app is given back. */
async function remove(work: MemberWork, wanted: ReadonlySet<string>): Promise<Removal> {
  const { app, member, plan, mayWrite } = work;
  const unwanted = (): { resource: Resource; object: KubeObject }[] => objectsOf(member, app).filter(({ resource, object }) => !wanted.has(idOf(resource, object.metadata.namespace ?? "", object.metadata.name)));
  const kept = plan.rollouts.map(({ rollout }) => rolloutId(app, rollout));
  const going = plan.made.filter((id) => !kept.includes(id));
  if (!plan.mayRemove) return { leftovers: 0, returning: going };
  const canariesLeft = unwanted().filter(({ resource }) => resource.plural === "canaries");
  const returning: string[] = [];
  let fault: Fault | undefined;
  for (const id of going) {
    const back = canariesLeft.length > 0 ? false : await givenBack(member, id);
    if (typeof back !== "boolean") fault ??= back;
    if (back !== true) returning.push(id);
  }
  let leading = 0;
  for (const { resource, object } of canariesLeft.length > 0 ? canariesLeft : returning.length > 0 ? [] : unwanted()) {
    if (object.metadata.deletionTimestamp !== undefined || !mayWrite()) continue;
    const leads = resource === INGRESSES && (await stillLeads(member, app, object));
    if (leads !== false) {
      if (leads !== true) fault ??= leads;
      leading += 1;
      continue;
    }
    const deleted = await member.api.delete({ resource, namespace: object.metadata.namespace ?? "", name: object.metadata.name }, preconditionOf(object));
    if (!deleted.ok && deleted.fault.class !== "not-found") fault ??= deleted.fault;
    // One with a finalizer stays until the watch says that it is gone.
    else if (resource.plural !== "canaries") member.caches.forget(object);
  }
  return { leftovers: unwanted().length - leading + returning.length, returning, fault };
}

/** Users come through an Ingress for as long as a Canary names it, and while the engine's own is beside it: an engine does not leave a route in the middle of a run. */
async function stillLeads(member: Member, app: AppName, { metadata: { namespace = "", name } }: KubeObject): Promise<boolean | Fault> {
  const rollouts = objectsOf(member, app).filter(({ resource, object: { metadata } }) => resource.plural === "canaries" && metadata.namespace === namespace && metadata.deletionTimestamp === undefined);
  if (rollouts.some(({ object: { spec } }) => map(map(spec).ingressRef).name === name)) return true;
  if (!rollouts.some(({ object: { metadata } }) => metadata.name === name)) return false;
  const beside = await member.api.get({ resource: INGRESSES, namespace, name: `${name}-canary` });
  return beside.ok || (beside.fault.class === "not-found" ? false : beside.fault);
}

/** The engine removes the primary when nobody needs it any more, which is after its Canary. */
async function givenBack(member: Member, id: string): Promise<boolean | Fault> {
  const [kind = "", namespace = "", name = ""] = id.split("/");
  for (const group of member.groups) {
    // Ours is gone, so this one is somebody else's, and so is the primary.
    const canary = await member.api.get({ resource: canaries(group), namespace, name });
    if (canary.ok || canary.fault.class !== "not-found") return canary.ok || canary.fault;
  }
  const read = await member.api.get({ resource: kind === "DaemonSet" ? DAEMONSETS : DEPLOYMENTS, namespace, name: `${name}-primary` });
  if (!read.ok) return read.fault.class === "not-found" ? true : read.fault;
  // Without the engine's mark it is somebody else's, or was left to the user, and stays.
  return read.value.metadata.annotations?.[HANDBACK] === undefined;
}

export function objectsOf({ caches, groups }: Pick<Member, "caches" | "groups">, app: AppName): { resource: Resource; object: KubeObject }[] {
  const mine = (object: KubeObject): boolean => appText(appOf(object) ?? { namespace: "", name: "" }) === appText(app);
  const rollouts = groups.flatMap((group) => caches.canaries(canaries(group).group).list().map((object) => ({ resource: canaries(group), object })));
  const others = caches.everything().map(({ object }) => ({ resource: resourceOf(object, object.apiVersion.startsWith("flagger.app/") ? "flagger" : "own"), object }));
  return [...rollouts, ...others].filter(({ object }) => mine(object));
}

function made({ member, app }: MemberWork, namespace: string): string[] {
  return objectsOf(member, app).filter(({ object }) => object.metadata.namespace === namespace).map(({ resource, object }) => idOf(resource, namespace, object.metadata.name));
}

async function ask(work: MemberWork, { namespace, name, verb, run, why }: PlannedDecision): Promise<Fault | undefined> {
  const { member, app, mayWrite } = work;
  const found = cachedOf(member, canaries("own"), namespace, name);
  const owner = found === undefined ? undefined : appOf(found);
  if (found === undefined || owner === undefined || appText(owner) !== appText(app)) return undefined;
  const words = `${verb} run=${run} by=${ACTOR} reason=${why}`;
  if (found.metadata.annotations?.[ACTION] === words || !mayWrite()) return undefined;
  const patched = await member.api.patch({ resource: canaries("own"), namespace, name }, { metadata: { annotations: { [ACTION]: words } } }, preconditionOf(found));
  if (!patched.ok) return patched.fault;
  member.caches.absorb(patched.value);
  return undefined;
}

function resourceOf({ kind }: KubeObject, group: Group): Resource {
  switch (kind) {
    case "MetricTemplate":
      return templates(group);
    case "Deployment":
      return DEPLOYMENTS;
    case "Service":
      return SERVICES;
    case "Ingress":
      return INGRESSES;
    default:
      throw new Error(`${kind} is no kind that the fleet makes in a member`);
  }
}

function idOf({ plural, group }: Resource, namespace: string, name: string): string {
  return `${plural}.${group}/${namespace}/${name}`;
}
