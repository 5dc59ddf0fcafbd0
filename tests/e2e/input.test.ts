// Bad input: what the API server refuses with the field's path, what the engine refuses with a reason, and manifests of Flagger as they are.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { canary, deploy, phase, release, replicasOf, statusOf } from "./support/app.ts";
import { apply, eventually, installCrds, kubectl, namespace, said, soon } from "./support/cluster.ts";
import { Engine } from "./support/engine.ts";
import { changed, REJECTIONS, VALID } from "../unit/crds/rejections.ts";

const NS = "e2e-input";
const app = { namespace: NS };
let engine: Engine;

beforeAll(async () => {
  await namespace(NS);
  await installCrds();
  await deploy(app);
  engine = await Engine.start({ namespaces: [NS], leaseName: "input", apiGroups: "rollout.kurator.dev,flagger.app" });
});

afterAll(async () => {
  await engine.stop();
  await kubectl("delete", "namespace", NS, "--wait=false");
});

async function remove(name: string, group = "rollout.kurator.dev"): Promise<void> {
  await kubectl("-n", NS, "delete", `canaries.${group}`, name, "--ignore-not-found", "--timeout=20s");
}

test.each(REJECTIONS.filter((row) => row.on !== "update"))("the API server refuses: $name", async (row) => {
  const { code, stderr } = await said("kubectl", ["create", "--dry-run=server", "-n", NS, "-f", "-"], JSON.stringify(changed(row)));
  expect(code).not.toBe(0);
  for (const part of [row.expect].flat()) expect(stderr).toContain(part);
});

test.each(Object.entries(VALID))("the manifest of %s that the refusals start from is accepted", async (_group, manifest) => {
  const { code, stderr } = await said("kubectl", ["create", "--dry-run=server", "-n", NS, "-f", "-"], JSON.stringify(manifest));
  expect([code, stderr]).toEqual([0, ""]);
});

describe("what only the engine can see stalls the Canary and leaves the workload alone", () => {
  const rows: [string, object, string, string][] = [
    ["UnknownMetric", canary(app, {}, { metrics: [{ name: "a", query: "up{{ nothing }}", thresholdRange: { min: 1 } }] }), "InvalidSpec", "spec.analysis.metrics[0].query"],
    ["GatewayMissing", canary(app, { service: { port: 9898, gateways: ["istio-system/nobody"], hosts: ["x.test"] } }), "GatewayMissing", "spec.service.gateways[0]"],
    ["TargetMissing", canary(app, { targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "nobody" } }), "TargetMissing", "spec.targetRef.name"],
    ["AutoscalerMissing", canary(app, { autoscalerRef: { apiVersion: "autoscaling/v2", kind: "HorizontalPodAutoscaler", name: "backend" } }), "AutoscalerMissing", "spec.autoscalerRef"],
    ["Unsupported", canary(app, { provider: "kubernetes", service: { port: 9898 } }), "Unsupported", "spec.analysis.stepWeight"],
    ["a header that is HTTP's own", canary(app, {}, { webhooks: [{ name: "gate", url: "http://gate.test/", headers: { Host: "elsewhere" } }] }), "InvalidSpec", "spec.analysis.webhooks[0].headers"],
  ];

  test.each(rows)("%s", async (_name, manifest, reason, path) => {
    await remove("backend");
    await apply(manifest);
    const stalled = await eventually("stalled", 20, async () => (await statusOf(NS)).conditions?.find((condition) => condition.type === "Stalled" && condition.status === "True"));
    expect(stalled.reason).toBe(reason);
    expect(stalled.message).toContain(path);
    expect(await replicasOf(NS, "backend")).toBe(2);
    expect(await replicasOf(NS, "backend-primary")).toBeUndefined();
    await remove("backend");
  });

  test("DuplicateTarget: the older of two Canaries goes on", async () => {
    await apply(canary(app));
    await phase(NS, "Initialized");
    const second = canary(app) as { metadata: { name: string }; spec: { service: object } };
    await apply({ ...second, metadata: { name: "second", namespace: NS } });
    const stalled = await eventually("stalled", 20, async () => (await statusOf(NS, "second")).conditions?.find((condition) => condition.type === "Stalled" && condition.status === "True"));
    expect(stalled).toMatchObject({ reason: "DuplicateTarget" });
    await soon(async () => expect((await statusOf(NS)).conditions?.find((condition) => condition.type === "Ready")?.status).toBe("True"));
    await remove("second");
    await remove("backend");
    await eventually("given back", 60, async () => ((await replicasOf(NS, "backend-primary")) === undefined ? true : undefined));
  });
});

describe("flagger.app", () => {
  test("a manifest of Flagger's works unchanged, and its deletion collects what was made", async () => {
    const manifest = canary(app, { drainSeconds: undefined }, { interval: "10s" }) as { apiVersion: string; spec: Record<string, unknown> };
    await apply({ ...manifest, apiVersion: "flagger.app/v1beta1", spec: { ...manifest.spec, skipAnalysis: true, revertOnDeletion: true } });
    await kubectl("-n", NS, "wait", "canaries.flagger.app/backend", "--for=condition=Promoted", "--timeout=90s");
    await release({ ...app, version: "6.0.1" });
    await eventually("promoted", 90, async () => {
      const image = await kubectl("-n", NS, "get", "canaries.flagger.app", "backend", "-o", "jsonpath={.status.phase} {.status.primary.images[0]}");
      return /^Succeeded .*:6\.0\.1$/.test(image) ? true : undefined;
    });
    const table = await kubectl("get", "canaries.flagger.app", "-n", NS);
    expect(table.split("\n")[0]?.split(/\s+/)).toEqual(["NAME", "STATUS", "WEIGHT", "LASTTRANSITIONTIME"]);
    await remove("backend", "flagger.app");
    await eventually("given back", 60, async () => ((await replicasOf(NS, "backend-primary")) === undefined ? true : undefined));
    expect(await replicasOf(NS, "backend")).toBe(2);
  });
});
