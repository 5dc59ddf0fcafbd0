// An app that Flagger rolled out: its primary, copies and status are taken over as they are, no rollout starts, no pod is made anew and no request lost.
import { expect, test } from "@jest/globals";
import type { KubeObject } from "../../sandbox/api/types.ts";
import { Scene } from "../../sandbox/simulation/scene.ts";
import { canaryOf, deploymentOf } from "../../sandbox/simulation/story.ts";

const CANARIES = "canaries.flagger.app";

interface Left {
  phase: string;
  /** Of the target, at rest or not. */
  tag?: string;
  replicas?: number;
  weight?: number;
  settings?: Record<string, string>;
}

/** What Flagger leaves in a namespace, with the marks and names that it gives. */
async function left({ phase, tag = "1.0.0", replicas = 0, weight = 0, settings = { ERROR_RATE: "0" } }: Left): Promise<Scene> {
  const scene = new Scene(5);
  scene.groups = ["flagger.app"];
  const { store } = scene;
  const canary = canaryOf({ revertOnDeletion: false });
  const { analysis } = canary.spec as { analysis: object };
  const made = store.create(CANARIES, { ...canary, apiVersion: "flagger.app/v1beta1", spec: { ...(canary.spec as object), drainSeconds: undefined, analysis: { ...analysis, interval: "10s" } } });
  const owner = [{ apiVersion: "flagger.app/v1beta1", kind: "Canary", name: "app", uid: made.metadata.uid ?? "", controller: true, blockOwnerDeletion: true }];
  const named = (name: string, labels: Record<string, string> = {}): KubeObject["metadata"] => ({ name, namespace: "test", labels, ownerReferences: owner });
  store.create("configmaps", { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings", namespace: "test" }, data: settings });
  store.create("configmaps", { apiVersion: "v1", kind: "ConfigMap", metadata: named("settings-primary"), data: { ERROR_RATE: "0" } });
  const workload = (name: string, image: string, count: number, config: string, metadata: KubeObject["metadata"], annotations = {}): KubeObject => {
    const base = structuredClone(deploymentOf(image, count));
    const spec = base.spec as { selector: object; template: { metadata: object; spec: { containers: object[] } } };
    spec.selector = { matchLabels: { app: name } };
    spec.template.metadata = { labels: { app: name }, annotations };
    for (const container of spec.template.spec.containers) Object.assign(container, { envFrom: [{ configMapRef: { name: config } }] });
    return { ...base, metadata };
  };
  store.create("deployments.apps", workload("app", tag, replicas, "settings", { name: "app", namespace: "test" }));
  store.create("deployments.apps", workload("app-primary", "1.0.0", 2, "settings-primary", named("app-primary", { app: "app-primary" }), { "flagger-id": "2f1f9bd3-3ac1-4f6b-9fe1-52e4a1b1a001" }));
  const service = (name: string, app: string): void => void store.create("services", { apiVersion: "v1", kind: "Service", metadata: named(name), spec: { selector: { app }, ports: [{ name: "http", port: 8080, targetPort: 8080, protocol: "TCP" }] } });
  service("app", "app-primary");
  service("app-primary", "app-primary");
  service("app-canary", "app");
  const route = { route: [{ destination: { host: "app-primary" }, weight: 100 - weight }, { destination: { host: "app-canary" }, weight }] };
  store.create("virtualservices.networking.istio.io", { apiVersion: "networking.istio.io/v1", kind: "VirtualService", metadata: named("app"), spec: { hosts: ["app.test", "app"], gateways: ["istio-system/public-gateway"], http: [route] } });
  for (const host of ["app-primary", "app-canary"]) store.create("destinationrules.networking.istio.io", { apiVersion: "networking.istio.io/v1", kind: "DestinationRule", metadata: named(host), spec: { host } });
  const hash = "5f8f8c7d9b";
  const status = { phase, canaryWeight: weight, failedChecks: 0, iterations: 0, lastAppliedSpec: hash, lastPromotedSpec: phase === "Progressing" ? "76c5f8b5d4" : hash, lastTransitionTime: "2029-12-31T23:00:00Z", trackedConfigs: { "configmap/settings": "0000000000000000" }, conditions: [{ type: "Promoted", status: phase === "Progressing" ? "Unknown" : "True", reason: phase, message: "as Flagger has it" }] };
  store.update(CANARIES, { ...made, status }, "status");
  await scene.advance(5000, false);
  return scene;
}

const status = (scene: Scene) => (scene.store.get(CANARIES, "test", "app")?.status ?? {}) as { phase?: string; canaryWeight?: number; counters?: { runs: number }; run?: { outcome?: string; images: string[] }; route?: { canaryWeight: number; appliedAt?: string } };
const pods = (scene: Scene): string[] => scene.store.list("pods").filter(({ metadata }) => metadata.labels?.app === "app-primary" && metadata.deletionTimestamp === undefined).map(({ metadata }) => metadata.uid ?? "").sort();

function setImage(scene: Scene, tag: string): void {
  const found = structuredClone(scene.store.get("deployments.apps", "test", "app"));
  if (found === undefined) throw new Error("no target");
  for (const container of (found.spec as { template: { spec: { containers: { image: string }[] } } }).template.spec.containers) container.image = `sandbox/app:${tag}`;
  scene.store.update("deployments.apps", found);
}

test.each(["Succeeded", "Initialized", "Failed"])("one at rest in %s stays as it is, and its next release is a run", async (phase) => {
  const scene = await left({ phase });
  const before = pods(scene);
  scene.start("one");
  expect(await scene.until(() => ["Initialized", "Succeeded"].includes(status(scene).phase ?? "") && status(scene).route?.appliedAt !== undefined, 60)).toBe(true);
  await scene.advance(30_000);
  expect(status(scene).counters?.runs ?? 0).toBe(0);
  expect(pods(scene)).toEqual(before);
  expect(scene.lost).toEqual([]);
  setImage(scene, "2.0.0");
  expect(await scene.until(() => status(scene).run?.outcome === "Promoted", 400)).toBe(true);
  expect(status(scene).counters?.runs).toBe(1);
  expect(scene.lost).toEqual([]);
  await scene.end();
});

test("a change of a ConfigMap after the take-over is a release, and the copy that Flagger made follows it", async () => {
  const scene = await left({ phase: "Succeeded" });
  scene.start("one");
  expect(await scene.until(() => status(scene).route?.appliedAt !== undefined, 60)).toBe(true);
  await scene.advance(20_000);
  const settings = structuredClone(scene.store.get("configmaps", "test", "settings"));
  if (settings === undefined) throw new Error("no settings");
  scene.store.update("configmaps", { ...settings, data: { ERROR_RATE: "0", COLOUR: "blue" } });
  expect(await scene.until(() => status(scene).run?.outcome === "Promoted", 400)).toBe(true);
  expect(scene.store.get("configmaps", "test", "settings-primary")?.data).toEqual({ ERROR_RATE: "0", COLOUR: "blue" });
  expect(scene.lost).toEqual([]);
  await scene.end();
});

test("a change that came while nobody looked is released, not taken for promoted", async () => {
  const scene = await left({ phase: "Succeeded", settings: { ERROR_RATE: "0.7" } });
  scene.start("one");
  expect(await scene.until(() => status(scene).phase === "Failed", 300)).toBe(true);
  expect(scene.store.get("configmaps", "test", "settings-primary")?.data).toEqual({ ERROR_RATE: "0" });
  await scene.end();
});

test("one that is caught under weight: its users are led back, and the revision is analysed from the beginning", async () => {
  const scene = await left({ phase: "Progressing", tag: "2.0.0", replicas: 2, weight: 40 });
  const before = pods(scene);
  scene.start("one");
  expect(await scene.until(() => status(scene).route?.canaryWeight === 0, 30)).toBe(true);
  expect(await scene.until(() => status(scene).run?.outcome === "Promoted", 600)).toBe(true);
  expect(status(scene).run?.images).toEqual(["sandbox/app:2.0.0"]);
  expect(pods(scene)).not.toEqual(before);
  expect(scene.lost).toEqual([]);
  await scene.end();
});
