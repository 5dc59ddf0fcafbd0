// The seed's walk-through, step by step, with the interval shortened; and what a bad and a slow version meet.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { bump, canary, deploy, eventsOf, hostOf, phase, release, replicasOf, statusOf, Timeline } from "./support/app.ts";
import { apply, installCrds, kubectl, namespace, soon } from "./support/cluster.ts";
import { Engine } from "./support/engine.ts";
import { Load, slowly } from "./support/load.ts";

const NS = "webapp";
const app = { namespace: NS };
let engine: Engine;
let load: Load;

beforeAll(async () => {
  await namespace(NS);
  await installCrds();
  await deploy(app);
  engine = await Engine.start({ namespaces: [NS], leaseName: "walkthrough" });
  load = await Load.start(hostOf(app));
});

afterAll(async () => {
  await load.stop();
  await engine.stop();
  await kubectl("delete", "namespace", NS, "--wait=false");
});

describe("the seed's walk-through", () => {
  test("a Canary takes the app over: Initialized, weight 0, the target at rest", async () => {
    await apply(canary(app));
    await phase(NS, "Initialized", 90);
    const table = await kubectl("get", "canaries.rollout.kurator.dev", "-n", NS);
    expect(table.split("\n")[0]?.split(/\s+/)).toEqual(["NAME", "STATUS", "WEIGHT", "LASTTRANSITIONTIME"]);
    expect(table.split("\n")[1]).toMatch(/^backend\s+Initialized\s+0\s+\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const status = await statusOf(NS);
    expect(status).toMatchObject({ canaryWeight: 0, failedChecks: 0, iterations: 0, phase: "Initialized", trackedConfigs: {} });
    expect(status.lastAppliedSpec).toBe(status.lastPromotedSpec);
    expect(status.conditions?.find((condition) => condition.type === "Promoted")).toMatchObject({ status: "True", reason: "Initialized", message: "Deployment initialization completed." });
    await soon(async () => expect(await replicasOf(NS, "backend")).toBe(0));
    await soon(async () => expect(await replicasOf(NS, "backend-primary")).toBe(2));
  });

  test("an image bump climbs 0 10 20 30 40 50 and ends Promoting, Finalising, Succeeded", async () => {
    const timeline = await Timeline.of(NS);
    await bump(app, "6.0.1");
    const status = await phase(NS, "Succeeded", 180);
    const rungs = [0, 10, 20, 30, 40, 50].map((weight) => `Progressing ${weight}`);
    expect(await timeline.until("Succeeded 0")).toEqual(["Initialized 0", ...rungs, "Promoting 0", "Finalising 0", "Succeeded 0"]);
    const keys = ["canaryWeight", "conditions", "failedChecks", "iterations", "lastAppliedSpec", "lastPromotedSpec", "lastTransitionTime", "phase", "trackedConfigs"];
    expect(Object.keys(status)).toEqual(expect.arrayContaining(keys));
    expect(status.conditions?.find((condition) => condition.type === "Promoted")).toMatchObject({
      status: "True",
      reason: "Succeeded",
      message: "Canary analysis completed successfully, promotion finished.",
    });
    expect(status).toMatchObject({ canaryWeight: 0, iterations: 0, trackedConfigs: {} });
    expect(status.lastAppliedSpec).toBe(status.lastPromotedSpec);
    const image = await kubectl("-n", NS, "get", "deployment", "backend-primary", "-o", "jsonpath={.spec.template.spec.containers[0].image}");
    expect(image).toMatch(/:6\.0\.1$/);
    await soon(async () => expect(await replicasOf(NS, "backend")).toBe(0));
    await eventsOf(NS, ["Initialized", "Progressing", "Advanced", "Promoting", "Finalising", "Succeeded"]);
    await kubectl("-n", NS, "wait", "canaries.rollout.kurator.dev/backend", "--for=condition=Ready", "--timeout=5s");
  });

  test("not one request was lost in all this", () => {
    expect(load.counted.losses).toEqual({});
    expect(load.counted.ok).toBeGreaterThan(500);
    expect(Object.keys(load.counted.versions).sort()).toEqual(["6.0.0", "6.0.1"]);
  });
});

describe("a bad release", () => {
  test("one that answers 500 for some requests is rolled back", async () => {
    const timeline = await Timeline.of(NS);
    await release({ ...app, version: "6.0.2", args: ["--random-error"] });
    const status = await phase(NS, "Failed", 120);
    expect(status.run).toMatchObject({ outcome: "RolledBack", reason: "ChecksFailed" });
    expect(status.run?.measurements?.find((measured) => measured.name === "request-success-rate")).toMatchObject({ verdict: "fail", min: 99 });
    expect(status.conditions?.find((condition) => condition.type === "Promoted")).toMatchObject({ status: "False", reason: "Failed" });
    await timeline.until("Failed 0");
    expect(status.failedChecks).toBe(2);
    const image = await kubectl("-n", NS, "get", "deployment", "backend-primary", "-o", "jsonpath={.spec.template.spec.containers[0].image}");
    expect(image).toMatch(/:6\.0\.1$/);
  });

  test("one that is slow is rolled back", async () => {
    const before = (await statusOf(NS)).run?.revision;
    const status = await slowly(hostOf(app), async () => {
      await release({ ...app, version: "6.0.3" });
      return phase(NS, "Failed", 120, "backend", before);
    });
    expect(status.run).toMatchObject({ outcome: "RolledBack", reason: "ChecksFailed" });
    expect(status.run?.measurements?.find((measured) => measured.name === "mean-duration")).toMatchObject({ verdict: "fail", max: 250 });
  });

  test("one that crash-loops never gets a request and fails long before its deadline", async () => {
    const before = (await statusOf(NS)).run?.revision;
    const seen = load.firstSeen("6.0.4");
    await release({ ...app, version: "6.0.4", args: ["--no-such-flag"] });
    const status = await phase(NS, "Failed", 120, "backend", before);
    expect(status.run).toMatchObject({ outcome: "RolledBack", reason: "CrashLoop" });
    expect(seen).toBeUndefined();
    expect(load.firstSeen("6.0.4")).toBeUndefined();
  });

  test("going back to the promoted version is quiet and healthy", async () => {
    const before = await statusOf(NS);
    await release({ ...app, version: "6.0.1" });
    const status = await phase(NS, "Succeeded", 30);
    expect(status.run?.id).toBe(before.run?.id);
    expect(status.lastAppliedSpec).toBe(status.lastPromotedSpec);
  });
});
