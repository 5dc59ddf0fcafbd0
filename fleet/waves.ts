// Which cluster may begin which release now? Waves are worked through in order: a release reaches the next one when every cluster of those before it has
// promoted it and the bake time is over. A failure stops the train where it is, and by policy brings its wave back. Pure: approving belongs to the shell.
import type { Action } from "../crds/action.ts";
import type { CanaryStatus } from "../crds/status.ts";

export interface WaveCluster {
  name: string;
  /** Undefined while nothing is known of it: out of reach, or the rollout is not there yet. */
  canary: CanaryStatus | undefined;
  reachable: boolean;
  /** What its engine was asked last. */
  asked?: Action;
}

export interface Wave {
  name: string;
  clusters: readonly WaveCluster[];
  /** Clusters that may be under way at one time. */
  maxParallel: number;
  bakeMs: number;
  onFailure: "stop" | "rollback";
}

export interface WaveDecision {
  cluster: string;
  verb: "approve" | "abort" | "rollback";
  /** The run that the action names. */
  run: string;
  why: string;
}

/** `Held`: something before it, or in it, is not known or not over; `Stopped`: it failed, and nothing behind it begins. */
export interface WaveState {
  name: string;
  phase: "Waiting" | "Running" | "Baking" | "Done" | "Held" | "Stopped";
  message: string;
}

export interface Train {
  decisions: WaveDecision[];
  states: WaveState[];
  /** When a bake time ends; undefined where none runs. */
  wakeAtMs: number | undefined;
}

type Stage = "unknown" | "settling" | "waiting" | "running" | "done" | "failed";

interface Seen {
  cluster: WaveCluster;
  stage: Stage;
  /** What it waits for, runs or serves, in images; the name of a release that all clusters share, whatever else their manifests differ in. */
  release: string;
  revision: string;
  run: string;
  finishedAtMs: number;
  /** Waiting: since when, and whether the images are those that it serves already. */
  sinceMs: number;
  sameImages: boolean;
}

const RUNNING: ReadonlySet<string> = new Set(["Progressing", "WaitingPromotion", "Promoting", "Finalising"]);

export function nextOfWaves(waves: readonly Wave[], nowMs: number): Train {
  const decisions: WaveDecision[] = [];
  const states: WaveState[] = [];
  const before: { wave: Wave; seen: Seen[] }[] = [];
  let wakeAtMs: number | undefined;
  for (const wave of waves) {
    const seen = wave.clusters.map(look);
    const failed = seen.find(({ stage }) => stage === "failed");
    if (failed !== undefined && wave.onFailure === "rollback") decisions.push(...broughtBack(seen, failed));
    const baking = endOfBake(wave, seen, nowMs);
    if (baking !== undefined) wakeAtMs = Math.min(wakeAtMs ?? Infinity, baking);
    const approved = failed === undefined ? approvals(wave, seen, before, nowMs) : { decisions: [], held: undefined };
    decisions.push(...approved.decisions);
    states.push(stateOf(wave, seen, failed, baking, approved.held));
    before.push({ wave, seen });
  }
  return { decisions, states, wakeAtMs };
}

function look(cluster: WaveCluster): Seen {
  const { canary, reachable, asked } = cluster;
  const as = (stage: Stage, what?: { images: readonly string[]; revision: string }, run = canary?.run?.id ?? ""): Seen => {
    const release = releaseOf(what?.images);
    const sameImages = release === releaseOf(canary?.primary?.images);
    return { cluster, stage, release, revision: what?.revision ?? "", run, finishedAtMs: instant(canary?.history?.[0]?.finishedAt), sinceMs: instant(canary?.lastTransitionTime), sameImages };
  };
  if (!reachable) return as("unknown");
  const phase = canary?.phase;
  if (canary === undefined || phase === undefined || phase === "Initializing" || phase === "Terminating" || phase === "Terminated") return as("settling");
  if (phase === "Waiting") {
    const { waiting, actions = [] } = canary;
    const approved = asked?.verb === "approve" && asked.run === waiting?.run && !actions.some(({ request, result }) => request === asked.request && result === "Refused");
    // Its engine has not heard of it yet, and counts all the same, or too many would begin at one time.
    return as(approved ? "running" : "waiting", waiting, waiting?.run);
  }
  if (RUNNING.has(phase)) return as("running", canary.run);
  // What a person, or a broken limit, took back after its promotion has failed as much as what never got there.
  if (phase === "Failed") return as("failed", canary.run);
  return as("done", canary.primary);
}

function instant(text: string | undefined): number {
  const ms = Date.parse(text ?? "");
  return Number.isNaN(ms) ? 0 : ms;
}

export function releaseOf(images: readonly string[] | undefined): string {
  return [...(images ?? [])].sort().join(" ");
}

/** Those of the same wave that have the failed release, or are on their way to it. */
function broughtBack(seen: readonly Seen[], failed: Seen): WaveDecision[] {
  const why = `${failed.cluster.name} failed with ${failed.release}`;
  return seen.flatMap((one): WaveDecision[] => {
    if (one.release !== failed.release || one.run === "") return [];
    if (one.stage === "running") return [{ cluster: one.cluster.name, verb: "abort", run: one.run, why }];
    const promoted = one.stage === "done" && one.cluster.canary?.run?.outcome === "Promoted";
    return promoted ? [{ cluster: one.cluster.name, verb: "rollback", run: one.run, why }] : [];
  });
}

function approvals(wave: Wave, seen: readonly Seen[], before: readonly { wave: Wave; seen: readonly Seen[] }[], nowMs: number): { decisions: WaveDecision[]; held: string | undefined } {
  const decisions: WaveDecision[] = [];
  let held: string | undefined;
  let under = seen.filter(({ stage }) => stage === "running").length;
  for (const one of seen) {
    if (one.stage !== "waiting" || one.run === "") continue;
    const blocker = blockerOf(one, before, nowMs);
    if (blocker !== undefined) held ??= blocker;
    else if (under < wave.maxParallel) {
      decisions.push({ cluster: one.cluster.name, verb: "approve", run: one.run, why: `wave ${wave.name}: its turn` });
      under += 1;
    }
  }
  return { decisions, held };
}

/** Why this release may not go on to the next wave; undefined when it may. */
function blockerOf(one: Seen, before: readonly { wave: Wave; seen: readonly Seen[] }[], nowMs: number): string | undefined {
  const { release } = one;
  for (const { wave, seen } of before) {
    for (const { cluster, stage, release: theirs, revision, finishedAtMs } of seen) {
      const where = `${cluster.name} of wave ${wave.name}`;
      if (stage === "unknown") return `${where} is out of reach`;
      if (stage === "failed") return `${where} failed`;
      if (stage !== "done") return `${where} is not through yet`;
      if (theirs !== release) return `${where} has not been given ${release} yet`;
      // Revisions may differ from cluster to cluster, so a change of what pods read, under the same images, is known by its time alone.
      if (one.sameImages && revision !== one.revision && finishedAtMs < one.sinceMs) return `${where} has not been given this change of ${release} yet`;
      if (nowMs < finishedAtMs + wave.bakeMs) return `wave ${wave.name} bakes`;
    }
  }
  return undefined;
}

function endOfBake({ bakeMs }: Wave, seen: readonly Seen[], nowMs: number): number | undefined {
  if (bakeMs === 0 || seen.length === 0 || seen.some(({ stage }) => stage !== "done")) return undefined;
  const end = Math.max(...seen.map(({ finishedAtMs }) => finishedAtMs)) + bakeMs;
  return nowMs < end ? end : undefined;
}

function stateOf(wave: Wave, seen: readonly Seen[], failed: Seen | undefined, baking: number | undefined, held: string | undefined): WaveState {
  const { name } = wave;
  const names = (stage: Stage): string => seen.filter((one) => one.stage === stage).map(({ cluster }) => cluster.name).join(", ");
  if (failed !== undefined) return { name, phase: "Stopped", message: `${failed.cluster.name} failed with ${failed.release}; release another revision, or retry there` };
  const lost = names("unknown");
  if (names("running") !== "") return { name, phase: "Running", message: `${names("running")} under way${lost === "" ? "" : `; ${lost} out of reach`}` };
  if (lost !== "") return { name, phase: "Held", message: `${lost} out of reach` };
  if (held !== undefined) return { name, phase: "Held", message: held };
  if (names("waiting") !== "") return { name, phase: "Running", message: `${names("waiting")} begins` };
  if (names("settling") !== "") return { name, phase: "Waiting", message: `${names("settling")} not initialized yet` };
  if (baking !== undefined) return { name, phase: "Baking", message: `until ${new Date(baking).toISOString().replace(/\.\d+Z$/, "Z")}` };
  return { name, phase: "Done", message: "" };
}
