// Fifty rollouts under constant load while the engine is killed with SIGKILL at random instants: each release is one run, promoted once, and nobody's request is lost.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { canary, deploy, hostOf, IMAGE, statusOf } from "./support/app.ts";
import { apply, eventually, installCrds, kubectl, namespace, sleep } from "./support/cluster.ts";
import { Engine } from "./support/engine.ts";
import { Load } from "./support/load.ts";

const NS = "e2e-killing";
const APPS = ["one", "two", "three", "four", "five"];
const RELEASES = 10;
const VERSIONS = ["6.0.1", "6.0.2", "6.0.3", "6.0.4"];
/** From the instant at which it leads to the next kill: short enough for several in one rollout of about 15 s. A busy machine, on which it needs longer to lead, leaves it longer to work. */
const ALIVE_MS = { least: 1_500, most: 6_000 };
let engine: Engine;
const loads: Load[] = [];
let over = false;

beforeAll(async () => {
  await namespace(NS);
  await installCrds();
  for (const name of APPS) await deploy({ namespace: NS, name, replicas: 1 });
  engine = await Engine.start({ namespaces: [NS], leaseName: "killing" });
  for (const name of APPS) {
    const app = { namespace: NS, name };
    const quick = { interval: "2s", stepWeight: 25, metrics: [{ name: "request-success-rate", interval: "20s", thresholdRange: { min: 99 } }] };
    await apply(canary(app, { drainSeconds: 4, progressDeadlineSeconds: 180 }, quick));
    loads.push(await Load.start(hostOf(app), 100, "/", 2));
  }
});

afterAll(async () => {
  over = true;
  for (const load of loads) await load.stop();
  await engine.stop();
  await kubectl("delete", "namespace", NS, "--wait=false");
});

async function ended(name: string, image: string): Promise<void> {
  let last: unknown;
  await eventually(`${name} at ${image}`, 240, async () => {
    const status = await statusOf(NS, name);
    last = { phase: status.phase, weight: status.canaryWeight, run: status.run };
    return status.phase === "Succeeded" && status.run?.images[0] === image && status.target?.scale === "Zero" ? true : undefined;
  }, () => last);
}

async function releases(name: string): Promise<void> {
  for (let count = 0; count < RELEASES; count += 1) {
    const image = `${IMAGE}:${VERSIONS[count % VERSIONS.length]}`;
    await kubectl("-n", NS, "set", "image", `deployment/${name}`, `backend=${image}`);
    await ended(name, image);
  }
}

test("fifty rollouts of an engine that is killed again and again", async () => {
  for (const name of APPS) await eventually(`${name} is initialized`, 120, async () => ((await statusOf(NS, name)).phase === "Initialized" ? true : undefined));
  let kills = 0;
  const killing = (async () => {
    for (let startedAt = Date.now(); !over; ) {
      await eventually("the engine leads", 60, () => Promise.resolve(engine.leads || over ? true : undefined));
      const most = Math.max(ALIVE_MS.most, 2 * (Date.now() - startedAt));
      await sleep(ALIVE_MS.least + Math.random() * (most - ALIVE_MS.least));
      await engine.kill("SIGKILL");
      // A killed leader cannot give its lease back; waiting for it to run out is another suite's business.
      await kubectl("-n", NS, "delete", "lease", "killing", "--ignore-not-found");
      startedAt = Date.now();
      await engine.start();
      kills += 1;
    }
  })();
  await Promise.all(APPS.map((name) => releases(name)));
  over = true;
  await killing;
  for (const name of APPS) {
    const { counters, history } = await statusOf(NS, name);
    expect(counters?.runs).toBe(RELEASES);
    expect(new Set(history?.map(({ outcome }) => outcome))).toEqual(new Set(["Promoted"]));
  }
  expect(kills).toBeGreaterThan(20);
  for (const load of loads) expect((await load.stop()).losses).toEqual({});
  console.log({ kills, requests: loads.reduce((sum, { counted }) => sum + counted.ok, 0) });
}, 900_000);
