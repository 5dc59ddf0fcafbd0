// The load tester as a user installs it: gates that outlive its process, load against a Service, and a release whose webhooks are all its own.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { bump, deployment, phase, service, statusOf } from "./support/app.ts";
import { apply, eventually, installCrds, kubectl, namespace, said, serviceIp } from "./support/cluster.ts";
import { Engine } from "./support/engine.ts";

const NS = "e2e-loadtester";
const app = { namespace: NS };
const APP_URL = `http://backend.${NS}:9898/`;
const CANARY_URL = `http://backend-canary.${NS}:9898/`;
const TESTER = "deployment/tests-loadtester";
const image = (process.env.KR_IMAGE ?? "kurator-rollout:e2e").split(":");
const INSTALL = ["charts/loadtester", "-n", NS, "--set", `image.repository=${image[0]},image.tag=${image[1]},image.pullPolicy=Never,token.create=true,namespaceRegexp=^${NS}$`, "--wait", "--timeout", "3m"];
let address: string;
let token: string;

async function helm(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await said("helm", args);
  if (code !== 0) throw new Error(`helm ${args.join(" ")}: ${stderr}${stdout}`);
  return stdout;
}

async function tokenOf(): Promise<string> {
  const data = await kubectl("-n", NS, "get", "secret", "tests-loadtester-token", "-o", "jsonpath={.data.token}");
  return Buffer.from(data, "base64").toString("utf8");
}

async function post(path: string, metadata?: Record<string, string>, authorization = `Bearer ${token}`, canary = "by-hand"): Promise<[number, string]> {
  const headers: Record<string, string> = authorization === "" ? {} : { Authorization: authorization };
  const response = await fetch(`http://${address}${path}`, { method: "POST", headers, body: JSON.stringify({ name: canary, namespace: NS, metadata }) });
  return [response.status, await response.text()];
}

async function podState(): Promise<string> {
  return kubectl("-n", NS, "get", "pods", "-l", "app.kubernetes.io/name=loadtester", "-o", "jsonpath={.items[*].status.containerStatuses[*].restartCount} {.items[*].status.containerStatuses[*].ready}");
}

/** Every process of the load tester, from inside of its pod. */
const KILL = `const fs = require("fs"); for (const pid of fs.readdirSync("/proc").filter((name) => /^\\d+$/.test(name))) try { if (fs.readFileSync("/proc/" + pid + "/cmdline", "utf8").split("\\0")[2] === "loadtester") process.kill(Number(pid), "SIGKILL"); } catch {}`;

beforeAll(async () => {
  await namespace(NS);
  await apply(deployment(app), service(app));
  await kubectl("-n", NS, "rollout", "status", "deployment/backend", "--timeout=120s");
  await helm("install", "tests", ...INSTALL);
  address = await serviceIp(NS, "tests-loadtester");
  token = await tokenOf();
});

afterAll(async () => {
  await said("helm", ["uninstall", "tests", "-n", NS]);
  await kubectl("delete", "namespace", NS, "--wait=false", "--ignore-not-found");
});

test("only who has the token may ask, and only for namespaces that are served", async () => {
  expect((await post("/gate/open", undefined, ""))[0]).toBe(401);
  expect((await post("/gate/open", undefined, "Bearer wrong"))[0]).toBe(401);
  const elsewhere = await fetch(`http://${address}/gate/open`, { method: "POST", headers: { Authorization: `Bearer ${token}` }, body: JSON.stringify({ name: "backend", namespace: "default" }) });
  expect(elsewhere.status).toBe(403);
  expect((await post("/gate/check"))[0]).toBe(403);
});

test("a gate that was opened is open after the process was killed", async () => {
  expect((await post("/gate/open"))[0]).toBe(202);
  await said("kubectl", ["-n", NS, "exec", TESTER, "--", "node", "-e", KILL]);
  let last = "";
  await eventually("the container was started again", 90, async () => ((last = await podState()) === "1 true" ? true : undefined), () => last);
  expect(await eventually("it answers", 30, () => post("/gate/check").catch(() => undefined))).toEqual([200, "Approved"]);
  expect((await post("/gate/close"))[0]).toBe(202);
  expect((await post("/gate/check"))[0]).toBe(403);
});

test("load against a Service: the rate is kept, and the result comes back", async () => {
  const [status, text] = await post("/", { type: "http", url: APP_URL, rate: "20", duration: "3s", wait: "true" });
  expect([status, text]).toEqual([200, expect.stringMatching(/^60 requests in 3\.\d s \(60 × 200\), 0\.00 % failed/)]);
  expect((await post("/", { type: "http", url: `${APP_URL}status/500`, requests: "10", rate: "unlimited", wait: "true" }))[0]).toBe(500);
  expect((await post("/", { type: "http", url: `${APP_URL}status/500`, requests: "10", expectStatus: "5xx", wait: "true" }))[0]).toBe(200);
});

test("a command of hey, which is not in the image, and one that fails after its caller has gone", async () => {
  expect(await post("/", { cmd: `hey -z 2s -q 10 -c 2 ${APP_URL}`, wait: "true" })).toEqual([200, expect.stringMatching(/^40 requests/)]);
  const nowhere = { cmd: `hey -n 3 -c 1 http://nowhere.${NS}:9898/` };
  expect((await post("/", nowhere))[0]).toBe(202);
  const [, why] = await eventually("the failure comes back", 60, async () => {
    const answer = await post("/", nowhere);
    return answer[0] === 424 ? answer : undefined;
  });
  expect(why).toMatch(/the last round failed: no request was answered/);
});

test("an upgrade keeps the token", async () => {
  await helm("upgrade", "tests", ...INSTALL, "--set", "logLevel=debug");
  expect(await tokenOf()).toBe(token);
  // The Service learns of the new pod a moment after Helm does.
  const [status] = await eventually("it answers again", 30, () => post("/gate/check").catch(() => undefined));
  expect(status).toBe(403);
});

test("a release with its load, its acceptance test and its gate, and the token is shown by nobody", async () => {
  const { code } = await said("kubectl", ["get", "crd", "canaries.rollout.kurator.dev"]);
  if (code !== 0) await installCrds();
  const engine = await Engine.start({ namespaces: [NS], leaseName: "loadtester" });
  try {
    const url = `http://canary:${token}@${address}`;
    const webhooks = [
      { name: "load", type: "rollout", url: `${url}/`, metadata: { cmd: `hey -z 2s -q 10 -c 2 ${CANARY_URL}` } },
      { name: "acceptance", type: "rollout", url: `${url}/`, timeout: "20s", metadata: { type: "http", url: CANARY_URL, requests: "5", wait: "true" } },
      { name: "approval", type: "confirm-promotion", url: `${url}/gate/check` },
    ];
    const spec = { provider: "kubernetes", targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "backend" }, drainSeconds: 4, progressDeadlineSeconds: 60, service: { port: 9898 }, analysis: { interval: "3s", threshold: 2, iterations: 2, webhooks } };
    await apply({ apiVersion: "rollout.kurator.dev/v1alpha1", kind: "Canary", metadata: { name: "backend", namespace: NS }, spec });
    await phase(NS, "Initialized");
    await bump(app, "6.0.1");
    await phase(NS, "WaitingPromotion", 120);
    expect((await post("/gate/open", undefined, undefined, "backend"))[0]).toBe(202);
    await phase(NS, "Succeeded", 120);

    const logs = await kubectl("-n", NS, "logs", TESTER, "--tail=-1");
    expect(logs).toMatch(/"type":"cmd".*"how":"ok"/);
    expect(logs).toMatch(/"type":"http".*"how":"ok"/);
    const shown = [logs, JSON.stringify(await statusOf(NS)), await kubectl("-n", NS, "get", "events", "-o", "json"), JSON.stringify(engine.decisions())];
    expect(shown.filter((text) => text.includes(token))).toEqual([]);
    await kubectl("-n", NS, "delete", "canaries.rollout.kurator.dev", "backend", "--timeout=20s");
  } finally {
    await engine.stop();
  }
});
