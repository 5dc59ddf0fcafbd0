// A core Service as the target: what it leads to is released step by step, and the Service itself is never written.
import { expect, test } from "@jest/globals";
import type { KubeObject } from "../../sandbox/api/types.ts";
import { Scene } from "../../sandbox/simulation/scene.ts";
import { canaryOf, deploymentOf, furnish } from "../../sandbox/simulation/furniture.ts";

const CANARIES = "canaries.rollout.kurator.dev";

/** Another team's Deployments, of which the Service leads to one. */
function backend(scene: Scene, name: string, tag: string): void {
  const made = structuredClone(deploymentOf(tag));
  const labels = { app: name };
  scene.store.create("deployments.apps", { ...made, metadata: { ...made.metadata, name }, spec: { ...(made.spec as object), selector: { matchLabels: labels }, template: { ...(made.spec as { template: object }).template, metadata: { labels } } } });
}

function rate(version: string): object {
  return { name: "errors", interval: "20s", thresholdRange: { max: 1 }, query: `sum(rate(istio_requests_total{destination_service_name="app-canary",response_code=~"5.*"}[20s])) or vector(0) # ${version}` };
}

async function begun(): Promise<Scene> {
  const scene = new Scene(31);
  await furnish(scene, "0.0.0");
  backend(scene, "one", "1.0.0");
  backend(scene, "two", "2.0.0");
  await scene.advance(5000, false);
  const service = structuredClone(scene.store.get("services", "test", "app"));
  if (service === undefined) throw new Error("no Service");
  scene.store.update("services", { ...service, spec: { ...(service.spec as object), selector: { app: "one" } } });
  scene.store.delete("deployments.apps", "test", "app");
  scene.start("one");
  const analysis = { interval: "5s", threshold: 2, maxWeight: 60, stepWeight: 30, metrics: [rate("x")] };
  scene.store.create(CANARIES, canaryOf({ targetRef: { apiVersion: "v1", kind: "Service", name: "app" }, analysis }));
  expect(await scene.until(() => scene.status().phase === "Initialized", 60)).toBe(true);
  return scene;
}

function lead(scene: Scene, app: string): void {
  const service = structuredClone(scene.store.get("services", "test", "app"));
  if (service === undefined) throw new Error("no Service");
  scene.store.update("services", { ...service, spec: { ...(service.spec as object), selector: { app } } });
}

function selectorOf(scene: Scene, name: string): unknown {
  return (scene.store.get("services", "test", name)?.spec as { selector: unknown } | undefined)?.selector;
}

test("a new selector climbs, is promoted into the primary's copy, and nobody writes the Service", async () => {
  const scene = await begun();
  expect(selectorOf(scene, "app-primary")).toEqual({ app: "one" });
  lead(scene, "two");
  const versions = new Set<string | undefined>();
  scene.store.subscribe(({ resource, object }: { resource: string; object: KubeObject }) => {
    if (resource === "services" && object.metadata.name === "app") versions.add(object.metadata.resourceVersion);
  });
  expect(await scene.until(() => scene.status().route?.canaryWeight === 30, 60)).toBe(true);
  expect([selectorOf(scene, "app-primary"), selectorOf(scene, "app-canary")]).toEqual([{ app: "one" }, { app: "two" }]);
  expect(await scene.until(() => scene.status().phase === "Succeeded", 200)).toBe(true);
  expect([selectorOf(scene, "app-primary"), selectorOf(scene, "app")]).toEqual([{ app: "two" }, { app: "two" }]);
  expect(scene.versions.get("2.0.0")).toBeGreaterThan(0);
  expect(versions.size).toBe(0);
  expect(scene.lost).toEqual([]);
  await scene.end();
});

test("a Service that leads to what fails is rolled back", async () => {
  const scene = await begun();
  backend(scene, "three", "3.0.0-errors");
  await scene.advance(3000);
  lead(scene, "three");
  expect(await scene.until(() => scene.status().phase === "Failed", 200)).toBe(true);
  expect(selectorOf(scene, "app-primary")).toEqual({ app: "one" });
  expect(scene.status().run).toMatchObject({ outcome: "RolledBack", reason: "ChecksFailed" });
  await scene.end();
});

test("a deleted Canary leaves the Service, and a route that leads to it", async () => {
  const scene = await begun();
  const before = scene.lost.length;
  scene.store.delete(CANARIES, "test", "app");
  expect(await scene.until(() => scene.store.get("services", "test", "app-primary") === undefined, 60)).toBe(true);
  await scene.advance(5000);
  expect(selectorOf(scene, "app")).toEqual({ app: "one" });
  expect(scene.store.get("services", "test", "app-canary")).toBeUndefined();
  expect(scene.lost.length).toBe(before);
  await scene.end();
});

test("what cannot work says so", async () => {
  const scene = await begun();
  const canary = structuredClone(scene.store.get(CANARIES, "test", "app"));
  if (canary === undefined) throw new Error("no Canary");
  scene.store.update(CANARIES, { ...canary, spec: { ...(canary.spec as object), rollbackWindow: { duration: "1m" } } });
  const stalled = (): unknown => scene.status().conditions?.find(({ type }) => type === "Stalled");
  expect(await scene.until(() => (stalled() as { reason?: string } | undefined)?.reason === "InvalidSpec", 10)).toBe(true);
  expect(stalled()).toMatchObject({ message: expect.stringContaining("rollbackWindow") });
  await scene.end();
});
