// Routes that are not the plain one, with real traffic: delegation, and TCP through sidecars.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { bump, canary, deploy, deployment, hostOf, phase, service, weight } from "./support/app.ts";
import { apply, eventually, get, installCrds, kubectl, namespace, soon } from "./support/cluster.ts";
import { Engine } from "./support/engine.ts";
import { Load } from "./support/load.ts";
import type { Resource } from "../../engine/ports.ts";

const DELEGATED = "routes-delegated";
const TCP = "routes-tcp";
const VIRTUAL_SERVICES: Resource = { group: "networking.istio.io", version: "v1", plural: "virtualservices", kind: "VirtualService" };
const SUCCESS = { name: "request-success-rate", interval: "20s", thresholdRange: { min: 99 } };
let engine: Engine;

function virtualService(name: string, inside: string, spec: object): object {
  return { apiVersion: "networking.istio.io/v1", kind: "VirtualService", metadata: { name, namespace: inside }, spec };
}

beforeAll(async () => {
  for (const each of [DELEGATED, TCP]) await namespace(each);
  await installCrds();
  engine = await Engine.start({ namespaces: [DELEGATED, TCP], leaseName: "routes" });
});

afterAll(async () => {
  await engine.stop();
  await kubectl("delete", "namespace", DELEGATED, TCP, "--wait=false");
});

test("delegation: a root of the user's leads to the engine's route, and keeps what it says", async () => {
  const app = { namespace: DELEGATED };
  await deploy(app);
  // In place of the route that leads to the app by itself: one that another one delegates to.
  await kubectl("-n", DELEGATED, "delete", "virtualservice", "backend");
  await apply(virtualService("backend", DELEGATED, { http: [{ route: [{ destination: { host: "backend" } }] }] }));
  const root = { hosts: [hostOf(app)], gateways: ["istio-system/public-gateway"], http: [{ match: [{ uri: { prefix: "/" } }], headers: { response: { add: { "x-root": "yes" } } }, delegate: { name: "backend", namespace: DELEGATED } }] };
  await apply(virtualService("root", DELEGATED, root));
  const load = await Load.start(hostOf(app));
  await eventually("the first answer", 30, () => Promise.resolve(load.firstSeen("6.0.0")));
  const before = load.counted.lost;
  await apply(canary(app, { service: { port: 9898, delegation: true } }, { interval: "3s", stepWeight: 25, metrics: [SUCCESS] }));
  await phase(DELEGATED, "Initialized", 90);
  await bump(app, "6.0.1");
  await weight(DELEGATED, 25);
  await eventually("users meet it", 20, () => Promise.resolve(load.firstSeen("6.0.1")));
  await phase(DELEGATED, "Succeeded", 120);
  const made = (await get(VIRTUAL_SERVICES, DELEGATED, "backend"))?.spec;
  expect(made).not.toHaveProperty("hosts");
  expect(made).not.toHaveProperty("gateways");
  expect((await get(VIRTUAL_SERVICES, DELEGATED, "root"))?.spec).toEqual(root);
  expect((await load.stop()).lost).toBe(before);
});

test("TCP: connections of callers in the mesh are shared out by weight, and none is refused", async () => {
  const app = { namespace: TCP };
  const plain = service(app) as { spec: { ports: object[] } };
  Object.assign(plain.spec.ports[0] ?? {}, { name: "tcp", appProtocol: "tcp" });
  const caller = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "loadtester", namespace: TCP }, spec: { selector: { matchLabels: { app: "loadtester" } }, template: { metadata: { labels: { app: "loadtester" } }, spec: { terminationGracePeriodSeconds: 0, containers: [{ name: "caller", image: "kr/loadtools:1", imagePullPolicy: "IfNotPresent", command: ["sleep", "3600"] }] } } } };
  await apply(deployment(app), plain, caller);
  for (const name of ["backend", "loadtester"]) await kubectl("-n", TCP, "rollout", "status", `deployment/${name}`, "--timeout=120s");
  await apply(canary(app, { service: { port: 9898, portName: "tcp", appProtocol: "tcp" } }, { interval: "4s", stepWeight: 50, metrics: [SUCCESS] }));
  await phase(TCP, "Initialized", 90);
  // Each request is a connection of its own; those of one round are counted by what answered.
  const calls = async (): Promise<Record<string, number>> => {
    const script = "for n in $(seq 60); do curl -s -m 5 http://backend.routes-tcp:9898/version || echo lost; done";
    const said = await kubectl("-n", TCP, "exec", "deploy/loadtester", "--", "sh", "-c", script);
    const counted: Record<string, number> = {};
    for (const [, version = "lost"] of said.matchAll(/"version": ?"([^"]+)"|lost/g)) counted[version] = (counted[version] ?? 0) + 1;
    return counted;
  };
  await eventually("callers reach the app", 60, async () => ((await calls())["6.0.0"] === 60 ? true : undefined));
  await soon(async () => expect((await get(VIRTUAL_SERVICES, TCP, "backend"))?.spec).toMatchObject({ tcp: [{ route: [{ weight: 100 }, { weight: 0 }] }] }));
  await bump(app, "6.0.1");
  await weight(TCP, 50);
  const shared = await calls();
  expect(shared.lost).toBeUndefined();
  expect(shared["6.0.1"]).toBeGreaterThan(10);
  expect(shared["6.0.0"]).toBeGreaterThan(10);
  let done = false;
  const ended = phase(TCP, "Succeeded", 120).finally(() => (done = true));
  while (!done) expect((await calls()).lost).toBeUndefined();
  await ended;
  expect(await calls()).toEqual({ "6.0.1": 60 });
});
