// What does an Application say of itself? Pure: Kurator's status from what was found, and beside it conditions as kstatus reads them.
import type { Application } from "../crds/application.ts";
import type { ApplicationCondition, ApplicationStatus, ClusterState, SyncEntry } from "../crds/applicationstatus.ts";
import { map, type Json } from "../crds/json.ts";
import type { KubeObject } from "../engine/ports.ts";
import { readiness, SOURCES } from "./flux.ts";
import { sentence, type FleetProblem } from "./problem.ts";
import type { WaveState } from "./waves.ts";

/** One policy in one cluster. */
export interface Delivery {
  name: string;
  cluster: string;
  sync: { kind: "Kustomization" | "HelmRelease"; found: KubeObject | undefined } | undefined;
  rollout: { name: string; canary: KubeObject | undefined } | undefined;
}

export interface Findings {
  application: Application;
  nowMs: number;
  deliveries: readonly Delivery[];
  source: KubeObject | undefined;
  /** What is asked of Flux though the host does not serve it. */
  fluxMissing: boolean;
  problems: readonly FleetProblem[];
  clusters: readonly ClusterState[];
  waves: readonly { policy: string; states: readonly (WaveState & { clusters: readonly string[] })[] }[];
  removing: boolean;
}

const MESSAGE_MAX = 1024;
const RESTING: ReadonlySet<string> = new Set(["Initialized", "Succeeded"]);

export function statusOf(findings: Findings): ApplicationStatus {
  const { application, deliveries, source, clusters, waves } = findings;
  const generation = application.metadata.generation;
  const before = application.status.conditions ?? [];
  const sourceStatus = copiedSource(application, source);
  return {
    ...(sourceStatus === undefined ? {} : { sourceStatus }),
    ...(deliveries.length === 0 ? {} : { syncStatus: deliveries.map(entryOf) }),
    conditions: conditionsOf(findings).map((condition) => timed(condition, before, generation, findings.nowMs)),
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    summary: summaryOf(deliveries),
    ...(clusters.length === 0 ? {} : { clusters: [...clusters] }),
    ...(waves.length === 0 ? {} : { waves: waves.flatMap(({ policy, states }) => states.map(({ name, phase, message, clusters: members }) => ({ policy, name, phase, ...(message === "" ? {} : { message }), clusters: [...members] }))) }),
  };
}

function copiedSource({ spec }: Application, source: KubeObject | undefined): ApplicationStatus["sourceStatus"] {
  const known = SOURCES.find(({ section }) => spec.source[section] !== undefined);
  return known === undefined || source?.status === undefined ? undefined : { [known.status]: map(source.status) };
}

function entryOf({ name, cluster, sync, rollout }: Delivery): SyncEntry {
  const status = sync?.found?.status;
  const key = sync?.kind === "HelmRelease" ? "HelmReleaseStatus" : "kustomizationStatus";
  return {
    name,
    ...(status === undefined ? {} : { [key]: map(status) }),
    ...(rollout === undefined ? {} : { rolloutStatus: { clusterName: cluster, rolloutNameInCluster: rollout.name, ...(phaseOf(rollout.canary) === undefined ? {} : { rolloutStatusInCluster: shown(map(rollout.canary?.status)) }) } }),
  };
}

/** Without the engine's own memory: what Kurator's status has, and what tells a person more. A hundred clusters have to fit into one object. */
const SHOWN = ["phase", "canaryWeight", "failedChecks", "iterations", "lastAppliedSpec", "lastPromotedSpec", "lastTransitionTime", "trackedConfigs", "conditions", "sessionAffinityCookie", "previousSessionAffinityCookie", "observedGeneration", "run", "waiting", "primary"];
const RUN_SHOWN = ["id", "revision", "images", "startedAt", "outcome", "reason"];

function shown(status: Json): Json {
  const kept = Object.fromEntries(SHOWN.flatMap((key): [string, unknown][] => (status[key] === undefined ? [] : [[key, status[key]]])));
  const run = status.run === undefined ? {} : { run: Object.fromEntries(RUN_SHOWN.flatMap((key): [string, unknown][] => (map(status.run)[key] === undefined ? [] : [[key, map(status.run)[key]]]))) };
  // The four that Kurator's CRD demands, and the map that its users look at.
  return { canaryWeight: 0, failedChecks: 0, iterations: 0, trackedConfigs: {}, ...kept, ...run };
}

function phaseOf(canary: KubeObject | undefined): string | undefined {
  const { phase } = map(canary?.status);
  return typeof phase === "string" && phase !== "" ? phase : undefined;
}

type Plain = Omit<ApplicationCondition, "lastTransitionTime" | "observedGeneration">;

function conditionsOf(findings: Findings): Plain[] {
  const { deliveries, problems, removing, fluxMissing } = findings;
  const lasting = problems.find(({ passing }) => passing !== true);
  const failed = deliveries.filter(({ rollout }) => phaseOf(rollout?.canary) === "Failed");
  const stalled = deliveries.flatMap(({ rollout, cluster }) => stalledOf(rollout?.canary, cluster));
  const moving = deliveries.filter(({ rollout }) => rollout !== undefined && !RESTING.has(phaseOf(rollout.canary) ?? "") && phaseOf(rollout.canary) !== "Failed");
  const unsynced = deliveries.flatMap(({ sync, name }) => (sync === undefined ? [] : [{ name, state: sync.found === undefined ? undefined : readiness(sync.found) }])).filter(({ state }) => state?.ready !== true);
  const waiting = problems.find(({ passing }) => passing === true);

  const conditions: Plain[] = [];
  const add = (type: string, holds: boolean, reason: string, message: string): void => void conditions.push({ type, status: holds ? "True" : "False", reason, message: message.slice(0, MESSAGE_MAX) });
  const worst = lasting === undefined ? (failed[0] === undefined ? stalled[0] : { reason: "RolledBack", message: `${list(failed)} went back to the version before; release another one` }) : { reason: lasting.reason, message: sentence(lasting) };
  const more = problems.filter((one) => one.passing !== true).length - 1;
  const busy = removing
    ? { reason: "Removing", message: "what was made in the clusters is being removed" }
    : waiting !== undefined
      ? { reason: waiting.reason, message: sentence(waiting) }
      : moving.length > 0
        ? { reason: "Progressing", message: `${list(moving)} under way` }
        : unsynced.length > 0 && !fluxMissing
          ? { reason: "Syncing", message: `${unsynced[0]?.name ?? ""}: ${unsynced[0]?.state?.message ?? "waits for Flux"}` }
          : undefined;
  if (worst !== undefined) add("Ready", false, worst.reason, more > 0 ? `${worst.message} (and ${more} more)` : worst.message);
  else if (busy !== undefined) add("Ready", false, busy.reason, busy.message);
  else add("Ready", true, "Delivered", fluxMissing ? "rollouts are at rest; manifests are not synced, because Flux is not installed" : "every cluster has it");
  if (busy !== undefined) add("Reconciling", true, busy.reason, busy.message);
  if (worst !== undefined) add("Stalled", true, worst.reason, worst.message);
  const synced = syncedOf(findings, unsynced[0]);
  if (synced !== undefined) conditions.push(synced);
  return conditions;
}

function syncedOf({ application, source, fluxMissing, deliveries }: Findings, unsynced: { name: string; state: { message: string } | undefined } | undefined): Plain | undefined {
  const wanted = SOURCES.some(({ section }) => application.spec.source[section] !== undefined) || deliveries.some(({ sync }) => sync !== undefined);
  if (!wanted) return undefined;
  if (fluxMissing) return { type: "SourceSynced", status: "False", reason: "FluxNotInstalled", message: "Flux is not installed in this cluster, so source and manifests are not acted on; apply them yourself, everything about the rollout works all the same" };
  const state = source === undefined ? undefined : readiness(source);
  if (state?.ready !== true) return { type: "SourceSynced", status: "False", reason: "SourceNotReady", message: (state?.message ?? "the source is not there yet").slice(0, MESSAGE_MAX) };
  if (unsynced !== undefined) return { type: "SourceSynced", status: "False", reason: "Syncing", message: `${unsynced.name}: ${unsynced.state?.message ?? "waits for Flux"}`.slice(0, MESSAGE_MAX) };
  return { type: "SourceSynced", status: "True", reason: "Synced", message: "" };
}

function stalledOf(canary: KubeObject | undefined, cluster: string): { reason: string; message: string }[] {
  const found = (map(canary?.status).conditions as { type?: string; status?: string; reason?: string; message?: string }[] | undefined)?.find(({ type, status }) => type === "Stalled" && status === "True");
  return found === undefined ? [] : [{ reason: found.reason ?? "Stalled", message: `${cluster}: ${found.message ?? "the rollout is stalled"}` }];
}

function list(deliveries: readonly Delivery[]): string {
  const names = [...new Set(deliveries.map(({ cluster, rollout }) => `${rollout?.name ?? ""} in ${cluster}`))];
  return names.length <= 3 ? names.join(", ") : `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`;
}

/** For example "2 Succeeded, 1 Progressing". */
function summaryOf(deliveries: readonly Delivery[]): string {
  const counts = new Map<string, number>();
  for (const { rollout } of deliveries) {
    if (rollout === undefined) continue;
    const phase = phaseOf(rollout.canary) ?? "Pending";
    counts.set(phase, (counts.get(phase) ?? 0) + 1);
  }
  return [...counts].sort(([a], [b]) => a.localeCompare(b)).map(([phase, count]) => `${count} ${phase}`).join(", ");
}

function timed(condition: Plain, before: readonly ApplicationCondition[], generation: number | undefined, nowMs: number): ApplicationCondition {
  const known = before.find(({ type }) => type === condition.type);
  const since = known?.status === condition.status && known.lastTransitionTime !== undefined ? known.lastTransitionTime : new Date(nowMs).toISOString().replace(/\.\d+Z$/, "Z");
  return { ...condition, ...(generation === undefined ? {} : { observedGeneration: generation }), lastTransitionTime: since };
}
