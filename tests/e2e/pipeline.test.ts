// What a pipeline does: bump an image and wait for the verdict on that image, for each exit code; and an image bumped in the middle of a run.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { bump, canary, deploy, hostOf, IMAGE, phase, release, weight } from "./support/app.ts";
import { apply, installCrds, kubectl, KUBECONFIG, namespace, said, sleep, type Said } from "./support/cluster.ts";
import { Engine } from "./support/engine.ts";
import { Load, slowly } from "./support/load.ts";

const NS = "e2e-pipeline";
const app = { namespace: NS };
let engine: Engine;
let load: Load;

function wait(...args: string[]): Promise<Said> {
  return waitAloud(args);
}

function waitAloud(args: readonly string[], spoke?: () => void): Promise<Said> {
  return said(process.execPath, ["dist/kurator-rollout.mjs", "wait", "canary/backend", "-n", NS, "--kubeconfig", KUBECONFIG, ...args], undefined, spoke);
}

beforeAll(async () => {
  await namespace(NS);
  await installCrds();
  await deploy(app);
  engine = await Engine.start({ namespaces: [NS], leaseName: "pipeline" });
  load = await Load.start(hostOf(app));
  await apply(canary(app));
  await phase(NS, "Initialized");
});

afterAll(async () => {
  await load.stop();
  await engine.stop();
  await kubectl("delete", "namespace", NS, "--wait=false");
});

describe("wait", () => {
  test("0: promoted, and again at once for what already serves", async () => {
    await bump(app, "6.0.1");
    const first = await wait("--image", `${IMAGE}:6.0.1`, "--timeout", "3m");
    expect(first).toMatchObject({ code: 0 });
    expect(first.stdout).toMatch(/Progressing +weight +30/);
    expect(first.stdout).toMatch(/promoted/);
    expect(await wait("--image", `${IMAGE}:6.0.1`, "--timeout", "20s")).toMatchObject({ code: 0 });
    expect(await wait("--timeout", "20s")).toMatchObject({ code: 0 });
  });

  test("0 is said of the image that was asked for, not of the last verdict", async () => {
    const waiting = wait("--image", `${IMAGE}:6.0.2`, "--timeout", "3m", "-o", "json");
    await sleep(2000);
    await bump(app, "6.0.2");
    const { code, stdout } = await waiting;
    expect(code).toBe(0);
    const lines = stdout.trim().split("\n").map((line) => JSON.parse(line) as { phase?: string; verdict?: string; code?: number });
    expect(lines.some((line) => line.phase === "Progressing")).toBe(true);
    expect(lines.at(-1)).toMatchObject({ code: 0 });
  });

  test("2: rolled back", async () => {
    const waited = await slowly(hostOf(app), async () => {
      await release({ ...app, version: "6.0.3" });
      return wait("--image", `${IMAGE}:6.0.3`, "--timeout", "3m");
    });
    expect(waited).toMatchObject({ code: 2 });
  });

  test("4: timeout", async () => {
    expect(await wait("--image", `${IMAGE}:9.9.9`, "--timeout", "3s")).toMatchObject({ code: 4 });
  });

  test("3: waits for a human", async () => {
    await kubectl("-n", NS, "patch", "canaries.rollout.kurator.dev", "backend", "--type=merge", "-p", '{"spec":{"suspend":true}}');
    await release({ ...app, version: "6.0.4" });
    expect(await wait("--image", `${IMAGE}:6.0.4`, "--timeout", "30s")).toMatchObject({ code: 3 });
    await kubectl("-n", NS, "patch", "canaries.rollout.kurator.dev", "backend", "--type=merge", "-p", '{"spec":{"suspend":false}}');
  });

  test("6: superseded by a newer revision", async () => {
    await weight(NS, 10);
    // It has to have seen the image that it waits for, however long it takes to start.
    let spoke = (): void => undefined;
    const heard = new Promise<void>((resolve) => (spoke = resolve));
    const waiting = waitAloud(["--image", `${IMAGE}:6.0.4`, "--timeout", "2m"], () => spoke());
    await Promise.race([heard, waiting]);
    await release({ ...app, version: "6.0.1" });
    expect(await waiting).toMatchObject({ code: 6 });
    await phase(NS, "Succeeded");
  });

  test("5: inconclusive", async () => {
    const broken = { metrics: [{ name: "nothing", query: "vector(1) > 2", thresholdRange: { min: 1 } }], maxHold: "5s" };
    await apply(canary(app, {}, broken));
    await release({ ...app, version: "6.1.0" });
    expect(await wait("--image", `${IMAGE}:6.1.0`, "--timeout", "2m")).toMatchObject({ code: 5 });
    await apply(canary(app));
    await release({ ...app, version: "6.0.1" });
    await phase(NS, "Succeeded");
  });

  test("7: not found; 1: not understood", async () => {
    expect(await said(process.execPath, ["dist/kurator-rollout.mjs", "wait", "canary/none", "-n", NS, "--kubeconfig", KUBECONFIG])).toMatchObject({ code: 7 });
    expect(await wait("--timeout", "soon")).toMatchObject({ code: 1 });
  });
});

describe("an image bumped in the middle of a run", () => {
  test("no request reaches the new revision before its own run", async () => {
    const before = load.firstSeen("3.1.2");
    await release({ ...app, version: "3.1.1" });
    await weight(NS, 50);
    const bumpedAt = Date.now();
    await release({ ...app, version: "3.1.2" });
    const status = await weight(NS, 10);
    expect(before).toBeUndefined();
    // In whole seconds, and before the weight is written anywhere.
    const weighted = Date.parse(status.lastTransitionTime ?? "");
    expect(weighted).toBeGreaterThan(bumpedAt);
    await phase(NS, "Succeeded");
    expect(load.firstSeen("3.1.2")).toBeGreaterThanOrEqual(weighted);
    expect(load.counted.losses).toEqual({});
  });
});
