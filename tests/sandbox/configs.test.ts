// Does a change of what pods read reach users step by step, as a change of their image does, and does the primary never read what nobody analysed?
import { expect, test } from "@jest/globals";
import type { KubeObject } from "../../sandbox/api/types.ts";
import { Scene } from "../../sandbox/simulation/scene.ts";
import { canaryOf, furnish, setImage } from "../../sandbox/simulation/furniture.ts";

const CANARIES = "canaries.rollout.kurator.dev";

async function begun(config: Partial<KubeObject> = {}, seed = 7): Promise<Scene> {
  const scene = new Scene(seed);
  scene.store.create("configmaps", { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings", namespace: "test" }, data: { ERROR_RATE: "0" }, ...config });
  await furnish(scene, "1.0.0");
  const target = structuredClone(scene.store.get("deployments.apps", "test", "app"));
  const [container] = (target?.spec as { template: { spec: { containers: object[] } } }).template.spec.containers;
  Object.assign(container ?? {}, { envFrom: [{ configMapRef: { name: "settings" } }] });
  if (target !== undefined) scene.store.update("deployments.apps", target);
  await scene.advance(5000);
  scene.start("one");
  scene.store.create(CANARIES, canaryOf({}));
  expect(await scene.until(() => scene.status().phase === "Initialized", 60)).toBe(true);
  return scene;
}

function set(scene: Scene, data: Record<string, string>, name = "settings"): void {
  const found = structuredClone(scene.store.get("configmaps", "test", name));
  if (found === undefined) throw new Error(`no ConfigMap ${name}`);
  scene.store.update("configmaps", { ...found, data });
}

function data(scene: Scene, name: string): unknown {
  return scene.store.get("configmaps", "test", name)?.data;
}

function snapshots(scene: Scene): KubeObject[] {
  return scene.store.list("configmaps").filter(({ metadata }) => metadata.namespace === "test" && /^settings-[a-z0-9]{10}$/.test(metadata.name));
}

/** Those of the target that are not on their way out. */
function podsOf(scene: Scene): (string | undefined)[] {
  return scene.store.list("pods").filter(({ metadata }) => metadata.labels?.app === "app" && metadata.deletionTimestamp === undefined).map(({ metadata }) => metadata.uid);
}

function primaryReads(scene: Scene): string {
  return JSON.stringify((scene.store.get("deployments.apps", "test", "app-primary")?.spec as { template: object }).template);
}

test("the primary reads a copy of its own; a harmless change is promoted, and only then is the copy changed", async () => {
  const scene = await begun();
  expect(data(scene, "settings-primary")).toEqual({ ERROR_RATE: "0" });
  expect(primaryReads(scene)).toContain('"name":"settings-primary"');
  expect(Object.keys(scene.status().trackedConfigs ?? {})).toEqual(["configmap/settings"]);
  set(scene, { ERROR_RATE: "0", COLOUR: "blue" });
  expect(await scene.until(() => scene.status().phase === "Progressing", 20)).toBe(true);
  expect(await scene.until(() => (scene.status().route?.canaryWeight ?? 0) > 0, 60)).toBe(true);
  expect(data(scene, "settings-primary")).toEqual({ ERROR_RATE: "0" });
  expect(await scene.until(() => scene.status().phase === "Succeeded", 300)).toBe(true);
  expect(data(scene, "settings-primary")).toEqual({ ERROR_RATE: "0", COLOUR: "blue" });
  expect(scene.status().run?.outcome).toBe("Promoted");
  expect(scene.lost).toEqual([]);
  await scene.end();
});

test("a change that makes the app fail is rolled back, and the primary never reads it", async () => {
  const scene = await begun();
  set(scene, { ERROR_RATE: "0.6" });
  expect(await scene.until(() => scene.status().phase === "Failed", 200)).toBe(true);
  expect(scene.status().run).toMatchObject({ outcome: "RolledBack", reason: "ChecksFailed" });
  expect(data(scene, "settings-primary")).toEqual({ ERROR_RATE: "0" });
  // Put back, it is quiet.
  const runs = scene.status().counters?.runs;
  set(scene, { ERROR_RATE: "0" });
  expect(await scene.until(() => scene.status().phase === "Succeeded", 20)).toBe(true);
  expect(scene.status().counters?.runs).toBe(runs);
  await scene.end();
});

test("a change in the middle of a run begins it again, with pods that read it", async () => {
  const scene = await begun();
  setImage(scene, "2.0.0");
  expect(await scene.until(() => scene.status().route?.canaryWeight === 20, 200)).toBe(true);
  const before = scene.status().run?.id;
  const pods = podsOf(scene);
  set(scene, { ERROR_RATE: "0", COLOUR: "green" });
  expect(await scene.until(() => scene.status().run?.id !== before && scene.status().route?.canaryWeight === 0, 20)).toBe(true);
  expect(await scene.until(() => scene.status().route?.canaryWeight === 20, 200)).toBe(true);
  const after = podsOf(scene);
  expect(after).toHaveLength(2);
  expect(after.filter((uid) => pods.includes(uid))).toEqual([]);
  expect(await scene.until(() => scene.status().phase === "Succeeded", 300)).toBe(true);
  expect(data(scene, "settings-primary")).toEqual({ ERROR_RATE: "0", COLOUR: "green" });
  expect(scene.status().history?.[1]).toMatchObject({ outcome: "Superseded" });
  expect(scene.lost).toEqual([]);
  await scene.end();
});

test("the copy is kept as it was promoted: edits and deletions of it are undone, also when the original has moved on", async () => {
  const scene = await begun();
  set(scene, { ERROR_RATE: "0.6" });
  expect(await scene.until(() => scene.status().phase === "Failed", 200)).toBe(true);
  set(scene, { ERROR_RATE: "1" }, "settings-primary");
  expect(await scene.until(() => JSON.stringify(data(scene, "settings-primary")) === '{"ERROR_RATE":"0"}', 20)).toBe(true);
  scene.store.delete("configmaps", "test", "settings-primary");
  expect(await scene.until(() => JSON.stringify(data(scene, "settings-primary")) === '{"ERROR_RATE":"0"}', 20)).toBe(true);
  await scene.end();
});

test("going back to the revision before brings its contents back too", async () => {
  const scene = await begun();
  set(scene, { ERROR_RATE: "0", COLOUR: "blue" });
  expect(await scene.until(() => scene.status().run?.outcome === "Promoted", 400)).toBe(true);
  await scene.advance(5000);
  const canary = structuredClone(scene.store.get(CANARIES, "test", "app"));
  if (canary === undefined) throw new Error("no Canary");
  canary.metadata.annotations = { "rollout.kurator.dev/action": `rollback run=${scene.status().run?.id ?? ""} by=test` };
  scene.store.update(CANARIES, canary);
  expect(await scene.until(() => scene.status().run?.outcome === "Undone", 20)).toBe(true);
  expect(await scene.until(() => JSON.stringify(data(scene, "settings-primary")) === '{"ERROR_RATE":"0"}', 20)).toBe(true);
  await scene.advance(20_000);
  expect(scene.status().phase).toBe("Failed");
  expect(scene.lost).toEqual([]);
  await scene.end();
});

test("immutable and binary contents are copied as they are, and the copy of an immutable one is made anew", async () => {
  const scene = await begun({ immutable: true, binaryData: { blob: "AAEC" } });
  expect(scene.store.get("configmaps", "test", "settings-primary")).toMatchObject({ data: { ERROR_RATE: "0" }, binaryData: { blob: "AAEC" }, immutable: true });
  const uid = scene.store.get("configmaps", "test", "settings-primary")?.metadata.uid;
  scene.store.delete("configmaps", "test", "settings");
  scene.store.create("configmaps", { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings", namespace: "test" }, data: { ERROR_RATE: "0", COLOUR: "red" }, immutable: true });
  expect(await scene.until(() => scene.status().run?.outcome === "Promoted", 400)).toBe(true);
  const copy = scene.store.get("configmaps", "test", "settings-primary");
  expect(copy).toMatchObject({ data: { ERROR_RATE: "0", COLOUR: "red" }, immutable: true });
  expect(copy).not.toHaveProperty("binaryData");
  expect(copy?.metadata.uid).not.toBe(uid);
  await scene.end();
});

test("one that says live is read by the primary itself, and a change of it is no release", async () => {
  const scene = await begun({ metadata: { name: "settings", namespace: "test", annotations: { "rollout.kurator.dev/config-tracking": "live" } } });
  expect(data(scene, "settings-primary")).toBeUndefined();
  expect(primaryReads(scene)).toContain('"name":"settings"');
  set(scene, { ERROR_RATE: "0", COLOUR: "blue" });
  await scene.advance(30_000);
  expect(scene.status()).toMatchObject({ phase: "Initialized", trackedConfigs: {} });
  await scene.end();
});

test("another app's ConfigMap of the copy's name is left alone", async () => {
  const scene = new Scene(3);
  scene.store.create("configmaps", { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings-primary", namespace: "test" }, data: { mine: "yes" } });
  await scene.end();
  const other = await begun({}, 3);
  expect(data(other, "settings-primary")).toEqual({ ERROR_RATE: "0" });
  await other.end();
});

test("two Canaries share a ConfigMap: each is promoted for itself, and the end of one leaves the other's copy", async () => {
  const scene = await begun();
  const target = structuredClone(scene.store.get("deployments.apps", "test", "app"));
  if (target === undefined) throw new Error("no target");
  const spec = target.spec as { replicas: number; selector: object; template: { metadata: object } };
  Object.assign(spec, { replicas: 1, selector: { matchLabels: { app: "other" } } });
  spec.template.metadata = { labels: { app: "other" } };
  scene.store.create("deployments.apps", { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "other", namespace: "test" }, spec });
  const other = canaryOf({ targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "other" }, service: { port: 8080, gateways: ["istio-system/public-gateway"], hosts: ["other.test"] }, suspend: false });
  scene.store.create(CANARIES, { ...other, metadata: { name: "other", namespace: "test" } });
  expect(await scene.until(() => scene.status("other").phase === "Initialized", 60)).toBe(true);
  expect(data(scene, "settings-other-primary")).toEqual({ ERROR_RATE: "0" });
  // Only one of them has traffic, so only that one gets through.
  set(scene, { ERROR_RATE: "0", COLOUR: "blue" });
  expect(await scene.until(() => scene.status().phase === "Succeeded", 400)).toBe(true);
  expect([data(scene, "settings-primary"), data(scene, "settings-other-primary")]).toEqual([{ ERROR_RATE: "0", COLOUR: "blue" }, { ERROR_RATE: "0" }]);
  scene.store.delete(CANARIES, "test", "app");
  expect(await scene.until(() => data(scene, "settings-primary") === undefined, 120)).toBe(true);
  await scene.advance(5000);
  expect(data(scene, "settings-other-primary")).toEqual({ ERROR_RATE: "0" });
  expect(scene.lost).toEqual([]);
  await scene.end();
});

test("what nobody needs any more is removed, and a deleted Canary leaves nothing", async () => {
  const scene = await begun();
  for (let release = 0; release < 8; release += 1) {
    const before = scene.status().run?.id;
    set(scene, { ERROR_RATE: "0", RELEASE: String(release) });
    expect(await scene.until(() => scene.status().run?.id !== before && scene.status().phase === "Succeeded", 400)).toBe(true);
    await scene.advance(5000);
  }
  // The history has five, and the one that is promoted is among them.
  expect(snapshots(scene).length).toBeLessThanOrEqual(7);
  scene.store.delete(CANARIES, "test", "app");
  expect(await scene.until(() => data(scene, "settings-primary") === undefined && snapshots(scene).length === 0, 120)).toBe(true);
  expect(data(scene, "settings")).toEqual({ ERROR_RATE: "0", RELEASE: "7" });
  expect(scene.lost).toEqual([]);
  await scene.end();
});
