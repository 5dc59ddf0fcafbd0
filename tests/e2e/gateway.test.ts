// Releases behind a gateway of the Gateway API, with real traffic: by a route that the engine makes, and by one that is the user's own.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { bump, deployment, phase, replicasOf, service, weight } from "./support/app.ts";
import { apply, eventually, get, installCrds, kubectl, namespace } from "./support/cluster.ts";
import { Engine } from "./support/engine.ts";
import { Load } from "./support/load.ts";
import type { Resource } from "../../engine/ports.ts";

const ROUTES: Resource = { group: "gateway.networking.k8s.io", version: "v1", plural: "httproutes", kind: "HTTPRoute" };
const GENERATED = "e2e-gateway";
const OWN = "e2e-gateway-own";
let engine: Engine;

function canary(inside: string, service: object, analysis: object = {}): object {
  const selected = `reporter="destination",destination_workload_namespace="{{ namespace }}",destination_workload="{{ target }}"`;
  const query = `(sum(rate(istio_requests_total{${selected},response_code!~"5.."}[{{ interval }}])) or vector(0)) / sum(rate(istio_requests_total{${selected}}[{{ interval }}])) * 100`;
  return {
    apiVersion: "rollout.kurator.dev/v1alpha1",
    kind: "Canary",
    metadata: { name: "backend", namespace: inside },
    spec: {
      provider: "gatewayapi:v1",
      targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "backend" },
      drainSeconds: 4,
      progressDeadlineSeconds: 60,
      service: { port: 9898, ...service },
      analysis: { interval: "5s", threshold: 2, maxWeight: 50, stepWeight: 25, metrics: [{ name: "success", interval: "20s", thresholdRange: { min: 99 }, query }], ...analysis },
    },
  };
}

async function deploy(inside: string): Promise<void> {
  await apply(deployment({ namespace: inside }), service({ namespace: inside }));
  await kubectl("-n", inside, "rollout", "status", "deployment/backend", "--timeout=120s");
}

beforeAll(async () => {
  for (const each of [GENERATED, OWN]) await namespace(each);
  await installCrds();
  for (const each of [GENERATED, OWN]) await deploy(each);
  engine = await Engine.start({ namespaces: [GENERATED, OWN], leaseName: "gateway" });
});

afterAll(async () => {
  await engine.stop();
  await kubectl("delete", "namespace", GENERATED, OWN, "--wait=false");
});

test("a route that the engine makes: weights, promotion, and the way back, without a lost request", async () => {
  await apply(canary(GENERATED, { gatewayRefs: [{ name: "gateway", namespace: "istio-system" }], hosts: [`backend.${GENERATED}`] }));
  await phase(GENERATED, "Initialized");
  const load = await Load.start(`backend.${GENERATED}`);
  await bump({ namespace: GENERATED }, "6.0.1");
  for (const step of [25, 50]) await weight(GENERATED, step);
  await phase(GENERATED, "Succeeded", 120);
  await bump({ namespace: GENERATED }, "6.0.2");
  await weight(GENERATED, 25);
  await kubectl("-n", GENERATED, "set", "image", "deployment/backend", "backend=ghcr.io/stefanprodan/podinfo:6.0.1");
  await phase(GENERATED, "Succeeded", 60);
  const counted = await load.stop();
  expect(counted.losses).toEqual({});
  expect(Object.keys(counted.versions)).toEqual(expect.arrayContaining(["6.0.0", "6.0.1", "6.0.2"]));
});

test("a route of the user's own: only its backends change, A/B chooses users, and it is given back as it was", async () => {
  const rule = { matches: [{ path: { type: "PathPrefix", value: "/" } }], backendRefs: [{ group: "", kind: "Service", name: "backend", port: 9898, weight: 1 }] };
  const spec = { parentRefs: [{ group: "gateway.networking.k8s.io", kind: "Gateway", name: "gateway", namespace: "istio-system" }], hostnames: [`backend.${OWN}`], rules: [rule] };
  await apply({ apiVersion: "gateway.networking.k8s.io/v1", kind: "HTTPRoute", metadata: { name: "backend", namespace: OWN }, spec });
  const load = await Load.start(`backend.${OWN}`);
  await eventually("the gateway's first answer", 30, () => Promise.resolve(load.firstSeen("6.0.0")));
  const before = load.counted.lost;
  await apply(canary(OWN, {}, { stepWeight: undefined, maxWeight: undefined, iterations: 2, match: [{ headers: { "x-user": { exact: "tester" } } }] }));
  await phase(OWN, "Initialized");
  const testers = await Load.start(`backend.${OWN}`, 50, "/", 2, { "x-user": "tester" });
  await bump({ namespace: OWN }, "6.0.3");
  await eventually("the testers' first answer of 6.0.3", 60, () => Promise.resolve(testers.firstSeen("6.0.3")));
  const early = load.firstSeen("6.0.3");
  await phase(OWN, "Succeeded", 120);
  expect(early).toBeUndefined();
  await kubectl("-n", OWN, "delete", "canaries.rollout.kurator.dev", "backend", "--timeout=10s");
  await eventually("given back", 60, async () => ((await replicasOf(OWN, "backend-primary")) === undefined ? true : undefined));
  expect((await get(ROUTES, OWN, "backend"))?.spec).toEqual(spec);
  expect((await testers.stop()).losses).toEqual({});
  expect((await load.stop()).lost).toBe(before);
});
