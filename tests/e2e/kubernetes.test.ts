// Blue/green without a mesh: callers of the apex Service get the primary alone, until it takes the analysed revision over.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { bump, deployment, phase, replicasOf, service, statusOf } from "./support/app.ts";
import { apply, eventually, get, installCrds, kubectl, namespace, SERVICES, sleep, soon } from "./support/cluster.ts";
import { Engine } from "./support/engine.ts";
import { Load } from "./support/load.ts";

const NS = "e2e-kubernetes";
const app = { namespace: NS };
let hooks: Server;
let engine: Engine;
let good = true;

function canary(): object {
  const { port } = hooks.address() as AddressInfo;
  return {
    apiVersion: "rollout.kurator.dev/v1alpha1",
    kind: "Canary",
    metadata: { name: "backend", namespace: NS },
    spec: {
      provider: "kubernetes",
      targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "backend" },
      drainSeconds: 4,
      progressDeadlineSeconds: 60,
      service: { port: 9898 },
      analysis: { interval: "2s", threshold: 2, iterations: 3, webhooks: [{ name: "acceptance", type: "rollout", url: `http://127.0.0.1:${port}/` }] },
    },
  };
}

beforeAll(async () => {
  await namespace(NS);
  await installCrds();
  await apply(deployment(app), service(app));
  await kubectl("-n", NS, "rollout", "status", "deployment/backend", "--timeout=120s");
  hooks = createServer((request, response) => void (request.resume(), response.writeHead(good ? 200 : 500).end()));
  await new Promise<void>((resolve) => hooks.listen(0, "127.0.0.1", resolve));
  engine = await Engine.start({ namespaces: [NS], leaseName: "kubernetes" });
});

afterAll(async () => {
  await engine.stop();
  hooks.close();
  await kubectl("delete", "namespace", NS, "--wait=false");
});

test("taken over, rehearsed, promoted, rolled back and given back, and no caller of the Service loses a request", async () => {
  const load = await Load.toService(NS, "backend", 9898);
  await apply(canary());
  await phase(NS, "Initialized");
  await soon(async () => expect((await get(SERVICES, NS, "backend"))?.spec).toMatchObject({ selector: { app: "backend-primary" } }));

  await bump(app, "6.0.1");
  await eventually("the second rehearsal", 60, async () => ((await statusOf(NS)).iterations === 2 ? true : undefined));
  expect(load.firstSeen("6.0.1")).toBeUndefined();
  await phase(NS, "Succeeded", 120);
  await sleep(2000);
  expect(load.met.at(-1)).toBe("6.0.1");

  good = false;
  await bump(app, "6.0.2");
  const failed = await phase(NS, "Failed", 120);
  expect(failed.run).toMatchObject({ outcome: "RolledBack", reason: "ChecksFailed" });
  expect(load.firstSeen("6.0.2")).toBeUndefined();

  await kubectl("-n", NS, "set", "image", "deployment/backend", "backend=ghcr.io/stefanprodan/podinfo:6.0.1");
  await phase(NS, "Succeeded");
  await kubectl("-n", NS, "delete", "canaries.rollout.kurator.dev", "backend", "--timeout=10s");
  await eventually("given back", 60, async () => ((await replicasOf(NS, "backend-primary")) === undefined ? true : undefined));
  await sleep(2000);
  expect((await get(SERVICES, NS, "backend"))?.spec).toMatchObject({ selector: { app: "backend" } });
  expect((await load.stop()).losses).toEqual({});
});
