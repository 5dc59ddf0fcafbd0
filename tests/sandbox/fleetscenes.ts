// What the tests of the fleet share: an Application, its members with an app in each, and what they look at.
import type { KubeObject } from "../../sandbox/api/types.ts";
import { FleetScene } from "../../sandbox/simulation/fleetscene.ts";
import type { Scene } from "../../sandbox/simulation/scene.ts";
import { furnish } from "../../sandbox/simulation/furniture.ts";

export const APPLICATIONS = "applications.apps.kurator.dev";
export const CANARIES = "canaries.rollout.kurator.dev";
export const KUSTOMIZATIONS = "kustomizations.kustomize.toolkit.fluxcd.io";

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

export function applicationOf(spec: object = {}, name = "shop"): KubeObject {
  return {
    apiVersion: "apps.kurator.dev/v1alpha1",
    kind: "Application",
    metadata: { name, namespace: "fleet" },
    spec: { source: {}, destination: { fleet: "quickstart" }, syncPolicies: [{ rollout: rolloutOf() }], ...spec },
  };
}

/** A host, and members that are attached and have the app, without an Application. */
export async function furnished(names: readonly string[], labels: Record<string, Record<string, string>> = {}, seed = 31): Promise<FleetScene> {
  const scene = new FleetScene(seed);
  for (const name of names) {
    await furnish(scene.member(name), "1.0.0");
    scene.attach(name, labels[name]);
  }
  scene.fleet(names);
  scene.start("one");
  return scene;
}

export function member(scene: FleetScene, name: string): Scene {
  const found = scene.members.get(name);
  if (found === undefined) throw new Error(`no member ${name}`);
  return found;
}

export function phaseIn(scene: FleetScene, cluster: string): string {
  return member(scene, cluster).status().phase ?? "none";
}

/** As the Application's status has them, in its order. */
export function phases(scene: FleetScene): string {
  return (scene.status().syncStatus ?? []).map(({ rolloutStatus }) => `${rolloutStatus?.clusterName} ${String((rolloutStatus?.rolloutStatusInCluster as { phase?: string } | undefined)?.phase)}`).join(", ");
}

interface EditedSpec {
  syncPolicies: { rollout?: object; [field: string]: unknown }[];
  [field: string]: unknown;
}

export function edit(scene: FleetScene, change: (spec: EditedSpec) => void): void {
  const found = structuredClone(scene.host.get(APPLICATIONS, "fleet", "shop"));
  if (found === undefined) throw new Error("no Application");
  change(found.spec as EditedSpec);
  scene.host.update(APPLICATIONS, found);
}

export function condition(scene: FleetScene, type: string, name = "shop"): string {
  const found = scene.status(name).conditions?.find((one) => one.type === type);
  return found === undefined ? "" : `${found.status} ${found.reason}`;
}

export function message(scene: FleetScene, type: string, name = "shop"): string {
  return scene.status(name).conditions?.find((one) => one.type === type)?.message ?? "";
}

export function waves(scene: FleetScene): string {
  return (scene.status().waves ?? []).map(({ name, phase }) => `${name} ${phase}`).join(", ");
}
