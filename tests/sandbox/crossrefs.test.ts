// Where references into other namespaces are forbidden, are they refused on every pass, and is nothing asked or told through them in the meantime (W12)?
import { describe, expect, test } from "@jest/globals";
import type { KubeObject } from "../../sandbox/api/types.ts";
import type { HttpRequest } from "../../engine/ports.ts";
import { Scene } from "../../sandbox/simulation/scene.ts";
import { canaryOf, furnish, setImage } from "../../sandbox/simulation/furniture.ts";

const CANARIES = "canaries.rollout.kurator.dev";
const CHAT = "http://chat.other/";

type Analysis = Record<string, unknown>;
const METRIC = { name: "errors", interval: "20s", thresholdRange: { max: 1 } };
const elsewhere = { metric: { ...METRIC, templateRef: { name: "errors", namespace: "other" } }, alert: { name: "ops", providerRef: { name: "chat", namespace: "other" } } };

function analysis(more: Analysis = {}): Analysis {
  return { ...(canaryOf().spec as { analysis: Analysis }).analysis, ...more };
}

async function begun(forbidden: boolean, more: Analysis): Promise<{ scene: Scene; asked: HttpRequest[] }> {
  const scene = new Scene(7);
  const asked: HttpRequest[] = [];
  scene.told = { sameNamespaceOnly: forbidden };
  scene.far = async (request) => {
    asked.push(request);
    const value = request.url.includes("from_other") ? "0" : "100";
    return { ok: true, value: { status: 200, headers: {}, body: JSON.stringify({ status: "success", data: { resultType: "vector", result: [{ metric: {}, value: [0, value] }] } }) } };
  };
  await furnish(scene, "1.0.0");
  const make = (plural: string, kind: string, name: string, spec: object, namespace = "other"): void =>
    void scene.store.create(`${plural}.rollout.kurator.dev`, { apiVersion: "rollout.kurator.dev/v1alpha1", kind, metadata: { name, namespace }, spec });
  scene.store.create("namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "other" } });
  make("metrictemplates", "MetricTemplate", "errors", { provider: { type: "prometheus" }, query: "from_other" });
  make("alertproviders", "AlertProvider", "chat", { type: "webhook", address: CHAT });
  scene.start("one");
  scene.store.create(CANARIES, canaryOf({ analysis: analysis(more) }));
  return { scene, asked };
}

function edit(scene: Scene, more: Analysis): void {
  const copy = structuredClone(scene.store.get(CANARIES, "test", "app") as KubeObject & { spec: { analysis: Analysis } });
  copy.spec.analysis = more;
  scene.store.update(CANARIES, copy);
}

function stalled(scene: Scene): string | undefined {
  const found = scene.status().conditions?.find(({ type, status }) => type === "Stalled" && status === "True");
  return found === undefined ? undefined : `${found.reason}: ${found.message}`;
}

const used = (asked: readonly HttpRequest[]): boolean => asked.some(({ url }) => url.includes("from_other") || url === CHAT);

const rest = { interval: "5s", threshold: 2, maxWeight: 60, stepWeight: 20 };

describe.each([
  ["a MetricTemplate", { metrics: [elsewhere.metric] }, /^InvalidSpec: spec\.analysis\.metrics\[0\]\.templateRef\.namespace/],
  ["an AlertProvider", { alerts: [elsewhere.alert] }, /^InvalidSpec: spec\.analysis\.alerts\[0\]\.providerRef\.namespace/],
])("%s of another namespace", (_what, refs, says) => {
  test("is used unless that is forbidden", async () => {
    const { scene, asked } = await begun(false, { ...rest, metrics: [], ...refs });
    expect(await scene.until(() => scene.status().phase === "Initialized", 60)).toBe(true);
    setImage(scene, "2.0.0");
    expect(await scene.until(() => scene.status().phase === "Succeeded", 200)).toBe(true);
    expect(used(asked)).toBe(true);
    await scene.end();
  });

  test("a Canary that is made with it is stalled by the field's name, and begins once it is gone", async () => {
    const { scene, asked } = await begun(true, refs);
    expect(await scene.until(() => stalled(scene) !== undefined, 30)).toBe(true);
    expect(stalled(scene)).toMatch(says);
    expect(scene.store.get("deployments.apps", "test", "app-primary")).toBeUndefined();
    edit(scene, analysis());
    expect(await scene.until(() => scene.status().phase === "Initialized", 60)).toBe(true);
    expect([stalled(scene), used(asked)]).toEqual([undefined, false]);
    await scene.end();
  });

  test("a Canary that was accepted and then edited is refused under weight, holds it, and nothing is asked or told there", async () => {
    const { scene, asked } = await begun(true, {});
    expect(await scene.until(() => scene.status().phase === "Initialized", 60)).toBe(true);
    setImage(scene, "2.0.0");
    expect(await scene.until(() => scene.status().route?.canaryWeight === 20, 100)).toBe(true);
    edit(scene, analysis(refs));
    expect(await scene.until(() => stalled(scene) !== undefined, 5)).toBe(true);
    const weight = scene.status().route?.canaryWeight;
    // A new leader knows nothing of what was accepted before.
    scene.kill("one");
    scene.start("two");
    await scene.advance(60_000);
    expect(stalled(scene)).toMatch(says);
    expect([scene.status().route?.canaryWeight, used(asked)]).toEqual([weight, false]);
    edit(scene, analysis());
    expect(await scene.until(() => scene.status().phase === "Succeeded", 200)).toBe(true);
    expect([used(asked), scene.lost]).toEqual([false, []]);
    await scene.end();
  });
});

test("its own namespace may be named, and gateways are of other namespaces by nature", async () => {
  const { scene } = await begun(true, { alerts: [{ name: "ops", providerRef: { name: "chat", namespace: "test" } }] });
  expect(await scene.until(() => scene.status().phase === "Initialized", 60)).toBe(true);
  expect(stalled(scene)).toBeUndefined();
  await scene.end();
});
