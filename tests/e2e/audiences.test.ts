// Who gets the new version? A/B, mirroring and session affinity with real users at the gateway: chosen ones, all others, and browsers with cookies.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { bump, canary, deploy, hostOf, phase, statusOf } from "./support/app.ts";
import { apply, eventually, installCrds, kubectl, namespace, replace, sleep } from "./support/cluster.ts";
import { Engine } from "./support/engine.ts";
import { Load } from "./support/load.ts";

const NS = "e2e-audiences";
const app = { namespace: NS };
const SUCCESS = { name: "request-success-rate", interval: "20s", thresholdRange: { min: 99 } };
const unweighted = { stepWeight: undefined, maxWeight: undefined };
let engine: Engine;
let load: Load;

function analyse(analysis: object): Promise<void> {
  return replace(canary(app, {}, { interval: "4s", metrics: [SUCCESS], ...analysis }));
}

beforeAll(async () => {
  await namespace(NS);
  await installCrds();
  await deploy(app);
  engine = await Engine.start({ namespaces: [NS], leaseName: "audiences" });
  load = await Load.start(hostOf(app));
  await apply(canary(app, {}, { interval: "4s" }));
  await phase(NS, "Initialized");
});

afterAll(async () => {
  await load.stop();
  await engine.stop();
  await kubectl("delete", "namespace", NS, "--wait=false");
});

test("A/B: the users who match get the new version, and nobody else until it is promoted", async () => {
  await analyse({ ...unweighted, iterations: 3, match: [{ headers: { "x-user": { exact: "tester" } } }] });
  const testers = await Load.start(hostOf(app), 50, "/", 2, { "x-user": "tester" });
  await bump(app, "6.0.1");
  await eventually("the testers' first answer of 6.0.1", 60, () => Promise.resolve(testers.firstSeen("6.0.1")));
  await sleep(4000);
  expect(load.firstSeen("6.0.1")).toBeUndefined();
  expect((await statusOf(NS)).route).toMatchObject({ canaryWeight: 100, matched: true });
  await phase(NS, "Succeeded", 120);
  expect((await testers.stop()).losses).toEqual({});
  expect(load.counted.losses).toEqual({});
});

test("blue/green with mirroring: the canary is measured on a copy of the traffic, and users meet it at the switch", async () => {
  await analyse({ ...unweighted, iterations: 4, mirror: true });
  await bump(app, "6.0.2");
  const measured = await eventually("a check that passed on mirrored traffic", 90, async () => {
    const { run, route, iterations = 0 } = await statusOf(NS);
    return route?.mirror === true && iterations >= 2 && run?.measurements?.[0]?.verdict === "pass" ? run.measurements[0] : undefined;
  });
  expect(measured).toMatchObject({ name: "request-success-rate", value: 100 });
  expect(load.firstSeen("6.0.2")).toBeUndefined();
  await phase(NS, "Succeeded", 120);
  expect(load.counted.losses).toEqual({});
});

test("session affinity: a browser that met the new version stays with it, and forgets the cookie after a rollback", async () => {
  await analyse({ interval: "6s", stepWeight: 20, maxWeight: 60, sessionAffinity: { cookieName: "canary", maxAge: 3600 } });
  const browsers = await Promise.all(Array.from({ length: 6 }, () => Load.browser(hostOf(app))));
  await bump(app, "6.0.3");
  await phase(NS, "Succeeded", 120);
  for (const browser of browsers) {
    await browser.stop();
    expect(browser.counted.losses).toEqual({});
    expect(browser.met.slice(-1)).toEqual(["6.0.3"]);
    expect(browser.met.length).toBeLessThanOrEqual(2);
  }
  expect(new Set(browsers.map((browser) => browser.firstSeen("6.0.3"))).size).toBeGreaterThan(1);
});

test("session affinity: a rollback takes everybody back, whatever cookie they have", async () => {
  const browsers = await Promise.all(Array.from({ length: 4 }, () => Load.browser(hostOf(app))));
  await bump(app, "6.0.4");
  await eventually("a browser that is kept", 60, () => Promise.resolve(browsers.some((browser) => browser.firstSeen("6.0.4") !== undefined) ? true : undefined));
  const { run } = await statusOf(NS);
  await kubectl("-n", NS, "annotate", "--overwrite", "canaries.rollout.kurator.dev", "backend", `rollout.kurator.dev/action=abort run=${run?.id ?? ""}`);
  await phase(NS, "Failed");
  await sleep(6000);
  for (const browser of browsers) {
    await browser.stop();
    expect(browser.counted.losses).toEqual({});
    expect(browser.met.at(-1)).toBe("6.0.3");
  }
});
