// One look at one Fleet: can its members be reached, is the engine in them, and does Flux put it there where it is asked to?
import { kubeconfigRef, parseFleetSpec, type FleetStatus, type RolloutPlugin, type SecretKey } from "../crds/fleet.ts";
import { map } from "../crds/json.ts";
import type { Fault, KubeObject, Resource } from "../engine/ports.ts";
import { mergePatch } from "../engine/workload/mergepatch.ts";
import { ATTACHED_CLUSTERS, clusterObject, FLEETS, keyOf, type ClusterRef } from "./clusters.ts";
import type { FleetContext } from "./context.ts";
import { readiness, type FluxObject } from "./flux.ts";
import { appText } from "./marks.ts";
import { CONNECTING } from "./members.ts";
import { FLEET_LABEL, renderPlugin } from "./plugin.ts";
import { ensure, preconditionOf } from "./write.ts";

type Condition = NonNullable<FleetStatus["conditions"]>[number];
type Plain = Pick<Condition, "type" | "status" | "reason" | "message">;

interface MemberState {
  ref: ClusterRef;
  object: KubeObject | undefined;
  trouble: { reason: string; message: string } | undefined;
}

const MESSAGE_MAX = 1024;

export async function fleetPass(context: FleetContext, fleet: KubeObject): Promise<Fault | undefined> {
  const namespace = fleet.metadata.namespace ?? "";
  const name = appText({ namespace, name: fleet.metadata.name });
  const parsed = parseFleetSpec(fleet.spec);
  if (!parsed.ok) return writeStatus(context, fleet, FLEETS, { phase: "NotReady", conditions: [{ type: "Ready", status: "False", reason: "InvalidSpec", message: parsed.message }] });
  const members: MemberState[] = [];
  for (const { kind = "Cluster", name: cluster } of parsed.value.clusters ?? []) {
    const ref: ClusterRef = { kind, name: cluster, namespace, labels: {} };
    const object = clusterObject(ref, context.lookup);
    if (object === undefined) {
      members.push({ ref, object, trouble: { reason: "ClusterMissing", message: `${kind} ${namespace}/${cluster} does not exist` } });
      continue;
    }
    const unusable = await context.connect(ref);
    members.push({ ref, object, trouble: unusable ?? context.members.trouble(keyOf(ref)) });
  }
  context.memory.fleets.set(name, new Set(members.filter(({ object }) => object !== undefined).map(({ ref }) => keyOf(ref))));
  // Soon more is known, and until then what was said before holds.
  if (members.some(({ trouble }) => trouble === CONNECTING)) return undefined;
  let fault: Fault | undefined;
  for (const member of members) fault ??= await writeReady(context, member);
  const plugin = parsed.value.plugin?.flagger ?? parsed.value.plugin?.rollout;
  const done = await installPlugin(context, fleet, plugin, members);
  fault ??= done.fault;
  // Without an engine a cluster can be reached all the same.
  const lost = members.filter(({ trouble }) => trouble !== undefined && trouble.reason !== "EngineMissing");
  const ready: Plain = { type: "Ready", status: lost.length === 0 ? "True" : "False", reason: lost[0]?.trouble?.reason ?? "Ready", message: lost.map(({ ref, trouble }) => `${ref.name}: ${trouble?.message ?? ""}`).join("; ").slice(0, MESSAGE_MAX) };
  const status = {
    phase: lost.length === 0 ? "Ready" : "NotReady",
    readyClusters: members.length - lost.length,
    unReadyClusters: lost.length,
    conditions: [ready, ...(done.condition === undefined ? [] : [done.condition])],
  };
  return fault ?? (await writeStatus(context, fleet, FLEETS, status));
}

interface Installed {
  condition?: Plain;
  fault?: Fault;
}

async function installPlugin(context: FleetContext, fleet: KubeObject, plugin: RolloutPlugin | undefined, members: readonly MemberState[]): Promise<Installed> {
  const { flux, mayWrite, api } = context;
  const wanted: FluxObject[] = [];
  const without = members.filter(({ trouble }) => trouble?.reason === "EngineMissing").map(({ ref }) => ref.name);
  const type = "RolloutPlugin";
  let condition: Plain | undefined;
  if (plugin !== undefined) {
    const repository = plugin.chart?.repository ?? context.chartRepository;
    const missing = without.length === 0 ? "" : `; no engine is in ${without.join(", ")}`;
    if (flux.known && flux.version("HelmRelease") === undefined) {
      condition = { type, status: without.length === 0 ? "True" : "False", reason: "FluxNotInstalled", message: `Flux is not installed, so the engine is put into members by hand: helm install kurator-rollout in each of them${missing}` };
    } else if (repository === undefined) {
      condition = { type, status: without.length === 0 ? "True" : "False", reason: "ChartUnknown", message: `nobody says where the charts are; set spec.plugin.flagger.chart.repository${missing}` };
    } else {
      const reached = members.flatMap(({ ref, object }) => {
        const secret = object === undefined ? undefined : kubeconfigRef(ref.kind, object.spec);
        return secret?.ok === true ? [{ ref, kubeconfig: secret.value satisfies SecretKey }] : [];
      });
      wanted.push(...renderPlugin({ fleet, plugin, repository, members: reached }, flux.version));
    }
  }
  const { plugins } = flux;
  if (plugins === undefined) return { condition };
  const mine = plugins.everything().filter(({ object }) => object.metadata.namespace === fleet.metadata.namespace && object.metadata.labels?.[FLEET_LABEL] === fleet.metadata.name.slice(0, 63));
  let fault: Fault | undefined;
  const pending: string[] = [];
  for (const { resource, object } of wanted) {
    const written = await ensure({ member: { api, caches: plugins }, mayWrite, taken: (found) => (found.metadata.labels?.[FLEET_LABEL] === fleet.metadata.name.slice(0, 63) ? undefined : { reason: "NameTaken", path: "", message: `${found.kind} ${object.metadata.name} exists and was not made for this Fleet; delete or rename it` }) }, resource, object);
    if (written.kind === "fault") fault ??= written.fault;
    if (written.kind === "problem") pending.push(written.problem.message);
    const found = plugins.get(resource.plural, object.metadata.namespace ?? "", object.metadata.name);
    const state = found === undefined ? undefined : readiness(found);
    if (written.kind !== "problem" && state?.ready !== true) pending.push(`${object.metadata.name}: ${state?.message ?? "waits for Flux"}`);
  }
  if (condition === undefined && plugin !== undefined) condition = { type, status: pending.length === 0 ? "True" : "False", reason: pending.length === 0 ? "Installed" : "Installing", message: pending.join("; ").slice(0, MESSAGE_MAX) };
  for (const { plural, object } of mine) {
    if (wanted.some((one) => one.resource.plural === plural && one.object.metadata.name === object.metadata.name) || object.metadata.deletionTimestamp !== undefined || !mayWrite()) continue;
    const kind = plural === "helmreleases" ? flux.version("HelmRelease") : flux.version("HelmRepository");
    if (kind === undefined) continue;
    const deleted = await api.delete({ resource: kind, namespace: object.metadata.namespace ?? "", name: object.metadata.name }, preconditionOf(object));
    if (!deleted.ok && deleted.fault.class !== "not-found") fault ??= deleted.fault;
  }
  return { condition, fault };
}

async function writeReady(context: FleetContext, { ref, object, trouble }: MemberState): Promise<Fault | undefined> {
  // A Cluster has a controller of its own, which says what it is.
  if (object === undefined || ref.kind !== "AttachedCluster") return undefined;
  const ready = trouble === undefined || trouble.reason === "EngineMissing";
  const condition: Plain = { type: "Ready", status: ready ? "True" : "False", reason: trouble?.reason ?? "Ready", message: trouble?.message ?? "" };
  return writeStatus(context, object, ATTACHED_CLUSTERS, { ready, conditions: [condition] });
}

async function writeStatus({ api, caches, clock, mayWrite }: FleetContext, object: KubeObject, resource: Resource, status: { conditions: readonly Plain[]; [field: string]: unknown }): Promise<Fault | undefined> {
  const before = (map(object.status).conditions ?? []) as Condition[];
  const generation = object.metadata.generation;
  const conditions = status.conditions.map((one) => {
    const known = before.find(({ type }) => type === one.type);
    const since = known?.status === one.status && known.lastTransitionTime !== undefined ? known.lastTransitionTime : new Date(clock.now()).toISOString().replace(/\.\d+Z$/, "Z");
    return { ...one, ...(generation === undefined ? {} : { observedGeneration: generation }), lastTransitionTime: since };
  });
  const patch = mergePatch({ status: object.status ?? {} }, { status: { ...map(object.status), ...status, conditions } });
  if (patch === undefined || !mayWrite()) return undefined;
  const patched = await api.patch({ resource, namespace: object.metadata.namespace ?? "", name: object.metadata.name }, patch, preconditionOf(object), "status");
  if (!patched.ok) return patched.fault;
  caches.absorb(patched.value);
  return undefined;
}
