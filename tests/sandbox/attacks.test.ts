// Attacks that a reviewer found open: each a life in virtual time, with traffic flowing, that once lost requests or left a bad version in front of users.
import { expect, test } from "@jest/globals";
import type { KubeObject } from "../../sandbox/api/types.ts";
import { Scene } from "../../sandbox/simulation/scene.ts";
import { canaryOf, furnish, setImage } from "../../sandbox/simulation/furniture.ts";

const CANARIES = "canaries.rollout.kurator.dev";
const ROUTES = "virtualservices.networking.istio.io";

async function begun(spec: object = {}, name = "app"): Promise<Scene> {
  const scene = new Scene(42);
  await furnish(scene, "1.0.0");
  scene.start("one");
  const canary = canaryOf(spec);
  scene.store.create(CANARIES, { ...canary, metadata: { ...canary.metadata, name } });
  expect(await scene.until(() => scene.status(name).phase === "Initialized", 60)).toBe(true);
  return scene;
}

async function atWeight(weight: number, spec: object = {}): Promise<Scene> {
  const scene = await begun(spec);
  setImage(scene, "2.0.0");
  expect(await scene.until(() => scene.status().route?.canaryWeight === weight, 200)).toBe(true);
  await scene.advance(1500);
  return scene;
}

function edit(scene: Scene, resource: string, name: string, change: (object: KubeObject) => void): void {
  const found = scene.store.get(resource, "test", name);
  if (found === undefined) throw new Error(`no ${resource} ${name}`);
  const copy = structuredClone(found);
  change(copy);
  scene.store.update(resource, copy);
}

function weights(scene: Scene): Record<string, number> {
  const spec = scene.store.get(ROUTES, "test", "app")?.spec as { http: { route: { destination: { host: string }; weight?: number }[] }[] } | undefined;
  return Object.fromEntries((spec?.http[0]?.route ?? []).map(({ destination, weight }) => [destination.host, weight ?? 100]));
}

function replicas(scene: Scene, name: string): number {
  return (scene.store.get("deployments.apps", "test", name)?.spec as { replicas: number }).replicas;
}

test("the target is deleted under weight: its traffic is led back", async () => {
  const scene = await atWeight(40);
  scene.store.delete("deployments.apps", "test", "app");
  expect(await scene.until(() => weights(scene)["app-canary"] === 0, 10)).toBe(true);
  const lost = scene.lost.length;
  await scene.advance(60_000);
  expect(scene.lost.length).toBe(lost);
  await scene.end();
});

test("a version that answers nothing but 500 is failed, not waited for", async () => {
  const scene = await begun();
  edit(scene, "deployments.apps", "app", (object) => {
    const [container] = (object.spec as { template: { spec: { containers: { image: string; env?: object[] }[] } } }).template.spec.containers;
    Object.assign(container ?? {}, { image: "sandbox/app:2.0.0-errors", env: [{ name: "ERROR_RATE", value: "1" }] });
  });
  expect(await scene.until(() => scene.status().phase === "Failed", 120)).toBe(true);
  expect(scene.status().run).toMatchObject({ outcome: "RolledBack", reason: "ChecksFailed" });
  await scene.end();
});

test("an autoscaler of the primary is not undone by the promotion", async () => {
  const scene = await begun();
  edit(scene, "deployments.apps", "app-primary", (object) => Object.assign(object.spec as object, { replicas: 8 }));
  await scene.advance(15_000);
  setImage(scene, "2.0.0");
  expect(await scene.until(() => scene.status().phase === "Promoting", 300)).toBe(true);
  await scene.advance(2000);
  expect(replicas(scene, "app-primary")).toBe(8);
  expect(await scene.until(() => scene.status().phase === "Succeeded", 100)).toBe(true);
  expect([replicas(scene, "app-primary"), scene.lost.length]).toEqual([8, 0]);
  await scene.end();
});

test("replicas that the owner changed are what the primary gets", async () => {
  const scene = await begun();
  edit(scene, "deployments.apps", "app", (object) => Object.assign(object.spec as object, { replicas: 3 }));
  await scene.advance(5000);
  setImage(scene, "2.0.0");
  expect(await scene.until(() => scene.status().phase === "Succeeded", 300)).toBe(true);
  expect(replicas(scene, "app-primary")).toBe(3);
  await scene.end();
});

test("somebody who fights for the route cannot keep a rollback from it", async () => {
  const scene = await atWeight(20);
  for (let round = 0; round < 16; round += 1) {
    edit(scene, ROUTES, "app", (object) => Object.assign(object.spec as object, { hosts: ["app.test"] }));
    await scene.advance(250);
  }
  setImage(scene, "3.0.0");
  expect(await scene.until(() => weights(scene)["app-canary"] === 0, 5)).toBe(true);
  await scene.end();
});

test("a primary that is kept from being ready does not end the watch over the canary", async () => {
  const scene = await begun();
  setImage(scene, "2.0.0-errors");
  expect(await scene.until(() => scene.status().route?.canaryWeight === 20, 200)).toBe(true);
  edit(scene, "deployments.apps", "app-primary", (object) => Object.assign(object.spec as object, { progressDeadlineSeconds: 600, minReadySeconds: 500 }));
  expect(await scene.until(() => scene.status().phase === "Failed", 120)).toBe(true);
  expect(await scene.until(() => weights(scene)["app-canary"] === 0, 5)).toBe(true);
  await scene.end();
});

test("a spec that goes bad under weight holds the weight, and a target that vanishes still brings it back", async () => {
  const scene = await atWeight(40);
  edit(scene, CANARIES, "app", (object) => Object.assign(object.spec as object, { metricsServer: "not a url" }));
  await scene.advance(3000);
  expect(weights(scene)["app-canary"]).toBe(40);
  scene.store.delete("deployments.apps", "test", "app");
  expect(await scene.until(() => weights(scene)["app-canary"] === 0, 10)).toBe(true);
  expect(scene.status().phase).toBe("Failed");
  await scene.end();
});

test.each([true, false])("a Canary of another name than its app, revertOnDeletion %s, gives the adopted route back and deletes none", async (revertOnDeletion) => {
  const scene = await begun({ revertOnDeletion }, "my-release");
  scene.store.delete(CANARIES, "test", "my-release");
  await scene.advance(40_000);
  expect(scene.store.get(ROUTES, "test", "app")?.spec).toMatchObject({ http: [{ route: [{ destination: { host: "app" } }] }] });
  expect((scene.store.get("services", "test", "app")?.spec as { selector: object }).selector).toEqual({ app: "app" });
  expect(replicas(scene, "app")).toBe(2);
  if (revertOnDeletion) expect(scene.lost).toEqual([]);
  await scene.end();
});

test("the primary vanishes together with its Canary: the app comes back all the same", async () => {
  const scene = await begun({}, "my-release");
  scene.store.delete("deployments.apps", "test", "app-primary");
  scene.store.delete(CANARIES, "test", "my-release");
  await scene.advance(40_000);
  expect(weights(scene)).toEqual({ app: 100 });
  expect(replicas(scene, "app")).toBe(2);
  await scene.end();
});

test("Canary and app are deleted at one time: nothing that the engine made is left", async () => {
  const scene = new Scene(42);
  await furnish(scene, "1.0.0");
  scene.store.delete(ROUTES, "test", "app");
  scene.start("one");
  scene.store.create(CANARIES, canaryOf());
  expect(await scene.until(() => scene.status().phase === "Initialized", 60)).toBe(true);
  expect(scene.store.get(ROUTES, "test", "app")).toBeDefined();
  scene.store.delete("deployments.apps", "test", "app");
  scene.store.delete(CANARIES, "test", "app");
  const left = (): string[] => ["deployments.apps", ROUTES, "destinationrules.networking.istio.io", "controllerrevisions.apps"].flatMap((resource) => scene.store.list(resource, "test").map(({ metadata }) => `${resource} ${metadata.name}`));
  expect(await scene.until(() => left().length === 0, 120) ? [] : left()).toEqual([]);
  await scene.end();
});

test("a Canary that is made anew and deleted again drains again", async () => {
  const scene = await begun({ drainSeconds: 10 });
  const primary = (): KubeObject | undefined => scene.store.get("deployments.apps", "test", "app-primary");
  scene.store.delete(CANARIES, "test", "app");
  expect(await scene.until(() => primary()?.metadata.annotations?.["rollout.kurator.dev/drain-until"] !== undefined, 60)).toBe(true);
  scene.store.create(CANARIES, canaryOf({ drainSeconds: 10 }));
  expect(await scene.until(() => scene.status().phase === "Initialized", 120)).toBe(true);
  await scene.advance(60_000);
  scene.store.delete(CANARIES, "test", "app");
  expect(await scene.until(() => weights(scene)["app-primary"] === undefined, 60)).toBe(true);
  const returned = scene.nowMs;
  expect(await scene.until(() => primary() === undefined, 60)).toBe(true);
  expect(scene.nowMs - returned).toBeGreaterThan(9_000);
  expect(scene.lost).toEqual([]);
  await scene.end();
});

test("revisions that nobody needs any more are removed", async () => {
  const scene = await begun();
  for (let version = 2; version < 11; version += 1) {
    setImage(scene, `${version}.0.0`);
    expect(await scene.until(() => scene.status().phase === "Progressing", 50)).toBe(true);
    expect(await scene.until(() => scene.status().phase === "Succeeded", 300)).toBe(true);
  }
  await scene.advance(20_000);
  expect(scene.store.list("controllerrevisions.apps", "test").length).toBeLessThanOrEqual(6);
  await scene.end();
});

test("replicas and selector put back at one time are both repaired", async () => {
  const scene = await begun();
  edit(scene, "deployments.apps", "app", (object) => Object.assign(object.spec as object, { replicas: 2 }));
  edit(scene, "services", "app", (object) => Object.assign(object.spec as object, { selector: { app: "app" } }));
  expect(await scene.until(() => replicas(scene, "app") === 0, 10)).toBe(true);
  expect((scene.store.get("services", "test", "app")?.spec as { selector: object }).selector).toEqual({ app: "app-primary" });
  expect(scene.lost).toEqual([]);
  await scene.end();
});

test("one ConfigMap freezes every rollout, and its removal lets them go on", async () => {
  const scene = await atWeight(20);
  scene.store.create("configmaps", { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "kurator-rollout-freeze", namespace: "default" }, data: { reason: "incident 7" } });
  await scene.advance(60_000);
  expect(scene.status()).toMatchObject({ phase: "Progressing", route: { canaryWeight: 20 } });
  scene.store.delete("configmaps", "default", "kurator-rollout-freeze");
  expect(await scene.until(() => scene.status().phase === "Succeeded", 200)).toBe(true);
  expect(scene.lost).toEqual([]);
  await scene.end();
});
