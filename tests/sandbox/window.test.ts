// Is the way back really there after a promotion: at once where the pods were kept, by itself where a limit breaks, and never at the price of a request?
import { expect, test } from "@jest/globals";
import type { KubeObject } from "../../sandbox/api/types.ts";
import { Scene } from "../../sandbox/simulation/scene.ts";
import { canaryOf, furnish, setImage } from "../../sandbox/simulation/furniture.ts";

const CANARIES = "canaries.rollout.kurator.dev";
const DEPLOYMENTS = "deployments.apps";

async function promoted(rollbackWindow: object, seed = 21): Promise<Scene> {
  const scene = new Scene(seed);
  scene.store.create("configmaps", { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings", namespace: "test", annotations: { "rollout.kurator.dev/config-tracking": "live" } }, data: { ERROR_RATE: "0" } });
  await furnish(scene, "1.0.0");
  const target = structuredClone(deployment(scene, "app"));
  const [container] = (target?.spec as { template: { spec: { containers: object[] } } }).template.spec.containers;
  Object.assign(container ?? {}, { envFrom: [{ configMapRef: { name: "settings" } }] });
  if (target !== undefined) scene.store.update(DEPLOYMENTS, target);
  await scene.advance(5000);
  scene.start("one");
  scene.store.create(CANARIES, canaryOf({ rollbackWindow }));
  expect(await scene.until(() => scene.status().phase === "Initialized", 60)).toBe(true);
  setImage(scene, "2.0.0");
  expect(await scene.until(() => scene.status().phase === "Succeeded", 300)).toBe(true);
  await scene.advance(3000);
  return scene;
}

function deployment(scene: Scene, name: string): KubeObject | undefined {
  return scene.store.get(DEPLOYMENTS, "test", name);
}

function setRate(scene: Scene, rate: string): void {
  const found = structuredClone(scene.store.get("configmaps", "test", "settings"));
  if (found !== undefined) scene.store.update("configmaps", { ...found, data: { ERROR_RATE: rate } });
}

function imageOf(scene: Scene, name: string): string | undefined {
  return (deployment(scene, name)?.spec as { template: { spec: { containers: { image: string }[] } } } | undefined)?.template.spec.containers[0]?.image;
}

function leadsTo(scene: Scene, service: string): unknown {
  return (scene.store.get("services", "test", service)?.spec as { selector: { app: string } }).selector.app;
}

function act(scene: Scene, words: string): void {
  const canary = structuredClone(scene.store.get(CANARIES, "test", "app"));
  if (canary === undefined) throw new Error("no Canary");
  canary.metadata.annotations = { "rollout.kurator.dev/action": `${words} run=${scene.status().run?.id ?? ""} by=test` };
  scene.store.update(CANARIES, canary);
}

test("the pods of the revision before are kept, take everything at once when asked to, and go when the primary is back", async () => {
  const scene = await promoted({ duration: "10m" });
  expect([imageOf(scene, "app-previous"), imageOf(scene, "app-primary")]).toEqual(["sandbox/app:1.0.0", "sandbox/app:2.0.0"]);
  expect(leadsTo(scene, "app-primary")).toBe("app-primary");
  act(scene, "rollback");
  expect(await scene.until(() => leadsTo(scene, "app-primary") === "app-previous" && leadsTo(scene, "app") === "app-previous", 1)).toBe(true);
  await scene.advance(300);
  const before = scene.versions.get("2.0.0") ?? 0;
  // The primary still runs the revision that was left, but nobody gets it.
  expect(imageOf(scene, "app-primary")).toBe("sandbox/app:2.0.0");
  expect(await scene.until(() => deployment(scene, "app-previous") === undefined, 60)).toBe(true);
  expect(scene.versions.get("2.0.0")).toBe(before);
  expect([imageOf(scene, "app-primary"), leadsTo(scene, "app-primary"), leadsTo(scene, "app")]).toEqual(["sandbox/app:1.0.0", "app-primary", "app-primary"]);
  expect(scene.status()).toMatchObject({ phase: "Failed", run: { outcome: "Undone", reason: "RollbackAction" } });
  expect(scene.lost).toEqual([]);
  await scene.end();
});

test("a limit that breaks after the promotion goes back by itself", async () => {
  const scene = await promoted({ duration: "10m" });
  // A release may be bad only later, as when what its pods read, and no copy is made of, goes bad.
  setRate(scene, "1");
  for (const { metadata } of scene.store.list("pods").filter((pod) => pod.metadata.labels?.app === "app-primary")) scene.store.delete("pods", "test", metadata.name);
  expect(await scene.until(() => scene.status().phase === "Failed", 120)).toBe(true);
  expect(scene.status()).toMatchObject({ run: { outcome: "Undone", reason: "LimitBroken" }, rollbackWindow: { serving: true } });
  setRate(scene, "0");
  expect(await scene.until(() => scene.status().rollbackWindow === undefined, 60)).toBe(true);
  expect(imageOf(scene, "app-primary")).toBe("sandbox/app:1.0.0");
  await scene.end();
});

test("the window closes in time, or with the next revision, and leaves nothing", async () => {
  const scene = await promoted({ duration: "1m" });
  expect(deployment(scene, "app-previous")).toBeDefined();
  expect(await scene.until(() => deployment(scene, "app-previous") === undefined, 70)).toBe(true);
  expect(scene.status()).toMatchObject({ phase: "Succeeded" });
  expect(scene.status().rollbackWindow).toBeUndefined();
  setImage(scene, "3.0.0");
  expect(await scene.until(() => scene.status().phase === "Succeeded" && scene.status().run?.images[0] === "sandbox/app:3.0.0", 300)).toBe(true);
  await scene.advance(3000);
  expect(imageOf(scene, "app-previous")).toBe("sandbox/app:2.0.0");
  setImage(scene, "4.0.0");
  expect(await scene.until(() => scene.status().phase === "Progressing" && deployment(scene, "app-previous") === undefined, 20)).toBe(true);
  expect(scene.lost).toEqual([]);
  await scene.end();
});

test("without kept pods the action rolls the primary back, and nothing runs beside it", async () => {
  const scene = await promoted({ duration: "10m", keepPods: false });
  expect(deployment(scene, "app-previous")).toBeUndefined();
  act(scene, "rollback");
  expect(await scene.until(() => imageOf(scene, "app-primary") === "sandbox/app:1.0.0", 5)).toBe(true);
  await scene.advance(10_000);
  expect(leadsTo(scene, "app-primary")).toBe("app-primary");
  expect(scene.lost).toEqual([]);
  await scene.end();
});

test("an engine that is killed at every turn of the way back ends in the same place", async () => {
  const scene = await promoted({ duration: "10m" });
  act(scene, "rollback");
  for (let turn = 0; turn < 20; turn += 1) {
    await scene.advance(150 + 130 * turn);
    scene.kill(turn === 0 ? "one" : `engine-${turn - 1}`);
    scene.start(`engine-${turn}`);
  }
  expect(await scene.until(() => scene.status().phase === "Failed" && scene.status().rollbackWindow === undefined && deployment(scene, "app-previous") === undefined, 200)).toBe(true);
  expect([imageOf(scene, "app-primary"), leadsTo(scene, "app-primary"), leadsTo(scene, "app")]).toEqual(["sandbox/app:1.0.0", "app-primary", "app-primary"]);
  expect(scene.lost).toEqual([]);
  await scene.end();
});

test("a Canary that is deleted while the kept pods serve gives the app back without a loss", async () => {
  const scene = await promoted({ duration: "10m" });
  act(scene, "rollback");
  expect(await scene.until(() => leadsTo(scene, "app-primary") === "app-previous", 5)).toBe(true);
  scene.store.delete(CANARIES, "test", "app");
  expect(await scene.until(() => deployment(scene, "app-primary") === undefined && deployment(scene, "app-previous") === undefined, 100)).toBe(true);
  expect(leadsTo(scene, "app")).toBe("app");
  expect(scene.lost).toEqual([]);
  await scene.end();
});

test("a revision that is pushed while the kept pods serve waits for the primary, and an edit of the window takes nothing from under them", async () => {
  const scene = await promoted({ duration: "10m" });
  act(scene, "rollback");
  expect(await scene.until(() => leadsTo(scene, "app-primary") === "app-previous", 5)).toBe(true);
  const canary = structuredClone(scene.store.get(CANARIES, "test", "app"));
  if (canary === undefined) throw new Error("no Canary");
  const { rollbackWindow: _, ...spec } = canary.spec as { rollbackWindow: object };
  scene.store.update(CANARIES, { ...canary, spec });
  setImage(scene, "3.0.0");
  expect(await scene.until(() => scene.status().run?.outcome === "Promoted" && scene.status().run?.images[0] === "sandbox/app:3.0.0", 400)).toBe(true);
  expect([imageOf(scene, "app-primary"), leadsTo(scene, "app-primary"), deployment(scene, "app-previous")]).toEqual(["sandbox/app:3.0.0", "app-primary", undefined]);
  expect(scene.lost).toEqual([]);
  await scene.end();
});
