// What does a pod's status say about the container that runs for it? A pure rendering, in the words of the kubelet.
// It must never claim readiness that the container did not reach.
import { condition, timestamp } from "./objects.ts";
import type { Condition, Pod } from "./objects.ts";

export interface ContainerLife {
  state: "creating" | "running" | "backoff";
  ready: boolean;
  restarts: number;
  startedAt: number;
  /** End of the previous life, if there was one. */
  lastExitAt?: number;
  lastStartedAt?: number;
  backoffMs: number;
}

export function podStatus(pod: Pod, life: ContainerLife, now: number): NonNullable<Pod["status"]> {
  const notReady = { reason: "ContainersNotReady", message: "containers with unready status" };
  const says = (type: string, ok: boolean): Condition => ({ type, status: ok ? "True" : "False", ...(ok ? {} : notReady) });
  const conditions = [says("PodScheduled", true), says("Initialized", true), says("ContainersReady", life.ready), says("Ready", life.ready)];
  const born = life.state === "creating" && life.restarts === 0;
  return {
    ...pod.status,
    phase: born ? "Pending" : "Running",
    hostIP: "127.0.0.1",
    ...(born ? {} : { podIP: "127.0.0.1", podIPs: [{ ip: "127.0.0.1" }] }),
    startTime: pod.status?.startTime ?? timestamp(now),
    conditions: conditions.map((next) => {
      const before = condition(pod.status?.conditions, next.type);
      return { ...next, lastTransitionTime: before?.status === next.status ? before.lastTransitionTime : timestamp(now) };
    }),
    containerStatuses: pod.spec.containers.map(({ name, image }) => ({
      name,
      image,
      imageID: image,
      ready: life.ready,
      started: life.state === "running",
      restartCount: life.restarts,
      state: stateOf(life),
      lastState: life.lastExitAt === undefined ? {} : { terminated: exitOf(life.lastStartedAt ?? life.lastExitAt, life.lastExitAt) },
    })),
  };
}

function stateOf(life: ContainerLife): object {
  switch (life.state) {
    case "creating": return { waiting: { reason: "ContainerCreating" } };
    case "running": return { running: { startedAt: timestamp(life.startedAt) } };
    case "backoff": return {
      waiting: { reason: "CrashLoopBackOff", message: `back-off ${life.backoffMs / 1000}s restarting failed container` },
    };
  }
}

function exitOf(startedAt: number, finishedAt: number): object {
  return { exitCode: 1, reason: "Error", startedAt: timestamp(startedAt), finishedAt: timestamp(finishedAt) };
}
