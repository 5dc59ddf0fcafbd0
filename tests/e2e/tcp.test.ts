// Plain TCP through a gateway of Istio's: new connections are shared out by weight and none is refused; what becomes of those that are open?
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { bump, canary, deployment, phase, service, statusOf, weight } from "./support/app.ts";
import { apply, eventually, get, installCrds, kubectl, namespace, sleep } from "./support/cluster.ts";
import { Engine } from "./support/engine.ts";
import { Connection, TcpLoad } from "./support/tcp.ts";
import type { Resource } from "../../engine/ports.ts";

const NS = "routes-wire-tcp";
const PORT = 31400;
const app = { namespace: NS };
const VIRTUAL_SERVICES: Resource = { group: "networking.istio.io", version: "v1", plural: "virtualservices", kind: "VirtualService" };
let engine: Engine;
let gateway: string;

function opened(count: number): Connection[] {
  return Array.from({ length: count }, () => Connection.open(gateway, PORT));
}

beforeAll(async () => {
  await namespace(NS);
  await installCrds();
  const servers = [{ port: { number: PORT, name: "tcp", protocol: "TCP" }, hosts: ["*"] }];
  await apply(deployment(app), service(app), { apiVersion: "networking.istio.io/v1", kind: "Gateway", metadata: { name: "tcp", namespace: NS }, spec: { selector: { istio: "ingressgateway" }, servers } });
  await kubectl("-n", NS, "rollout", "status", "deployment/backend", "--timeout=120s");
  gateway = await kubectl("-n", "istio-system", "get", "pods", "-l", "app=istio-ingressgateway", "-o", "jsonpath={.items[0].status.podIP}");
  engine = await Engine.start({ namespaces: [NS], leaseName: "tcp" });
});

afterAll(async () => {
  await engine.stop();
  await kubectl("delete", "namespace", NS, "--wait=false");
});

test("new connections are shared out by weight and none is lost; one that is open stays with its version until that pod is replaced", async () => {
  const tcp = { port: 9898, portName: "tcp", appProtocol: "tcp", portDiscovery: true, gateways: ["mesh", `${NS}/tcp`] };
  await apply(canary(app, { service: tcp }, { interval: "6s", stepWeight: 50, metrics: [] }));
  await phase(NS, "Initialized", 90);
  const probe = async (): Promise<true | undefined> => {
    const [connection] = opened(1);
    await sleep(300);
    connection?.close();
    return connection?.versions[0] === "6.0.0" ? true : undefined;
  };
  await eventually("the gateway listens", 30, probe);
  const load = new TcpLoad(gateway, PORT);
  const before = opened(6);
  await bump(app, "6.0.1");
  await weight(NS, 50);
  const routes = ((await get(VIRTUAL_SERVICES, NS, "backend"))?.spec as { tcp?: unknown[] } | undefined)?.tcp;
  expect(routes).toHaveLength(2);
  await sleep(700);
  const counted = { ...load.versions };
  const during = opened(12);
  await sleep(3000);
  expect((await statusOf(NS)).phase).toBe("Progressing");
  // Weights are of new connections: those that were open stay where they are.
  for (const connection of before) expect([connection.cutAt, ...connection.versions]).toEqual([undefined, "6.0.0"]);
  expect(during.map(({ versions }) => versions.length)).toEqual(during.map(() => 1));
  expect(new Set(during.flatMap(({ versions }) => versions))).toEqual(new Set(["6.0.0", "6.0.1"]));
  const [old = 0, fresh = 0] = ["6.0.0", "6.0.1"].map((version) => (load.versions[version] ?? 0) - (counted[version] ?? 0));
  expect(fresh / (old + fresh)).toBeGreaterThan(0.3);
  expect(fresh / (old + fresh)).toBeLessThan(0.7);

  await phase(NS, "Succeeded", 120);
  await eventually("every pod of a run is gone, and its connections with it", 30, () => Promise.resolve([...before, ...during].every(({ cutAt }) => cutAt !== undefined) ? true : undefined));
  for (const { versions } of [...before, ...during]) expect(versions).toHaveLength(1);

  const kept = opened(4);
  await bump(app, "6.0.2");
  await weight(NS, 50);
  await sleep(700);
  const chosen = opened(8);
  await sleep(500);
  const { run } = await statusOf(NS);
  await kubectl("-n", NS, "annotate", "--overwrite", "canaries.rollout.kurator.dev", "backend", `rollout.kurator.dev/action=abort run=${run?.id ?? ""}`);
  await eventually("the weight is back", 20, async () => ((await statusOf(NS)).route?.canaryWeight === 0 ? true : undefined));
  await sleep(1000);
  // For as long as it drains, whoever has a connection to the canary keeps it.
  for (const connection of chosen) expect(connection.cutAt).toBeUndefined();
  await phase(NS, "Failed", 60);
  const canaries = chosen.filter(({ versions }) => versions[0] === "6.0.2");
  await eventually("the canary's pods are gone", 30, () => Promise.resolve(canaries.every(({ cutAt }) => cutAt !== undefined) ? true : undefined));
  for (const connection of chosen) expect([connection.versions.length, connection.cutAt === undefined]).toEqual([1, !canaries.includes(connection)]);
  for (const connection of kept) expect([connection.cutAt, ...connection.versions]).toEqual([undefined, "6.0.1"]);
  for (const connection of [...kept, ...chosen]) connection.close();
  await load.stop();
  console.log(load.versions);
  expect(load.losses).toEqual([]);
});
