// Nothing lost: take-over, promotion, rollback and deletion under constant load, while a GitOps tool re-applies the user's manifests in each phase.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { bump, canary, deploy, deployment, hostOf, phase, release, replicasOf, service, statusOf, weight } from "./support/app.ts";
import { apply, cluster, DEPLOYMENTS, eventually, get, installCrds, kubectl, namespace, SERVICES, sleep } from "./support/cluster.ts";
import { Engine } from "./support/engine.ts";
import { Load, slowly } from "./support/load.ts";

const NS = "e2e-gitops";
const app = { namespace: NS };
let engine: Engine;
let load: Load;

/** What Argo CD or Flux do: the manifest as it is in Git, with its replicas, and the selector of the Service. */
async function sync(version: string): Promise<void> {
  await apply(deployment({ ...app, version }), service(app));
  // A changed field that the last-applied annotation does not show as changed is put back by hand.
  await kubectl("-n", NS, "patch", "deployment", "backend", "--type=merge", "-p", '{"spec":{"replicas":2}}');
  await kubectl("-n", NS, "patch", "service", "backend", "--type=merge", "-p", '{"spec":{"selector":{"app":"backend"}}}');
}

async function repaired(replicas: number | undefined): Promise<void> {
  await eventually("the apex Service leads to the primary", 10, async () => {
    const found = await get(SERVICES, NS, "backend");
    return (found?.spec as { selector?: { app?: string } } | undefined)?.selector?.app === "backend-primary" ? true : undefined;
  });
  if (replicas !== undefined) await eventually(`the target has ${replicas} replicas`, 10, async () => ((await replicasOf(NS, "backend")) === replicas ? true : undefined));
}

beforeAll(async () => {
  await namespace(NS);
  await installCrds();
  await deploy(app);
  engine = await Engine.start({ namespaces: [NS], leaseName: "gitops" });
  load = await Load.start(hostOf(app));
  await sleep(2000);
});

afterAll(async () => {
  await load.stop();
  await engine.stop();
  await kubectl("delete", "namespace", NS, "--wait=false");
});

test("taken over, and put back at once when the manifests are re-applied while idle", async () => {
  await apply(canary(app));
  await phase(NS, "Initialized");
  await sync("6.0.0");
  await repaired(0);
  expect((await statusOf(NS)).phase).toBe("Initialized");
  expect(load.counted.losses).toEqual({});
});

test("promoted, with the manifests re-applied at each rung, while promoting and finalising", async () => {
  await bump(app, "6.0.1");
  for (const rung of [10, 20, 30, 40, 50]) {
    await weight(NS, rung);
    await sync("6.0.1");
    await repaired(undefined);
  }
  await phase(NS, "Promoting");
  await sync("6.0.1");
  await phase(NS, "Finalising");
  await sync("6.0.1");
  const status = await phase(NS, "Succeeded");
  await repaired(0);
  expect(status.history?.map((run) => run.outcome)).toEqual(["Promoted"]);
  expect(load.counted.losses).toEqual({});
});

test("rolled back, with the manifests re-applied under weight and after", async () => {
  const bad = { ...app, version: "6.0.2" };
  await slowly(hostOf(app), async () => {
    await release(bad);
    await weight(NS, 10);
    await apply(deployment(bad), service(app));
    await phase(NS, "Failed");
  });
  await apply(deployment(bad), service(app));
  await kubectl("-n", NS, "patch", "deployment", "backend", "--type=merge", "-p", '{"spec":{"replicas":2}}');
  await repaired(0);
  expect(load.counted.losses).toEqual({});
});

test("given back when the Canary is deleted: the target serves before the primary goes, and what was adopted is as it was", async () => {
  await release({ ...app, version: "6.0.1" });
  await phase(NS, "Succeeded");
  await kubectl("-n", NS, "delete", "canaries.rollout.kurator.dev", "backend", "--timeout=10s");
  await eventually("the primary is gone", 60, async () => ((await get(DEPLOYMENTS, NS, "backend-primary")) === undefined ? true : undefined));
  expect(await replicasOf(NS, "backend")).toBe(2);
  const apex = await get(SERVICES, NS, "backend");
  expect((apex?.spec as { selector?: object }).selector).toEqual({ app: "backend" });
  expect((apex?.spec as { ports?: object[] }).ports).toEqual([{ name: "http", port: 9898, protocol: "TCP", targetPort: "http" }]);
  const { api } = await cluster();
  const route = await api.get({ resource: { group: "networking.istio.io", version: "v1", plural: "virtualservices", kind: "VirtualService" }, namespace: NS, name: "backend" });
  expect(route).toMatchObject({ ok: true, value: { spec: { hosts: [hostOf(app)], http: [{ route: [{ destination: { host: "backend", port: { number: 9898 } } }] }] } } });
  expect(JSON.stringify([apex, route])).not.toContain("rollout.kurator.dev/");
  await eventually("nothing of the engine is left", 20, async () => {
    const left = await kubectl("-n", NS, "get", "deployments,services,virtualservices.networking.istio.io,destinationrules,controllerrevisions", "-l", "rollout.kurator.dev/canary", "-o", "name");
    return left.trim() === "" ? true : undefined;
  });
  await sleep(5000);
  expect(load.counted.losses).toEqual({});
  expect(load.counted.ok).toBeGreaterThan(2000);
});
