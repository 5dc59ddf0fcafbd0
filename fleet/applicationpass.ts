// One look at one Application, on the host: where does it go, what is each member to do, what does Flux need, what is there to say? Requests go to the host
// alone; members are worked in by passes of their own. Clusters are written down before anything is made in them, so that nothing is ever forgotten there.
import type { Action } from "../crds/action.ts";
import { ACTION, parseAction } from "../crds/action.ts";
import { parseApplicationSpec, type Application, type SyncPolicy, type Wave as WaveSpec } from "../crds/application.ts";
import { parseApplicationStatus, type ApplicationStatus, type ClusterState } from "../crds/applicationstatus.ts";
import type { CanaryStatus } from "../crds/status.ts";
import { list, map } from "../crds/json.ts";
import type { Fault, KubeObject, Result } from "../engine/ports.ts";
import { mergePatch } from "../engine/workload/mergepatch.ts";
import { APPLICATIONS, clusterObject, clustersOf, HOST, keyOf, secretOf, type ClusterRef } from "./clusters.ts";
import type { FleetContext } from "./context.ts";
import { FLUX_KINDS, renderSource, renderSync, unfitSync, type FluxObject } from "./flux.ts";
import { appText, CLUSTER_KEY, FINALIZER, appOf, isSyncOfKurator, type AppName } from "./marks.ts";
import { rolloutId, type Outcome, type PlannedDecision, type PlannedRollout } from "./memberpass.ts";
import { canaries, CONNECTING, troubleOf, type Trouble } from "./members.ts";
import { policyName, syncName } from "./names.ts";
import { fromSpec, type FleetProblem } from "./problem.ts";
import { placeOf } from "./render.ts";
import { statusOf, type Delivery } from "./status.ts";
import { nextOfWaves, type Wave, type WaveState } from "./waves.ts";
import { cachedOf, ensure, preconditionOf, takenBy } from "./write.ts";

export interface PassEnd {
  /** Members whose plan is another one now. */
  members: string[];
  wakeAtMs?: number;
  fault?: Fault;
  /** All of it is gone. */
  ended?: boolean;
}

/** A policy with its clusters. */
interface Bound {
  policy: SyncPolicy;
  index: number;
  name: string;
  clusters: ClusterRef[];
}

interface Target {
  ref: ClusterRef;
  rollouts: PlannedRollout[];
  decisions: PlannedDecision[];
  /** Rollouts that were made there, or are about to be. */
  made: string[];
  /** Nothing is wanted there any more. */
  leaving: boolean;
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
      if (outcome !== undefined && outcome.leftovers === 0 && outcome.fault === undefined) continue;
      clusters.push({ ...of, state: "Leaving", message: outcome !== undefined && outcome.returning.length > 0 ? `the engine there gives back ${outcome.returning.join(", ")}` : "what was made there is being removed" });
    } else if (outcome?.problems.some(({ passing }) => passing !== true) === true) clusters.push({ ...of, state: "Problem", message: outcome.problems[0]?.message ?? "" });
    else clusters.push({ ...of, state: "Ready" });
  }

  const flux = await syncFlux(context, application, app, bound, { problems, removing, targets });
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
    bound.push({ policy, index, name: policyName(name, index, policy.name), clusters: resolved.clusters });
  });
  problems.push(...doubled(bound, namespace));
  return { bound, problems, certain };
}

/** Watches of a member that is cut off may stay silent for long; what is sent to it is not answered, and tells. */
function silenceOf(outcome: Outcome | undefined): Trouble | undefined {
  const fault = outcome?.fault;
  return fault?.class === "deadline" || fault?.class === "transient" ? troubleOf(fault) : undefined;
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

interface Trains {
  states: { policy: string; states: (WaveState & { clusters: string[] })[] }[];
  wakeAtMs: number | undefined;
}

function wavesOf(context: FleetContext, app: AppName, bound: readonly Bound[], targets: ReadonlyMap<string, Target>, nowMs: number): Trains {
  const trains: Trains = { states: [], wakeAtMs: undefined };
  for (const { policy, name, clusters } of bound) {
    const { rollout } = policy;
    const specs = rollout?.rolloutPolicy.waves;
    if (rollout === undefined || specs === undefined) continue;
    const place = placeOf(app, rollout);
    const waves = grouped(specs, clusters).map(({ spec, refs }): Wave & { refs: ClusterRef[] } => ({
      name: spec.name,
      refs,
      clusters: refs.map((ref) => seenIn(context, app, ref, place)),
      maxParallel: spec.maxParallel ?? Infinity,
      bakeMs: (spec.bakeSeconds ?? 0) * 1000,
      onFailure: spec.onFailure ?? "stop",
    }));
    const train = nextOfWaves(waves, nowMs);
    for (const decision of train.decisions) {
      const ref = clusters.find(({ name: cluster }) => cluster === decision.cluster);
      if (ref !== undefined) targets.get(keyOf(ref))?.decisions.push({ ...decision, ...place });
    }
    if (train.wakeAtMs !== undefined) trains.wakeAtMs = Math.min(trains.wakeAtMs ?? Infinity, train.wakeAtMs);
    trains.states.push({ policy: name, states: train.states.map((state, index) => ({ ...state, clusters: (waves[index]?.refs ?? []).map((ref) => ref.name) })) });
  }
  return trains;
}

/** Clusters that fit no wave come last. */
const REST: WaveSpec = { name: "rest" };

function grouped(specs: readonly WaveSpec[], clusters: readonly ClusterRef[]): { spec: WaveSpec; refs: ClusterRef[] }[] {
  const groups = specs.map((spec) => ({ spec, refs: [] as ClusterRef[] }));
  const rest: ClusterRef[] = [];
  for (const ref of clusters) {
    const fits = groups.find(({ spec }) => Object.entries(spec.clusterSelector?.matchLabels ?? {}).every(([label, value]) => ref.labels[label] === value));
    (fits?.refs ?? rest).push(ref);
  }
  return rest.length === 0 ? groups : [...groups, { spec: REST, refs: rest }];
}

function seenIn(context: FleetContext, app: AppName, ref: ClusterRef, { namespace, name }: { namespace: string; name: string }): Wave["clusters"][number] {
  const key = keyOf(ref);
  const member = context.members.get(key);
  const reachable = member !== undefined && context.members.trouble(key) === undefined && silenceOf(context.memory.lastOutcome(appText(app), key)) === undefined;
  const canary = member === undefined ? undefined : cachedOf(member, canaries("own"), namespace, name);
  const request = canary?.metadata.annotations?.[ACTION];
  const asked = request === undefined ? undefined : parseAction(request);
  return { name: ref.name, reachable, canary: canary?.status as CanaryStatus | undefined, ...(asked === undefined || typeof asked === "string" ? {} : { asked: asked satisfies Action }) };
}

interface FluxEnd {
  source: KubeObject | undefined;
  missing: boolean;
  /** Objects that are still there and should not be. */
  left: number;
  fault?: Fault;
}

async function syncFlux(context: FleetContext, application: Application, app: AppName, bound: readonly Bound[], { problems, removing, targets }: { problems: FleetProblem[]; removing: boolean; targets: ReadonlyMap<string, Target> }): Promise<FluxEnd> {
  const { flux, memory } = context;
  const end: FluxEnd = { source: undefined, missing: false, left: 0 };
  const wanted = new Map<string, FluxObject & { hold: boolean }>();
  const want = (one: FluxObject | undefined, hold = false): void => void (one !== undefined && wanted.set(idOf(one), { ...one, hold }));
  const busy = (key: string): boolean => targets.has(key) && (memory.outcome(appText(app), key)?.leftovers ?? 1) > 0;
  if (!removing) {
    want(renderSource(application, flux.version));
    for (const { policy, index, name, clusters } of bound) {
      if (policy.kustomization === undefined && policy.helm === undefined) continue;
      const unfit = unfitSync(application, policy, index, flux.version);
      if (unfit !== undefined) {
        problems.push(unfit);
        continue;
      }
      for (const ref of clusters) {
        const key = keyOf(ref);
        const secret = ref.kind === HOST.kind ? undefined : secretOf(ref, context.lookup);
        const kubeconfig = secret?.ok === true ? secret.value : undefined;
        if (ref.kind !== HOST.kind && kubeconfig === undefined) continue;
        const canary = canaryOf(context, app, policy, ref);
        const phase = map(canary?.status).phase;
        const rendered = renderSync({ application, policy, index, name: syncName(name, ref.kind, ref.name), cluster: key, kubeconfig, rolledOut: phase !== undefined && phase !== "" && phase !== "Initializing" }, flux.version);
        // Whether the engine there has the workload is not known, or it is giving it back: what Flux was told last still holds.
        const hold = policy.rollout === undefined ? busy(key) : context.members.trouble(key) !== undefined;
        want(rendered, hold);
      }
    }
  }
  end.missing = flux.known && missesFlux(application, flux.version);
  const { caches } = flux;
  if (caches === undefined) return end;
  for (const { resource, object, hold } of wanted.values()) {
    const found = caches.get(resource.plural, app.namespace, object.metadata.name);
    if (found !== undefined && hold) continue;
    const written = await ensure({ member: { api: context.api, caches }, mayWrite: context.mayWrite, taken: (there) => takenBy(there, app, "the host", "metadata.name") }, resource, object);
    if (written.kind === "problem") problems.push(written.problem);
    else if (written.kind === "fault") end.fault ??= written.fault;
  }
  // Workloads go after their rollouts, and the source after whatever comes from it.
  const mine = caches.everything().filter(({ object }) => isSyncOfKurator(object, app));
  const unwanted = mine.filter(({ plural, object }) => !wanted.has(`${plural}/${object.metadata.name}`));
  end.left = unwanted.length;
  const syncs = unwanted.filter(({ plural }) => plural === "kustomizations" || plural === "helmreleases");
  for (const { plural, object } of syncs.length > 0 ? syncs : unwanted) {
    const cluster = object.metadata.annotations?.[CLUSTER_KEY];
    const waits = cluster === undefined ? [...targets.keys()].some(busy) : busy(cluster);
    if (waits || object.metadata.deletionTimestamp !== undefined || !context.mayWrite()) continue;
    const resource = FLUX_KINDS.map(({ kind }) => flux.version(kind)).find((one) => one?.plural === plural);
    if (resource === undefined) continue;
    const deleted = await context.api.delete({ resource, namespace: app.namespace, name: object.metadata.name }, preconditionOf(object));
    if (!deleted.ok && deleted.fault.class !== "not-found") end.fault ??= deleted.fault;
  }
  const source = renderSource(application, flux.version);
  end.source = source === undefined ? undefined : caches.get(source.resource.plural, app.namespace, source.object.metadata.name);
  return end;
}

function missesFlux({ spec }: Application, version: FleetContext["flux"]["version"]): boolean {
  const { gitRepository, helmRepository, ociRepository } = spec.source;
  const syncs = spec.syncPolicies;
  return (
    (gitRepository !== undefined && version("GitRepository") === undefined) ||
    (helmRepository !== undefined && version("HelmRepository") === undefined) ||
    (ociRepository !== undefined && version("OCIRepository") === undefined) ||
    (syncs.some(({ kustomization }) => kustomization !== undefined) && version("Kustomization") === undefined) ||
    (syncs.some(({ helm }) => helm !== undefined) && version("HelmRelease") === undefined)
  );
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

function canaryOf(context: FleetContext, app: AppName, { rollout }: SyncPolicy, ref: ClusterRef): KubeObject | undefined {
  const member = context.members.get(keyOf(ref));
  if (rollout === undefined || member === undefined) return undefined;
  const { namespace, name } = placeOf(app, rollout);
  for (const group of member.groups) {
    const found = cachedOf(member, canaries(group), namespace, name);
    if (found !== undefined && appText(appOf(found) ?? { namespace: "", name: "" }) === appText(app)) return found;
  }
  return undefined;
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

function idOf({ resource, object }: FluxObject): string {
  return `${resource.plural}/${object.metadata.name}`;
}
