// Which clusters are in which wave, and what do the waves decide about them? From the caches of the members; deciding itself is in waves.ts.
import { ACTION, parseAction } from "../crds/action.ts";
import type { Wave as WaveSpec } from "../crds/application.ts";
import type { CanaryStatus } from "../crds/status.ts";
import { silenceOf, type Bound, type Target } from "./bound.ts";
import { keyOf, type ClusterRef } from "./clusters.ts";
import type { FleetContext } from "./context.ts";
import { appText, type AppName } from "./marks.ts";
import { canaries } from "./members.ts";
import { placeOf } from "./render.ts";
import { nextOfWaves, type Wave, type WaveState } from "./waves.ts";
import { cachedOf } from "./write.ts";

export interface Trains {
  states: { policy: string; states: (WaveState & { clusters: string[] })[] }[];
  wakeAtMs: number | undefined;
}

/** Puts the decisions into the targets. */
export function wavesOf(context: FleetContext, app: AppName, bound: readonly Bound[], targets: ReadonlyMap<string, Target>, nowMs: number): Trains {
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
  return { name: ref.name, reachable, canary: canary?.status as CanaryStatus | undefined, ...(asked === undefined || typeof asked === "string" ? {} : { asked }) };
}
