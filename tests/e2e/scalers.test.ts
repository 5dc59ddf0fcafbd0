// A real HorizontalPodAutoscaler beside a canary: the primary has one too, is as big as its traffic will be before it gets it, and shrinks afterwards.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { bump, canary, deploy, hostOf, phase, replicasOf, weight } from "./support/app.ts";
import { apply, eventually, get, installCrds, kubectl, namespace, soon } from "./support/cluster.ts";
import { Engine } from "./support/engine.ts";
import { Load } from "./support/load.ts";
import type { Resource } from "../../engine/ports.ts";

const NS = "scalers";
const app = { namespace: NS, replicas: 2 };
const HPAS: Resource = { group: "autoscaling", version: "v2", plural: "horizontalpodautoscalers", kind: "HorizontalPodAutoscaler" };
let engine: Engine;
let load: Load;

const hpa = {
  apiVersion: "autoscaling/v2",
  kind: "HorizontalPodAutoscaler",
  metadata: { name: "backend", namespace: NS },
  spec: { scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "backend" }, minReplicas: 2, maxReplicas: 6, metrics: [{ type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } } }] },
};

async function least(): Promise<number | undefined> {
  return ((await get(HPAS, NS, "backend-primary"))?.spec as { minReplicas?: number } | undefined)?.minReplicas;
}

beforeAll(async () => {
  await namespace(NS);
  await installCrds();
  await deploy(app);
  await apply(hpa);
  engine = await Engine.start({ namespaces: [NS], leaseName: "scalers" });
  load = await Load.start(hostOf(app));
});

afterAll(async () => {
  await load.stop();
  await engine.stop();
  await kubectl("delete", "namespace", NS, "--wait=false");
});

test("the primary gets an autoscaler of its own", async () => {
  await apply(canary(app, { autoscalerRef: { apiVersion: "autoscaling/v2", kind: "HorizontalPodAutoscaler", name: "backend" } }, { interval: "3s", stepWeight: 25 }));
  await phase(NS, "Initialized", 90);
  await soon(async () => expect(await get(HPAS, NS, "backend-primary")).toMatchObject({ spec: { minReplicas: 2, maxReplicas: 6, scaleTargetRef: { name: "backend-primary" } } }));
  await soon(async () => expect(await replicasOf(NS, "backend")).toBe(0));
});

test("a canary that has grown: the primary has as many pods before the traffic returns, and its bounds come back", async () => {
  await bump(app, "6.0.1");
  await weight(NS, 50);
  await kubectl("-n", NS, "scale", "deployment/backend", "--replicas=4");
  await phase(NS, "Promoting", 60);
  await eventually("the minimum is raised", 20, async () => ((await least()) === 4 ? true : undefined), least);
  await phase(NS, "Finalising", 90);
  const available = await kubectl("-n", NS, "get", "deployment", "backend-primary", "-o", "jsonpath={.status.availableReplicas}");
  expect(Number(available)).toBeGreaterThanOrEqual(4);
  await phase(NS, "Succeeded", 60);
  await eventually("the minimum is its own again", 20, async () => ((await least()) === 2 ? true : undefined), least);
  expect(load.counted.losses).toEqual({});
});

test("deleting the Canary leaves the app with its own autoscaler alone", async () => {
  await kubectl("-n", NS, "delete", "canaries.rollout.kurator.dev", "backend");
  await eventually("the primary is gone", 90, async () => ((await replicasOf(NS, "backend-primary")) === undefined ? true : undefined));
  expect(await get(HPAS, NS, "backend-primary")).toBeUndefined();
  expect(await replicasOf(NS, "backend")).toBeGreaterThanOrEqual(2);
  expect(load.counted.losses).toEqual({});
});
