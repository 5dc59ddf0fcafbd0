// What goes wrong with the app and its hooks in the middle of a release, on real pods under constant load: a hook that hangs, pods that go unready while they have
// users, and a primary that does not become ready at the promotion.
import { createServer, type Server } from "node:http";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { bump, canary, deploy, hostOf, IMAGE, phase, statusOf, weight } from "./support/app.ts";
import { apply, installCrds, kubectl, namespace, sleep, soon } from "./support/cluster.ts";
import { Engine } from "./support/engine.ts";
import { Load } from "./support/load.ts";

const NS = "e2e-troubles";
const app = { namespace: NS };
const QUOTA = { apiVersion: "v1", kind: "ResourceQuota", metadata: { name: "full", namespace: NS } };
let engine: Engine;
let load: Load;
let hook: Server;
let hangs = false;
/** Requests that a version with no ready pod has lost. */
let lost = 0;

beforeAll(async () => {
  await namespace(NS);
  await installCrds();
  await deploy(app);
  hook = createServer((_request, response) => {
    if (!hangs) response.end("{}");
  });
  await new Promise<void>((resolve) => hook.listen(0, "127.0.0.1", resolve));
  const address = hook.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  engine = await Engine.start({ namespaces: [NS], leaseName: "troubles" });
  load = await Load.start(hostOf(app));
  await apply(canary(app, {}, {
    interval: "3s", stepWeight: 25,
    metrics: [{ name: "request-success-rate", interval: "20s", thresholdRange: { min: 99 } }],
    webhooks: [{ name: "smoke", type: "rollout", url: `http://127.0.0.1:${address.port}/`, timeout: "2s" }],
  }));
  await phase(NS, "Initialized", 90);
});

afterAll(async () => {
  await load.stop();
  await engine.stop();
  hook.closeAllConnections();
  hook.close();
  await kubectl("delete", "namespace", NS, "--wait=false");
});

test("a hook that hangs holds the weight and is no failure; when it answers again the run goes on", async () => {
  await bump(app, "6.0.1");
  hangs = true;
  await weight(NS, 25);
  await sleep(12_000);
  expect(await statusOf(NS)).toMatchObject({ phase: "Progressing", failedChecks: 0, route: { canaryWeight: 25 } });
  hangs = false;
  const status = await phase(NS, "Succeeded", 90);
  expect(status.run).toMatchObject({ outcome: "Promoted" });
  expect(load.counted.losses).toEqual({});
});

test("while it hangs people are heard at once", async () => {
  await bump(app, "6.0.2");
  hangs = true;
  const { run } = await weight(NS, 25);
  await sleep(4_000);
  await kubectl("-n", NS, "annotate", "canaries.rollout.kurator.dev", "backend", `rollout.kurator.dev/action=abort run=${run?.id}`, "--overwrite");
  await soon(async () => expect((await statusOf(NS)).route).toMatchObject({ canaryWeight: 0 }));
  hangs = false;
  expect((await phase(NS, "Failed", 60)).run).toMatchObject({ outcome: "RolledBack", reason: "Aborted" });
  expect(load.counted.losses).toEqual({});
});

test("pods that go unready while they have users: weight 0 long before the deadline", async () => {
  await bump(app, "6.0.3");
  await weight(NS, 25);
  // Pods of the release before may still be on their way out.
  const ips = (await kubectl("-n", NS, "get", "pods", "-l", "app=backend", "-o", `jsonpath={.items[?(@.spec.containers[0].image=="${IMAGE}:6.0.3")].status.podIP}`)).split(" ");
  expect(ips.length).toBe(2);
  const begun = Date.now();
  for (const ip of ips) await fetch(`http://${ip}:9898/readyz/disable`, { method: "POST" });
  await soon(async () => expect((await statusOf(NS)).route).toMatchObject({ canaryWeight: 0 }), 30);
  // Three probes, one a second, and the engine's five seconds; the deadline is a minute.
  expect(Date.now() - begun).toBeLessThan(20_000);
  expect((await phase(NS, "Failed", 60)).run).toMatchObject({ outcome: "RolledBack", reason: "CanaryUnavailable" });
  // Its share of requests meets nobody until the proxies hear of the route: those are the bad version's, and they end with it.
  await sleep(1_000);
  lost = load.counted.lost;
  await sleep(3_000);
  expect(load.counted.lost).toBe(lost);
});

test("a primary that does not become ready at the promotion: the canary goes on serving, and the promotion ends by itself when it can", async () => {
  await bump(app, "6.0.4");
  await weight(NS, 50);
  // The primary needs one more pod than there may be.
  await apply({ ...QUOTA, spec: { hard: { pods: "4" } } });
  await phase(NS, "Promoting", 60);
  await sleep(12_000);
  const { phase: still, route } = await statusOf(NS);
  expect([still, (route?.canaryWeight ?? 0) >= 50]).toEqual(["Promoting", true]);
  const before = load.counted.versions["6.0.4"] ?? 0;
  await sleep(2_000);
  expect(load.counted.versions["6.0.4"]).toBeGreaterThan(before);
  await kubectl("-n", NS, "delete", "resourcequota", QUOTA.metadata.name);
  expect((await phase(NS, "Succeeded", 120)).run).toMatchObject({ outcome: "Promoted" });
  expect(load.counted.lost).toBe(lost);
});
