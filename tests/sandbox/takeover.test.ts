// Is a running installation of Flagger taken over without a release, a lost request or a new pod, and can it be given back?
import { describe, expect, test } from "@jest/globals";
import type { KubeObject } from "../../sandbox/api/types.ts";
import type { Scene } from "../../sandbox/simulation/scene.ts";
import { setImage } from "../../sandbox/simulation/furniture.ts";
import { CANARIES, copyOf, DEPLOYMENTS, HPAS, installed, ROUTES, RULES, templateOf, TRACKED, type Installation } from "./fixtures/flagger.ts";

const MARKS = "rollout.kurator.dev/";

function pods(scene: Scene, app: string): string[] {
  return scene.store.list("pods", "test").filter(({ metadata }) => metadata.labels?.app === app && metadata.deletionTimestamp === undefined).map(({ metadata }) => metadata.uid ?? "").sort();
}

function found(scene: Scene, resource: string, name: string): KubeObject {
  const object = scene.store.get(resource, "test", name);
  if (object === undefined) throw new Error(`no ${resource} ${name}`);
  return object;
}

function edit(scene: Scene, resource: string, name: string, change: (object: KubeObject) => void): void {
  const copy = structuredClone(found(scene, resource, name));
  change(copy);
  scene.store.update(resource, copy);
}

function weights(scene: Scene): Record<string, number> {
  const spec = found(scene, ROUTES, "app").spec as { http: { route: { destination: { host: string }; weight?: number }[] }[] };
  return Object.fromEntries((spec.http[0]?.route ?? []).map(({ destination, weight }) => [destination.host, weight ?? 100]));
}

function replicas(scene: Scene, name: string): number {
  return (found(scene, DEPLOYMENTS, name).spec as { replicas: number }).replicas;
}

function image(scene: Scene, name: string): unknown {
  return templateOf(found(scene, DEPLOYMENTS, name)).spec.containers[0]?.image;
}

/** Taken over, and watched for a while. */
async function taken(options: Installation): Promise<{ scene: Scene; before: string[] }> {
  const scene = await installed(options);
  const before = pods(scene, "app-primary");
  expect(before).toHaveLength(2);
  scene.start("one");
  await scene.advance(60_000);
  return { scene, before };
}

describe.each([
  { phase: "Succeeded" as const },
  { phase: "Succeeded" as const, adopted: true },
  { phase: "Succeeded" as const, autoscaled: true },
  { phase: "Succeeded" as const, spec: { revertOnDeletion: true }, finalizers: ["finalizer.flagger.app"] },
  { phase: "Initialized" as const },
  {
    phase: "Succeeded" as const,
    // A/B: what Flagger's routes look like while nothing happens.
    spec: { analysis: { interval: "10s", threshold: 2, iterations: 2, match: [{ headers: { "x-user": { exact: "tester" } } }] } },
    http: (route: object[]) => [{ match: [{ headers: { "x-user": { exact: "tester" } } }], route }, { route: [{ destination: { host: "app-primary" }, weight: 100 }] }],
  },
  { phase: "Failed" as const, tag: "2.0.0-errors" },
])("taken over at rest: %j", (options) => {
  test("nothing is rolled out, no pod is made anew, no request is lost, and the status goes on", async () => {
    const { scene, before } = await taken(options);
    expect(scene.trace).toEqual([`${options.phase} 0`]);
    expect(scene.status().trackedConfigs).toEqual(TRACKED);
    expect(scene.status().conditions?.find(({ type }) => type === "Promoted")).toMatchObject({ reason: options.phase, lastTransitionTime: "2025-12-31T23:00:00Z" });
    expect(pods(scene, "app-primary")).toEqual(before);
    expect(pods(scene, "app")).toEqual([]);
    expect(scene.lost).toEqual([]);
    expect(weights(scene)["app-canary"] ?? 0).toBe(0);
    await scene.end();
  });

  test("everything that Flagger made is marked, so that it can be given back", async () => {
    const { scene } = await taken(options);
    const mine: [string, string][] = [[DEPLOYMENTS, "app-primary"], ["configmaps", "settings-primary"], ["secrets", "token-primary"], ["services", "app"], ["services", "app-primary"], ["services", "app-canary"], [ROUTES, "app"], [RULES, "app-primary"], [RULES, "app-canary"]];
    for (const [resource, name] of options.autoscaled === true ? [...mine, [HPAS, "app-primary"] as [string, string]] : mine) {
      expect({ name, owner: found(scene, resource, name).metadata.annotations?.[`${MARKS}owner`] }).toEqual({ name, owner: "flagger.app/app" });
    }
    await scene.end();
  });

  test("a release afterwards is one run that is promoted, and one of a ConfigMap too", async () => {
    const { scene } = await taken(options);
    const runs = scene.status().counters?.runs ?? 0;
    setImage(scene, "3.0.0");
    expect(await scene.until(() => scene.status().run?.outcome === "Promoted" && scene.status().phase === "Succeeded", 400)).toBe(true);
    expect(image(scene, "app-primary")).toBe("sandbox/app:3.0.0");
    edit(scene, "configmaps", "settings", (object) => Object.assign(object, { data: { COLOUR: "blue" } }));
    expect(await scene.until(() => scene.status().counters?.runs === runs + 2 && scene.status().phase === "Succeeded", 400)).toBe(true);
    expect(found(scene, "configmaps", "settings-primary").data).toEqual({ COLOUR: "blue" });
    await scene.advance(30_000);
    expect(scene.status().counters?.runs).toBe(runs + 2);
    expect(scene.lost).toEqual([]);
    await scene.end();
  });
});

describe("what Flagger left is not quite what this engine would have made", () => {
  test("toolkit labels on the pods, a binary value that was not copied, an object that is not tracked: no release, no new pod, and the copy is made whole", async () => {
    const scene = await installed({
      phase: "Succeeded",
      sources: (store) => {
        const settings = structuredClone(store.get("configmaps", "test", "settings"));
        if (settings !== undefined) store.update("configmaps", { ...settings, binaryData: { blob: "AAEC" } });
        store.create("configmaps", { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "mesh", namespace: "test", annotations: { "flagger.app/config-tracking": "disabled" } }, data: { zone: "a" } });
      },
      target: (target, role) => {
        const template = templateOf(target);
        if (role === "target") template.metadata.labels["kustomize.toolkit.fluxcd.io/name"] = "apps";
        template.metadata.annotations = { "prometheus.io/scrape": "true" };
        template.spec.volumes = [{ name: "mesh", configMap: { name: "mesh" } }];
        template.spec.topologySpreadConstraints = [{ maxSkew: 1, topologyKey: "zone", whenUnsatisfiable: "ScheduleAnyway", labelSelector: { matchLabels: { app: role === "target" ? "app" : "app-primary" } } }];
      },
    });
    const before = pods(scene, "app-primary");
    scene.start("one");
    await scene.advance(60_000);
    expect([scene.trace, pods(scene, "app-primary"), scene.lost]).toEqual([["Succeeded 0"], before, []]);
    expect(found(scene, "configmaps", "settings-primary")).toMatchObject({ data: { COLOUR: "red" }, binaryData: { blob: "AAEC" } });
    await scene.end();
  });

  test("fields of the target that are no revision have been edited since: the primary stays as it is until there is a release", async () => {
    const scene = await installed({ phase: "Succeeded" });
    edit(scene, DEPLOYMENTS, "app", (object) => Object.assign(object.spec as object, { minReadySeconds: 7, progressDeadlineSeconds: 77 }));
    const { spec, metadata } = structuredClone(found(scene, DEPLOYMENTS, "app-primary"));
    const generations = new Set<number | undefined>();
    scene.store.subscribe(({ object }) => void (object.kind === "Deployment" && object.metadata.name === "app-primary" && generations.add(object.metadata.generation)));
    scene.start("one");
    await scene.advance(60_000);
    expect(found(scene, DEPLOYMENTS, "app-primary").metadata.annotations?.[`${MARKS}owner`]).toBe("flagger.app/app");
    expect(found(scene, DEPLOYMENTS, "app-primary").spec).toEqual(spec);
    expect([...generations]).toEqual([metadata.generation]);
    setImage(scene, "3.0.0");
    expect(await scene.until(() => scene.status().run?.outcome === "Promoted", 400)).toBe(true);
    expect(found(scene, DEPLOYMENTS, "app-primary").spec).toMatchObject({ minReadySeconds: 7, progressDeadlineSeconds: 77 });
    await scene.end();
  });

  test("what changed while nobody looked is one run", async () => {
    const scene = await installed({ phase: "Succeeded" });
    setImage(scene, "2.0.0");
    edit(scene, "configmaps", "settings", (object) => Object.assign(object, { data: { COLOUR: "blue" } }));
    scene.start("one");
    expect(await scene.until(() => scene.status().run?.outcome === "Promoted", 400)).toBe(true);
    await scene.advance(30_000);
    expect([scene.status().counters?.runs, image(scene, "app-primary"), found(scene, "configmaps", "settings-primary").data]).toEqual([1, "sandbox/app:2.0.0", { COLOUR: "blue" }]);
    expect(scene.lost).toEqual([]);
    await scene.end();
  });

  test("a release that is bad is rolled back, and the copies stay what was promoted", async () => {
    const { scene } = await taken({ phase: "Succeeded" });
    setImage(scene, "2.0.0-errors");
    edit(scene, "configmaps", "settings", (object) => Object.assign(object, { data: { COLOUR: "blue" } }));
    expect(await scene.until(() => scene.status().phase === "Failed", 400)).toBe(true);
    expect([image(scene, "app-primary"), found(scene, "configmaps", "settings-primary").data, weights(scene)["app-canary"]]).toEqual(["sandbox/app:1.0.0", { COLOUR: "red" }, 0]);
    await scene.end();
  });

  test("what Flagger failed is tried again when somebody says so", async () => {
    const { scene } = await taken({ phase: "Failed", tag: "2.0.0" });
    expect(scene.status().run).toMatchObject({ outcome: "RolledBack", reason: "BeforeTakeOver" });
    edit(scene, CANARIES, "app", ({ metadata }) => Object.assign(metadata, { annotations: { "rollout.kurator.dev/action": `retry run=${scene.status().run?.id ?? ""} by=test` } }));
    expect(await scene.until(() => scene.status().phase === "Succeeded", 400)).toBe(true);
    expect([image(scene, "app-primary"), scene.lost]).toEqual(["sandbox/app:2.0.0", []]);
    await scene.end();
  });

  test("two apps that share one copy: who controls it keeps it, the other gets its own by one rolling update, and neither releases anything", async () => {
    const scene = await installed({ phase: "Succeeded" });
    const other = { ...(found(scene, "configmaps", "settings-primary").metadata.ownerReferences?.[0] ?? { apiVersion: "", kind: "", name: "", uid: "" }), name: "other", uid: "0f8fad5b-d9cb-469f-a165-70867728950e" };
    scene.store.create(CANARIES, copyOf(scene, "other"));
    const uid = scene.store.get(CANARIES, "test", "other")?.metadata.uid ?? "";
    edit(scene, "configmaps", "settings-primary", (object) => Object.assign(object.metadata, { ownerReferences: [...(object.metadata.ownerReferences ?? []).map((reference) => ({ ...reference, controller: false })), { ...other, uid, controller: true }] }));
    scene.start("one");
    await scene.advance(60_000);
    expect([scene.status().phase, scene.status().run]).toEqual(["Succeeded", undefined]);
    expect(found(scene, "configmaps", "settings-app-primary").data).toEqual({ COLOUR: "red" });
    expect(found(scene, "configmaps", "settings-primary").metadata.annotations?.[`${MARKS}owner`]).toBeUndefined();
    expect(scene.lost).toEqual([]);
    await scene.end();
  });
});

describe("taken over in the middle of a run of Flagger's", () => {
  test.each([[40, "2.0.0", "Succeeded"], [40, "2.0.0-errors", "Failed"]])("at weight %s with %s: traffic comes back, pods drain, and the run begins anew", async (weight, tag, end) => {
    const scene = await installed({ phase: "Progressing", weight, tag });
    const before = pods(scene, "app-primary");
    scene.start("one");
    expect(await scene.until(() => weights(scene)["app-canary"] === 0, 10)).toBe(true);
    expect(replicas(scene, "app")).toBe(2);
    expect(await scene.until(() => scene.status().run?.step === 1, 60)).toBe(true);
    await scene.advance(500);
    // Nothing of what Flagger had found out counts.
    expect([image(scene, "app-primary"), weights(scene)["app-canary"], pods(scene, "app-primary")]).toEqual(["sandbox/app:1.0.0", 20, before]);
    expect(await scene.until(() => scene.status().run?.outcome !== undefined, 400)).toBe(true);
    expect(await scene.until(() => scene.status().phase === end, 60)).toBe(true);
    expect([scene.status().counters?.runs, image(scene, "app-primary")]).toEqual([1, end === "Succeeded" ? "sandbox/app:2.0.0" : "sandbox/app:1.0.0"]);
    expect(scene.lost).toEqual([]);
    await scene.end();
  });

  test.each([["Promoting", 60], ["Promoting", 30], ["Finalising", 0]] as const)("in %s at %i: the primary runs what Flagger had analysed, so traffic goes there and nothing begins anew", async (phase, weight) => {
    const scene = await installed({ phase, weight, tag: "2.0.0", primaryTag: "2.0.0" });
    const before = pods(scene, "app-primary");
    scene.start("one");
    expect(await scene.until(() => scene.status().phase === "Initialized", 60)).toBe(true);
    await scene.advance(30_000);
    expect([weights(scene)["app-canary"], scene.status().run, image(scene, "app-primary"), pods(scene, "app-primary"), pods(scene, "app"), scene.lost]).toEqual([0, undefined, "sandbox/app:2.0.0", before, [], []]);
    await scene.end();
  });

  test("waiting for the word to promote: the word counts for the run that begins anew alone", async () => {
    const gate = { name: "gate", type: "confirm-promotion", url: "http://gate.test/" };
    const analysis = { interval: "10s", threshold: 2, maxWeight: 60, stepWeight: 20, metrics: [{ name: "request-success-rate", interval: "20s", thresholdRange: { min: 99 } }], webhooks: [gate] };
    const scene = await installed({ phase: "WaitingPromotion", weight: 60, tag: "2.0.0", spec: { analysis } });
    scene.hooks = 403;
    scene.start("one");
    expect(await scene.until(() => weights(scene)["app-canary"] === 0, 10)).toBe(true);
    expect(await scene.until(() => scene.status().phase === "WaitingPromotion", 200)).toBe(true);
    expect(image(scene, "app-primary")).toBe("sandbox/app:1.0.0");
    scene.hooks = 200;
    expect(await scene.until(() => scene.status().phase === "Succeeded", 100)).toBe(true);
    expect([scene.status().counters?.runs, scene.lost]).toEqual([1, []]);
    await scene.end();
  });

  test("by engines that are killed again and again: the same end, and no request is lost", async () => {
    const scene = await installed({ phase: "Progressing", weight: 40, tag: "2.0.0" });
    for (let round = 0; round < 30; round += 1) {
      scene.start(`engine ${round}`);
      await scene.advance(200 + round * 130);
      scene.kill(`engine ${round}`);
    }
    scene.start("last");
    expect(await scene.until(() => scene.status().phase === "Succeeded", 600)).toBe(true);
    expect([scene.status().counters?.runs, image(scene, "app-primary"), scene.lost]).toEqual([1, "sandbox/app:2.0.0", []]);
    await scene.end();
  });

  test("after a promotion that could not be finished: traffic goes to the primary when it is ready, and what the primary does not run is analysed", async () => {
    const scene = await installed({ phase: "Failed", weight: 100, tag: "2.0.0" });
    scene.start("one");
    expect(await scene.until(() => weights(scene)["app-canary"] === 0, 10)).toBe(true);
    expect(await scene.until(() => scene.status().run?.outcome === "Promoted", 400)).toBe(true);
    expect([scene.status().counters?.runs, scene.lost]).toEqual([1, []]);
    await scene.end();
  });

  test("with a primary that is not ready the weights stay where they are, and it says so", async () => {
    const scene = await installed({ phase: "Progressing", weight: 40, tag: "2.0.0" });
    edit(scene, DEPLOYMENTS, "app-primary", (object) => Object.assign(object.spec as object, { minReadySeconds: 500 }));
    edit(scene, DEPLOYMENTS, "app-primary", (object) => Object.assign(templateOf(object).metadata.annotations ?? {}, { restarted: "yes" }));
    await scene.advance(2000, false);
    scene.start("one");
    await scene.advance(20_000);
    expect(weights(scene)["app-canary"]).toBe(40);
    expect(scene.status().phase).toBe("Initializing");
    await scene.end();
  });
});

describe("a Canary of Flagger's is deleted after it was taken over", () => {
  test("with revertOnDeletion the app is given back, once Flagger's finalizer is off: the copies stay for as long as the primary reads them", async () => {
    const { scene } = await taken({ phase: "Succeeded", spec: { revertOnDeletion: true }, finalizers: ["finalizer.flagger.app"], adopted: true });
    const owners = ["configmaps", "secrets"].map((plural) => found(scene, plural, plural === "secrets" ? "token-primary" : "settings-primary").metadata.ownerReferences ?? []);
    expect(owners).toEqual([[], []]);
    edit(scene, CANARIES, "app", ({ metadata }) => delete metadata.finalizers);
    scene.store.delete(CANARIES, "test", "app");
    expect(await scene.until(() => scene.store.get(DEPLOYMENTS, "test", "app-primary") === undefined, 120)).toBe(true);
    await scene.advance(5_000);
    expect([scene.store.get("configmaps", "test", "settings-primary"), replicas(scene, "app")]).toEqual([undefined, 2]);
    expect(found(scene, "services", "app").spec).toMatchObject({ selector: { app: "app" } });
    expect(found(scene, ROUTES, "app").spec).toEqual({ hosts: ["app.test"], gateways: ["istio-system/public-gateway"], http: [{ route: [{ destination: { host: "app" } }] }] });
    expect(scene.lost).toEqual([]);
    await scene.end();
  });

  test("without it everything goes that belongs to the Canary, as Flagger's users know it", async () => {
    const { scene } = await taken({ phase: "Succeeded" });
    scene.store.delete(CANARIES, "test", "app");
    await scene.advance(20_000);
    expect([scene.store.get(DEPLOYMENTS, "test", "app-primary"), scene.store.get(ROUTES, "test", "app"), replicas(scene, "app")]).toEqual([undefined, undefined, 0]);
    await scene.end();
  });
});
