// What pods read is released like their image: a ConfigMap and a Secret under traffic on a real cluster, and a DaemonSet as a target.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { bump, canary, deployment, hostOf, IMAGE, phase, RANDOM_ERROR, replicasOf, service, statusOf, STEADY, virtualService, weight } from "./support/app.ts";
import { apply, eventually, get, installCrds, kubectl, namespace, serviceIp, soon } from "./support/cluster.ts";
import { Engine } from "./support/engine.ts";
import { Load } from "./support/load.ts";
import type { KubeObject, Resource } from "../../engine/ports.ts";

const NS = "configs";
const app = { namespace: NS };
const CONFIG_MAPS: Resource = { group: "", version: "v1", plural: "configmaps", kind: "ConfigMap" };
const SECRETS: Resource = { group: "", version: "v1", plural: "secrets", kind: "Secret" };
const DAEMONSETS: Resource = { group: "apps", version: "v1", plural: "daemonsets", kind: "DaemonSet" };
let engine: Engine;
let load: Load;

const config = (message: string): object => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings", namespace: NS }, data: { PODINFO_UI_MESSAGE: message }, binaryData: { blob: "AAEC/w==" } });
const secret = (name: string, word: string, annotations = {}): object => ({ apiVersion: "v1", kind: "Secret", metadata: { name, namespace: NS, annotations }, stringData: { word } });

function reading(version = "6.0.0"): object {
  const made = deployment({ ...app, version }) as { spec: { template: { spec: { containers: object[]; volumes?: object[] } } } };
  const [container] = made.spec.template.spec.containers;
  Object.assign(container ?? {}, {
    envFrom: [{ configMapRef: { name: "settings" } }],
    env: [{ name: "WORD", valueFrom: { secretKeyRef: { name: "word", key: "word" } } }],
    volumeMounts: [{ name: "rotated", mountPath: "/rotated" }],
  });
  made.spec.template.spec.volumes = [{ name: "rotated", projected: { sources: [{ secret: { name: "rotated" } }] } }];
  return made;
}

async function dataOf(resource: Resource, name: string): Promise<unknown> {
  return (await get(resource, NS, name))?.data;
}

beforeAll(async () => {
  await namespace(NS);
  await installCrds();
  await apply(config("one"), secret("word", "one"), secret("rotated", "one", { "rollout.kurator.dev/config-tracking": "live" }), reading(), service(app), virtualService(app));
  await kubectl("-n", NS, "rollout", "status", "deployment/backend", "--timeout=120s");
  engine = await Engine.start({ namespaces: [NS], leaseName: "configs" });
  load = await Load.start(hostOf(app));
});

afterAll(async () => {
  await load.stop();
  await engine.stop();
  await kubectl("delete", "namespace", NS, "--wait=false");
});

describe("what pods read", () => {
  test("the primary reads copies, whole, and the original of what is live", async () => {
    await apply(canary(app, {}, { interval: "3s", stepWeight: 25 }));
    const status = await phase(NS, "Initialized", 90);
    expect(Object.keys(status.trackedConfigs ?? {}).sort()).toEqual(["configmap/settings", "secret/word"]);
    await soon(async () => expect(await get(CONFIG_MAPS, NS, "settings-primary")).toMatchObject({ data: { PODINFO_UI_MESSAGE: "one" }, binaryData: { blob: "AAEC/w==" } }));
    await soon(async () => expect(await dataOf(SECRETS, "word-primary")).toEqual({ word: Buffer.from("one").toString("base64") }));
    expect(await get(SECRETS, NS, "rotated-primary")).toBeUndefined();
    const primary = await kubectl("-n", NS, "get", "deployment", "backend-primary", "-o", "json");
    for (const name of ['"name": "settings-primary"', '"name": "word-primary"', '"name": "rotated"']) expect(primary).toContain(name);
  });

  test("a change of the ConfigMap climbs and is promoted; until then the copy is what it was", async () => {
    await apply(config("two"));
    await weight(NS, 25);
    expect(await dataOf(CONFIG_MAPS, "settings-primary")).toEqual({ PODINFO_UI_MESSAGE: "one" });
    await phase(NS, "Succeeded", 120);
    await soon(async () => expect(await dataOf(CONFIG_MAPS, "settings-primary")).toEqual({ PODINFO_UI_MESSAGE: "two" }));
    expect((await statusOf(NS)).counters?.runs).toBe(1);
  });

  test("a change of the Secret in the middle of a run starts it again with new pods", async () => {
    await bump(app, "6.0.1");
    await weight(NS, 25);
    const first = (await statusOf(NS)).run?.id;
    await apply(secret("word", "two"));
    await eventually("the run starts again", 60, async () => ((await statusOf(NS)).run?.id === first ? undefined : true));
    await phase(NS, "Succeeded", 180);
    await soon(async () => expect((await statusOf(NS)).history?.map(({ outcome }) => outcome)).toEqual(["Promoted", "Superseded", "Promoted"]));
    await soon(async () => expect(await dataOf(SECRETS, "word-primary")).toEqual({ word: Buffer.from("two").toString("base64") }));
    const answer = await fetch(`http://${await serviceIp(NS, "backend-primary")}:9898/env`);
    expect(await answer.json()).toEqual(expect.arrayContaining(["WORD=two", "PODINFO_UI_MESSAGE=two"]));
  });

  test("a rotation of what is live is no release, and a copy that is edited is put back", async () => {
    const before = (await statusOf(NS)).counters?.runs;
    await apply(secret("rotated", "two", { "rollout.kurator.dev/config-tracking": "live" }));
    await kubectl("-n", NS, "patch", "configmap", "settings-primary", "--type=merge", "-p", '{"data":{"PODINFO_UI_MESSAGE":"mine"}}');
    await eventually("the copy is back", 30, async () => (JSON.stringify(await dataOf(CONFIG_MAPS, "settings-primary")) === '{"PODINFO_UI_MESSAGE":"two"}' ? true : undefined));
    expect(await statusOf(NS)).toMatchObject({ phase: "Succeeded", counters: { runs: before } });
  });

  test("not one request was lost, and no content is in the log", () => {
    expect(load.counted.losses).toEqual({});
    expect(load.counted.ok).toBeGreaterThan(300);
    expect(JSON.stringify(engine.decisions())).not.toContain(Buffer.from("two").toString("base64"));
  });
});

describe("a DaemonSet", () => {
  const agent = { namespace: NS, name: "agent" };
  let agentLoad: Load;

  function daemonSet(version: string): object {
    const { spec, ...rest } = deployment({ ...agent, version }) as { spec: { selector: object; minReadySeconds: number; template: object } };
    return { ...rest, kind: "DaemonSet", spec: { selector: spec.selector, minReadySeconds: spec.minReadySeconds, template: spec.template, updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } } };
  }

  async function held(): Promise<{ strategy: string; resting: boolean }> {
    const found = (await get(DAEMONSETS, NS, "agent")) as KubeObject & { spec: { updateStrategy: { type: string }; template: { spec: { nodeSelector?: Record<string, string> } } } };
    return { strategy: found.spec.updateStrategy.type, resting: "rollout.kurator.dev/scale-to-zero" in (found.spec.template.spec.nodeSelector ?? {}) };
  }

  beforeAll(async () => {
    await apply(daemonSet("6.0.0"), service(agent), virtualService(agent));
    await kubectl("-n", NS, "rollout", "status", "daemonset/agent", "--timeout=120s");
    agentLoad = await Load.start(hostOf(agent));
    await apply(canary(agent, { targetRef: { apiVersion: "apps/v1", kind: "DaemonSet", name: "agent" } }, { interval: "3s", stepWeight: 25, metrics: [{ name: "request-success-rate", interval: "20s", thresholdRange: { min: 99 } }] }));
  });
  afterAll(async () => agentLoad.stop());

  test("is taken over and rests without a pod", async () => {
    const status = await phase(NS, "Initialized", 90, "agent");
    expect(status.conditions?.find(({ type }) => type === "Promoted")?.message).toBe("DaemonSet initialization completed.");
    await soon(async () => expect(await held()).toEqual({ strategy: "RollingUpdate", resting: true }));
    await eventually("no pod is left", 60, async () => ((await kubectl("-n", NS, "get", "pods", "-l", "app=agent", "-o", "name")) === "" ? true : undefined));
  });

  test("a release climbs while it is held, is promoted, and rests again", async () => {
    await kubectl("-n", NS, "set", "image", "daemonset/agent", `backend=${IMAGE}:6.0.1`);
    await weight(NS, 25, 120, "agent");
    await eventually("held", 10, async () => ((await held()).strategy === "OnDelete" ? true : undefined));
    await phase(NS, "Succeeded", 180, "agent");
    await eventually("at rest", 30, async () => ((await held()).resting ? true : undefined));
    await soon(async () => expect(await kubectl("-n", NS, "get", "daemonset", "agent-primary", "-o", "jsonpath={.spec.template.spec.containers[0].image}")).toMatch(/:6\.0\.1$/));
    expect(agentLoad.counted.versions["6.0.1"]).toBeGreaterThan(0);
    expect(agentLoad.counted.losses).toEqual({});
  });

  test("a bad one is rolled back", async () => {
    const before = (await statusOf(NS, "agent")).run?.revision;
    const container = "/spec/template/spec/containers/0";
    const bad = [{ op: "add", path: `${container}/command/-`, value: RANDOM_ERROR }, { op: "add", path: `${container}/readinessProbe/failureThreshold`, value: STEADY }];
    await kubectl("-n", NS, "patch", "daemonset", "agent", "--type=json", "-p", JSON.stringify(bad));
    const status = await phase(NS, "Failed", 120, "agent", before);
    expect(status.run).toMatchObject({ outcome: "RolledBack", reason: "ChecksFailed" });
  });

  test("deleting the Canary gives it back as it was", async () => {
    await apply(daemonSet("6.0.1"));
    await phase(NS, "Succeeded", 30, "agent");
    const lost = JSON.stringify(agentLoad.counted.losses);
    await kubectl("-n", NS, "delete", "canaries.rollout.kurator.dev", "agent");
    await eventually("the primary is gone", 90, async () => ((await get(DAEMONSETS, NS, "agent-primary")) === undefined ? true : undefined));
    expect(await held()).toEqual({ strategy: "RollingUpdate", resting: false });
    expect(JSON.stringify(agentLoad.counted.losses)).toBe(lost);
    expect(await replicasOf(NS, "backend")).toBe(0);
  });
});
