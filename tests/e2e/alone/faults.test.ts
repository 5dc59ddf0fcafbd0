// What holds a cluster up, stopped and started under a rollout: API server, istiod and Prometheus are frozen, killed or made to lie, and people edit what is in
// flight. Every run ends where it would have ended, and no request is lost. KR_STATE is the folder with the process ids of the cluster's parts.
import { spawn } from "node:child_process";
import { readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { bump, canary, deploy, hostOf, phase, replicasOf, statusOf, Timeline, weight } from "../support/app.ts";
import { apply, DEPLOYMENTS, eventually, get, installCrds, kubectl, namespace, serviceIp, sleep, soon } from "../support/cluster.ts";
import { Engine } from "../support/engine.ts";
import { Load } from "../support/load.ts";
import type { Resource } from "../../../engine/ports.ts";

const NS = "e2e-faults";
/** An old pod of a primary goes on serving for longer than istiod needs to come back to an API server that was killed: until then proxies send users to it. */
const app = { namespace: NS, pause: 20 };
const VIRTUAL_SERVICES: Resource = { group: "networking.istio.io", version: "v1", plural: "virtualservices", kind: "VirtualService" };
const RUNGS = ["Progressing 0", "Progressing 10", "Progressing 20", "Progressing 30", "Progressing 40", "Progressing 50", "Promoting 0", "Finalising 0", "Succeeded 0"];
let engine: Engine;
let load: Load;
let prometheus: Liar;

/** In front of Prometheus: lets through what is asked, or does something else with it. */
class Liar {
  mood: "through" | "empty" | "wrong" | "silent" = "through";
  url = "";
  private readonly server: Server;

  private constructor(real: string) {
    this.server = createServer((request, response) => {
      if (this.mood === "silent") return;
      if (this.mood === "wrong") return void response.writeHead(502, { "content-type": "text/html" }).end("<h1>Bad Gateway</h1>");
      if (this.mood === "empty") return void response.end('{"status":"success","data":{"resultType":"vector","result":[]}}');
      void fetch(`${real}${request.url ?? ""}`)
        .then(async (answer) => void response.writeHead(answer.status).end(await answer.text()))
        .catch(() => response.destroy());
    });
  }

  static async before(real: string): Promise<Liar> {
    const liar = new Liar(real);
    await new Promise<void>((resolve) => liar.server.listen(0, "127.0.0.1", resolve));
    const address = liar.server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    liar.url = `http://127.0.0.1:${address.port}`;
    return liar;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

function pidOf(part: string): number {
  const state = process.env.KR_STATE;
  if (state === undefined) throw new Error("KR_STATE is not set: this suite stops parts of the cluster by the process ids that are kept there (see CONTRIBUTING.md)");
  return Number(readFileSync(`${state}/${part}.pid`, "utf8"));
}

async function frozen(part: string, seconds: number): Promise<void> {
  const pid = pidOf(part);
  process.kill(pid, "SIGSTOP");
  try {
    await sleep(seconds * 1000);
  } finally {
    process.kill(pid, "SIGCONT");
  }
}

/** Killed at once and started again with the command line and the environment and in the folder that it had. */
async function restarted(part: string, seconds: number): Promise<void> {
  const pid = pidOf(part);
  const listed = (file: string): string[] => readFileSync(`/proc/${pid}/${file}`, "utf8").split("\0").slice(0, -1);
  const [program = "", ...args] = listed("cmdline");
  const env = Object.fromEntries(listed("environ").map((entry) => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)]));
  const cwd = readlinkSync(`/proc/${pid}/cwd`);
  process.kill(pid, "SIGKILL");
  await sleep(seconds * 1000);
  const child = spawn(program, args, { cwd, env, stdio: "ignore", detached: true });
  child.unref();
  writeFileSync(`${process.env.KR_STATE}/${part}.pid`, `${child.pid}\n`);
}

async function answers(): Promise<void> {
  await eventually("the API server answers", 60, async () => ((await statusOf(NS).catch(() => undefined)) === undefined ? undefined : true));
}

/**
 * Kubernetes' own controllers and istiod wait longer after each failure, for a minute in the end, and forget that after two good ones. Endpoints that nobody
 * writes for so long lose requests in any update of a Deployment, so each time that the API server goes they are as patient as they are in the beginning.
 */
async function patient(): Promise<void> {
  await restarted("controller-manager", 0);
  await restarted("istiod", 0);
  await sleep(10_000);
}

/** istiod watches the same API server, and comes back to it later than the engine: until then proxies lead users to where the last route led them. */
async function drainsFor(seconds: number): Promise<void> {
  await kubectl("-n", NS, "patch", "canaries.rollout.kurator.dev", "backend", "--type=merge", "-p", JSON.stringify({ spec: { drainSeconds: seconds } }));
}

/** One release with trouble in the middle of it; as if there had been none. */
async function rides(version: string, trouble: () => Promise<void>, at = 20): Promise<void> {
  const { counters } = await statusOf(NS);
  const earlier = new Set(Object.keys(load.counted.losses));
  await bump(app, version);
  await weight(NS, at);
  await trouble();
  await answers();
  const status = await phase(NS, "Succeeded", 180, "backend");
  expect(status.run?.images[0]).toMatch(new RegExp(`:${version.replaceAll(".", "\\.")}$`));
  expect(status.counters?.runs).toBe((counters?.runs ?? 0) + 1);
  expect(status.history?.[0]).toMatchObject({ outcome: "Promoted" });
  await soon(async () => expect(await replicasOf(NS, "backend")).toBe(0));
  expect(Object.entries(load.counted.losses).filter(([second]) => !earlier.has(second))).toEqual([]);
}

beforeAll(async () => {
  await namespace(NS);
  await installCrds();
  await deploy(app);
  prometheus = await Liar.before(`http://${await serviceIp("istio-system", "prometheus")}:9090`);
  engine = await Engine.start({ namespaces: [NS], leaseName: "faults", metricsServer: prometheus.url });
  load = await Load.start(hostOf(app));
  await apply(canary(app, {}, { interval: "3s" }));
  await phase(NS, "Initialized", 90);
});

afterAll(async () => {
  await load.stop();
  await engine.stop();
  prometheus.close();
  await kubectl("delete", "namespace", NS, "--wait=false");
});

/** Requests that the gateway's Envoy has sent to each of the app's Services. */
async function sentByEnvoy(): Promise<{ primary: number; canary: number }> {
  const pod = await kubectl("-n", "istio-system", "get", "pods", "-l", "app=istio-ingressgateway", "-o", "jsonpath={.items[0].status.podIP}");
  const text = await (await fetch(`http://${pod}:15000/stats?filter=${NS}.*upstream_rq_total`)).text();
  const count = (name: string): number => Number(new RegExp(`${name}\\.${NS}\\.svc[^:]*upstream_rq_total: (\\d+)`).exec(text)?.[1] ?? 0);
  return { primary: count("backend-primary"), canary: count("backend-canary") };
}

test("what Envoy sends to the canary is what the status says, at each step", async () => {
  await bump(app, "6.0.1");
  for (const rung of [10, 20, 30, 40, 50]) {
    await weight(NS, rung);
    await sleep(300);
    const before = await sentByEnvoy();
    await sleep(2_200);
    const after = await sentByEnvoy();
    const [primary, sent] = [after.primary - before.primary, after.canary - before.canary];
    expect(primary + sent).toBeGreaterThan(80);
    const share = (100 * sent) / (primary + sent);
    // About 150 requests: four standard deviations of a share of one half are 16 points.
    expect(Math.abs(share - rung)).toBeLessThan(16);
  }
  await phase(NS, "Succeeded", 60);
  const before = await sentByEnvoy();
  await sleep(1_000);
  expect((await sentByEnvoy()).canary).toBe(before.canary);
  expect(load.counted.losses).toEqual({});
});

test("the API server frozen for longer than the leader may go without it", async () => {
  const timeline = await Timeline.of(NS);
  await rides("6.0.2", () => frozen("apiserver", 13));
  expect((await timeline.until(RUNGS.at(-1) ?? "")).slice(-RUNGS.length)).toEqual(RUNGS);
});

test("the API server killed and started again: every watch is cut, and nothing answers for a while", async () => {
  await patient();
  await drainsFor(20);
  await rides("6.0.3", () => restarted("apiserver", 4));
});

test("the API server killed at the instant of the promotion", async () => {
  await patient();
  await rides("6.0.4", async () => {
    await phase(NS, "Promoting", 60);
    await restarted("apiserver", 2);
  });
  await drainsFor(4);
  await patient();
});

test("istiod frozen during a step: proxies hear nothing new, and the run goes on when they do", async () => {
  await rides("6.0.1", () => frozen("istiod", 5));
});

test("a Prometheus that is silent, wrong or empty holds the weight, and counts for nothing", async () => {
  await rides("6.0.2", async () => {
    for (const [mood, at] of [["silent", 20], ["wrong", 30], ["empty", 40]] as const) {
      await weight(NS, at);
      prometheus.mood = mood;
      // Whatever was asked before has been answered by then.
      await sleep(1_500);
      const held = (await statusOf(NS)).route?.canaryWeight;
      await sleep(9_000);
      const status = await statusOf(NS);
      prometheus.mood = "through";
      expect({ mood, ...status }).toMatchObject({ mood, phase: "Progressing", failedChecks: 0, route: { canaryWeight: held } });
    }
  });
});

test("Prometheus itself frozen", async () => {
  await rides("6.0.1", () => frozen("prometheus", 8));
});

test("people edit route, Services, target, primary and Canary while the run is under way", async () => {
  await rides("6.0.2", async () => {
    const patch = (kind: string, name: string, body: object): Promise<string> => kubectl("-n", NS, "patch", kind, name, "--type=merge", "-p", JSON.stringify(body));
    await patch("virtualservice", "backend", { metadata: { labels: { team: "shop" } }, spec: { http: [{ route: [{ destination: { host: "backend", port: { number: 9898 } } }] }] } });
    await soon(async () => expect(JSON.stringify((await get(VIRTUAL_SERVICES, NS, "backend"))?.spec)).toContain("backend-canary"));
    await patch("service", "backend-canary", { metadata: { annotations: { note: "seen" } } });
    await patch("deployment", "backend-primary", { spec: { replicas: 3 } });
    await patch("deployment", "backend", { metadata: { annotations: { note: "seen" } }, spec: { replicas: 3 } });
    await patch("canaries.rollout.kurator.dev", "backend", { spec: { analysis: { threshold: 3 } } });
    await soon(async () => expect((await get(DEPLOYMENTS, NS, "backend"))?.status).toMatchObject({ readyReplicas: 3 }), 30);
  });
  expect((await get(VIRTUAL_SERVICES, NS, "backend"))?.metadata.labels).toMatchObject({ team: "shop" });
});
