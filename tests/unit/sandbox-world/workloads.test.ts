import { describe, expect, test } from "@jest/globals";
import type { EndpointSlice } from "../../../sandbox/workloads/endpointslices.ts";
import { condition, deployments, endpointSlices, isPodReady, isTerminating, pods, replicaSets } from "../../../sandbox/workloads/objects.ts";
import type { Deployment, Pod } from "../../../sandbox/workloads/objects.ts";
import { deploymentOf, namespace, scene, serviceOf } from "./scene.ts";

const v1 = "sandbox/app:1.0.0";
const v2 = "sandbox/app:2.0.0";

function started(image = v1, spec: Partial<Deployment["spec"]> = {}, env: Record<string, string> = {}) {
  const it = scene();
  it.store.create("services", serviceOf("app"));
  it.store.create(deployments, deploymentOf(image, spec, "app", env));
  it.clock.advance(2000);
  return it;
}

const setImage = (image: string) => (spec: Deployment["spec"]) => {
  for (const container of spec.template.spec.containers) container.image = image;
};

const images = (all: readonly Pod[]) => all.map((pod) => pod.spec.containers[0]?.image);
const progressing = (deployment: Deployment) => condition(deployment.status?.conditions, "Progressing");
const slice = (it: ReturnType<typeof scene>) => it.store.list(endpointSlices, namespace)[0] as EndpointSlice;

describe("a Deployment", () => {
  test("becomes complete, with its pods behind the Service", () => {
    const it = started();
    expect(it.deployment().status).toMatchObject({ observedGeneration: 1, replicas: 2, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2 });
    expect(it.deployment().status?.unavailableReplicas).toBeUndefined();
    expect(progressing(it.deployment())).toMatchObject({ status: "True", reason: "NewReplicaSetAvailable" });
    expect(condition(it.deployment().status?.conditions, "Available")?.status).toBe("True");
    expect(slice(it).endpoints.map(({ conditions }) => conditions)).toEqual(Array(2).fill({ ready: true, serving: true, terminating: false }));
    expect(it.faults).toEqual([]);
  });

  test("is not ready before its start-up time", () => {
    const it = scene();
    it.store.create(deployments, deploymentOf(v1, {}, "app", { STARTUP_MS: "5000" }));
    it.clock.advance(4900);
    expect(it.deployment().status).toMatchObject({ replicas: 2, unavailableReplicas: 2 });
    it.clock.advance(200);
    expect(it.deployment().status).toMatchObject({ availableReplicas: 2 });
  });

  test("rolls within floor and ceiling at every single change, without losing a request", () => {
    const it = started(v1, { replicas: 4, strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } } });
    const seen: { asked: number; ready: number }[] = [];
    it.store.subscribe(() => seen.push({
      asked: it.replicaSets().reduce((sum, set) => sum + (set.spec.replicas ?? 0), 0),
      ready: it.pods().filter((pod) => !isTerminating(pod) && isPodReady(pod)).length,
    }));
    it.editDeployment(setImage(v2));
    for (let tick = 0; tick < 500; tick += 1) {
      it.world.send({ host: "app.test" });
      it.clock.advance(20);
    }
    expect(Math.max(...seen.map(({ asked }) => asked))).toBe(5);
    expect(Math.min(...seen.map(({ ready }) => ready))).toBe(3);
    expect(images(it.pods())).toEqual(Array(4).fill(v2));
    expect(it.replicaSets().map(({ spec }) => spec.replicas).sort()).toEqual([0, 4]);
    expect(it.deployment().metadata.annotations?.["deployment.kubernetes.io/revision"]).toBe("2");
    expect(it.world.requests.counts()).toMatchObject({ total: 500, failed: 0 });
    expect(Object.keys(it.world.requests.counts().byVersion).sort()).toEqual(["1.0.0", "2.0.0"]);
    expect(it.faults).toEqual([]);
  });

  test("loses requests when the mesh hears of leaving pods too late", () => {
    const it = started(v1, { replicas: 1 });
    it.world.mesh.propagationDelayMs = 5000;
    it.editDeployment(setImage(v2));
    for (let tick = 0; tick < 500; tick += 1) {
      it.world.send({ host: "app.test" });
      it.clock.advance(20);
    }
    expect(it.world.requests.counts().failed).toBeGreaterThan(50);
  });

  test("going back to an earlier template takes its ReplicaSet up again, with a new revision", () => {
    const it = started();
    it.editDeployment(setImage(v2));
    it.clock.advance(5000);
    it.editDeployment(setImage(v1));
    it.clock.advance(5000);
    expect(it.replicaSets()).toHaveLength(2);
    expect(images(it.pods())).toEqual([v1, v1]);
    expect(it.deployment().metadata.annotations?.["deployment.kubernetes.io/revision"]).toBe("3");
  });

  test("paused keeps its pods whatever the template says, yet scales; resumed it rolls", () => {
    const it = started();
    it.editDeployment((spec) => {
      spec.paused = true;
      setImage(v2)(spec);
    });
    it.clock.advance(5000);
    expect([images(it.pods()), progressing(it.deployment())?.reason]).toEqual([[v1, v1], "DeploymentPaused"]);
    it.editDeployment((spec) => (spec.replicas = 3));
    it.clock.advance(5000);
    expect(images(it.pods())).toEqual([v1, v1, v1]);
    it.editDeployment((spec) => (spec.replicas = 0));
    it.clock.advance(5000);
    expect(it.pods()).toEqual([]);
    expect(it.deployment().status).toMatchObject({ observedGeneration: 4 });
    it.editDeployment((spec) => {
      spec.replicas = 2;
      spec.paused = false;
    });
    it.clock.advance(5000);
    expect([images(it.pods()), progressing(it.deployment())?.reason]).toEqual([[v2, v2], "NewReplicaSetAvailable"]);
  });

  test("scales to zero and back, and in the middle of a rollout", () => {
    const it = started();
    it.editDeployment((spec) => (spec.replicas = 0));
    it.clock.advance(5000);
    expect([it.pods().length, it.deployment().status?.replicas]).toEqual([0, undefined]);
    expect(slice(it).endpoints ?? []).toEqual([]);
    it.editDeployment((spec) => (spec.replicas = 3));
    it.clock.advance(100);
    it.editDeployment(setImage(v2));
    it.clock.advance(350);
    it.editDeployment((spec) => (spec.replicas = 6));
    it.clock.advance(10_000);
    expect(images(it.pods())).toEqual(Array(6).fill(v2));
    expect(it.deployment().status).toMatchObject({ replicas: 6, updatedReplicas: 6, availableReplicas: 6 });
  });

  test("recreated has never two revisions at a time", () => {
    const it = started(v1, { strategy: { type: "Recreate" } });
    let mixed = false;
    it.store.subscribe(() => (mixed ||= new Set(images(it.pods())).size > 1));
    it.editDeployment(setImage(v2));
    it.clock.advance(5000);
    expect([mixed, images(it.pods())]).toEqual([false, [v2, v2]]);
  });

  test("keeps only as much history as it is told", () => {
    const it = started(v1, { revisionHistoryLimit: 2 });
    for (const version of ["2.0.0", "3.0.0", "4.0.0", "5.0.0"]) {
      it.editDeployment(setImage(`sandbox/app:${version}`));
      it.clock.advance(5000);
    }
    expect(it.replicaSets().map((set) => set.spec.template.spec.containers[0]?.image).sort()).toEqual(["sandbox/app:3.0.0", "sandbox/app:4.0.0", "sandbox/app:5.0.0"]);
  });

  test("that gets nowhere exceeds its progress deadline, keeps serving, and recovers", () => {
    const it = started(v1, { progressDeadlineSeconds: 60 });
    it.editDeployment(setImage("sandbox/app:2.0.0-unready"));
    it.clock.advance(58_000);
    expect(progressing(it.deployment())).toMatchObject({ status: "True", reason: "ReplicaSetUpdated" });
    it.clock.advance(5000);
    expect(progressing(it.deployment())).toMatchObject({ status: "False", reason: "ProgressDeadlineExceeded" });
    expect(it.deployment().status).toMatchObject({ availableReplicas: 2, unavailableReplicas: 1, updatedReplicas: 1 });
    expect(it.world.send({ host: "app.test" })).toMatchObject({ status: 200, version: "1.0.0" });
    it.editDeployment(setImage(v2));
    it.clock.advance(5000);
    expect(progressing(it.deployment())).toMatchObject({ status: "True", reason: "NewReplicaSetAvailable" });
    expect(images(it.pods())).toEqual([v2, v2]);
  });

  test("counts pods as available only after minReadySeconds", () => {
    const it = scene();
    it.store.create(deployments, deploymentOf(v1, { minReadySeconds: 10 }));
    it.clock.advance(5000);
    expect(it.deployment().status).toMatchObject({ readyReplicas: 2, unavailableReplicas: 2 });
    it.clock.advance(6000);
    expect(it.deployment().status).toMatchObject({ availableReplicas: 2 });
  });

  test("rests when there is nothing to do", () => {
    const it = started();
    it.clock.advance(2000);
    const { revision } = it.store;
    it.clock.advance(3_600_000);
    expect(it.store.revision).toBe(revision);
  });

  test("deleted takes everything along", () => {
    const it = started();
    it.store.delete(deployments, namespace, "app");
    it.clock.advance(60_000);
    expect([it.replicaSets(), it.pods(), slice(it).endpoints ?? []]).toEqual([[], [], []]);
    it.store.delete("services", namespace, "app");
    it.clock.advance(1000);
    expect(it.store.list(endpointSlices, namespace)).toEqual([]);
  });
});

describe("a pod", () => {
  test("that crashes is restarted, ever later, and never ready", () => {
    const it = started("sandbox/app:2.0.0-crash", { replicas: 1 });
    const container = () => (it.pods()[0]?.status?.containerStatuses as { restartCount: number; ready: boolean; state: object; lastState: object }[])[0];
    const ready: boolean[] = [];
    it.store.subscribe(() => void ready.push(...it.pods().map(isPodReady)));
    const counts = [1, 2, 3, 4].map(() => {
      it.clock.advance(5000);
      return container()?.restartCount ?? 0;
    });
    expect(counts).toEqual([...counts].sort((a, b) => a - b));
    expect(counts.at(-1)).toBeGreaterThan(3);
    expect(container()).toMatchObject({ ready: false, state: { waiting: { reason: "CrashLoopBackOff" } }, lastState: { terminated: { exitCode: 1 } } });
    expect(ready).not.toContain(true);
    expect(it.world.send({ host: "app.test" }).status).toBe(503);
  });

  test("on its way out leaves the endpoints at once, answers for a while, and is gone", () => {
    const it = started(v1, { replicas: 1 });
    const old = it.pods()[0];
    it.store.remove(pods, namespace, old?.metadata.name ?? "", { gracePeriodSeconds: 30 });
    it.clock.advance(0);
    expect(slice(it).endpoints.find(({ targetRef }) => targetRef.uid === old?.metadata.uid)?.conditions).toEqual({ ready: false, serving: true, terminating: true });
    // The mesh has not heard yet.
    expect(it.world.send({ host: "app.test" })).toMatchObject({ status: 200, pod: old?.metadata.name });
    it.clock.advance(900);
    expect(it.pods().map(({ metadata }) => metadata.uid)).toContain(old?.metadata.uid);
    it.clock.advance(1000);
    expect(it.pods()).toHaveLength(1);
    expect(it.pods()[0]?.metadata.uid).not.toBe(old?.metadata.uid);
    expect(it.world.send({ host: "app.test" }).status).toBe(200);
  });

  test("whose label is taken away leaves the Service and is replaced only if its ReplicaSet loses it", () => {
    const it = started(v1, { replicas: 1 });
    it.edit(pods, it.pods()[0]?.metadata.name ?? "", (pod) => ({ ...pod, metadata: { ...pod.metadata, labels: { loose: "yes" } } }));
    it.clock.advance(1000);
    expect(slice(it).endpoints ?? []).toEqual([]);
    expect(it.pods()).toHaveLength(1);
  });

  test("reads its behaviour from a ConfigMap as of its start", () => {
    const it = scene();
    it.store.create("configmaps", { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings", namespace }, data: { NEVER_READY: "1" } });
    const deployment = deploymentOf(v1, { replicas: 1 });
    for (const container of deployment.spec.template.spec.containers) container.envFrom = [{ configMapRef: { name: "settings" } }];
    it.store.create(deployments, deployment);
    it.clock.advance(5000);
    expect(it.pods().map(isPodReady)).toEqual([false]);
  });

  test("of a user's own is run too", () => {
    const it = scene();
    it.store.create(pods, { apiVersion: "v1", kind: "Pod", metadata: { name: "bare", namespace }, spec: { containers: [{ name: "c", image: "any:1" }] } });
    it.clock.advance(1000);
    expect(it.pods().map(isPodReady)).toEqual([true]);
  });
});

describe("a ReplicaSet", () => {
  test("replaces pods that somebody deletes", () => {
    const it = started();
    const before = it.pods().map(({ metadata }) => metadata.uid);
    for (const { metadata } of it.pods()) it.store.delete(pods, namespace, metadata.name);
    it.clock.advance(2000);
    expect(it.pods()).toHaveLength(2);
    expect(it.pods().filter(({ metadata }) => before.includes(metadata.uid))).toEqual([]);
  });

  test("comes back when somebody deletes it", () => {
    const it = started();
    it.store.delete(replicaSets, namespace, it.replicaSets()[0]?.metadata.name ?? "");
    it.clock.advance(40_000);
    expect([it.replicaSets().length, it.pods().length, it.deployment().status?.availableReplicas]).toEqual([1, 2, 2]);
  });
});
