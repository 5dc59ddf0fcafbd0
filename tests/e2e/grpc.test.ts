// gRPC behind a gateway of the Gateway API, with real calls: a GRPCRoute that the engine makes, and the HTTPRoute of a manifest of Flagger's.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { bump, deployment, phase, weight } from "./support/app.ts";
import { apply, eventually, get, installCrds, kubectl, namespace, sleep } from "./support/cluster.ts";
import { Engine } from "./support/engine.ts";
import { GrpcLoad } from "./support/grpc.ts";
import type { Resource } from "../../engine/ports.ts";

const MADE = "routes-grpc";
const FLAGGER = "routes-grpc-flagger";
const ALL = [MADE, FLAGGER];
const PORT = 9999;
const GRPC_ROUTES: Resource = { group: "gateway.networking.k8s.io", version: "v1", plural: "grpcroutes", kind: "GRPCRoute" };
const GATEWAY = { group: "gateway.networking.k8s.io", kind: "Gateway", name: "gateway", namespace: "istio-system" };
let engine: Engine;
let hooks: Server;
/** Namespaces whose release is a bad one: nothing on this mesh counts gRPC's own statuses, so a hook says it. */
const bad = new Set<string>();
const stories: Promise<void>[] = [];

async function deploy(inside: string): Promise<void> {
  const made = deployment({ namespace: inside, args: [`--grpc-port=${PORT}`] }) as { spec: { template: { spec: { containers: { ports: object[] }[] } } } };
  made.spec.template.spec.containers[0]?.ports.push({ name: "grpc", containerPort: PORT, protocol: "TCP" });
  const ports = [{ name: "grpc", port: PORT, targetPort: "grpc", protocol: "TCP", appProtocol: "grpc" }];
  await apply(made, { apiVersion: "v1", kind: "Service", metadata: { name: "backend", namespace: inside }, spec: { selector: { app: "backend" }, ports } });
  await kubectl("-n", inside, "rollout", "status", "deployment/backend", "--timeout=120s");
}

function acceptance(inside: string): object {
  const { port } = hooks.address() as AddressInfo;
  return { name: "acceptance", type: "rollout", url: `http://127.0.0.1:${port}/${inside}` };
}

function canary(inside: string, service: object, analysis: object = {}): object {
  return {
    apiVersion: "rollout.kurator.dev/v1alpha1",
    kind: "Canary",
    metadata: { name: "backend", namespace: inside },
    spec: {
      provider: "gatewayapi:v1",
      targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "backend" },
      drainSeconds: 4,
      progressDeadlineSeconds: 60,
      service: { port: PORT, portName: "grpc", targetPort: "grpc", appProtocol: "grpc", ...service },
      analysis: { interval: "4s", threshold: 2, maxWeight: 50, stepWeight: 25, webhooks: [acceptance(inside)], ...analysis },
    },
  };
}

/** A route that the engine makes. */
async function made(): Promise<void> {
  await apply(canary(MADE, { gatewayRefs: [GATEWAY], hosts: [`backend.${MADE}`] }));
  await phase(MADE, "Initialized");
  const load = await GrpcLoad.start(`backend.${MADE}`);
  const { versions } = load.counted;
  await bump({ namespace: MADE }, "6.0.1");
  await weight(MADE, 25);
  await weight(MADE, 50);
  await sleep(500);
  const before = { ...versions };
  await sleep(2500);
  const calls = ["6.0.0", "6.0.1"].map((version) => (versions[version] ?? 0) - (before[version] ?? 0));
  const [old = 0, fresh = 0] = calls;
  expect(old + fresh).toBeGreaterThan(80);
  expect(fresh / (old + fresh)).toBeGreaterThan(0.3);
  expect(fresh / (old + fresh)).toBeLessThan(0.7);
  await phase(MADE, "Succeeded", 120);

  bad.add(MADE);
  await bump({ namespace: MADE }, "6.0.2");
  await weight(MADE, 25);
  await eventually("calls meet 6.0.2", 20, () => Promise.resolve(load.firstSeen("6.0.2")));
  await phase(MADE, "Failed", 60);
  await sleep(1000);
  const left = versions["6.0.2"];
  await sleep(1000);
  expect(versions["6.0.2"]).toBe(left);
  const counted = await load.stop();
  expect(counted.losses).toEqual({});
  expect(counted.ok).toBeGreaterThan(1000);
}

/** Flagger knows no GRPCRoute: its manifests have an HTTPRoute, and calls go through it as well. */
async function flaggers(): Promise<void> {
  const manifest = canary(FLAGGER, { gatewayRefs: [GATEWAY], hosts: [`backend.${FLAGGER}`] }, { interval: "10s", stepWeight: 50 });
  await apply({ ...manifest, apiVersion: "flagger.app/v1beta1" });
  const phaseOf = async (wanted: string): Promise<void> => {
    await kubectl("-n", FLAGGER, "wait", "canaries.flagger.app/backend", `--for=jsonpath={.status.phase}=${wanted}`, "--timeout=120s");
  };
  await phaseOf("Initialized");
  const load = await GrpcLoad.start(`backend.${FLAGGER}`);
  await bump({ namespace: FLAGGER }, "6.0.1");
  await eventually("calls meet 6.0.1", 60, () => Promise.resolve(load.firstSeen("6.0.1")));
  expect((await get(GRPC_ROUTES, FLAGGER, "backend"))).toBeUndefined();
  await phaseOf("Succeeded");
  const counted = await load.stop();
  expect(counted.losses).toEqual({});
  expect(Object.keys(counted.versions).sort()).toEqual(["6.0.0", "6.0.1"]);
}

beforeAll(async () => {
  for (const each of ALL) await namespace(each);
  await installCrds();
  hooks = createServer((request, response) => void (request.resume(), response.writeHead(bad.has((request.url ?? "").slice(1)) ? 500 : 200).end()));
  await new Promise<void>((resolve) => hooks.listen(0, "127.0.0.1", resolve));
  await Promise.all(ALL.map(deploy));
  engine = await Engine.start({ namespaces: ALL, leaseName: "grpc", apiGroups: "rollout.kurator.dev,flagger.app" });
  // They have nothing in common but the engine, so that none waits for another.
  stories.push(made(), flaggers());
  for (const story of stories) story.catch(() => undefined);
});

afterAll(async () => {
  await Promise.allSettled(stories);
  await engine.stop();
  hooks.close();
  await kubectl("delete", "namespace", ...ALL, "--wait=false");
});

test("a GRPCRoute that the engine makes: calls are shared out by weight, and none is lost by a promotion or a rollback", () => stories[0]);

test("a manifest of Flagger's: its HTTPRoute carries gRPC, and no call is lost", () => stories[1]);
