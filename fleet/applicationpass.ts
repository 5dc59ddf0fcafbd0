// One look at one Application, on the host: where does it go, what is each member to do, what does Flux need, what is there to say? Requests go to the host
// alone; members are worked in by passes of their own. Clusters are written down before anything is made in them, so that nothing is ever forgotten there.
import { parseApplicationSpec, type Application } from "../crds/application.ts";
import { parseApplicationStatus, type ApplicationStatus, type ClusterState } from "../crds/applicationstatus.ts";
import { list } from "../crds/json.ts";
import type { Fault, KubeObject, Result } from "../engine/ports.ts";
import { mergePatch } from "../engine/workload/mergepatch.ts";
import { canaryOf, silenceOf, type Bound, type Target } from "./bound.ts";
import { APPLICATIONS, clusterObject, clustersOf, HOST, keyOf, type ClusterRef } from "./clusters.ts";
import type { FleetContext } from "./context.ts";
import { syncFlux } from "./fluxpass.ts";
import { appText, FINALIZER, type AppName } from "./marks.ts";
import { isClean, rolloutId } from "./memberpass.ts";
import { CONNECTING } from "./members.ts";
import { policyName, syncName } from "./names.ts";
import { fromSpec, type FleetProblem } from "./problem.ts";
import { placeOf } from "./render.ts";
import { statusOf, type Delivery } from "./status.ts";
import { wavesOf } from "./trains.ts";
import { preconditionOf } from "./write.ts";

export interface PassEnd {
  /** Members whose plan is another one now. */
  members: string[];
  wakeAtMs?: number;
  fault?: Fault;
  /** All of it is gone. */
  ended?: boolean;
}

export async function applicationPass(context: FleetContext, found: KubeObject): Promise<PassEnd> {
  const app: AppName = { namespace: found.metadata.namespace ?? "", name: found.metadata.name };
  const removing = found.metadata.deletionTimestamp !== undefined;
  const finalizers = list(found.metadata.finalizers);
  if (removing && !finalizers.includes(FINALIZER)) return { members: [], ended: true };
  let object = found;
  if (!removing && !finalizers.includes(FINALIZER)) {
    const patched = await patchApplication(context, object, { metadata: { finalizers: [...finalizers, FINALIZER] } });
    if (!patched.ok) return { members: [], fault: patched.fault };
    object = patched.value;
  }
  const parsed = parseApplicationSpec(object.spec);
  const status = parseApplicationStatus(object.status);
  if (!parsed.ok && !removing) {
    // What was delivered stays as it is: a manifest that cannot be read is no wish to remove anything.
    const application: Application = { apiVersion: object.apiVersion, kind: "Application", metadata: object.metadata, spec: { source: {}, syncPolicies: [] }, status };
    const kept = { sourceStatus: status.sourceStatus, syncStatus: status.syncStatus, clusters: status.clusters, waves: status.waves };
    const said = statusOf({ application, nowMs: context.clock.now(), deliveries: [], source: undefined, fluxMissing: false, problems: parsed.problems.map(fromSpec), clusters: [], waves: [], removing: false });
    return { members: [], fault: await writeStatus(context, object, { ...said, ...kept, summary: status.summary }) };
  }
  const spec = parsed.ok ? parsed.spec : { source: {}, syncPolicies: [] };
  const application: Application = { apiVersion: object.apiVersion, kind: "Application", metadata: object.metadata, spec: removing ? { ...spec, syncPolicies: [] } : spec, status };
  return work(context, object, application, app, removing);
}

async function work(context: FleetContext, object: KubeObject, application: Application, app: AppName, removing: boolean): Promise<PassEnd> {
  const { memory, clock } = context;
  const { bound, problems, certain } = bind(context, application, app);
  const targets = targetsOf(context, application, bound, problems);
  const unwritten = [...targets.values()].some((target) => {
    const known = (application.status.clusters ?? []).find((one) => keyOfState(one) === keyOf(target.ref));
    return known === undefined || target.made.some((id) => known.rollouts?.includes(id) !== true);
  });
  let current = object;
  if (unwritten) {
    // Written down first: after a crash whoever comes next must know where to look.
    const clusters = [...targets.values()].map(({ ref, made }): ClusterState => {
      const known = (application.status.clusters ?? []).find((one) => keyOfState(one) === keyOf(ref));
      return { ...(known ?? { name: ref.name, kind: ref.kind, namespace: ref.namespace, state: "Unreachable", message: "not visited yet" }), rollouts: made };
    });
    const patched = await patchApplication(context, current, { status: { clusters } }, "status");
    if (!patched.ok) return { members: [], fault: patched.fault };
    current = patched.value;
  }
  const unconnected = new Map<string, FleetProblem>();
  for (const [key, { ref }] of targets) {
    const problem = await context.connect(ref);
    if (problem === undefined) continue;
    problems.push(problem);
    unconnected.set(key, problem);
  }
  const trains = wavesOf(context, app, bound, targets, clock.now());
  const changed: string[] = [];
  for (const [key, { ref, rollouts, decisions, made }] of targets) {
    if (memory.plan(appText(app), key, { ref, rollouts, decisions, made, mayRemove: certain })) changed.push(key);
  }
  for (const key of [...(memory.plans.get(appText(app))?.keys() ?? [])]) if (!targets.has(key)) memory.forget(appText(app), key);

  const clusters: ClusterState[] = [];
  for (const [key, { ref, leaving, rollouts, made }] of targets) {
    const unusable = unconnected.get(key);
    const trouble = unusable ?? context.members.trouble(key) ?? silenceOf(memory.lastOutcome(appText(app), key));
    const outcome = memory.outcome(appText(app), key);
    const wanted = rollouts.map(({ rollout }) => rolloutId(app, rollout));
    const left = outcome === undefined ? made : made.filter((id) => wanted.includes(id) || outcome.returning.includes(id));
    const of = { name: ref.name, kind: ref.kind, namespace: ref.namespace, ...(left.length === 0 ? {} : { rollouts: left }) };
    for (const problem of outcome?.problems ?? []) if (!problems.some(({ message }) => message === problem.message)) problems.push(problem);
    if (trouble !== undefined) {
      if (unusable === undefined) problems.push({ reason: trouble.reason, path: "", message: `${ref.name}: ${trouble.message}` });
      clusters.push({ ...of, state: "Unreachable", message: trouble.message });
    } else if (leaving && !certain) {
      // Where the Application goes is not known right now, so nobody leaves, and what was made is not forgotten.
      clusters.push({ ...of, state: "Ready" });
    } else if (leaving) {
      if (isClean(outcome)) continue;
      clusters.push({ ...of, state: "Leaving", message: outcome !== undefined && outcome.returning.length > 0 ? `the engine there gives back ${outcome.returning.join(", ")}` : "what was made there is being removed" });
    } else if (outcome?.problems.some(({ passing }) => passing !== true) === true) clusters.push({ ...of, state: "Problem", message: outcome.problems[0]?.message ?? "" });
    else clusters.push({ ...of, state: "Ready" });
  }

  const flux = await syncFlux(context, application, app, bound, { problems, removing, targets, certain });
  const deliveries = removing ? [] : bound.flatMap((one) => one.clusters.map((ref) => deliveryOf(context, app, one, ref)));
  const gone = clusters.length === 0 && flux.left === 0;
  if (removing && gone && flux.fault === undefined) {
    const kept = list(current.metadata.finalizers).filter((name) => name !== FINALIZER);
    const patched = await patchApplication(context, current, { metadata: { finalizers: kept } });
    return patched.ok ? { members: changed, ended: true } : { members: changed, fault: patched.fault };
  }
  // Soon more is known, and until then what was said before holds.
  if ([...targets.keys()].some((key) => context.members.trouble(key) === CONNECTING && context.members.version(key) !== undefined)) return { members: changed, wakeAtMs: trains.wakeAtMs, fault: flux.fault };
  const said = statusOf({ application, nowMs: clock.now(), deliveries, source: flux.source, fluxMissing: flux.missing, problems, clusters, waves: trains.states, removing: removing || clusters.some(({ state }) => state === "Leaving") });
  const fault = await writeStatus(context, current, said);
  // A Secret that could not be read tells nobody when it can be.
  const retryAtMs = unconnected.size === 0 ? undefined : clock.now() + RECONNECT_MS;
  return { members: changed, wakeAtMs: earliest(trains.wakeAtMs, retryAtMs), fault: fault ?? flux.fault };
}

const RECONNECT_MS = 30_000;

function earliest(...instants: (number | undefined)[]): number | undefined {
  const known = instants.filter((instant) => instant !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

function bind(context: FleetContext, application: Application, { namespace, name }: AppName): { bound: Bound[]; problems: FleetProblem[]; certain: boolean } {
  const bound: Bound[] = [];
  const problems: FleetProblem[] = [];
  let certain = true;
  application.spec.syncPolicies.forEach((policy, index) => {
    const resolved = clustersOf(namespace, application.spec, policy, index, context.lookup);
    if (!resolved.ok) {
      problems.push(resolved.problem);
      certain = false;
      return;
    }
    // A cluster object that is gone takes its place in the fleet with it, and what was made there is out of reach in any case.
    problems.push(...resolved.missing);
    bound.push({ policy, index, name: policyName(name, index, policy.name), clusters: resolved.clusters, whole: resolved.missing.length === 0 });
  });
  problems.push(...doubled(bound, namespace));
  return { bound, problems, certain };
}

/** Two policies for one workload of one cluster would undo each other's Canary. */
function doubled(bound: readonly Bound[], namespace: string): FleetProblem[] {
  const seen = new Map<string, number>();
  const problems: FleetProblem[] = [];
  for (const { policy, index, clusters } of bound) {
    if (policy.rollout === undefined) continue;
    const place = placeOf({ namespace, name: "" }, policy.rollout);
    for (const ref of clusters) {
      const key = `${keyOf(ref)}|${place.namespace}/${place.name}`;
      const other = seen.get(key);
      if (other !== undefined) problems.push({ reason: "DuplicateTarget", path: `spec.syncPolicies[${index}].rollout.workload`, message: `${place.namespace}/${place.name} in ${ref.name} is rolled out by spec.syncPolicies[${other}] already; remove one of the two` });
      else seen.set(key, index);
    }
  }
  return problems;
}

/** Clusters with a rollout, and those that had something and are to be left. */
function targetsOf(context: FleetContext, application: Application, bound: readonly Bound[], problems: FleetProblem[]): Map<string, Target> {
  const targets = new Map<string, Target>();
  const taken = new Set<string>();
  for (const { policy, index, name, clusters } of bound) {
    if (policy.rollout === undefined) continue;
    for (const ref of clusters) {
      const target = targets.get(keyOf(ref)) ?? { ref, rollouts: [], decisions: [], made: madeIn(application, ref), leaving: false };
      targets.set(keyOf(ref), target);
      const place = `${keyOf(ref)}|${policy.rollout.workload.namespace ?? ""}/${policy.rollout.workload.name}`;
      if (!taken.has(place)) target.rollouts.push({ policy: name, index, rollout: policy.rollout });
      taken.add(place);
      const id = rolloutId({ namespace: application.metadata.namespace ?? "", name: application.metadata.name }, policy.rollout);
      if (!target.made.includes(id)) target.made.push(id);
    }
  }
  for (const { kind, name, namespace = "" } of application.status.clusters ?? []) {
    const ref: ClusterRef = { kind, name, namespace, labels: {} };
    if (targets.has(keyOf(ref))) continue;
    if (kind !== HOST.kind && clusterObject(ref, context.lookup) === undefined) {
      // Nobody can reach it any more: whoever removed the object took the way there away.
      context.log.warn({ cluster: name, application: `${application.metadata.namespace}/${application.metadata.name}` }, "a cluster is gone, and what was made there stays there");
      problems.push({ reason: "ClusterMissing", path: "", message: `${kind} ${name} is gone; what was made there stays there`, passing: true });
      continue;
    }
    targets.set(keyOf(ref), { ref, rollouts: [], decisions: [], made: madeIn(application, ref), leaving: true });
  }
  return targets;
}

function madeIn({ status }: Application, ref: ClusterRef): string[] {
  return [...((status.clusters ?? []).find((one) => keyOfState(one) === keyOf(ref))?.rollouts ?? [])];
}

function deliveryOf(context: FleetContext, app: AppName, { policy, name }: Bound, ref: ClusterRef): Delivery {
  const sync = syncName(name, ref.kind, ref.name);
  const kind = policy.kustomization !== undefined ? "Kustomization" : policy.helm !== undefined ? "HelmRelease" : undefined;
  const resource = kind === undefined ? undefined : context.flux.version(kind);
  return {
    name: sync,
    cluster: ref.name,
    sync: kind === undefined ? undefined : { kind, found: resource === undefined ? undefined : context.flux.caches?.get(resource.plural, app.namespace, sync) },
    rollout: policy.rollout === undefined ? undefined : { name: policy.rollout.workload.name, canary: canaryOf(context, app, policy, ref) },
  };
}

async function patchApplication({ api, caches, mayWrite }: FleetContext, object: KubeObject, patch: object, subresource?: "status"): Promise<Result<KubeObject>> {
  if (!mayWrite()) return { ok: false, fault: { class: "conflict", message: "the lease may have run out" } };
  const patched = await api.patch({ resource: APPLICATIONS, namespace: object.metadata.namespace ?? "", name: object.metadata.name }, patch, preconditionOf(object), subresource);
  if (patched.ok) caches.absorb(patched.value);
  return patched;
}

async function writeStatus(context: FleetContext, object: KubeObject, status: ApplicationStatus): Promise<Fault | undefined> {
  const patch = mergePatch({ status: object.status ?? {} }, { status });
  if (patch === undefined) return undefined;
  const patched = await patchApplication(context, object, patch, "status");
  return patched.ok ? undefined : patched.fault;
}

function keyOfState({ kind, name, namespace = "" }: ClusterState): string {
  return keyOf({ kind, name, namespace });
}
