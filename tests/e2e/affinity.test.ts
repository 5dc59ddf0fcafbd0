// Do users stay where they are behind a gateway of the Gateway API? Browsers whose cookies age as real ones do, over a kill of the engine, a promotion, a run after it and a rollback.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { bump, canary, deployment, hostOf, phase, service, statusOf, weight } from "./support/app.ts";
import { Browser, type Visit } from "./support/browser.ts";
import { apply, eventually, get, installCrds, kubectl, namespace, sleep } from "./support/cluster.ts";
import { Engine } from "./support/engine.ts";
import type { Resource } from "../../engine/ports.ts";

const NS = "routes-affinity";
const app = { namespace: NS };
const ROUTES: Resource = { group: "gateway.networking.k8s.io", version: "v1", plural: "httproutes", kind: "HTTPRoute" };
const CANARY = "met-canary";
const PRIMARY = "met-primary";
const SECONDS = 6;
const BROWSERS = 14;
let engine: Engine;
const browsers: Browser[] = [];
const gone: Browser[] = [];
let firstRun = "";

function visits(): Visit[] {
  return browsers.flatMap((browser) => browser.visits);
}

async function runId(): Promise<string> {
  const { run } = await statusOf(NS);
  if (run === undefined) throw new Error("no run");
  return run.id;
}

/** Visits of those whom a cookie of the run kept somewhere, which met another version than the one that is there. */
function strayed(run: string, cookie: string, there: string, until = Infinity): Visit[] {
  const kept = visits().filter(({ at, sent }) => at < until && sent[cookie] === run && (cookie === CANARY || sent[CANARY] !== run));
  expect(kept.length).toBeGreaterThan(20);
  return kept.filter(({ version }) => version !== there);
}

beforeAll(async () => {
  await namespace(NS);
  await installCrds();
  await apply(deployment(app), service(app));
  await kubectl("-n", NS, "rollout", "status", "deployment/backend", "--timeout=120s");
  engine = await Engine.start({ namespaces: [NS], leaseName: "affinity" });
  const route = { provider: "gatewayapi:v1", service: { port: 9898, gatewayRefs: [{ name: "gateway", namespace: "istio-system" }], hosts: [hostOf(app)] } };
  const sessionAffinity = { cookieName: CANARY, primaryCookieName: PRIMARY, maxAge: 3600, path: "/", httpOnly: true };
  await apply(canary(app, route, { interval: `${SECONDS}s`, stepWeight: 30, maxWeight: 60, metrics: [], sessionAffinity }));
  await phase(NS, "Initialized");
  for (let n = 0; n < BROWSERS; n += 1) browsers.push(await Browser.open(hostOf(app)));
  await eventually("the gateway answers everybody", 30, () => Promise.resolve(browsers.every((browser) => browser.visits.length > 0) ? true : undefined));
  // A route that has just been made is not in the gateway at once.
  for (const browser of browsers) browser.losses.length = 0;
});

afterAll(async () => {
  for (const browser of browsers) await browser.close();
  await engine.stop();
  await kubectl("delete", "namespace", NS, "--wait=false");
});

test("whoever met a version stays with it, on either side, and a killed engine reshuffles nobody", async () => {
  await bump(app, "6.0.1");
  await weight(NS, 30);
  firstRun = await runId();
  await eventually("somebody on each side", 20, () => Promise.resolve(browsers.some((each) => each.cookie(CANARY) === firstRun) && browsers.some((each) => each.cookie(CANARY) === undefined && each.cookie(PRIMARY) === firstRun) ? true : undefined));
  const before = (await get(ROUTES, NS, "backend"))?.spec;
  const killed = Date.now();
  await engine.kill("SIGKILL");
  await sleep(1000);
  expect((await get(ROUTES, NS, "backend"))?.spec).toEqual(before);
  // A killed leader cannot give its lease back, and waiting for it is another test's business.
  await kubectl("-n", NS, "delete", "lease", "affinity", "--ignore-not-found");
  await engine.start();
  const back = Date.now();
  await weight(NS, 60);
  expect(await runId()).toBe(firstRun);
  await sleep(2000);
  const until = Date.now();
  // Later the primary's own pods are of both versions, while it takes the new one over.
  expect((await statusOf(NS)).phase).toBe("Progressing");
  expect(strayed(firstRun, PRIMARY, "6.0.0", until)).toEqual([]);
  expect(strayed(firstRun, CANARY, "6.0.1", until)).toEqual([]);
  // While there was no engine, they were kept as well.
  expect(visits().filter(({ at, sent }) => at > killed && at < back && sent[CANARY] === firstRun).length).toBeGreaterThan(10);
  for (const browser of browsers) expect(["6.0.0", "6.0.1", "6.0.0 6.0.1"]).toContain(browser.met.join(" "));
  const told = new Set(visits().flatMap((visit) => visit.told));
  expect(told).toEqual(new Set([`${CANARY}=${firstRun}; Max-Age=3600; HttpOnly; Path=/`, `${PRIMARY}=${firstRun}; Max-Age=${SECONDS}; HttpOnly; Path=/`]));
});

test("after the promotion the cookie is taken back from everybody who comes", async () => {
  gone.push(...browsers.filter((browser) => browser.cookie(CANARY) === firstRun).slice(0, 3));
  await Promise.all(gone.map((browser) => browser.away()));
  await phase(NS, "Succeeded", 120);
  const here = browsers.filter((browser) => !gone.includes(browser));
  expect(here.filter((browser) => browser.visits.some(({ sent }) => sent[CANARY] === firstRun)).length).toBeGreaterThan(0);
  await eventually("nobody has it any more", 20, () => Promise.resolve(here.every((browser) => browser.cookie(CANARY) === undefined) ? true : undefined));
  expect(visits().flatMap(({ told }) => told)).toContain(`${CANARY}=${firstRun}; Max-Age=-1; HttpOnly; Path=/`);
  for (const browser of here) expect(browser.met.at(-1)).toBe("6.0.1");
  expect(strayed(firstRun, CANARY, "6.0.1")).toEqual([]);
});

test("in a new run the cookie of the old one keeps nobody, and a rollback takes everybody back", async () => {
  await bump(app, "6.0.2");
  await weight(NS, 30);
  const run = await runId();
  expect(run).not.toBe(firstRun);
  // The gateway has the new rules when it gives the new cookies.
  await eventually("somebody met it", 20, () => Promise.resolve(browsers.some((browser) => browser.cookie(CANARY) === run) ? true : undefined));
  const left = new Map(gone.map((browser) => [browser, browser.visits.length]));
  for (const browser of gone) browser.resume();
  const returned = await eventually("those who were away are back", 10, () => {
    const first = gone.map((browser) => browser.visits[left.get(browser) ?? 0]);
    return Promise.resolve(first.every((visit) => visit !== undefined) ? first : undefined);
  });
  for (const visit of returned) {
    expect(visit.sent[CANARY]).toBe(firstRun);
    // They were shared out anew, and told so.
    expect(visit.told).toEqual([expect.stringContaining(visit.version === "6.0.2" ? `${CANARY}=${run}` : `${PRIMARY}=${run}`)]);
  }
  await sleep(2000);
  const until = Date.now();
  await kubectl("-n", NS, "annotate", "--overwrite", "canaries.rollout.kurator.dev", "backend", `rollout.kurator.dev/action=abort run=${run}`);
  expect(strayed(run, PRIMARY, "6.0.1")).toEqual([]);
  expect(strayed(run, CANARY, "6.0.2", until)).toEqual([]);
  await phase(NS, "Failed");
  const drained = await eventually("drained", 30, async () => {
    const { route, target } = await statusOf(NS);
    return target?.scale === "Zero" ? Date.parse(route?.drainUntil ?? "") : undefined;
  });
  await eventually("nobody has the run's cookie any more", 20, () => Promise.resolve(browsers.every((browser) => browser.cookie(CANARY) !== run) ? true : undefined));
  await sleep(1000);
  for (const browser of browsers) await browser.away();
  expect(visits().filter(({ at }) => at > drained).length).toBeGreaterThan(20);
  expect(visits().filter(({ at, version }) => at > drained && version !== "6.0.1")).toEqual([]);
  expect(browsers.flatMap((browser) => browser.losses)).toEqual([]);
});
