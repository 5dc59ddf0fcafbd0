// Istio's delegation with real traffic: a team's root VirtualService in one namespace leads a part of its paths to the engine's in another, for a run that chooses its users.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { bump, canary, deployment, phase, replicasOf, service } from "./support/app.ts";
import { apply, eventually, get, installCrds, kubectl, namespace, sleep, soon } from "./support/cluster.ts";
import { Engine } from "./support/engine.ts";
import { Load } from "./support/load.ts";
import type { Resource } from "../../engine/ports.ts";

const ROOT = "routes-root";
const APP = "routes-delegate";
const HOST = "shop.routes-root";
const app = { namespace: APP };
const VIRTUAL_SERVICES: Resource = { group: "networking.istio.io", version: "v1", plural: "virtualservices", kind: "VirtualService" };
const ROOT_SPEC = {
  hosts: [HOST],
  gateways: ["istio-system/public-gateway"],
  http: [
    { match: [{ uri: { prefix: "/shop/" } }], rewrite: { uri: "/" }, delegate: { name: "backend", namespace: APP } },
    { match: [{ uri: { prefix: "/elsewhere" } }], directResponse: { status: 418 } },
  ],
};
let engine: Engine;

beforeAll(async () => {
  for (const each of [ROOT, APP]) await namespace(each);
  await installCrds();
  await apply(deployment(app), service(app), { apiVersion: "networking.istio.io/v1", kind: "VirtualService", metadata: { name: "shop", namespace: ROOT }, spec: ROOT_SPEC });
  await kubectl("-n", APP, "rollout", "status", "deployment/backend", "--timeout=120s");
  engine = await Engine.start({ namespaces: [APP], leaseName: "delegation" });
});

afterAll(async () => {
  await engine.stop();
  await kubectl("delete", "namespace", ROOT, APP, "--wait=false");
});

test("a root of another namespace leads to the route that the engine makes: A/B, promotion, and what stays when the Canary is gone", async () => {
  const choice = { stepWeight: undefined, maxWeight: undefined, iterations: 3, match: [{ headers: { "x-user": { exact: "tester" } } }] };
  await apply(canary(app, { service: { port: 9898, portDiscovery: true, delegation: true } }, { interval: "3s", metrics: [], ...choice }));
  await phase(APP, "Initialized", 90);
  await soon(async () => expect((await get(VIRTUAL_SERVICES, APP, "backend"))?.spec).not.toHaveProperty("hosts"));
  const first = await Load.start(HOST, 50, "/shop/", 1);
  await eventually("the root leads to it", 30, () => Promise.resolve(first.firstSeen("6.0.0")));
  await first.stop();

  const load = await Load.start(HOST, 50, "/shop/");
  const testers = await Load.start(HOST, 50, "/shop/", 2, { "x-user": "tester" });
  await bump(app, "6.0.1");
  await eventually("the testers' first answer of 6.0.1", 60, () => Promise.resolve(testers.firstSeen("6.0.1")));
  await sleep(3000);
  expect(load.firstSeen("6.0.1")).toBeUndefined();
  await phase(APP, "Succeeded", 120);
  await eventually("everybody has it", 20, () => Promise.resolve(load.met.at(-1) === "6.0.1" ? true : undefined));

  await kubectl("-n", APP, "delete", "canaries.rollout.kurator.dev", "backend", "--timeout=10s");
  await eventually("given back", 60, async () => ((await replicasOf(APP, "backend-primary")) === undefined ? true : undefined));
  await sleep(1500);
  expect((await get(VIRTUAL_SERVICES, ROOT, "shop"))?.spec).toEqual(ROOT_SPEC);
  for (const each of [load, testers]) expect((await each.stop()).losses).toEqual({});
  expect(load.counted.ok).toBeGreaterThan(500);
});
