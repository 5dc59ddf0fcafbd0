// One manifest, many clusters: does an Application reach its members, and does each change go from wave to wave, and back, with nobody else held up?
import { expect, test } from "@jest/globals";
import type { KubeObject } from "../../sandbox/api/types.ts";
import { FleetScene } from "../../sandbox/simulation/fleetscene.ts";
import type { Scene } from "../../sandbox/simulation/scene.ts";
import { furnish, setImage } from "../../sandbox/simulation/story.ts";

const APPLICATIONS = "applications.apps.kurator.dev";
const CANARIES = "canaries.rollout.kurator.dev";

export function rolloutOf(policy: object = {}, more: object = {}): object {
  return {
    trafficRoutingProvider: "istio",
    workload: { name: "app", namespace: "test", kind: "Deployment", apiVersion: "apps/v1" },
    serviceName: "app",
    port: 8080,
    ...more,
    rolloutPolicy: {
      rolloutTimeoutSeconds: 60,
      trafficRouting: { gateways: ["istio-system/public-gateway"], hosts: ["app.test"], canaryStrategy: { maxWeight: 60, stepWeight: 30 } },
      trafficAnalysis: { checkIntervalSeconds: 5, checkFailedTimes: 2, metrics: [{ name: "request-success-rate", intervalSeconds: 20, thresholdRange: { min: 99 } }] },
      ...policy,
    },
  };
}

export function applicationOf(spec: object = {}): KubeObject {
  return {
    apiVersion: "apps.kurator.dev/v1alpha1",
    kind: "Application",
    metadata: { name: "shop", namespace: "fleet" },
    spec: { source: {}, destination: { fleet: "quickstart" }, syncPolicies: [{ rollout: rolloutOf() }], ...spec },
  };
}

async function furnished(names: readonly string[], labels: Record<string, Record<string, string>> = {}, seed = 31): Promise<FleetScene> {
  const scene = new FleetScene(seed);
  for (const name of names) {
    const member = scene.member(name);
    await furnish(member, "1.0.0");
    scene.attach(name, labels[name]);
  }
  scene.fleet(names);
  scene.start("one");
  return scene;
}

function phases(scene: FleetScene): string[] {
  return (scene.status().syncStatus ?? []).map(({ rolloutStatus }) => `${rolloutStatus?.clusterName} ${String((rolloutStatus?.rolloutStatusInCluster as { phase?: string } | undefined)?.phase)}`);
}

function member(scene: FleetScene, name: string): Scene {
  const found = scene.members.get(name);
  if (found === undefined) throw new Error(`no member ${name}`);
  return found;
}

function condition(scene: FleetScene, type: string): string {
  const found = scene.status().conditions?.find((one) => one.type === type);
  return found === undefined ? "" : `${found.status} ${found.reason}`;
}

test("an Application reaches every member, says so, rolls a change out in each, and takes everything back when it goes", async () => {
  const scene = await furnished(["member1", "member2"]);
  scene.host.create(APPLICATIONS, applicationOf());
  expect(await scene.until(() => phases(scene).join() === "member1 Initialized,member2 Initialized", 120)).toBe(true);
  expect(await scene.until(() => condition(scene, "Ready") === "True Delivered", 10)).toBe(true);
  expect(scene.status()).toMatchObject({ observedGeneration: 1, summary: "2 Initialized", syncStatus: [{ name: "shop-0-attachedcluster-member1", rolloutStatus: { rolloutNameInCluster: "app", rolloutStatusInCluster: { canaryWeight: 0, failedChecks: 0, iterations: 0, trackedConfigs: {} } } }, {}] });
  for (const name of ["member1", "member2"]) setImage(member(scene, name), "2.0.0");
  expect(await scene.until(() => phases(scene).join() === "member1 Succeeded,member2 Succeeded", 240)).toBe(true);
  scene.host.delete(APPLICATIONS, "fleet", "shop");
  expect(await scene.until(() => scene.host.get(APPLICATIONS, "fleet", "shop") === undefined, 120)).toBe(true);
  for (const one of scene.members.values()) {
    expect(one.store.list(CANARIES)).toEqual([]);
    expect(one.store.get("deployments.apps", "test", "app-primary")).toBeUndefined();
    expect(one.lost).toEqual([]);
  }
  await scene.end();
});
