// The way back after a promotion on a real cluster: kept pods take all traffic at once, and a limit that breaks brings it to them by itself.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { bump, canary, deploy, hostOf, phase, statusOf } from "./support/app.ts";
import { apply, DEPLOYMENTS, eventually, get, installCrds, kubectl, namespace, soon } from "./support/cluster.ts";
import { Engine } from "./support/engine.ts";
import { Load } from "./support/load.ts";

const NS = "window";
const app = { namespace: NS };
let engine: Engine;
let load: Load;

async function primaryImage(): Promise<string> {
  return kubectl("-n", NS, "get", "deployment", "backend-primary", "-o", "jsonpath={.spec.template.spec.containers[0].image}");
}

async function selected(): Promise<string> {
  return kubectl("-n", NS, "get", "service", "backend-primary", "-o", "jsonpath={.spec.selector.app}");
}

async function promote(version: string): Promise<void> {
  await bump(app, version);
  await eventually(`${version} promoted`, 120, async () => {
    const { phase: now, run } = await statusOf(NS);
    return now === "Succeeded" && run?.outcome === "Promoted" && run.images[0]?.endsWith(version) === true ? true : undefined;
  });
  await kubectl("-n", NS, "rollout", "status", "deployment/backend-previous", "--timeout=60s");
}

beforeAll(async () => {
  await namespace(NS);
  await installCrds();
  await deploy(app);
  engine = await Engine.start({ namespaces: [NS], leaseName: "window" });
  load = await Load.start(hostOf(app));
  await apply(canary(app, { rollbackWindow: { duration: "10m" } }, { interval: "3s", stepWeight: 50, threshold: 2, metrics: [{ name: "request-success-rate", interval: "20s", thresholdRange: { min: 90 } }] }));
  await phase(NS, "Initialized", 90);
});

afterAll(async () => {
  await load.stop();
  await engine.stop();
  await kubectl("delete", "namespace", NS, "--wait=false");
});

test("asked to go back, all traffic is with the kept pods before the primary has changed, and nothing is lost on the way", async () => {
  await promote("6.0.1");
  await soon(async () => expect(await kubectl("-n", NS, "get", "deployment", "backend-previous", "-o", "jsonpath={.spec.template.spec.containers[0].image}")).toMatch(/:6\.0\.0$/));
  const run = (await statusOf(NS)).run?.id ?? "";
  await kubectl("-n", NS, "annotate", "canaries.rollout.kurator.dev", "backend", `rollout.kurator.dev/action=rollback run=${run} by=e2e`);
  await eventually("the Services lead to the kept pods", 10, async () => ((await selected()) === "backend-previous" ? true : undefined), selected);
  expect(await primaryImage()).toMatch(/:6\.0\.1$/);
  await eventually("the primary is back", 90, async () => ((await get(DEPLOYMENTS, NS, "backend-previous")) === undefined ? true : undefined));
  expect(await primaryImage()).toMatch(/:6\.0\.0$/);
  expect(await selected()).toBe("backend-primary");
  await soon(async () => expect(await statusOf(NS)).toMatchObject({ phase: "Failed", run: { outcome: "Undone", reason: "RollbackAction" } }));
  expect(load.counted.losses).toEqual({});
});

test("a primary that goes bad after its promotion is left by itself", async () => {
  await promote("6.0.2");
  const bad = await Load.start(hostOf(app), 50, "/status/500");
  const status = await phase(NS, "Failed", 90);
  await bad.stop();
  expect(status.run).toMatchObject({ outcome: "Undone", reason: "LimitBroken" });
  await eventually("the primary is back", 90, async () => ((await get(DEPLOYMENTS, NS, "backend-previous")) === undefined ? true : undefined));
  expect(await primaryImage()).toMatch(/:6\.0\.0$/);
  expect(load.counted.losses).toEqual({});
});
