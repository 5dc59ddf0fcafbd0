// Can Flagger go on where this engine stops? Its objects are looked at as Flagger would, wherever the engine was stopped, and the way back of docs/install.md is gone.
import { describe, expect, test } from "@jest/globals";
import type { KubeObject } from "../../sandbox/api/types.ts";
import { Scene } from "../../sandbox/simulation/scene.ts";
import { canaryOf, furnish, setImage } from "../../sandbox/simulation/furniture.ts";
import { CANARIES, DEPLOYMENTS, initialize, installed, stumbles, templateOf } from "./fixtures/flagger.ts";

const ACTION = "rollout.kurator.dev/action";

/** Objects that this engine made from a manifest of Flagger's, beside a Service and a route of the user's. */
async function begun(spec: object = {}): Promise<Scene> {
  const scene = new Scene(9, undefined, "flagger");
  scene.store.create("configmaps", { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings", namespace: "test" }, data: { COLOUR: "red" } });
  await furnish(scene, "1.0.0");
  edit(scene, DEPLOYMENTS, (object) => Object.assign(templateOf(object).spec.containers[0] ?? {}, { envFrom: [{ configMapRef: { name: "settings" } }] }));
  await scene.advance(5000);
  scene.start("one");
  const { drainSeconds: _, ...own } = canaryOf().spec as { analysis: object; drainSeconds: number };
  scene.store.create(CANARIES, { ...canaryOf(), apiVersion: "flagger.app/v1beta1", spec: { ...own, analysis: { ...own.analysis, interval: "10s", stepWeightPromotion: 30 }, ...spec } });
  expect(await scene.until(() => scene.status().phase === "Initialized", 60)).toBe(true);
  return scene;
}

function edit(scene: Scene, resource: string, change: (object: KubeObject) => void): void {
  const copy = structuredClone(scene.store.get(resource, "test", "app"));
  if (copy === undefined) throw new Error(`no ${resource}`);
  change(copy);
  scene.store.update(resource, copy);
}

function target(scene: Scene): { replicas: number; paused?: boolean } {
  return scene.store.get(DEPLOYMENTS, "test", "app")?.spec as { replicas: number; paused?: boolean };
}

function primaryPods(scene: Scene): string[] {
  return scene.store.list("pods", "test").filter(({ metadata }) => metadata.labels?.app === "app-primary" && metadata.deletionTimestamp === undefined).map(({ metadata }) => metadata.uid ?? "").sort();
}

describe("wherever the engine is stopped, Flagger finds names, selectors, routes and owners that it knows", () => {
  test.each(["Initialized", "Progressing", "Promoting", "Finalising", "Succeeded", "Failed"] as const)("%s", async (phase) => {
    const scene = await begun();
    if (phase !== "Initialized") {
      setImage(scene, phase === "Failed" ? "2.0.0-errors" : "2.0.0");
      if (phase === "Progressing") expect(await scene.until(() => scene.status().route?.canaryWeight === 40, 200)).toBe(true);
      expect(await scene.until(() => scene.status().phase === phase, 300)).toBe(true);
      await scene.advance(1500);
    }
    scene.kill("one");
    await scene.advance(20_000);
    expect(stumbles(scene, { adopted: true })).toEqual([]);
    expect(scene.lost).toEqual([]);
    await scene.end();
  });

  test("objects that Flagger made keep their owner when they are taken over", async () => {
    const scene = await installed({ phase: "Succeeded", autoscaled: true });
    scene.start("one");
    await scene.advance(30_000);
    scene.kill("one");
    expect(stumbles(scene, { adopted: false })).toEqual([]);
    await scene.end();
  });
});

describe("the way back", () => {
  test.each(["at rest", "in the middle of a run", "after a failure"])("%s: no request is lost, no pod of the primary is made anew, and Flagger's first tick finds what it expects", async (when) => {
    const scene = await begun({ revertOnDeletion: true });
    if (when !== "at rest") {
      setImage(scene, when === "after a failure" ? "2.0.0-errors" : "2.0.0");
      expect(await scene.until(() => scene.status().route?.canaryWeight === 20, 200)).toBe(true);
    }
    const pods = primaryPods(scene);
    // 1. Every run is ended, and its target put back to what serves.
    if (when === "in the middle of a run") edit(scene, CANARIES, (object) => Object.assign(object.metadata, { annotations: { [ACTION]: `abort run=${scene.status().run?.id ?? ""} by=test` } }));
    if (when !== "at rest") expect(await scene.until(() => scene.status().phase === "Failed", 100)).toBe(true);
    await scene.advance(20_000);
    if (when !== "at rest") setImage(scene, "1.0.0");
    expect(await scene.until(() => ["Initialized", "Succeeded"].includes(scene.status().phase ?? ""), 20)).toBe(true);
    // 2. Ownership goes back to the Canary, as Flagger has it.
    edit(scene, CANARIES, (object) => Object.assign(object.spec as object, { revertOnDeletion: false }));
    expect(await scene.until(() => stumbles(scene, { adopted: true }).length === 0, 20)).toBe(true);
    expect([target(scene).replicas, target(scene).paused]).toEqual([0, undefined]);
    // 3. The engine ends, and the status with it, whose hashes say nothing to Flagger.
    scene.kill("one");
    const canary = scene.store.get(CANARIES, "test", "app");
    if (canary !== undefined) scene.store.update(CANARIES, { ...canary, status: undefined }, "status");
    // 4. Flagger begins.
    expect(initialize(scene)).toBe(true);
    await scene.advance(60_000);
    expect(stumbles(scene, { adopted: true })).toEqual([]);
    expect(primaryPods(scene)).toEqual(pods);
    expect(scene.lost).toEqual([]);
    await scene.end();
  });

  test("and forth again: what Flagger did meanwhile is taken over", async () => {
    const scene = await begun();
    const pods = primaryPods(scene);
    scene.kill("one");
    const canary = scene.store.get(CANARIES, "test", "app");
    if (canary !== undefined) scene.store.update(CANARIES, { ...canary, status: undefined }, "status");
    expect(initialize(scene)).toBe(true);
    await scene.advance(30_000);
    scene.start("two");
    await scene.advance(60_000);
    expect([scene.status().phase, scene.status().run, primaryPods(scene), scene.lost]).toEqual(["Initialized", undefined, pods, []]);
    await scene.end();
  });
});
