// A Knative Service as the target: its Revisions are led to by name, and whichever comes meanwhile has no users before its own run.
import { expect, test } from "@jest/globals";
import { map } from "../../crds/json.ts";
import { canaryOf, change, furnish, setImage } from "../../sandbox/simulation/furniture.ts";
import { Scene, type SceneOptions } from "../../sandbox/simulation/scene.ts";
import { QUIET } from "../../sandbox/simulation/transport.ts";
import { CANARIES, KSERVICES, Knative, knativeCanary, measured, NEWEST, release, serviceIn, serviceOf, trafficIn } from "./knativescene.ts";

interface Played {
  scene: Scene;
  knative: Knative;
  asked: Set<string>;
}

async function furnished(tag = "1.0.0", service = serviceOf(tag), options: SceneOptions = {}): Promise<Played> {
  const scene = new Scene(41, undefined, "own", options);
  const knative = new Knative(scene);
  const asked = measured(scene, knative);
  scene.store.create(KSERVICES, service);
  await scene.advance(6000, false);
  scene.start("one");
  return { scene, knative, asked };
}

async function begun(more: object = {}, analysis: object = {}, options: SceneOptions = {}): Promise<Played> {
  const played = await furnished("1.0.0", undefined, options);
  played.scene.store.create(CANARIES, knativeCanary(more, analysis));
  const done = await played.scene.until(() => played.scene.status().phase === "Initialized", 60);
  expect([done, played.scene.status().conditions]).toEqual([true, expect.anything()]);
  return played;
}

function led(name: string): unknown {
  return [{ latestRevision: false, revisionName: name, percent: 100 }];
}

function stalled(scene: Scene): { reason?: string; message?: string } | undefined {
  return scene.status().conditions?.find(({ type, status }) => type === "Stalled" && status === "True");
}

test("a release climbs by name across a killed engine and an edit by hand, is promoted, and nothing but the traffic is written", async () => {
  const { scene, knative, asked } = await begun();
  expect(trafficIn(scene)).toEqual(led("app-00001"));
  knative.led.length = 0;
  release(scene, "2.0.0");
  const template = map(serviceIn(scene).spec).template;
  expect(await scene.until(() => scene.status().route?.canaryWeight === 20, 60)).toBe(true);
  scene.kill("one");
  scene.start("two");
  expect(await scene.until(() => scene.status().route?.canaryWeight === 40 && scene.status().route?.appliedAt !== undefined, 100)).toBe(true);
  expect(map(serviceIn(scene).status).traffic).toMatchObject([{ revisionName: "app-00001", percent: 60 }, { revisionName: "app-00002", percent: 40 }]);
  // Somebody leads everybody to the newest: it is put back before Knative gets around to it.
  change(scene, KSERVICES, (object) => Object.assign(map(object.spec), { traffic: NEWEST }));
  expect(await scene.until(() => scene.status().phase === "Succeeded", 300)).toBe(true);
  expect(trafficIn(scene)).toEqual(led("app-00002"));
  expect(map(serviceIn(scene).spec).template).toEqual(template);
  expect(knative.led).toEqual([{ "1.0.0": 80, "2.0.0": 20 }, { "1.0.0": 60, "2.0.0": 40 }, { "1.0.0": 40, "2.0.0": 60 }, { "2.0.0": 100 }]);
  expect([...asked]).toEqual(["app-00002"]);
  for (const kind of ["deployments.apps", "services"]) expect(scene.store.list(kind, "test")).toEqual([]);
  await scene.end();
});

test("a release that answers with errors is rolled back to the promoted Revision, whatever the network does", async () => {
  const { scene, knative } = await begun();
  scene.network.faults = { ...QUIET, refused: 0.1, replyLost: 0.1, throttled: 0.05, conflicts: 0.1, delayMs: 200, watchCut: 0.05, watchLagMs: 400 };
  release(scene, "2.0.0-errors");
  expect(await scene.until(() => scene.status().phase === "Failed", 400)).toBe(true);
  scene.network.faults = { ...QUIET };
  expect(await scene.until(() => scene.status().target?.scale === "Zero", 60)).toBe(true);
  expect(trafficIn(scene)).toEqual(led("app-00001"));
  expect(knative.led.at(-1)).toEqual({ "1.0.0": 100 });
  expect(Math.max(...knative.led.map((parts) => parts["2.0.0-errors"] ?? 0))).toBe(20);
  expect(scene.status().run).toMatchObject({ outcome: "RolledBack", reason: "ChecksFailed" });
  await scene.end();
});

test("a Revision that never becomes ready meets no user, and fails at the deadline with what Knative says", async () => {
  const { scene, knative } = await begun({ progressDeadlineSeconds: 20 });
  release(scene, "2.0.0-broken");
  expect(await scene.until(() => scene.status().phase === "Failed", 60)).toBe(true);
  expect(scene.status().run).toMatchObject({ reason: "ProgressDeadlineExceeded" });
  expect(JSON.stringify(scene.store.list("events"))).toContain("the container crashed");
  expect(knative.led.some((parts) => "2.0.0-broken" in parts)).toBe(false);
  await scene.end();
});

test("an image pushed in the middle of a run gets no user before its own run, and the template put back ends the run", async () => {
  const { scene, knative } = await begun();
  release(scene, "2.0.0");
  expect(await scene.until(() => scene.status().route?.canaryWeight === 40 && scene.status().route?.appliedAt !== undefined, 100)).toBe(true);
  const first = scene.status().run?.id;
  knative.led.length = 0;
  release(scene, "3.0.0");
  expect(await scene.until(() => scene.status().route?.canaryWeight === 20 && scene.status().run?.id !== first, 60)).toBe(true);
  await scene.advance(2000);
  // From what was, through nothing, to its own first rung.
  expect(knative.led).toEqual([{ "1.0.0": 100 }, { "1.0.0": 80, "3.0.0": 20 }]);
  release(scene, "1.0.0");
  expect(await scene.until(() => scene.status().phase === "Succeeded" && scene.status().target?.scale === "Zero", 60)).toBe(true);
  expect(scene.status().run).toMatchObject({ outcome: "Withdrawn" });
  // What is the same as what is promoted stays with the Revision that is.
  expect([trafficIn(scene), knative.revisions.length]).toEqual([led("app-00001"), 4]);
  await scene.end();
});

test("one that comes while the last is promoted waits for its own run", async () => {
  let pushed = false;
  const { scene, knative } = await begun({}, { maxWeight: 20 });
  scene.store.subscribe(({ resource }) => {
    if (resource !== CANARIES || pushed || scene.status().phase !== "Promoting") return;
    pushed = true;
    scene.clock.after(1, () => release(scene, "3.0.0-errors"));
  });
  release(scene, "2.0.0");
  expect(await scene.until(() => scene.status().history?.[0]?.outcome === "Promoted", 200)).toBe(true);
  expect(await scene.until(() => scene.status().phase === "Failed" && scene.status().target?.scale === "Zero", 200)).toBe(true);
  expect(pushed).toBe(true);
  expect(trafficIn(scene)).toEqual(led("app-00002"));
  const bad = knative.led.findIndex((parts) => "3.0.0-errors" in parts);
  expect(knative.led.slice(bad)).toEqual([{ "2.0.0": 80, "3.0.0-errors": 20 }, { "2.0.0": 100 }]);
  await scene.end();
});

test("blue/green, a promotion without an analysis, and the way back by an action", async () => {
  const { scene, knative } = await begun({}, { stepWeight: undefined, maxWeight: undefined, iterations: 2 });
  release(scene, "2.0.0");
  expect(await scene.until(() => scene.status().phase === "Succeeded", 200)).toBe(true);
  change(scene, CANARIES, (object) => Object.assign(map(object.spec), { skipAnalysis: true }));
  release(scene, "3.0.0");
  expect(await scene.until(() => scene.status().run?.images[0] === "sandbox/app:3.0.0" && scene.status().phase === "Succeeded", 100)).toBe(true);
  expect(trafficIn(scene)).toEqual(led("app-00003"));
  const run = scene.status().run?.id ?? "";
  change(scene, CANARIES, (object) => (object.metadata.annotations = { "rollout.kurator.dev/action": `rollback run=${run} by=tester` }));
  expect([await scene.until(() => scene.status().run?.outcome === "Undone", 20), scene.status().actions]).toEqual([true, expect.anything()]);
  await scene.advance(3000);
  expect(trafficIn(scene)).toEqual(led("app-00002"));
  expect(knative.led.map((parts) => Object.keys(parts).join())).toEqual(["1.0.0", "1.0.0", "2.0.0", "3.0.0", "2.0.0"]);
  await scene.end();
});

test.each([true, false])("a deleted Canary gives the traffic back as it was found, and leaves nothing, though no engine was there; revertOnDeletion %p", async (revertOnDeletion) => {
  const { scene } = await begun({ revertOnDeletion });
  release(scene, "2.0.0");
  expect(await scene.until(() => scene.status().route?.canaryWeight === 40, 100)).toBe(true);
  scene.kill("one");
  scene.store.delete(CANARIES, "test", "app");
  await scene.advance(3000);
  scene.start("two");
  expect(await scene.until(() => JSON.stringify(trafficIn(scene)) === JSON.stringify(NEWEST), 60)).toBe(true);
  await scene.advance(5000);
  expect(serviceIn(scene).metadata.annotations).toEqual({ team: "web" });
  expect(JSON.stringify(serviceIn(scene).metadata)).not.toContain("rollout.kurator.dev");
  expect(scene.store.list("controllerrevisions.apps", "test")).toEqual([]);
  await scene.end();
});

test("a Canary that is made anew while traffic is split keeps the promoted Revision", async () => {
  const { scene, knative } = await begun();
  release(scene, "2.0.0-errors");
  expect(await scene.until(() => scene.status().route?.canaryWeight === 20 && scene.status().route?.appliedAt !== undefined, 100)).toBe(true);
  scene.kill("one");
  scene.store.delete(CANARIES, "test", "app");
  scene.store.create(CANARIES, knativeCanary());
  knative.led.length = 0;
  scene.start("two");
  expect(await scene.until(() => scene.status().phase === "Failed", 200)).toBe(true);
  await scene.advance(5000);
  expect(trafficIn(scene)).toEqual(led("app-00001"));
  expect(Math.max(...knative.led.map((parts) => parts["2.0.0-errors"] ?? 0))).toBe(20);
  await scene.end();
});

test("what Flagger has pinned stays promoted, and nothing is rolled out by taking over", async () => {
  const service = serviceOf("1.0.0", [{ latestRevision: true, percent: 0 }, { latestRevision: false, revisionName: "app-00001", percent: 100 }], { "flagger.app/primary-revision": "app-00001" });
  const { scene, knative } = await furnished("1.0.0", service);
  const canary = scene.store.create(CANARIES, knativeCanary());
  const status = { phase: "Succeeded", canaryWeight: 0, failedChecks: 0, iterations: 0, lastAppliedSpec: "5d8f9c", lastPromotedSpec: "5d8f9c", lastTransitionTime: "2026-01-01T00:00:00Z" };
  scene.store.update(CANARIES, { ...structuredClone(canary), status }, "status");
  expect(await scene.until(() => scene.status().primary !== undefined && JSON.stringify(trafficIn(scene)) === JSON.stringify(led("app-00001")), 60)).toBe(true);
  await scene.advance(30_000);
  expect([scene.status().phase, scene.status().run]).toEqual(["Succeeded", undefined]);
  release(scene, "2.0.0");
  expect(await scene.until(() => scene.status().run?.outcome === "Promoted", 200)).toBe(true);
  scene.store.delete(CANARIES, "test", "app");
  expect(await scene.until(() => JSON.stringify(trafficIn(scene)) === JSON.stringify(NEWEST), 60)).toBe(true);
  expect(knative.led.every((parts) => Object.values(parts).reduce((sum, part) => sum + part, 0) === 100)).toBe(true);
  await scene.end();
});

test("a Revision that is pinned by hand is the promoted one, and the newest gets its run", async () => {
  const { scene, knative } = await furnished();
  change(scene, KSERVICES, (object) => Object.assign(map(object.spec), { traffic: led("app-00001") }));
  release(scene, "2.0.0");
  await scene.advance(5000);
  scene.store.create(CANARIES, knativeCanary());
  expect(await scene.until(() => scene.status().phase === "Succeeded", 300)).toBe(true);
  expect(knative.led).toEqual([{ "1.0.0": 100 }, { "1.0.0": 100 }, { "1.0.0": 80, "2.0.0": 20 }, { "1.0.0": 60, "2.0.0": 40 }, { "1.0.0": 40, "2.0.0": 60 }, { "2.0.0": 100 }]);
  await scene.end();
});

test("another provider in the middle of a run is told by name, makes nothing, and the run goes on when it is put back", async () => {
  const { scene } = await begun();
  release(scene, "2.0.0");
  expect(await scene.until(() => scene.status().route?.canaryWeight === 40 && scene.status().route?.appliedAt !== undefined, 100)).toBe(true);
  const before = trafficIn(scene);
  change(scene, CANARIES, (object) => Object.assign(map(object.spec), { provider: "istio" }));
  expect(await scene.until(() => stalled(scene)?.message?.includes("use knative") === true, 10)).toBe(true);
  await scene.advance(20_000);
  expect([trafficIn(scene), scene.store.list("virtualservices.networking.istio.io", "test"), scene.store.list("services", "test")]).toEqual([before, [], []]);
  change(scene, CANARIES, (object) => Object.assign(map(object.spec), { provider: "knative" }));
  expect(await scene.until(() => scene.status().phase === "Succeeded", 200)).toBe(true);
  await scene.end();
});

test("a Service that is made anew has Revisions of old names: it is led by those that it has, and its next one runs", async () => {
  const { scene, asked } = await begun();
  release(scene, "2.0.0");
  expect(await scene.until(() => scene.status().phase === "Succeeded", 300)).toBe(true);
  expect(trafficIn(scene)).toEqual(led("app-00002"));
  scene.store.delete(KSERVICES, "test", "app");
  await scene.advance(3000, false);
  scene.store.create(KSERVICES, serviceOf("2.0.0"));
  expect(await scene.until(() => JSON.stringify(trafficIn(scene)) === JSON.stringify(led("app-00001")), 60) ? undefined : trafficIn(scene)).toBeUndefined();
  await scene.advance(10_000);
  asked.clear();
  release(scene, "3.0.0");
  expect(await scene.until(() => scene.status().route?.canaryWeight === 20 && scene.status().route?.appliedAt !== undefined, 60)).toBe(true);
  expect(map(serviceIn(scene).status).traffic).toMatchObject([{ revisionName: "app-00001", percent: 80 }, { revisionName: "app-00002", percent: 20 }]);
  expect(await scene.until(() => scene.status().phase === "Succeeded", 300)).toBe(true);
  expect(trafficIn(scene)).toEqual(led("app-00002"));
  await scene.end();
});

test("a quiet world costs nothing", async () => {
  const { scene } = await begun();
  release(scene, "2.0.0");
  expect(await scene.until(() => scene.status().phase === "Succeeded", 300)).toBe(true);
  await scene.advance(30_000);
  const before = scene.network.requests;
  await scene.advance(120_000);
  expect(scene.network.requests - before).toBe(0);
  await scene.end();
});

test.each<[string, object, string, RegExp]>([
  ["another provider", { provider: "istio", service: { port: 8080 } }, "InvalidSpec", /spec\.provider.*Service of serving\.knative\.dev; use knative/],
  ["an autoscaler", { autoscalerRef: { apiVersion: "autoscaling/v2", kind: "HorizontalPodAutoscaler", name: "app" } }, "InvalidSpec", /spec\.autoscalerRef/],
  ["kept pods", { rollbackWindow: { duration: "1m" } }, "InvalidSpec", /spec\.rollbackWindow/],
  ["Services", { service: { port: 8080 } }, "Unsupported", /spec\.service: A Knative Service/],
  ["a Deployment", { targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "app" }, service: { port: 8080 } }, "InvalidSpec", /spec\.provider: knative cannot lead a Deployment of apps; use istio or/],
])("%s is refused by name, and nothing is touched", async (_what, spec, reason, message) => {
  const { scene } = await furnished();
  const before = serviceIn(scene);
  scene.store.create(CANARIES, knativeCanary(spec));
  expect(await scene.until(() => stalled(scene) !== undefined, 30)).toBe(true);
  expect(stalled(scene)).toMatchObject({ reason, message: expect.stringMatching(message) });
  expect(serviceIn(scene)).toEqual(before);
  await scene.end();
});

test("without Knative it says what to install, and a core Service of that name is not taken for it", async () => {
  const scene = new Scene(43);
  scene.store.create("services", { apiVersion: "v1", kind: "Service", metadata: { name: "app", namespace: "test" }, spec: { ports: [{ port: 80 }] } });
  scene.start("one");
  scene.store.create(CANARIES, knativeCanary());
  expect(await scene.until(() => stalled(scene)?.reason === "RouterMissing", 30)).toBe(true);
  expect(stalled(scene)?.message).toContain("no Service of serving.knative.dev: install knative");
  const knative = new Knative(scene);
  measured(scene, knative);
  scene.store.create(KSERVICES, serviceOf("1.0.0"));
  expect(await scene.until(() => scene.status().phase === "Initialized", 120)).toBe(true);
  expect(scene.store.get("services", "test", "app-primary")).toBeUndefined();
  await scene.end();
});

test("an engine that may not see Knative's Services says so to whom they concern, and rolls everybody else out", async () => {
  const refused = { status: 403, headers: {}, body: JSON.stringify({ kind: "Status", code: 403, reason: "Forbidden", message: "services.serving.knative.dev is forbidden" }) };
  const scene = new Scene(44, undefined, "own", { transport: (plain) => ({ ...plain, request: (request) => (request.path.includes("serving.knative.dev") && request.path.includes("/services") ? Promise.resolve(refused) : plain.request(request)) }) });
  new Knative(scene);
  await furnish(scene, "1.0.0");
  scene.start("one");
  scene.store.create(CANARIES, canaryOf());
  expect(await scene.until(() => scene.status().phase === "Initialized", 60)).toBe(true);
  const { metadata, ...other } = knativeCanary({ targetRef: { apiVersion: "serving.knative.dev/v1", kind: "Service", name: "web" } });
  scene.store.create(CANARIES, { ...other, metadata: { ...metadata, name: "web" } });
  expect(await scene.until(() => scene.status("web").conditions?.some(({ type, status }) => type === "Stalled" && status === "True") === true, 60)).toBe(true);
  setImage(scene, "2.0.0");
  expect(await scene.until(() => scene.status().phase === "Succeeded", 200)).toBe(true);
  await scene.end();
});
