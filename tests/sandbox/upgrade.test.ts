// Does a new version take over what the one before it left, in the middle of whatever it was doing? Nothing may begin by itself, and nothing be lost.
import { describe, expect, test } from "@jest/globals";
import type { KubeObject } from "../../sandbox/api/types.ts";
import type { Scene } from "../../sandbox/simulation/scene.ts";
import { left, PHASES } from "./fixtures/v0.1.0.ts";

const DEPLOYMENTS = "deployments.apps";

function primaryPods(scene: Scene): string[] {
  return scene.store.list("pods", "test").filter(({ metadata }) => metadata.labels?.app === "app-primary" && metadata.deletionTimestamp === undefined).map(({ metadata }) => metadata.uid ?? "").sort();
}

function image(scene: Scene, name: string): string | undefined {
  return (scene.store.get(DEPLOYMENTS, "test", name)?.spec as { template: { spec: { containers: { image: string }[] } } } | undefined)?.template.spec.containers[0]?.image;
}

function setConfig(scene: Scene, data: Record<string, string>): void {
  const found = structuredClone(scene.store.get("configmaps", "test", "settings"));
  if (found === undefined) throw new Error("no ConfigMap");
  scene.store.update("configmaps", { ...found, data });
}

function copy(scene: Scene): KubeObject | undefined {
  return scene.store.get("configmaps", "test", "settings-primary");
}

const runs = (scene: Scene): number => scene.status().counters?.runs ?? 0;

async function released(scene: Scene, colour: string): Promise<void> {
  const before = runs(scene);
  setConfig(scene, { COLOUR: colour });
  expect(await scene.until(() => runs(scene) === before + 1 && scene.status().phase === "Succeeded", 300)).toBe(true);
  await scene.advance(20_000);
  expect([runs(scene), copy(scene)?.data]).toEqual([before + 1, { COLOUR: colour }]);
}

test("every phase is there", () => {
  expect(PHASES).toEqual(["Initializing", "Draining", "Initialized", "Waiting", "Progressing 0", "Progressing 20", "WaitingPromotion", "Promoting", "Finalising", "Succeeded", "Failed", "PromotionBlocked"]);
});

describe("at rest", () => {
  test.each([["Initialized", "1.0.0"], ["Succeeded", "2.0.0"], ["Failed", "1.0.0"]])("%s: nothing begins, no pod is made anew, and a ConfigMap is released from then on", async (phase, tag) => {
    const scene = await left(phase);
    const [before, known] = [primaryPods(scene), runs(scene)];
    expect(before).toHaveLength(2);
    scene.start("new");
    await scene.advance(60_000);
    expect(scene.trace).toEqual([`${phase} 0`]);
    expect([primaryPods(scene), runs(scene), image(scene, "app-primary"), scene.lost]).toEqual([before, known, `sandbox/app:${tag}`, []]);
    expect(scene.status().trackedConfigs).toHaveProperty("configmap/settings");
    if (phase !== "Failed") await released(scene, "blue");
    else {
      // What failed is tried again with the new content, and fails again.
      setConfig(scene, { COLOUR: "blue" });
      expect(await scene.until(() => runs(scene) === known + 1 && scene.status().phase === "Failed" && scene.status().run?.outcome === "RolledBack", 300)).toBe(true);
      expect([image(scene, "app-primary"), primaryPods(scene)]).toEqual([`sandbox/app:${tag}`, before]);
    }
    expect(scene.lost).toEqual([]);
    await scene.end();
  });
});

describe("under way", () => {
  test.each([["Initializing", "Initialized", 0], ["Draining", "Initialized", 0], ["Waiting", "Succeeded", 1], ["Progressing 0", "Succeeded", 1], ["Progressing 20", "Succeeded", 1], ["Promoting", "Succeeded", 1], ["Finalising", "Succeeded", 1]])("%s goes on to %s", async (phase, end, expected) => {
    const scene = await left(phase);
    scene.start("new");
    expect(await scene.until(() => scene.status().phase === end, 200)).toBe(true);
    await scene.advance(30_000);
    const before = primaryPods(scene);
    await scene.advance(30_000);
    expect([scene.status().phase, runs(scene), image(scene, "app-primary"), primaryPods(scene), scene.lost]).toEqual([end, expected, end === "Succeeded" ? "sandbox/app:2.0.0" : "sandbox/app:1.0.0", before, []]);
    await released(scene, "blue");
    expect(scene.lost).toEqual([]);
    await scene.end();
  });

  test("a gate that holds a promotion goes on holding it", async () => {
    const scene = await left("WaitingPromotion");
    scene.hooks = 403;
    scene.start("new");
    await scene.advance(60_000);
    expect([scene.status().phase, scene.status().route?.canaryWeight, image(scene, "app-primary")]).toEqual(["WaitingPromotion", 60, "sandbox/app:1.0.0"]);
    scene.hooks = 200;
    expect(await scene.until(() => scene.status().phase === "Succeeded", 100)).toBe(true);
    expect([runs(scene), image(scene, "app-primary"), scene.lost]).toEqual([1, "sandbox/app:2.0.0", []]);
    await scene.end();
  });

  test("a promotion that is blocked stays with the canary, and is mended by the ConfigMap that blocked it", async () => {
    const scene = await left("PromotionBlocked");
    scene.start("new");
    await scene.advance(60_000);
    expect([scene.status().phase, scene.status().route?.canaryWeight, runs(scene)]).toEqual(["Failed", 100, 1]);
    setConfig(scene, { COLOUR: "blue" });
    await scene.advance(300_000);
    expect(scene.status()).toMatchObject({ phase: "Succeeded", route: { canaryWeight: 0 } });
    expect(scene.lost).toEqual([]);
    await scene.end();
  });
});
