// Applications for nginx and Kuma: is what leads the traffic made in each member and taken away again in the right order, and is what somebody else made left alone?
import { expect, test } from "@jest/globals";
import { map } from "../../crds/json.ts";
import type { Resource } from "../../engine/ports.ts";
import type { KubeObject } from "../../sandbox/api/types.ts";
import type { FleetScene } from "../../sandbox/simulation/fleetscene.ts";
import { serve, setImage } from "../../sandbox/simulation/furniture.ts";
import type { Scene } from "../../sandbox/simulation/scene.ts";
import { applicationOf, APPLICATIONS, CANARIES, condition, edit, furnished, member, message, phaseIn, phases, rolloutOf, waves } from "./fleetscenes.ts";

const INGRESSES = "ingresses.networking.k8s.io";
const ROUTES = "meshhttproutes.kuma.io";
const MESH_ROUTES: Resource = { group: "kuma.io", version: "v1alpha1", plural: "meshhttproutes", kind: "MeshHTTPRoute" };
const HOST = "app.example.com";

function rolloutBy(trafficRoutingProvider: string, routing: object = {}, policy: object = {}, more: object = {}): object {
  // The app counts by itself, whatever leads to it.
  const pods = 'kubernetes_namespace="test",kubernetes_pod_name=~"app-[0-9a-z]+-[0-9a-z]+"';
  const total = (and: string): string => `sum(rate(http_request_duration_seconds_count{${pods}${and}}[20s]))`;
  const metrics = [{ name: "errors", intervalSeconds: 20, thresholdRange: { max: 1 }, customMetric: { provider: { address: "http://prometheus.istio-system:9090" }, query: `100 - 100 * ${total(',status!~"5.."')} / ${total("")}` } }];
  return rolloutOf({ trafficRouting: { canaryStrategy: { maxWeight: 60, stepWeight: 30 }, ...routing }, trafficAnalysis: { checkIntervalSeconds: 5, checkFailedTimes: 2, metrics }, ...policy }, { trafficRoutingProvider, ...more });
}

/** Members whose users are led by that provider alone. */
async function scened(provider: string, names: readonly string[], labels: Record<string, Record<string, string>> = {}): Promise<FleetScene> {
  const scene = await furnished(names, labels);
  for (const one of scene.members.values()) {
    one.store.delete("virtualservices.networking.istio.io", "test", "app");
    if (provider === "kuma") serve(one, MESH_ROUTES);
  }
  return scene;
}

function ingressOf(one: Scene, name = "app"): KubeObject | undefined {
  return one.store.get(INGRESSES, "test", name);
}

function weightsOf(one: Scene): { seen: string[]; gone: string[] } {
  const seen: string[] = [];
  const gone: string[] = [];
  one.store.subscribe(({ type, object }) => {
    if (type === "DELETED") gone.push(`${object.kind} ${object.metadata.name}`);
    const weight = object.kind === "Ingress" && object.metadata.name === "app-canary" ? object.metadata.annotations?.["nginx.ingress.kubernetes.io/canary-weight"] : undefined;
    if (weight !== undefined && seen.at(-1) !== weight) seen.push(weight);
  });
  return { seen, gone };
}

test("nginx: an Ingress in each member, waves one after the other, and without the rollout the Ingress goes last; nobody loses a request before", async () => {
  const scene = await scened("nginx", ["member1", "member2"], { member1: { stage: "pilot" } });
  const rollout = rolloutBy("nginx", { host: HOST }, { waves: [{ name: "pilot", clusterSelector: { matchLabels: { stage: "pilot" } }, bakeSeconds: 5 }] }, { testLoader: true });
  scene.host.create(APPLICATIONS, applicationOf({ syncPolicies: [{ rollout }] }));
  expect(await scene.until(() => condition(scene, "Ready") === "True Delivered", 120)).toBe(true);
  const watched = [...scene.members.values()].map((one) => {
    one.host = HOST;
    return { one, ...weightsOf(one), before: ingressOf(one) };
  });
  for (const { one, before } of watched) {
    expect(map(before?.spec)).toEqual({ ingressClassName: "nginx", rules: [{ host: HOST, http: { paths: [{ path: "/", pathType: "Prefix", backend: { service: { name: "app", port: { number: 8080 } } } }] } }] });
    expect(one.store.get("namespaces", undefined, "test")?.metadata.labels ?? {}).not.toHaveProperty("istio-injection");
    setImage(one, "2.0.0");
  }
  expect(await scene.until(() => phaseIn(scene, "member1") === "Progressing", 60)).toBe(true);
  expect(phaseIn(scene, "member2")).toBe("Waiting");
  expect(await scene.until(() => phases(scene) === "member1 Succeeded, member2 Succeeded", 300)).toBe(true);
  expect(waves(scene)).toContain("pilot");
  for (const { one, seen, before } of watched) {
    expect(seen).toEqual(["30", "60", "0"]);
    // Passes without end leave it as it is: no rule is added.
    expect(ingressOf(one)?.metadata.resourceVersion).toBe(before?.metadata.resourceVersion);
  }
  edit(scene, (spec) => delete spec.syncPolicies[0]?.rollout);
  const lost = new Map<Scene, number>();
  for (const { one } of watched) one.store.subscribe(({ type, object }) => (type === "DELETED" && object.kind === "Ingress" && object.metadata.name === "app" ? lost.set(one, one.lost.length) : 0));
  expect(await scene.until(() => (scene.status().clusters ?? []).length === 0, 120)).toBe(true);
  for (const { one, gone } of watched) {
    const order = ["Canary app", "Ingress app-canary", "Deployment app-primary", "Ingress app"].map((each) => gone.indexOf(each));
    expect([order.includes(-1), order]).toEqual([false, [...order].sort((left, right) => left - right)]);
    expect(lost.get(one)).toBe(0);
    expect(one.store.list(INGRESSES)).toEqual([]);
    expect(one.world.send({ host: "app.test" }).status).toBe(200);
  }
  await scene.end();
});

test("nginx: what somebody does to the Ingress by hand is put right, what they add to it stays, and it goes with the Application", async () => {
  const scene = await scened("nginx", ["member1"]);
  const one = member(scene, "member1");
  scene.host.create(APPLICATIONS, applicationOf({ syncPolicies: [{ rollout: rolloutBy("nginx", { host: HOST }) }] }));
  expect(await scene.until(() => condition(scene, "Ready") === "True Delivered", 120)).toBe(true);
  const found = structuredClone(ingressOf(one));
  if (found === undefined) throw new Error("no Ingress");
  const rules = map(found.spec).rules as object[];
  one.store.update(INGRESSES, { ...found, metadata: { ...found.metadata, annotations: { ...found.metadata.annotations, theirs: "a" } }, spec: { ...map(found.spec), tls: [{ hosts: [HOST] }], rules: [...rules, ...rules] } });
  expect(await scene.until(() => (map(ingressOf(one)?.spec).rules as object[]).length === 1, 10)).toBe(true);
  expect(ingressOf(one)).toMatchObject({ metadata: { annotations: { theirs: "a" } }, spec: { tls: [{ hosts: [HOST] }], rules } });
  one.store.delete(INGRESSES, "test", "app");
  expect(await scene.until(() => ingressOf(one) !== undefined, 10)).toBe(true);
  edit(scene, (spec) => (spec.syncPolicies = [{ rollout: rolloutBy("nginx", { host: "new.example.com" }) }]));
  expect(await scene.until(() => JSON.stringify(ingressOf(one, "app-canary")?.spec).includes("new.example.com"), 20)).toBe(true);
  expect(JSON.stringify(ingressOf(one)?.spec)).not.toContain(HOST);
  scene.host.delete(APPLICATIONS, "fleet", "shop");
  expect(await scene.until(() => scene.host.get(APPLICATIONS, "fleet", "shop") === undefined, 120)).toBe(true);
  expect([one.store.list(INGRESSES), one.store.list(CANARIES), one.store.get("deployments.apps", "test", "app-primary")]).toEqual([[], [], undefined]);
  await scene.end();
});

test("nginx: an Ingress that somebody else made is not touched, and does when it is named", async () => {
  const scene = await scened("nginx", ["member1"]);
  const one = member(scene, "member1");
  const mine: KubeObject = { apiVersion: "networking.k8s.io/v1", kind: "Ingress", metadata: { name: "app", namespace: "test" }, spec: { ingressClassName: "nginx", rules: [{ host: HOST, http: { paths: [{ path: "/", pathType: "Prefix", backend: { service: { name: "app", port: { number: 8080 } } } }] } }] } };
  const version = one.store.create(INGRESSES, structuredClone(mine)).metadata.resourceVersion;
  await scene.advance(1_000, false);
  one.host = HOST;
  scene.host.create(APPLICATIONS, applicationOf({ syncPolicies: [{ rollout: rolloutBy("nginx", { host: "other.example.com" }) }] }));
  expect(await scene.until(() => condition(scene, "Stalled") === "True NameTaken", 30)).toBe(true);
  expect(message(scene, "Stalled")).toContain("Ingress test/app in member1 exists and was not made for this Application; name it in canarySpec.ingressRef, delete it, or remove the rollout here");
  expect([one.store.list(CANARIES), ingressOf(one)?.metadata.resourceVersion]).toEqual([[], version]);
  edit(scene, (spec) => (spec.syncPolicies = [{ rollout: rolloutBy("nginx", {}, {}, { canarySpec: { ingressRef: { apiVersion: "networking.k8s.io/v1", kind: "Ingress", name: "app" } } }) }]));
  expect(await scene.until(() => condition(scene, "Ready") === "True Delivered", 120)).toBe(true);
  setImage(one, "2.0.0");
  expect(await scene.until(() => phaseIn(scene, "member1") === "Succeeded", 200)).toBe(true);
  scene.host.delete(APPLICATIONS, "fleet", "shop");
  expect(await scene.until(() => scene.host.get(APPLICATIONS, "fleet", "shop") === undefined, 120)).toBe(true);
  expect([ingressOf(one)?.metadata.resourceVersion, ingressOf(one, "app-canary"), one.lost]).toEqual([version, undefined, []]);
  await scene.end();
});

test("nginx: the Ingress that was made stays when the rollout names it as its own, and goes with the rollout", async () => {
  const scene = await scened("nginx", ["member1"]);
  scene.host.create(APPLICATIONS, applicationOf({ syncPolicies: [{ rollout: rolloutBy("nginx", { host: HOST }) }] }));
  expect(await scene.until(() => condition(scene, "Ready") === "True Delivered", 120)).toBe(true);
  const one = member(scene, "member1");
  edit(scene, (spec) => (spec.syncPolicies = [{ rollout: rolloutBy("nginx", {}, {}, { canarySpec: { ingressRef: { apiVersion: "networking.k8s.io/v1", kind: "Ingress", name: "app" } } }) }]));
  await scene.advance(30_000);
  expect(ingressOf(one)).toBeDefined();
  scene.host.delete(APPLICATIONS, "fleet", "shop");
  expect(await scene.until(() => ingressOf(one) === undefined, 120)).toBe(true);
  await scene.end();
});

test("nginx: without a host, and by users that an Ingress cannot choose, each is told by its name", async () => {
  const scene = await scened("nginx", ["member1"]);
  scene.host.create(APPLICATIONS, applicationOf({ syncPolicies: [{ rollout: rolloutBy("nginx") }] }));
  expect(await scene.until(() => condition(scene, "Stalled") === "True InvalidSpec", 30)).toBe(true);
  expect(message(scene, "Stalled")).toContain("spec.syncPolicies[0].rollout.rolloutPolicy.trafficRouting.host: is missing; give the host that users of the nginx Ingress ask");
  expect(member(scene, "member1").store.list(INGRESSES)).toEqual([]);
  const match = [{ headers: { cookie: { regex: ".*type=insider.*" } } }];
  edit(scene, (spec) => (spec.syncPolicies = [{ rollout: rolloutBy("nginx", { host: HOST, analysisTimes: 3, match }) }]));
  expect(await scene.until(() => JSON.stringify(scene.status()).includes("An Ingress of nginx chooses users by one header"), 60)).toBe(true);
  expect(member(scene, "member1").store.get("deployments.apps", "test", "app-primary")).toBeUndefined();
  await scene.end();
});

test("kuma: the namespace and the Services say what Kuma has to know, and the app goes back to its own when the Application goes", async () => {
  const scene = await scened("kuma", ["member1", "member2"]);
  scene.host.create(APPLICATIONS, applicationOf({ syncPolicies: [{ rollout: rolloutBy("kuma") }] }));
  expect(await scene.until(() => condition(scene, "Ready") === "True Delivered", 120)).toBe(true);
  for (const one of scene.members.values()) {
    const mark = { "kuma.io/sidecar-injection": "enabled" };
    expect(one.store.get("namespaces", undefined, "test")?.metadata).toMatchObject({ labels: mark, annotations: mark });
    for (const name of ["app", "app-primary", "app-canary"]) expect(one.store.get("services", "test", name)).toMatchObject({ spec: { ports: [{ port: 8080, appProtocol: "http" }] } });
    // The app's own Service carries what its owner gave it, and nothing of this.
    for (const name of ["app-primary", "app-canary"]) expect(one.store.get("services", "test", name)?.metadata.annotations).toMatchObject({ "8080.service.kuma.io/protocol": "http" });
    expect(one.store.get(CANARIES, "test", "app")?.metadata.annotations).toMatchObject({ "kuma.io/mesh": "default" });
    expect(one.store.get(ROUTES, "test", "app")?.metadata.labels).toMatchObject({ "kuma.io/mesh": "default" });
    setImage(one, "2.0.0");
  }
  expect(await scene.until(() => phases(scene) === "member1 Succeeded, member2 Succeeded", 240)).toBe(true);
  scene.host.delete(APPLICATIONS, "fleet", "shop");
  expect(await scene.until(() => scene.host.get(APPLICATIONS, "fleet", "shop") === undefined, 120)).toBe(true);
  await scene.advance(2_000);
  for (const one of scene.members.values()) {
    expect([one.store.list(CANARIES), one.store.get("deployments.apps", "test", "app-primary"), one.lost]).toEqual([[], undefined, []]);
    expect(JSON.stringify(one.store.get(ROUTES, "test", "app")?.spec ?? {})).not.toMatch(/app-(primary|canary)/);
  }
  await scene.end();
});

test.each(["labels", "annotations"] as const)("kuma: a namespace whose %s keep proxies away is told by name and left as it is", async (place) => {
  const scene = await scened("kuma", ["member1"]);
  const one = member(scene, "member1");
  const mark = (value: string): void => {
    const found = structuredClone(one.store.get("namespaces", undefined, "test"));
    if (found !== undefined) one.store.update("namespaces", { ...found, metadata: { ...found.metadata, [place]: { ...found.metadata[place], "kuma.io/sidecar-injection": value } } });
  };
  mark("disabled");
  scene.host.create(APPLICATIONS, applicationOf({ syncPolicies: [{ rollout: rolloutBy("kuma") }] }));
  expect(await scene.until(() => condition(scene, "Stalled") === "True Refused", 30)).toBe(true);
  expect(message(scene, "Stalled")).toContain("Namespace test in member1 says kuma.io/sidecar-injection=disabled");
  expect(one.store.list(CANARIES)).toEqual([]);
  // Another word for yes is nobody's business; only what nobody has said is said.
  mark("true");
  edit(scene, (spec) => Object.assign(spec.syncPolicies[0] ?? {}, { rollout: rolloutBy("kuma", { protocol: "http" }) }));
  expect(await scene.until(() => condition(scene, "Ready") === "True Delivered", 120)).toBe(true);
  expect(one.store.get("namespaces", undefined, "test")?.metadata[place]).toMatchObject({ "kuma.io/sidecar-injection": "true" });
  await scene.end();
});
