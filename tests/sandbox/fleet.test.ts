// One manifest, many clusters: does an Application reach its members, say what is so, and leave nothing behind, whatever comes and goes?
import { expect, test } from "@jest/globals";
import type { KubeObject } from "../../sandbox/api/types.ts";
import { furnish, setImage } from "../../sandbox/simulation/furniture.ts";
import { applicationOf, APPLICATIONS, CANARIES, condition, edit, furnished, KUSTOMIZATIONS, member, message, phaseIn, phases, rolloutOf } from "./fleetscenes.ts";

test("an Application reaches every member, says so, rolls a change out in each, and takes everything back when it goes", async () => {
  const scene = await furnished(["member1", "member2"]);
  scene.host.create(APPLICATIONS, applicationOf());
  expect(await scene.until(() => phases(scene) === "member1 Initialized, member2 Initialized", 120)).toBe(true);
  expect(await scene.until(() => condition(scene, "Ready") === "True Delivered", 10)).toBe(true);
  expect(scene.status()).toMatchObject({
    observedGeneration: 1,
    summary: "2 Initialized",
    syncStatus: [{ name: "shop-0-attachedcluster-member1", rolloutStatus: { rolloutNameInCluster: "app", rolloutStatusInCluster: { canaryWeight: 0, failedChecks: 0, iterations: 0, trackedConfigs: {} } } }, {}],
  });
  // Messages name the kind of the workload, in whichever condition they stand.
  expect(JSON.stringify(scene.status())).toContain("Deployment initialization completed.");
  expect(JSON.stringify(scene.status())).not.toContain("KIND");
  for (const name of ["member1", "member2"]) setImage(member(scene, name), "2.0.0");
  expect(await scene.until(() => phases(scene) === "member1 Succeeded, member2 Succeeded", 240)).toBe(true);
  scene.host.delete(APPLICATIONS, "fleet", "shop");
  expect(await scene.until(() => scene.host.get(APPLICATIONS, "fleet", "shop") === undefined, 120)).toBe(true);
  for (const one of scene.members.values()) {
    expect(one.store.list(CANARIES)).toEqual([]);
    expect(one.store.get("deployments.apps", "test", "app-primary")).toBeUndefined();
    expect(one.lost).toEqual([]);
  }
  await scene.end();
});

test("without its rollout the app goes back to its own Deployment everywhere, and comes again with it; nobody loses a request", async () => {
  const scene = await furnished(["member1", "member2"]);
  scene.host.create(APPLICATIONS, applicationOf({ syncPolicies: [{ rollout: rolloutOf({}, { testLoader: true }) }] }));
  expect(await scene.until(() => condition(scene, "Ready") === "True Delivered", 120)).toBe(true);
  expect(member(scene, "member1").store.get("deployments.apps", "test", "app-testloader")).toBeDefined();
  edit(scene, (spec) => delete spec.syncPolicies[0]?.rollout);
  expect(await scene.until(() => (scene.status().clusters ?? []).length === 0, 120)).toBe(true);
  for (const one of scene.members.values()) {
    expect(one.store.get("deployments.apps", "test", "app-primary")).toBeUndefined();
    expect(one.store.get("deployments.apps", "test", "app-testloader")).toBeUndefined();
    expect((one.store.get("deployments.apps", "test", "app")?.spec as { replicas: number }).replicas).toBe(2);
    expect((one.store.get("services", "test", "app")?.spec as { selector: object }).selector).toEqual({ app: "app" });
  }
  edit(scene, (spec) => Object.assign(spec.syncPolicies[0] ?? {}, { rollout: rolloutOf() }));
  expect(await scene.until(() => phases(scene) === "member1 Initialized, member2 Initialized", 120)).toBe(true);
  for (const one of scene.members.values()) expect(one.lost).toEqual([]);
  await scene.end();
});

test("a member that is cut off is named and holds up nobody; what it was to get it gets when it is back", async () => {
  const scene = await furnished(["member1", "member2"]);
  scene.cut.add("member2");
  scene.host.create(APPLICATIONS, applicationOf());
  expect(await scene.until(() => phaseIn(scene, "member1") === "Initialized" && condition(scene, "Ready") === "False Unreachable", 60)).toBe(true);
  expect(scene.status().clusters).toMatchObject([{ name: "member1", state: "Ready" }, { name: "member2", state: "Unreachable" }]);
  expect(message(scene, "Ready")).toMatch(/^member2: its API server does not answer/);
  setImage(member(scene, "member1"), "2.0.0");
  expect(await scene.until(() => phaseIn(scene, "member1") === "Succeeded", 120)).toBe(true);
  scene.cut.delete("member2");
  expect(await scene.until(() => condition(scene, "Ready") === "True Delivered", 120)).toBe(true);
  await scene.end();
});

test("a deleted Application waits for a member that is cut off, and lets it go when its cluster object goes", async () => {
  const scene = await furnished(["member1", "member2"]);
  scene.host.create(APPLICATIONS, applicationOf());
  expect(await scene.until(() => condition(scene, "Ready") === "True Delivered", 120)).toBe(true);
  scene.cut.add("member2");
  await scene.advance(90_000);
  scene.host.delete(APPLICATIONS, "fleet", "shop");
  expect(await scene.until(() => member(scene, "member1").store.list(CANARIES).length === 0, 60)).toBe(true);
  await scene.advance(30_000);
  expect(scene.host.get(APPLICATIONS, "fleet", "shop")).toBeDefined();
  expect(scene.status().clusters).toMatchObject([{ name: "member2", state: "Unreachable" }]);
  scene.host.delete("attachedclusters.cluster.kurator.dev", "fleet", "member2");
  expect(await scene.until(() => scene.host.get(APPLICATIONS, "fleet", "shop") === undefined, 60)).toBe(true);
  await scene.end();
});

test("a cluster that leaves the fleet gets its app back, one that joins gets the rollout, and a lost Fleet takes nothing away", async () => {
  const scene = await furnished(["member1", "member2"]);
  scene.host.create(APPLICATIONS, applicationOf());
  expect(await scene.until(() => condition(scene, "Ready") === "True Delivered", 120)).toBe(true);
  await furnish(scene.member("member3"), "1.0.0");
  scene.attach("member3");
  const fleet = structuredClone(scene.host.get("fleets.fleet.kurator.dev", "fleet", "quickstart"));
  if (fleet === undefined) throw new Error("no fleet");
  fleet.spec = { clusters: [{ kind: "AttachedCluster", name: "member1" }, { kind: "AttachedCluster", name: "member3" }] };
  scene.host.update("fleets.fleet.kurator.dev", fleet);
  expect(await scene.until(() => phases(scene) === "member1 Initialized, member3 Initialized" && (scene.status().clusters ?? []).length === 2, 120)).toBe(true);
  expect(member(scene, "member2").store.list(CANARIES)).toEqual([]);
  expect((member(scene, "member2").store.get("deployments.apps", "test", "app")?.spec as { replicas: number }).replicas).toBe(2);
  scene.host.delete("fleets.fleet.kurator.dev", "fleet", "quickstart");
  expect(await scene.until(() => condition(scene, "Stalled") === "True FleetMissing", 30)).toBe(true);
  await scene.advance(20_000);
  expect([phaseIn(scene, "member1"), phaseIn(scene, "member3")]).toEqual(["Initialized", "Initialized"]);
  // Nor does it make anybody forget what has to be taken back.
  scene.host.delete(APPLICATIONS, "fleet", "shop");
  expect(await scene.until(() => scene.host.get(APPLICATIONS, "fleet", "shop") === undefined, 120)).toBe(true);
  for (const one of scene.members.values()) {
    expect(one.store.list(CANARIES)).toEqual([]);
    expect((one.store.get("deployments.apps", "test", "app")?.spec as { replicas: number }).replicas).toBe(2);
    expect(one.lost).toEqual([]);
  }
  await scene.end();
});

test("a controller that is killed anywhere is taken over from, and nothing is made twice or left", async () => {
  const scene = await furnished(["member1", "member2", "member3"]);
  scene.host.create(APPLICATIONS, applicationOf({ syncPolicies: [{ rollout: rolloutOf({}, { testLoader: true }) }] }));
  for (let round = 0; round < 6; round += 1) {
    await scene.advance(300 + round * 700);
    scene.kill(round === 0 ? "one" : `engine${round - 1}`);
    scene.start(`engine${round}`);
  }
  expect(await scene.until(() => condition(scene, "Ready") === "True Delivered", 240)).toBe(true);
  scene.host.delete(APPLICATIONS, "fleet", "shop");
  await scene.advance(3000);
  scene.kill("engine5");
  scene.start("last");
  expect(await scene.until(() => scene.host.get(APPLICATIONS, "fleet", "shop") === undefined, 240)).toBe(true);
  for (const one of scene.members.values()) {
    expect([one.store.list(CANARIES), one.store.get("deployments.apps", "test", "app-testloader"), one.store.get("services", "test", "app-testloader")]).toEqual([[], undefined, undefined]);
    expect(one.lost).toEqual([]);
  }
  await scene.end();
});

test("what a person changes in a member stays, but for what the Application says; and Kurator's Canary is taken over", async () => {
  const scene = await furnished(["member1"]);
  const one = member(scene, "member1");
  one.store.create(CANARIES, { apiVersion: "rollout.kurator.dev/v1alpha1", kind: "Canary", metadata: { name: "app", namespace: "test", annotations: { "kurator.dev/rollout": "shop-0" } }, spec: { targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "app" }, service: { name: "app", port: 8080 }, skipAnalysis: true } });
  scene.host.create(APPLICATIONS, applicationOf());
  expect(await scene.until(() => condition(scene, "Ready") === "True Delivered", 120)).toBe(true);
  const canary = structuredClone(one.store.get(CANARIES, "test", "app"));
  if (canary === undefined) throw new Error("no Canary");
  expect(canary.spec).not.toHaveProperty("skipAnalysis");
  Object.assign(canary.spec as object, { suspend: true, progressDeadlineSeconds: 999 });
  one.store.update(CANARIES, canary);
  expect(await scene.until(() => (one.store.get(CANARIES, "test", "app")?.spec as { progressDeadlineSeconds: number }).progressDeadlineSeconds === 60, 10)).toBe(true);
  expect(one.store.get(CANARIES, "test", "app")?.spec).toMatchObject({ suspend: true });
  await scene.end();
});

test("with Flux the source and a Kustomization for each member are made, left alone by the rollout, copied into the status, and go last", async () => {
  const scene = await furnished(["member1"]);
  scene.installFlux();
  scene.host.create(APPLICATIONS, applicationOf({ source: { gitRepository: { url: "https://git.test/app", interval: "3m0s", ref: { branch: "master" } } }, syncPolicies: [{ kustomization: { interval: "5m0s", path: "./deploy", prune: true }, rollout: rolloutOf() }] }));
  const name = "shop-0-attachedcluster-member1";
  expect(await scene.until(() => scene.host.get(KUSTOMIZATIONS, "fleet", name) !== undefined, 90)).toBe(true);
  expect(scene.host.get(KUSTOMIZATIONS, "fleet", name)).toMatchObject({
    metadata: { labels: { "apps.kurator.dev/app-name": "shop" }, ownerReferences: [{ kind: "Application", name: "shop" }] },
    spec: { interval: "5m0s", force: false, sourceRef: { kind: "GitRepository", name: "shop" }, kubeConfig: { secretRef: { name: "member1", key: "member1.config" } } },
  });
  const source = structuredClone(scene.host.get("gitrepositories.source.toolkit.fluxcd.io", "fleet", "shop"));
  if (source === undefined) throw new Error("no source");
  expect(source.spec).not.toHaveProperty("gitImplementation");
  scene.host.update("gitrepositories.source.toolkit.fluxcd.io", { ...source, status: { conditions: [{ type: "Ready", status: "True", reason: "Succeeded", message: "stored artifact" }], artifact: { revision: "master@sha1:abc" } } }, { subresource: "status" } as never);
  expect(await scene.until(() => phaseIn(scene, "member1") === "Initialized", 60)).toBe(true);
  expect(await scene.until(() => JSON.stringify(scene.host.get(KUSTOMIZATIONS, "fleet", name)?.spec).includes("replicas: null"), 30)).toBe(true);
  scene.host.delete(APPLICATIONS, "fleet", "shop");
  expect(await scene.until(() => member(scene, "member1").store.list(CANARIES).length === 0, 60)).toBe(true);
  // The workload is pruned only after the app has been given back.
  if (member(scene, "member1").store.get("deployments.apps", "test", "app-primary") !== undefined) expect(scene.host.get(KUSTOMIZATIONS, "fleet", name)).toBeDefined();
  expect(await scene.until(() => scene.host.get(APPLICATIONS, "fleet", "shop") === undefined, 120)).toBe(true);
  expect(scene.host.list(KUSTOMIZATIONS)).toEqual([]);
  await scene.end();
});

test("what Flux would prune with it stays while a Fleet, a cluster object or a source is missing or wrong", async () => {
  const scene = await furnished(["member1", "member2"]);
  scene.installFlux();
  const source = { gitRepository: { url: "https://git.test/app", interval: "3m0s" } };
  scene.host.create(APPLICATIONS, applicationOf({ source, syncPolicies: [{ kustomization: { interval: "5m0s", prune: true } }, { kustomization: { interval: "5m0s", prune: true }, rollout: rolloutOf() }] }));
  const names = (): string[] => scene.host.list(KUSTOMIZATIONS).map(({ metadata }) => metadata.name).sort();
  expect(await scene.until(() => names().length === 4, 90)).toBe(true);
  const before = names();
  const fleet = scene.host.get("fleets.fleet.kurator.dev", "fleet", "quickstart");
  scene.host.delete("fleets.fleet.kurator.dev", "fleet", "quickstart");
  await scene.advance(20_000);
  expect(names()).toEqual(before);
  if (fleet !== undefined) scene.host.create("fleets.fleet.kurator.dev", { ...fleet, metadata: { name: "quickstart", namespace: "fleet" } });
  scene.host.delete("attachedclusters.cluster.kurator.dev", "fleet", "member2");
  await scene.advance(20_000);
  expect(names()).toEqual(before);
  edit(scene, (spec) => (spec.source = { helmRepository: { url: "https://charts.test", interval: "5m" } }));
  await scene.advance(20_000);
  expect(names()).toEqual(before);
  // All is known again, and what is not asked for any more goes.
  scene.host.create("attachedclusters.cluster.kurator.dev", { apiVersion: "cluster.kurator.dev/v1alpha1", kind: "AttachedCluster", metadata: { name: "member2", namespace: "fleet" }, spec: { kubeconfig: { name: "member2", key: "member2.config" } } });
  edit(scene, (spec) => Object.assign(spec, { source, syncPolicies: spec.syncPolicies.slice(1) }));
  expect(await scene.until(() => names().length === 2, 60)).toBe(true);
  await scene.end();
});

test("a namespace that goes in a member is made again, and the rollout waits for the app", async () => {
  const scene = await furnished(["member1"]);
  scene.host.create(APPLICATIONS, applicationOf());
  expect(await scene.until(() => condition(scene, "Ready") === "True Delivered", 120)).toBe(true);
  const one = member(scene, "member1");
  const before = one.store.get("namespaces", undefined, "test")?.metadata.uid;
  one.store.delete("namespaces", undefined, "test");
  expect(await scene.until(() => message(scene, "Ready").includes("Service test/app with port 8080 is not in member1 yet"), 90)).toBe(true);
  const now = (): KubeObject["metadata"] | undefined => one.store.get("namespaces", undefined, "test")?.metadata;
  expect(await scene.until(() => now()?.uid !== before && now()?.labels?.["istio-injection"] === "enabled", 60)).toBe(true);
  await furnish(one, "1.0.0");
  expect(await scene.until(() => condition(scene, "Ready") === "True Delivered", 120)).toBe(true);
  await scene.end();
});

test("without Flux a condition says so, and the rollout works all the same", async () => {
  const scene = await furnished(["member1"]);
  scene.host.create(APPLICATIONS, applicationOf({ source: { gitRepository: { url: "https://git.test/app", interval: "3m0s" } }, syncPolicies: [{ kustomization: { interval: "0s", prune: true }, rollout: rolloutOf() }] }));
  expect(await scene.until(() => condition(scene, "Ready") === "True Delivered", 120)).toBe(true);
  expect(condition(scene, "SourceSynced")).toBe("False FluxNotInstalled");
  await scene.end();
});
