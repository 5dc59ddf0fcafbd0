// Does the primary have as many pods as the traffic takes that is about to come back to it? The test plays the autoscaler, because the sandbox has none.
import { describe, expect, test } from "@jest/globals";
import type { KubeObject } from "../../sandbox/api/types.ts";
import { Scene } from "../../sandbox/simulation/scene.ts";
import { canaryOf, furnish, setImage } from "../../sandbox/simulation/furniture.ts";

const CANARIES = "canaries.rollout.kurator.dev";
const HPAS = "horizontalpodautoscalers.autoscaling";
const DEPLOYMENTS = "deployments.apps";

const hpa = (min: number): KubeObject => ({
  apiVersion: "autoscaling/v2",
  kind: "HorizontalPodAutoscaler",
  metadata: { name: "app", namespace: "test" },
  spec: { scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "app" }, minReplicas: min, maxReplicas: 10, metrics: [{ type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } } }] },
});

async function begun(): Promise<Scene> {
  const scene = new Scene(11);
  await furnish(scene, "1.0.0");
  scene.store.create(HPAS, hpa(2));
  scene.start("one");
  scene.store.create(CANARIES, canaryOf({ autoscalerRef: { apiVersion: "autoscaling/v2", kind: "HorizontalPodAutoscaler", name: "app" } }));
  expect(await scene.until(() => scene.status().phase === "Initialized", 60)).toBe(true);
  return scene;
}

function scale(scene: Scene, name: string, replicas: number): void {
  const found = structuredClone(scene.store.get(DEPLOYMENTS, "test", name));
  if (found === undefined) throw new Error(`no Deployment ${name}`);
  scene.store.update(DEPLOYMENTS, { ...found, spec: { ...(found.spec as object), replicas } });
}

function replicas(scene: Scene, name: string): number {
  return (scene.store.get(DEPLOYMENTS, "test", name)?.spec as { replicas: number }).replicas;
}

function least(scene: Scene): number | undefined {
  return (scene.store.get(HPAS, "test", "app-primary")?.spec as { minReplicas?: number } | undefined)?.minReplicas;
}

test("a canary that has grown: the primary grows before it takes its traffic back, and its bounds return", async () => {
  const scene = await begun();
  expect(least(scene)).toBe(2);
  setImage(scene, "2.0.0");
  expect(await scene.until(() => scene.status().route?.canaryWeight === 60, 300)).toBe(true);
  scale(scene, "app", 6);
  expect(await scene.until(() => scene.status().phase === "Promoting", 100)).toBe(true);
  await scene.advance(400);
  expect([least(scene), replicas(scene, "app-primary")]).toEqual([6, 6]);
  expect(scene.status().route?.canaryWeight).toBe(60);
  expect(await scene.until(() => scene.status().phase === "Succeeded", 100)).toBe(true);
  expect(await scene.until(() => least(scene) === 2, 30)).toBe(true);
  expect(scene.lost).toEqual([]);
  await scene.end();
});

test("a primary with fewer users keeps its size during the run, so that a rollback finds it", async () => {
  const scene = await begun();
  scale(scene, "app-primary", 5);
  await scene.advance(3000);
  setImage(scene, "2.0.0-errors");
  expect(await scene.until(() => (scene.status().route?.canaryWeight ?? 0) > 0, 100)).toBe(true);
  await scene.advance(500);
  expect(least(scene)).toBe(5);
  expect(await scene.until(() => scene.status().phase === "Failed", 200)).toBe(true);
  expect(await scene.until(() => least(scene) === 2, 30)).toBe(true);
  await scene.end();
});

test("a canary starts with the autoscaler's minimum, and the copy follows its source", async () => {
  const scene = await begun();
  const source = structuredClone(scene.store.get(HPAS, "test", "app"));
  if (source === undefined) throw new Error("no autoscaler");
  scene.store.update(HPAS, { ...source, spec: { ...(source.spec as object), minReplicas: 4, maxReplicas: 20 } });
  expect(await scene.until(() => least(scene) === 4, 10)).toBe(true);
  setImage(scene, "2.0.0");
  expect(await scene.until(() => replicas(scene, "app") === 4, 20)).toBe(true);
  await scene.end();
});

test("without its autoscaler nothing starts, and it says why; deleting the Canary leaves the target as big as the primary was", async () => {
  const scene = await begun();
  scene.store.delete(HPAS, "test", "app");
  setImage(scene, "2.0.0");
  const stalled = (): string | undefined => scene.status().conditions?.find(({ type }) => type === "Stalled")?.reason;
  expect(await scene.until(() => stalled() === "AutoscalerMissing", 20)).toBe(true);
  await scene.advance(20_000);
  expect(scene.status().run).toBeUndefined();
  scene.store.create(HPAS, hpa(2));
  expect(await scene.until(() => scene.status().phase === "Succeeded", 400)).toBe(true);
  scale(scene, "app-primary", 7);
  await scene.advance(2000);
  scene.store.delete(CANARIES, "test", "app");
  expect(await scene.until(() => scene.store.get(DEPLOYMENTS, "test", "app-primary") === undefined, 100)).toBe(true);
  expect([replicas(scene, "app"), least(scene)]).toEqual([7, undefined]);
  expect(scene.lost).toEqual([]);
  await scene.end();
});

test("an autoscaler that the manifest names no more loses its copy", async () => {
  const scene = await begun();
  const canary = structuredClone(scene.store.get(CANARIES, "test", "app"));
  if (canary === undefined) throw new Error("no Canary");
  const { autoscalerRef: _, ...spec } = canary.spec as { autoscalerRef: object };
  scene.store.update(CANARIES, { ...canary, spec });
  expect(await scene.until(() => scene.store.get(HPAS, "test", "app-primary") === undefined, 20)).toBe(true);
  expect(scene.store.get(HPAS, "test", "app")).toBeDefined();
  await scene.end();
});

describe("KEDA", () => {
  const SCALED_OBJECTS = "scaledobjects.keda.sh";
  const PAUSED = "autoscaling.keda.sh/paused-replicas";
  const ref = { apiVersion: "keda.sh/v1alpha1", kind: "ScaledObject", name: "app" };

  function install(scene: Scene): void {
    scene.store.create("customresourcedefinitions.apiextensions.k8s.io", {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: { name: SCALED_OBJECTS },
      spec: {
        group: "keda.sh",
        scope: "Namespaced",
        names: { kind: "ScaledObject", plural: "scaledobjects", singular: "scaledobject", listKind: "ScaledObjectList" },
        versions: [{ name: "v1alpha1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } } }],
      },
    });
    scene.store.create(SCALED_OBJECTS, {
      apiVersion: "keda.sh/v1alpha1",
      kind: "ScaledObject",
      metadata: { name: "app", namespace: "test" },
      spec: { scaleTargetRef: { name: "app" }, minReplicaCount: 3, triggers: [{ type: "prometheus", metadata: { query: 'sum(rate(requests{app="app"}[1m]))' } }] },
    });
  }

  function paused(scene: Scene, name = "app"): string | undefined {
    return scene.store.get(SCALED_OBJECTS, "test", name)?.metadata.annotations?.[PAUSED];
  }

  test("a ScaledObject rests with its target, has a copy for the primary, and wakes for a run and for good", async () => {
    const scene = new Scene(12);
    await furnish(scene, "1.0.0");
    install(scene);
    scene.start("one");
    scene.store.create(CANARIES, canaryOf({ autoscalerRef: ref }));
    expect(await scene.until(() => scene.status().phase === "Initialized" && paused(scene) === "0", 60)).toBe(true);
    expect(scene.store.get(SCALED_OBJECTS, "test", "app-primary")?.spec).toMatchObject({ scaleTargetRef: { name: "app-primary" }, triggers: [{ metadata: { query: 'sum(rate(requests{app="app-primary"}[1m]))' } }] });
    expect(paused(scene, "app-primary")).toBeUndefined();
    setImage(scene, "2.0.0");
    expect(await scene.until(() => replicas(scene, "app") === 3 && paused(scene) === undefined, 60)).toBe(true);
    expect(await scene.until(() => scene.status().phase === "Succeeded" && paused(scene) === "0", 400)).toBe(true);
    // A new process knows of no ScaledObject until a Canary, or what one left behind, speaks of it.
    scene.kill("one");
    scene.store.delete(CANARIES, "test", "app");
    scene.start("two");
    expect(await scene.until(() => scene.store.get(DEPLOYMENTS, "test", "app-primary") === undefined, 200)).toBe(true);
    expect([paused(scene), scene.store.get(SCALED_OBJECTS, "test", "app-primary")]).toEqual([undefined, undefined]);
    expect(scene.lost).toEqual([]);
    await scene.end();
  });

  test("where KEDA is not installed the Canary says so", async () => {
    const scene = new Scene(13);
    await furnish(scene, "1.0.0");
    scene.start("one");
    scene.store.create(CANARIES, canaryOf({ autoscalerRef: ref }));
    expect(await scene.until(() => scene.status().conditions?.some(({ type, reason }) => type === "Stalled" && reason === "AutoscalerMissing") === true, 20)).toBe(true);
    await scene.advance(10_000);
    expect(scene.store.get(DEPLOYMENTS, "test", "app-primary")).toBeUndefined();
    await scene.end();
  });
});
