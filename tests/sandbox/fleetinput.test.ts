// Bad input: is it refused with the field, or the cluster, and the cure, and do all others go on?
import { expect, test } from "@jest/globals";
import { applicationOf, APPLICATIONS, CANARIES, condition, furnished, member, message, phaseIn, phases, rolloutOf } from "./fleetscenes.ts";
import { renderCRDs } from "../../crds/generate.ts";
import type { KubeObject } from "../../sandbox/api/types.ts";
import { furnish } from "../../sandbox/simulation/furniture.ts";

test("a Fleet that is not there", async () => {
  const scene = await furnished(["member1"]);
  scene.host.create(APPLICATIONS, applicationOf({ destination: { fleet: "nobody" } }));
  expect(await scene.until(() => condition(scene, "Stalled") === "True FleetMissing", 20)).toBe(true);
  expect(message(scene, "Stalled")).toBe("spec.destination.fleet: there is no Fleet fleet/nobody; create it, or name another one");
  await scene.end();
});

test("a Secret without the key, one without a kubeconfig, a cluster object that is missing: each is named, and the rest is delivered", async () => {
  const scene = await furnished(["member1", "member2", "member3"]);
  const wrongKey = structuredClone(scene.host.get("secrets", "fleet", "member2"));
  if (wrongKey === undefined) throw new Error("no Secret");
  scene.host.update("secrets", { ...wrongKey, data: { other: "eA==" } });
  const nonsense = structuredClone(scene.host.get("secrets", "fleet", "member3"));
  if (nonsense === undefined) throw new Error("no Secret");
  scene.host.update("secrets", { ...nonsense, data: { "member3.config": Buffer.from("token-of-somebody").toString("base64") } });
  const fleet = structuredClone(scene.host.get("fleets.fleet.kurator.dev", "fleet", "quickstart"));
  (fleet?.spec as { clusters: object[] }).clusters.push({ kind: "AttachedCluster", name: "member4" }, { kind: "Pod", name: "x" });
  if (fleet !== undefined) scene.host.update("fleets.fleet.kurator.dev", fleet);
  scene.host.create(APPLICATIONS, applicationOf());
  expect(await scene.until(() => phaseIn(scene, "member1") === "Initialized", 60)).toBe(true);
  await scene.advance(5000);
  const said = JSON.stringify(scene.status());
  expect(said).toContain('member2: Secret fleet/member2 has no key \\"member2.config\\"; put the kubeconfig there, or name its key in spec.kubeconfig.key of AttachedCluster member2');
  expect(said).toContain("member3");
  expect(message(scene, "Stalled")).toMatch(/^spec.destination.fleet: AttachedCluster fleet\/member4 of Fleet quickstart does not exist.*\(and \d more\)$|^spec.destination.fleet: AttachedCluster/);
  expect(`${said}${scene.logged.join("")}`).not.toContain("token-of-somebody");
  const stated = scene.host.get("attachedclusters.cluster.kurator.dev", "fleet", "member3")?.status as { ready: boolean; conditions: { message: string }[] };
  expect(stated.ready).toBe(false);
  expect(stated.conditions[0]?.message).toContain("its kubeconfig cannot be used: it is not a kubeconfig");
  await scene.end();
});

test("two Applications for one workload: the second is refused with the name of the first, everywhere else it goes on", async () => {
  const scene = await furnished(["member1", "member2"]);
  scene.host.create(APPLICATIONS, applicationOf());
  expect(await scene.until(() => condition(scene, "Ready") === "True Delivered", 120)).toBe(true);
  scene.host.create(APPLICATIONS, applicationOf({}, "other"));
  expect(await scene.until(() => condition(scene, "Stalled", "other") === "True DuplicateTarget", 30)).toBe(true);
  expect(message(scene, "Stalled", "other")).toContain("Canary test/app in member1 is of the Application fleet/shop; roll the workload out by one of the two");
  scene.host.delete(APPLICATIONS, "fleet", "other");
  expect(await scene.until(() => scene.host.get(APPLICATIONS, "fleet", "other") === undefined, 60)).toBe(true);
  expect(phases(scene)).toBe("member1 Initialized, member2 Initialized");
  await scene.end();
});

test("one workload twice in one Application, and a Canary of the user's own", async () => {
  const scene = await furnished(["member1"]);
  member(scene, "member1").store.create(CANARIES, { apiVersion: "rollout.kurator.dev/v1alpha1", kind: "Canary", metadata: { name: "app", namespace: "test" }, spec: { targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "app" }, service: { port: 8080 }, skipAnalysis: true } });
  scene.host.create(APPLICATIONS, applicationOf({ syncPolicies: [{ rollout: rolloutOf() }, { rollout: rolloutOf() }] }));
  expect(await scene.until(() => condition(scene, "Stalled") !== "", 20)).toBe(true);
  expect(message(scene, "Stalled")).toContain("spec.syncPolicies[1].rollout.workload: test/app in member1 is rolled out by spec.syncPolicies[0] already");
  expect(await scene.until(() => JSON.stringify(scene.status().clusters).includes("exists and was not made for this Application; delete it, or remove the rollout here"), 20)).toBe(true);
  expect(member(scene, "member1").store.get(CANARIES, "test", "app")?.metadata.labels).toBeUndefined();
  await scene.end();
});

test("a rollout that no Canary could be is refused under its own path; what was delivered before stays", async () => {
  const scene = await furnished(["member1"]);
  scene.host.create(APPLICATIONS, applicationOf({ syncPolicies: [{ rollout: rolloutOf({}, { testLoader: true }) }] }));
  expect(await scene.until(() => condition(scene, "Ready") === "True Delivered", 120)).toBe(true);
  const found = structuredClone(scene.host.get(APPLICATIONS, "fleet", "shop"));
  if (found === undefined) throw new Error("no Application");
  scene.host.update(APPLICATIONS, { ...found, spec: { ...(found.spec as object), syncPolicies: [{ rollout: rolloutOf({ trafficRouting: {} }, { testLoader: true }) }] } });
  expect(await scene.until(() => condition(scene, "Stalled") === "True InvalidSpec", 20)).toBe(true);
  expect(message(scene, "Stalled")).toContain("spec.syncPolicies[0].rollout.rolloutPolicy.trafficRouting.canaryStrategy: names no steps");
  await scene.advance(10_000);
  expect(phaseIn(scene, "member1")).toBe("Initialized");
  expect(member(scene, "member1").store.get("deployments.apps", "test", "app-testloader")).toBeDefined();
  await scene.end();
});

test("a member without an engine is named with the cure, and gets the rollout when it has one", async () => {
  const scene = await furnished(["member1"]);
  const bare = scene.member("member2", false);
  await furnish(bare, "1.0.0");
  bare.store.delete("customresourcedefinitions.apiextensions.k8s.io", undefined, "canaries.rollout.kurator.dev");
  bare.store.delete("customresourcedefinitions.apiextensions.k8s.io", undefined, "canaries.flagger.app");
  for (const group of ["rollout.kurator.dev", "flagger.app"]) for (const plural of ["metrictemplates", "alertproviders"]) bare.store.delete("customresourcedefinitions.apiextensions.k8s.io", undefined, `${plural}.${group}`);
  await scene.advance(1000);
  scene.attach("member2");
  const fleet = structuredClone(scene.host.get("fleets.fleet.kurator.dev", "fleet", "quickstart"));
  (fleet?.spec as { clusters: object[] }).clusters.push({ kind: "AttachedCluster", name: "member2" });
  if (fleet !== undefined) scene.host.update("fleets.fleet.kurator.dev", fleet);
  scene.host.create(APPLICATIONS, applicationOf());
  expect(await scene.until(() => condition(scene, "Stalled") === "True EngineMissing", 30)).toBe(true);
  expect(message(scene, "Stalled")).toBe("member2: no engine is installed there: its API server knows no Canary; install the chart kurator-rollout");
  expect(await scene.until(() => phaseIn(scene, "member1") === "Initialized", 60)).toBe(true);
  for (const crd of renderCRDs("rollout.kurator.dev")) bare.store.create("customresourcedefinitions.apiextensions.k8s.io", crd as unknown as KubeObject);
  bare.start("engine");
  expect(await scene.until(() => phases(scene) === "member1 Initialized, member2 Initialized", 120)).toBe(true);
  await scene.end();
});

test("a kubeconfig whose user may do nothing is named with the role that it needs", async () => {
  const scene = await furnished(["member1", "member2"]);
  scene.forbidden.add("member2");
  scene.host.create(APPLICATIONS, applicationOf());
  expect(await scene.until(() => condition(scene, "Stalled") === "True Forbidden", 60)).toBe(true);
  expect(message(scene, "Stalled")).toContain("give that user the role kurator-rollout-fleet-member");
  expect(await scene.until(() => phaseIn(scene, "member1") === "Initialized", 60)).toBe(true);
  scene.forbidden.delete("member2");
  expect(await scene.until(() => condition(scene, "Ready") === "True Delivered", 120)).toBe(true);
  await scene.end();
});
