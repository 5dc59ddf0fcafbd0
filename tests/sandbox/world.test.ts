import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Agent, request as httpRequest } from "node:http";
import { ApiStore } from "../../sandbox/api/store.ts";
import type { KubeObject } from "../../sandbox/api/types.ts";
import { realClock } from "../../sandbox/clock.ts";
import { seriesRegistry } from "../../sandbox/mesh/series.ts";
import { virtualServices } from "../../sandbox/mesh/view.ts";
import { startPrometheus } from "../../sandbox/prometheus/start.ts";
import { deployments } from "../../sandbox/workloads/objects.ts";
import type { Deployment } from "../../sandbox/workloads/objects.ts";
import { startWorld } from "../../sandbox/world.ts";
import type { World } from "../../sandbox/world.ts";
import { deploymentOf, namespace, seededRandom, serviceOf, virtualServiceOf } from "../unit/sandbox-world/scene.ts";

const clock = realClock();
const random = seededRandom(11);
const store = new ApiStore({ clock, random });
const agent = new Agent({ keepAlive: true, maxSockets: 20 });
let world: World;

const deployment = (name: string) => store.get(deployments, namespace, name) as Deployment;
const isSettled = (name: string) => {
  const { metadata, spec, status } = deployment(name);
  return status?.observedGeneration === metadata.generation && status?.updatedReplicas === spec.replicas
    && status?.availableReplicas === spec.replicas && status?.replicas === spec.replicas;
};

/** Resolves on the change of the store that makes it true. */
function until(predicate: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const unsubscribe = store.subscribe(() => settle());
    const settle = () => {
      if (!predicate()) return;
      unsubscribe();
      resolve();
    };
    settle();
  });
}

function ask(path = "/", options: { method?: string; headers?: Record<string, string>; body?: string } = {}): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = { host: "app.example.com", ...options.headers };
    const outgoing = httpRequest(`${world.gatewayUrl}${path}`, { agent, method: options.method, headers }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.once("end", () => resolve({ status: incoming.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    outgoing.once("error", reject);
    outgoing.end(options.body);
  });
}

async function load(requests: number): Promise<string[]> {
  const versions: string[] = [];
  let left = requests;
  await Promise.all(Array.from({ length: 10 }, async () => {
    while (left-- > 0) {
      const { status, body } = await ask();
      versions.push(status === 200 ? JSON.parse(body).version : String(status));
    }
  }));
  return versions;
}

async function query(promql: string): Promise<{ metric: object; value: [number, string] }[]> {
  const response = await fetch(`${world.prometheusUrl}/api/v1/query`, { method: "POST", body: new URLSearchParams({ query: promql }) });
  const { data } = (await response.json()) as { data: { result: { metric: object; value: [number, string] }[] } };
  return data.result;
}

function edit(resource: string, name: string, change: (object: KubeObject) => void): void {
  const object = structuredClone(store.get(resource, namespace, name)) as KubeObject;
  change(object);
  store.update(resource, object);
}

const weights = (primary: number, canary: number) => [{ route: [
  { destination: { host: "app-primary" }, weight: primary }, { destination: { host: "app" }, weight: canary },
] }];

beforeAll(async () => {
  store.create("namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  world = await startWorld({ store, clock, random, prometheus: "builtin", scrapeMs: 50 });
  const images = { "app-primary": "sandbox/app:1.0.0", app: "sandbox/app:2.0.0" };
  for (const [name, image] of Object.entries(images)) {
    store.create("services", serviceOf(name));
    store.create(deployments, deploymentOf(image, {}, name, { STARTUP_MS: "20", ERROR_RATE: name === "app" ? "0.5" : "0" }));
  }
  store.create(virtualServices, virtualServiceOf("app", { hosts: ["app.example.com"], gateways: ["mesh"], http: weights(90, 10) }));
  await until(() => isSettled("app") && isSettled("app-primary"));
  await new Promise<void>((heard) => void clock.after(100, heard));
});

afterAll(async () => {
  agent.destroy();
  await world.stop();
});

describe("the world on real sockets", () => {
  test("splits traffic by weight, and the success rate can be read from the API", async () => {
    const answered = await load(1500);
    const counts = world.requests.counts();
    const canary = Object.values(counts.byVersion["2.0.0"] ?? {}).reduce((sum, count) => sum + count, 0);
    expect(answered).toHaveLength(1500);
    expect(counts.total).toBe(1500);
    expect(Math.abs(canary / 15 - 10)).toBeLessThan(3);
    await new Promise<void>((scraped) => void clock.after(120, scraped));
    const filter = (workload: string) => `reporter="destination",destination_workload_namespace="${namespace}",destination_workload=~"${workload}"`;
    const success = async (workload: string) => Number((await query(
      `sum(rate(istio_requests_total{${filter(workload)},response_code!~"5.*"}[1m])) / sum(rate(istio_requests_total{${filter(workload)}}[1m])) * 100`,
    ))[0]?.value[1]);
    expect(await success("app-primary")).toBe(100);
    expect(Math.abs(await success("app") - 50)).toBeLessThan(20);
    expect(Number((await query(`histogram_quantile(0.99, sum(rate(istio_request_duration_milliseconds_bucket{${filter("app")}}[1m])) by (le))`))[0]?.value[1])).toBeGreaterThan(0);
  });

  test("rolls a Deployment under load without losing a request", async () => {
    edit(virtualServices, "app", (object) => (object.spec = { ...(object.spec as object), http: weights(100, 0) }));
    await new Promise<void>((heard) => void clock.after(100, heard));
    world.requests.reset();
    edit(deployments, "app-primary", (object) => {
      for (const container of (object as Deployment).spec.template.spec.containers) container.image = "sandbox/app:1.1.0";
    });
    let rolling = true;
    const rolled = until(() => isSettled("app-primary") && store.list("pods", namespace).length === 4).then(() => (rolling = false));
    const seen: string[] = [];
    while (rolling) seen.push(...await load(50));
    await rolled;
    expect(new Set(seen)).toEqual(new Set(["1.0.0", "1.1.0"]));
    expect(world.requests.counts().failed).toBe(0);
    expect(new Set(await load(20))).toEqual(new Set(["1.1.0"]));
  });

  test("passes bodies and paths on, and answers what no pod can", async () => {
    expect(await ask("/status/418", { method: "POST", body: "x".repeat(100_000) })).toMatchObject({ status: 418 });
    expect((await ask("/", { method: "HEAD" })).body).toBe("");
    expect((await ask("/", { headers: { host: "nobody.example.com" } })).status).toBe(404);
    expect((await ask("/", { headers: { host: `app-primary.${namespace}` } })).status).toBe(200);
    store.create("services", serviceOf("empty"));
    await new Promise<void>((heard) => void clock.after(100, heard));
    expect(await ask("/", { headers: { host: `empty.${namespace}` } })).toEqual({ status: 503, body: "no healthy upstream\n" });
  });

  test("a pod that is deleted without grace still answers what is in flight", async () => {
    world.requests.reset();
    const slow = ask("/delay/0.2");
    await ask();
    for (const pod of store.list("pods", namespace).slice(0, 1)) store.delete("pods", namespace, pod.metadata.name);
    expect((await slow).status).toBe(200);
    await load(100);
    expect(world.requests.counts().failed).toBe(0);
  });

  test("Prometheus lies when it is told to", async () => {
    const { prometheus } = world.faults;
    prometheus.status = 502;
    expect((await fetch(`${world.prometheusUrl}/api/v1/query?query=up`)).status).toBe(502);
    delete prometheus.status;
    prometheus.empty = true;
    expect(await query("up")).toEqual([]);
    delete prometheus.empty;
    prometheus.down = true;
    await expect(query("up")).rejects.toThrow();
    delete prometheus.down;
    prometheus.slowMs = 100;
    const before = clock.now();
    expect((await query("up"))[0]?.value[1]).toBe("1");
    expect(clock.now() - before).toBeGreaterThanOrEqual(95);
    delete prometheus.slowMs;
  });

  test("without a program of its own it answers by itself", async () => {
    const prometheus = await startPrometheus({ series: seriesRegistry(), clock, binary: "no-such-prometheus" });
    expect(prometheus.kind).toBe("builtin");
    expect((await fetch(`${prometheus.url}/-/ready`)).status).toBe(200);
    await prometheus.stop();
  });

  test("stopped it listens nowhere", async () => {
    await world.stop();
    await expect(fetch(`${world.gatewayUrl}/`)).rejects.toThrow();
    await expect(fetch(`${world.prometheusUrl}/-/ready`)).rejects.toThrow();
    expect(process.getActiveResourcesInfo().filter((resource) => resource === "TCPServerWrap")).toEqual([]);
  });
});
