// Does what the manifest says of requests (rewriting, headers, CORS, time-outs, retries, ports) arrive on the wire, for every caller, at every moment of a run and after the
// Canary is gone? By Istio with two gateways and callers in the mesh, and by an HTTPRoute on two gateways.
import { get as request, type IncomingMessage } from "node:http";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { bump, deployment, phase, replicasOf, weight } from "./support/app.ts";
import { apply, cluster, eventually, installCrds, kubectl, namespace, serviceIp, sleep } from "./support/cluster.ts";
import { Engine } from "./support/engine.ts";
import { Load } from "./support/load.ts";
import type { Resource } from "../../engine/ports.ts";

const ISTIO = "routes-wire";
const GATEWAY = "routes-wire-gateway";
const PODS: Resource = { group: "", version: "v1", plural: "pods", kind: "Pod" };
const SECOND_PORT = 8081;
const WORDS = {
  match: [{ uri: { prefix: "/app/" } }],
  rewrite: { uri: "/", authority: "inner.example", type: "ReplacePrefixMatch" },
  timeout: "1s",
  headers: { request: { add: { "x-added": "yes" }, remove: ["x-secret"] }, response: { set: { "x-answer": "yes" } } },
  corsPolicy: { allowOrigins: [{ exact: "https://shop.example" }], allowMethods: ["GET"], maxAge: "60s" },
};
let engine: Engine;
const stories: Promise<void>[] = [];
const callers: { stop: () => Promise<unknown> }[] = [];

function canary(inside: string, provider: string, service: object): object {
  return {
    apiVersion: "rollout.kurator.dev/v1alpha1",
    kind: "Canary",
    metadata: { name: "backend", namespace: inside },
    spec: {
      provider,
      targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "backend" },
      drainSeconds: 4,
      progressDeadlineSeconds: 60,
      service: { port: 9898, portDiscovery: true, hosts: [`backend.${inside}`], ...WORDS, ...service },
      analysis: { interval: "8s", threshold: 2, maxWeight: 50, stepWeight: 50, metrics: [] },
    },
  };
}

interface Answer {
  status: number;
  headers: IncomingMessage["headers"];
  body: string;
}

async function ask(address: string, path: string, headers: Record<string, string>, method = "GET"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(`http://${address}${path}`, { method, headers, timeout: 10_000 }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (body += chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    sent.on("timeout", () => sent.destroy(new Error("timeout")));
    sent.on("error", reject);
  });
}

/** Asks the app what it was sent, again and again, and keeps what is not as the manifest says. */
class Watch {
  readonly wrong = new Set<string>();
  readonly versions: Record<string, number> = {};
  private running = true;
  private readonly done: Promise<void>;

  constructor(private readonly address: string, private readonly host: string) {
    this.done = this.look();
  }

  async stop(): Promise<void> {
    this.running = false;
    await this.done;
  }

  private async look(): Promise<void> {
    while (this.running) {
      const path = "/app/headers";
      const answer = await ask(this.address, path, { host: this.host, "x-secret": "1" }).catch((error: Error): Answer => ({ status: 0, headers: {}, body: error.message }));
      if (answer.status !== 200) this.wrong.add(`status ${answer.status} ${answer.body}`);
      else {
        const got = JSON.parse(answer.body) as Record<string, string[]>;
        const [version = "unknown"] = got["X-Api-Version"] ?? [];
        this.versions[version] = (this.versions[version] ?? 0) + 1;
        const said = { added: got["X-Added"], secret: got["X-Secret"], path: got["X-Envoy-Original-Path"], host: got["X-Envoy-Original-Host"], answer: answer.headers["x-answer"] };
        const wanted = { added: ["yes"], secret: undefined, path: [path], host: [this.host], answer: "yes" };
        if (JSON.stringify(said) !== JSON.stringify(wanted)) this.wrong.add(`${version}: ${JSON.stringify(said)}`);
      }
      await sleep(100);
    }
  }
}

async function preflightsAndTimeouts(address: string, host: string): Promise<void> {
  const preflight = async (origin: string): Promise<IncomingMessage["headers"]> => (await ask(address, "/app/version", { host, origin, "access-control-request-method": "GET" }, "OPTIONS")).headers;
  expect(await preflight("https://shop.example")).toMatchObject({ "access-control-allow-origin": "https://shop.example", "access-control-allow-methods": "GET", "access-control-max-age": "60" });
  expect(await preflight("https://other.example")).not.toHaveProperty("access-control-allow-origin");
  expect((await ask(address, "/app/delay/5", { host })).status).toBe(504);
}

/** How often pods of the app have answered with this status. */
async function answered(inside: string, status: number): Promise<number> {
  const { api } = await cluster();
  const pods = await api.list(PODS, inside);
  if (!pods.ok) throw new Error(pods.fault.message);
  const counts = pods.value.map(async (pod) => {
    const { podIP = "" } = (pod.status ?? {}) as { podIP?: string };
    if (pod.metadata.labels?.app?.startsWith("backend") !== true || podIP === "") return 0;
    const metrics = await ask(`${podIP}:9797`, "/metrics", {}).catch(() => undefined);
    return Number(new RegExp(`http_requests_total{status="${status}"} (\\d+)`).exec(metrics?.body ?? "")?.[1] ?? 0);
  });
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}

async function gatewayPod(): Promise<string> {
  return kubectl("-n", "istio-system", "get", "pods", "-l", "app=istio-ingressgateway", "-o", "jsonpath={.items[0].status.podIP}");
}

/** What callers in the mesh get: lines of "VERSION STATUS". */
async function fromTheMesh(url: string, times: number): Promise<string[]> {
  const script = `for n in $(seq ${times}); do rm -f /tmp/body; curl -s -m 5 -o /tmp/body -w '%{http_code} ' ${url} || echo lost; grep -o '"version": *"[^"]*"' /tmp/body 2>/dev/null | cut -d'"' -f4; echo; done; true`;
  return (await kubectl("-n", ISTIO, "exec", "deploy/loadtester", "--", "sh", "-c", script)).split("\n").map((line) => line.trim()).filter((line) => line !== "");
}

async function handBack(inside: string): Promise<void> {
  await kubectl("-n", inside, "delete", "canaries.rollout.kurator.dev", "backend", "--timeout=10s");
  await eventually("given back", 60, async () => ((await replicasOf(inside, "backend-primary")) === undefined ? true : undefined));
  await sleep(1500);
}

async function proved(watches: Watch[], load: Load): Promise<void> {
  for (const each of [load, ...watches]) await each.stop();
  for (const { wrong, versions } of watches) {
    expect([...wrong]).toEqual([]);
    expect(versions).toMatchObject({ "6.0.0": expect.any(Number), "6.0.1": expect.any(Number) });
  }
  expect(load.counted.losses).toEqual({});
}

async function throughIstio(): Promise<void> {
  const gateways = ["mesh", "istio-system/public-gateway", `${ISTIO}/second`];
  await apply(canary(ISTIO, "istio", { gateways, retries: { attempts: 2, retryOn: "5xx" } }));
  await phase(ISTIO, "Initialized", 90);
  const host = `backend.${ISTIO}`;
  const [first, second] = [await serviceIp("istio-system", "istio-ingressgateway"), `${await gatewayPod()}:${SECOND_PORT}`];
  for (const address of [first, second]) await eventually(`${address} answers`, 30, async () => ((await ask(address, "/app/", { host }).catch(() => undefined))?.status === 200 ? true : undefined));
  const load = await Load.start(host, 50, "/app/");
  const watches = [first, second].map((address) => new Watch(address, host));
  callers.push(load, ...watches);
  await bump({ namespace: ISTIO }, "6.0.1");
  await weight(ISTIO, 50);
  await sleep(500);
  const url = (port: number): string => `http://${host}:${port}/app/version`;
  const mesh = await fromTheMesh(url(9898), 30);
  expect(new Set(mesh)).toEqual(new Set(["200 6.0.0", "200 6.0.1"]));
  // Only the app's main port knows the path, so this tells that the call went where it was sent.
  expect(new Set(await fromTheMesh(url(9797), 5))).toEqual(new Set(["404"]));
  // A status that nothing else gives: podinfo's own probes are answered with 503 while it starts and ends.
  expect((await ask(first, "/app/status/507", { host })).status).toBe(507);
  expect(await answered(ISTIO, 507)).toBe(3);
  for (const address of [first, second]) await preflightsAndTimeouts(address, host);
  await phase(ISTIO, "Succeeded", 120);
  await handBack(ISTIO);
  expect(new Set(await fromTheMesh(url(9898), 5))).toEqual(new Set(["200 6.0.1"]));
  expect(new Set(await fromTheMesh(url(9797), 5))).toEqual(new Set(["404"]));
  await proved(watches, load);
}

async function throughGateways(): Promise<void> {
  const gatewayRefs = [{ name: "gateway", namespace: "istio-system" }, { name: "second", sectionName: "http" }];
  await apply(canary(GATEWAY, "gatewayapi:v1", { gatewayRefs }));
  await phase(GATEWAY, "Initialized", 90);
  const host = `backend.${GATEWAY}`;
  const address = await serviceIp("istio-system", "istio-ingressgateway");
  await eventually("the gateway answers", 30, async () => ((await ask(address, "/app/", { host }).catch(() => undefined))?.status === 200 ? true : undefined));
  const load = await Load.start(host, 50, "/app/");
  const watch = new Watch(address, host);
  callers.push(load, watch);
  await bump({ namespace: GATEWAY }, "6.0.1");
  await weight(GATEWAY, 50);
  await preflightsAndTimeouts(address, host);
  await phase(GATEWAY, "Succeeded", 120);
  await handBack(GATEWAY);
  await proved([watch], load);
}

/** Without a Service: the one that the engine makes has all ports, and stays. */
async function deploy(inside: string): Promise<void> {
  await apply(deployment({ namespace: inside }));
  await kubectl("-n", inside, "rollout", "status", "deployment/backend", "--timeout=120s");
}

beforeAll(async () => {
  for (const each of [ISTIO, GATEWAY]) await namespace(each);
  await installCrds();
  const second = { name: "second", namespace: ISTIO };
  await apply(
    { apiVersion: "networking.istio.io/v1", kind: "Gateway", metadata: second, spec: { selector: { istio: "ingressgateway" }, servers: [{ port: { number: SECOND_PORT, name: "http", protocol: "HTTP" }, hosts: [`backend.${ISTIO}`] }] } },
    {
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "Gateway",
      metadata: { ...second, namespace: GATEWAY },
      spec: { gatewayClassName: "istio", addresses: [{ type: "Hostname", value: "istio-ingressgateway.istio-system.svc.cluster.local" }], listeners: [{ name: "http", port: 80, protocol: "HTTP", hostname: `*.${GATEWAY}` }] },
    },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "loadtester", namespace: ISTIO },
      spec: { selector: { matchLabels: { app: "loadtester" } }, template: { metadata: { labels: { app: "loadtester" } }, spec: { terminationGracePeriodSeconds: 0, containers: [{ name: "caller", image: "kr/loadtools:1", imagePullPolicy: "IfNotPresent", command: ["sleep", "3600"] }] } } },
    },
  );
  await Promise.all([ISTIO, GATEWAY].map(deploy));
  engine = await Engine.start({ namespaces: [ISTIO, GATEWAY], leaseName: "wire" });
  // They have nothing in common but the engine, so that none waits for the other.
  stories.push(throughIstio(), throughGateways());
  for (const story of stories) story.catch(() => undefined);
});

afterAll(async () => {
  await Promise.allSettled(stories);
  for (const caller of callers) await caller.stop();
  await engine.stop();
  await kubectl("delete", "namespace", ISTIO, GATEWAY, "--wait=false");
});

test("Istio: two gateways and callers in the mesh, several ports, rewriting, headers, CORS, time-out and retries, and nothing of it is ever missing", () => stories[0]);

test("an HTTPRoute on two gateways: rewriting, headers, CORS and time-out, and nothing of it is ever missing", () => stories[1]);
