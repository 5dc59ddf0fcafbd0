// What is the case? Turns cached objects, the clock and arrived answers into the one value that the machine decides on. It never waits and never writes.
import type { Problem } from "../../crds/problem.ts";
import { REVISION, groupOf } from "../../crds/marks.ts";
import { instant } from "../machine/moves.ts";
import type { Answer, Observation, PreviousSeen, PrimarySeen, TargetSeen, TrafficSeen } from "../machine/types.ts";
import type { KubeObject } from "../ports.ts";
import { mergePatch } from "../workload/mergepatch.ts";
import { configsDigest } from "../workload/configs.ts";
import { templateHash } from "../workload/canonical.ts";
import { imagesOf } from "../workload/deployment.ts";
import { restarts } from "../workload/podrestarts.ts";
import { adoptedRevision } from "../workload/primary.ts";
import { revisionOf } from "../workload/revisions.ts";
import { objectKey } from "./key.ts";
import { keepsRevisions, promotedSeen } from "./platform.ts";
import { floorOf, routeIntent, traffic, type Drawing } from "./project.ts";
import { windowSeen } from "./windows.ts";

export interface Sources {
  nowMs: number;
  problems: readonly Problem[];
  trouble: Problem | undefined;
  pods: readonly KubeObject[];
  answers: ReadonlyMap<string, Answer>;
  sentUpTo: number;
  stale: string | undefined;
  frozen: string | undefined;
}

export function observe(drawing: Drawing, sources: Sources): Observation {
  const { world, canary } = drawing;
  return {
    nowMs: sources.nowMs,
    problems: sources.problems,
    trouble: sources.trouble,
    target: targetSeen(drawing, sources.pods),
    primary: primarySeen(drawing),
    previous: previousSeen(drawing),
    traffic: trafficSeen(drawing),
    stale: sources.stale,
    frozen: sources.frozen,
    window: windowSeen(canary.spec.windows, sources.nowMs),
    stored: new Set(world.revisions.keys()),
    answers: sources.answers,
    sentUpTo: sources.sentUpTo,
    deleting: canary.metadata.deletionTimestamp !== undefined,
  };
}

function targetSeen({ world, status, settings }: Drawing, pods: readonly KubeObject[]): TargetSeen | undefined {
  const { target, workload, revision, configs } = world;
  if (target === undefined || workload === undefined || revision === undefined) return undefined;
  const { hash, images } = revision;
  const running = world.revisions.get(status.run?.revision ?? "")?.revision;
  // Pods may have more containers than their template says: sidecars are injected.
  const runs = (pod: KubeObject): boolean => images.every((image) => imagesOf({ spec: pod.spec }).includes(image));
  const mine = pods.filter((pod) => pod.metadata.deletionTimestamp === undefined && runs(pod));
  const crashes = status.run === undefined ? 0 : restarts(mine, status.run.startedAt);
  return {
    ...workload.read(target, settings.canaryReadyPercent),
    hash,
    images,
    restarts: crashes,
    configs: configs.target === undefined ? undefined : { digest: configsDigest(configs.target), checksums: configs.target },
    sameTemplate: !keepsRevisions(world) && (running === undefined || templateHash(running.template) === templateHash(revision.template)),
  };
}

function primarySeen({ world, settings, status }: Drawing): PrimarySeen | undefined {
  if (keepsRevisions(world)) return promotedSeen(world, status, settings.canaryReadyPercent);
  const { primary, label, workload, configs } = world;
  if (primary === undefined || workload === undefined) return undefined;
  const { replicas, availableReplicas, readiness } = workload.read(primary, settings.primaryReadyPercent);
  const revision = primary.metadata.annotations?.[REVISION] ?? (workload.primary === "copy" ? revisionOf(primary).hash : label === undefined ? undefined : adoptedRevision(primary, label, world.revision, configs.originals, configs.primary).hash);
  const floor = floorOf(status, world.scaler);
  const undersized = floor === undefined || availableReplicas >= floor ? undefined : `${availableReplicas} of ${floor} pods that all traffic takes are available`;
  return { undersized, revision, images: imagesOf((primary.spec as { template?: unknown } | undefined)?.template), replicas, availableReplicas, readiness, createdMs: instant(primary.metadata.creationTimestamp) };
}

function previousSeen({ world, settings }: Drawing): PreviousSeen | undefined {
  const { previous, workload } = world;
  if (previous === undefined || workload === undefined) return undefined;
  const { availableReplicas, readiness } = workload.read(previous, settings.primaryReadyPercent);
  return { revision: previous.metadata.annotations?.[REVISION], availableReplicas, readiness };
}

/** Read back, not assumed: what is cached must read as the weights asked for, and rendering once more must find nothing to change. */
function trafficSeen(drawing: Drawing): TrafficSeen {
  const { status, world } = drawing;
  if (world.router === undefined) return { kind: "unknown", why: "no router" };
  if (status.route === undefined) return { kind: "differs", why: "no route yet" };
  const intent = routeIntent(drawing);
  const reading = world.router.read(intent, world.found);
  if (reading.kind === "unknown") return reading;
  if (reading.kind === "absent") return { kind: "differs", why: "the route does not exist" };
  if (reading.canaryWeight !== intent.canaryWeight || reading.primaryWeight !== intent.primaryWeight) {
    return { kind: "differs", why: `weights are ${reading.primaryWeight}/${reading.canaryWeight}` };
  }
  // Two routers write the choice into annotations, which nothing below compares; without a weight nobody is chosen.
  if (reading.canaryWeight > 0 && (reading.scope ?? "all") !== intent.scope) return { kind: "differs", why: `its weights are those of ${reading.scope === "matched" ? "chosen users" : "everybody"}` };
  const wanted = traffic(drawing);
  if (wanted === undefined) return { kind: "differs", why: "the Services cannot be rendered" };
  const { apex, primary } = wanted.services;
  const rendered: [KubeObject | undefined, KubeObject | undefined][] = [...wanted.routes.map((object): [KubeObject, KubeObject | undefined] => [object, world.found.get(keyOf(object))]), [apex, world.services.apex], [primary, world.services.primary]];
  for (const [object, found] of rendered) {
    if (object === undefined) continue;
    if (found === undefined) return { kind: "differs", why: `${object.kind} ${object.metadata.name} does not exist` };
    if (mergePatch({ spec: found.spec ?? {} }, { spec: object.spec ?? {} }) !== undefined) return { kind: "differs", why: `${object.kind} ${object.metadata.name} was changed` };
  }
  return { kind: "applied" };
}

export function keyOf(object: KubeObject): string {
  const group = groupOf(object.apiVersion);
  return objectKey({ group, plural: pluralOf(object.kind) }, object.metadata.namespace ?? "", object.metadata.name);
}

/** Every kind that is written here has a regular plural: deployments, ingresses, httpproxies. */
export function pluralOf(kind: string): string {
  const lower = kind.toLowerCase();
  if (/[^aeiou]y$/.test(lower)) return `${lower.slice(0, -1)}ies`;
  return lower.endsWith("s") ? `${lower}es` : `${lower}s`;
}
