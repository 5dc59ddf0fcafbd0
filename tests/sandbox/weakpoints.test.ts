// What Flagger is known to be weak at, and users ask for: lives in virtual time for what no other test of the sandbox shows.
import { describe, expect, test } from "@jest/globals";
import type { KubeObject } from "../../sandbox/api/types.ts";
import { Scene } from "../../sandbox/simulation/scene.ts";
import { canaryOf, furnish, setImage } from "../../sandbox/simulation/furniture.ts";

const CANARIES = "canaries.rollout.kurator.dev";
const DEPLOYMENTS = "deployments.apps";
const ROUTES = "virtualservices.networking.istio.io";

async function begun(spec: object = {}, analysis: object = {}): Promise<Scene> {
  const scene = new Scene(17);
  await furnish(scene, "1.0.0");
  scene.start("one");
  const canary = canaryOf(spec);
  const given = canary.spec as { analysis: object };
  scene.store.create(CANARIES, { ...canary, spec: { ...given, analysis: { ...given.analysis, ...analysis } } });
  expect(await scene.until(() => scene.status().phase === "Initialized", 60)).toBe(true);
  return scene;
}

function edit(scene: Scene, resource: string, name: string, change: (object: KubeObject) => void): void {
  const copy = structuredClone(scene.store.get(resource, "test", name));
  if (copy === undefined) throw new Error(`no ${resource} ${name}`);
  change(copy);
  scene.store.update(resource, copy);
}

function weights(scene: Scene): Record<string, number> {
  const spec = scene.store.get(ROUTES, "test", "app")?.spec as { http: { route: { destination: { host: string }; weight?: number }[] }[] };
  return Object.fromEntries((spec.http[0]?.route ?? []).map(({ destination, weight }) => [destination.host, weight ?? 100]));
}

function setWeights(scene: Scene, primary: number): void {
  edit(scene, ROUTES, "app", ({ spec }) => Object.assign((spec as { http: { route: object[] }[] }).http[0] ?? {}, { route: [{ destination: { host: "app-primary" }, weight: primary }, { destination: { host: "app-canary" }, weight: 100 - primary }] }));
}

function workload(scene: Scene, name: string): { replicas: number; template: { spec: { containers: { image: string }[] } } } | undefined {
  return scene.store.get(DEPLOYMENTS, "test", name)?.spec as { replicas: number; template: { spec: { containers: { image: string }[] } } } | undefined;
}

describe("load and latency", () => {
  test("an idle Canary costs no request but the lease and the watches", async () => {
    const scene = new Scene(17);
    await furnish(scene, "1.0.0");
    const asked: string[] = [];
    const plain = scene.network.transport.bind(scene.network);
    scene.network.transport = (alive) => {
      const { request, stream } = plain(alive);
      return { stream, request: (sent) => (asked.push(`${sent.method} ${sent.path}`), request(sent)) };
    };
    scene.start("one");
    scene.store.create(CANARIES, canaryOf({}));
    expect(await scene.until(() => scene.status().phase === "Initialized", 60)).toBe(true);
    await scene.advance(30_000);
    asked.length = 0;
    await scene.advance(600_000, false);
    // Whether the Gateway API has been installed meanwhile is asked now and then, once for all Canaries.
    expect(asked.filter((request) => !request.includes("/leases/") && !request.includes("/gateway.networking.k8s.io/"))).toEqual([]);
    await scene.end();
  });

  test("with an interval of ten minutes only checks take that long: taking over, the first weight and a crash do not wait for it", async () => {
    const scene = await begun({}, { interval: "10m" });
    setImage(scene, "2.0.0");
    expect(await scene.until(() => scene.status().route?.canaryWeight === 20, 20)).toBe(true);
    setImage(scene, "3.0.0-crash");
    expect(await scene.until(() => weights(scene)["app-canary"] === 0, 2)).toBe(true);
    expect(await scene.until(() => scene.status().phase === "Failed", 120)).toBe(true);
    expect(scene.lost).toEqual([]);
    await scene.end();
  });
});

describe("one run, one end", () => {
  const reading = (name: string) => ({ envFrom: [{ configMapRef: { name } }] });

  test("a revision that reads a ConfigMap that does not exist, and never becomes ready", async () => {
    const scene = await begun();
    edit(scene, DEPLOYMENTS, "app", ({ spec }) => Object.assign((spec as { template: { spec: { containers: object[] } } }).template.spec.containers[0] ?? {}, { image: "sandbox/app:2.0.0-unready", ...reading("missing") }));
    expect(await scene.until(() => scene.status().phase === "Failed", 120)).toBe(true);
    await scene.advance(120_000);
    expect(scene.status()).toMatchObject({ phase: "Failed", counters: { runs: 1 }, run: { reason: "ProgressDeadlineExceeded" } });
    expect(scene.trace.filter((line) => line.startsWith("Progressing"))).toEqual(["Progressing 0"]);
    await scene.end();
  });

  test("a ConfigMap that vanishes in the middle of a run does not keep a bad version from being rolled back", async () => {
    const scene = await begun();
    scene.store.create("configmaps", { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings", namespace: "test" }, data: { COLOUR: "red" } });
    edit(scene, DEPLOYMENTS, "app", ({ spec }) => Object.assign((spec as { template: { spec: { containers: object[] } } }).template.spec.containers[0] ?? {}, { image: "sandbox/app:2.0.0-errors", ...reading("settings") }));
    expect(await scene.until(() => scene.status().route?.canaryWeight === 20, 100)).toBe(true);
    scene.store.delete("configmaps", "test", "settings");
    expect(await scene.until(() => scene.status().phase === "Failed", 200)).toBe(true);
    expect([weights(scene)["app-canary"], workload(scene, "app-primary")?.template.spec.containers[0]?.image]).toEqual([0, "sandbox/app:1.0.0"]);
    await scene.end();
  });
});

describe("routes that somebody edits", () => {
  test("in a run: put back within a second at the weight that was there, and the run goes on", async () => {
    const scene = await begun();
    setImage(scene, "2.0.0");
    expect(await scene.until(() => scene.status().route?.canaryWeight === 40, 200)).toBe(true);
    await scene.advance(1500);
    const run = scene.status().run?.id;
    edit(scene, ROUTES, "app", ({ spec }) => Object.assign(spec as object, { hosts: ["app.test"] }));
    setWeights(scene, 100);
    expect(await scene.until(() => weights(scene)["app-canary"] === 40, 1)).toBe(true);
    expect(await scene.until(() => scene.status().phase === "Succeeded", 200)).toBe(true);
    expect([scene.status().run?.id, scene.lost]).toEqual([run, []]);
    await scene.end();
  });

  test("while a promotion walks back: it does not stop for ever", async () => {
    const scene = await begun({}, { stepWeightPromotion: 20 });
    setImage(scene, "2.0.0");
    expect(await scene.until(() => scene.status().phase === "Promoting", 200)).toBe(true);
    for (let round = 0; round < 5; round += 1) {
      setWeights(scene, 100);
      await scene.advance(700);
    }
    expect(await scene.until(() => scene.status().phase === "Succeeded", 100)).toBe(true);
    expect(scene.lost).toEqual([]);
    await scene.end();
  });
});

test("a primary that somebody deletes after a failure comes back as what was promoted, not as what failed", async () => {
  const scene = await begun();
  setImage(scene, "2.0.0-errors");
  expect(await scene.until(() => scene.status().phase === "Failed", 200)).toBe(true);
  await scene.advance(10_000);
  scene.store.delete(DEPLOYMENTS, "test", "app-primary");
  expect(await scene.until(() => workload(scene, "app-primary") !== undefined, 10)).toBe(true);
  expect([workload(scene, "app-primary")?.template.spec.containers[0]?.image, workload(scene, "app-primary")?.replicas]).toEqual(["sandbox/app:1.0.0", 2]);
  await scene.end();
});

test("skipAnalysis: neither the take-over nor a promotion has a moment without pods", async () => {
  const scene = await begun({ skipAnalysis: true });
  setImage(scene, "2.0.0");
  expect(await scene.until(() => scene.status().phase === "Succeeded", 100)).toBe(true);
  await scene.advance(20_000);
  expect([workload(scene, "app-primary")?.template.spec.containers[0]?.image, scene.lost]).toEqual(["sandbox/app:2.0.0", []]);
  await scene.end();
});

test("two Canaries for one target: the younger one says so, and touches nothing", async () => {
  const scene = await begun();
  await scene.advance(2000);
  scene.store.create(CANARIES, { ...canaryOf({ service: { name: "other", port: 8080 } }), metadata: { name: "younger", namespace: "test" } });
  expect(await scene.until(() => scene.status("younger").conditions?.find(({ type }) => type === "Stalled")?.reason === "DuplicateTarget", 10)).toBe(true);
  await scene.advance(20_000);
  expect([scene.store.get("services", "test", "other-primary"), scene.status("app").phase, scene.lost]).toEqual([undefined, "Initialized", []]);
  await scene.end();
});
