// What does a write prove to the API server? The version it was computed from, or a newer one that is alike in what is written.
import { expect, test } from "@jest/globals";
import { apply } from "../../../engine/controller/apply.ts";
import type { Context } from "../../../engine/controller/context.ts";
import type { KubeObject, Precondition } from "../../../engine/ports.ts";
import { testLog } from "./support.ts";

const DEPLOYMENTS = { group: "apps", version: "v1", plural: "deployments", kind: "Deployment" };
const REF = { resource: DEPLOYMENTS, namespace: "test", name: "app" };

function deployment(resourceVersion: string, metadata: Partial<KubeObject["metadata"]> = {}, replicas = 0): KubeObject {
  return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "app", namespace: "test", uid: "u", generation: 2, resourceVersion, ...metadata }, spec: { replicas } };
}

/** Which version the write of `wanted` names when the cache has `cached` by then. */
async function versionNamed(found: KubeObject, cached: KubeObject | undefined, object: KubeObject = { ...found, spec: { replicas: 2 } }): Promise<string | undefined> {
  let named: Precondition | undefined;
  const context = {
    api: { patch: (_ref: unknown, _patch: unknown, precondition: Precondition) => ((named = precondition), Promise.resolve({ ok: true, value: found })) },
    caches: { get: (plural: string, namespace: string, name: string) => (`${plural}/${namespace}/${name}` === "deployments.apps/test/app" ? cached : undefined), absorb: () => undefined },
    leadership: { epoch: 7, mayWrite: () => true, superseded: () => undefined },
    log: testLog(),
  } as unknown as Context;
  await apply(context, [{ ref: REF, found, object }], () => Promise.resolve(undefined));
  return named?.resourceVersion;
}

const found = deployment("10", { annotations: { "rollout.kurator.dev/epoch": "7" } });

test.each([
  ["the platform has written its status and an annotation of its own", deployment("12", { annotations: { "deployment.kubernetes.io/revision": "4", "rollout.kurator.dev/epoch": "7" } }), "12"],
  ["it is what the write was computed from", found, "10"],
  ["it is gone", undefined, "10"],
  ["its user has edited it", deployment("12", { generation: 3, annotations: { "rollout.kurator.dev/epoch": "7" } }, 5), "10"],
  ["another leader has stamped it", deployment("12", { annotations: { "rollout.kurator.dev/epoch": "8" } }), "10"],
  ["it has other labels", deployment("12", { labels: { team: "web" }, annotations: { "rollout.kurator.dev/epoch": "7" } }), "10"],
  ["it is a namesake", deployment("12", { uid: "v", annotations: { "rollout.kurator.dev/epoch": "7" } }), "10"],
  ["it is being deleted", deployment("12", { deletionTimestamp: "2030-01-01T00:00:00Z", annotations: { "rollout.kurator.dev/epoch": "7" } }), "10"],
])("%s", async (_why, cached, version) => {
  expect(await versionNamed(found, cached)).toBe(version);
});

test("an annotation that is about to be written has been written by its user", async () => {
  const paused = (replicas: string, resourceVersion: string): KubeObject => deployment(resourceVersion, { annotations: { "autoscaling.keda.sh/paused-replicas": replicas } });
  expect(await versionNamed(paused("0", "10"), paused("4", "12"), deployment("10"))).toBe("10");
  expect(await versionNamed(paused("0", "10"), paused("0", "12"), deployment("10"))).toBe("12");
});

test("what has no generation is written as it was found", async () => {
  const plain = deployment("10", { generation: undefined });
  expect(await versionNamed(plain, deployment("12", { generation: undefined }))).toBe("10");
});
