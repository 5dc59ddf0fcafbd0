// Does every field of an Application's rollout become what the Canary calls it, and is what cannot work refused under the user's own path?
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { parseApplicationSpec, type Rollout } from "../../../crds/application.ts";
import { parseCanary } from "../../../crds/canary.ts";
import type { KubeObject } from "../../../engine/ports.ts";
import { fitted, syncName } from "../../../fleet/names.ts";
import { renderRollout, type RenderInput } from "../../../fleet/render.ts";
import { routerFor } from "../../../routing/registry.ts";

const APP = { namespace: "default", name: "rollout-demo" };

function rollout(policy: object = {}, more: object = {}): Rollout {
  const spec = {
    source: {},
    syncPolicies: [{ rollout: { trafficRoutingProvider: "istio", workload: { name: "backend" }, serviceName: "backend", port: 9898, ...more, rolloutPolicy: { trafficRouting: { canaryStrategy: { stepWeight: 10 } }, ...policy } } }],
  };
  const parsed = parseApplicationSpec(spec);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const found = parsed.spec.syncPolicies[0]?.rollout;
  if (found === undefined) throw new Error("no rollout");
  return found;
}

function render(one: Rollout, more: Partial<RenderInput> = {}): ReturnType<typeof renderRollout> {
  return renderRollout({ app: APP, policy: "rollout-demo-0", index: 0, rollout: one, group: "own", targetPort: "http", loadTesterImage: "tester:1", ...more });
}

function canaryOf(one: Rollout, more: Partial<RenderInput> = {}): KubeObject & { spec: { service: object; analysis: object } } {
  const result = render(one, more);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.rendered.canary as KubeObject & { spec: { service: object; analysis: object } };
}

function nginx(routing: object, more: object = {}): Rollout {
  return rollout({ trafficRouting: { canaryStrategy: { stepWeight: 10 }, ...routing } }, { trafficRoutingProvider: "nginx", ...more });
}

function kuma(routing: object, more: object = {}): Rollout {
  return rollout({ trafficRouting: { canaryStrategy: { stepWeight: 10 }, ...routing } }, { trafficRoutingProvider: "kuma", ...more });
}

/** What is made beside the Canary. */
function beside(one: Rollout): KubeObject[] {
  const result = render(one);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.rendered.supporting;
}

function problems(one: Rollout, more: Partial<RenderInput> = {}): string[] {
  const result = render(one, more);
  return result.ok ? [] : result.problems.map(({ path, message }) => `${path}: ${message}`);
}

test("Kurator's example becomes the Canary of the contract", () => {
  const spec = (parse(readFileSync(new URL("../../../examples/application-canary.yaml", import.meta.url), "utf8")) as { spec: unknown }).spec;
  const parsed = parseApplicationSpec(spec);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const result = render(parsed.spec.syncPolicies[0]?.rollout as Rollout);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  expect(result.rendered.canary).toEqual({
    apiVersion: "rollout.kurator.dev/v1alpha1",
    kind: "Canary",
    metadata: { name: "backend", namespace: "webapp", labels: { "apps.kurator.dev/app-name": "rollout-demo", "apps.kurator.dev/app-namespace": "default" }, annotations: { "kurator.dev/rollout": "rollout-demo-0" } },
    spec: {
      provider: "istio",
      targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "backend" },
      progressDeadlineSeconds: 600,
      revertOnDeletion: true,
      service: { name: "backend", port: 9898, targetPort: "http", timeout: "60s", gateways: ["istio-system/public-gateway"], hosts: ["backend.webapp"] },
      analysis: {
        interval: "90s",
        threshold: 2,
        maxWeight: 50,
        stepWeight: 10,
        metrics: [{ name: "request-success-rate", interval: "90s", thresholdRange: { min: 99 } }, { name: "request-duration", interval: "90s", thresholdRange: { max: 500 } }],
        webhooks: [{ name: "generated-testload-0", url: "http://backend-testloader.webapp/", timeout: "60s", metadata: { type: "cmd", cmd: "hey -z 1m -q 10 -c 2 http://backend-canary.webapp:9898/" } }],
      },
    },
  });
  expect(result.rendered.supporting.map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`)).toEqual(["Deployment webapp/backend-testloader", "Service webapp/backend-testloader"]);
});

test.each(readdirSync(new URL("../../../examples", import.meta.url)).filter((file) => file.startsWith("application-")))("examples/%s is accepted, and so is what becomes of it", (file) => {
  const { spec } = parse(readFileSync(new URL(`../../../examples/${file}`, import.meta.url), "utf8")) as { spec: unknown };
  const parsed = parseApplicationSpec(spec);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  for (const [index, policy] of parsed.spec.syncPolicies.entries()) if (policy.rollout !== undefined) expect(problems(policy.rollout, { index })).toEqual([]);
});

describe("fields", () => {
  test("the least that may be written is enough: everything else has a default", () => {
    expect(canaryOf(rollout())).toMatchObject({
      metadata: { name: "backend", namespace: "default" },
      spec: { targetRef: { apiVersion: "apps/v1", kind: "Deployment" }, progressDeadlineSeconds: 600, revertOnDeletion: true, analysis: { interval: "60s", threshold: 1, metrics: [] } },
    });
    expect(canaryOf(rollout()).spec.service).toEqual({ name: "backend", port: 9898, targetPort: "http" });
  });

  test("the policy's switches", () => {
    expect(canaryOf(rollout({ rolloutTimeoutSeconds: 30, skipTrafficAnalysis: true, revertOnDeletion: false, suspend: true })).spec).toMatchObject({ progressDeadlineSeconds: 30, skipAnalysis: true, revertOnDeletion: false, suspend: true });
  });

  test("traffic routing", () => {
    const routing = { timeoutSeconds: 0, gateways: ["mesh"], hosts: ["a"], retries: { attempts: 3, perTryTimeout: "1s", retryOn: "5xx" }, headers: { request: { add: { a: "b" } } }, corsPolicy: { allowOrigin: ["*"] }, canaryStrategy: { stepWeights: [1, 10, 50], stepWeightPromotion: 50 } };
    const { spec } = canaryOf(rollout({ trafficRouting: routing }));
    expect(spec.service).toEqual({ name: "backend", port: 9898, targetPort: "http", gateways: ["mesh"], hosts: ["a"], retries: routing.retries, headers: routing.headers, corsPolicy: routing.corsPolicy });
    expect(spec.analysis).toMatchObject({ stepWeights: [1, 10, 50], stepWeightPromotion: 50 });
  });

  test("with analysisTimes the weights are out of force, and match chooses the users", () => {
    const { analysis } = canaryOf(rollout({ trafficRouting: { analysisTimes: 3, match: [{ headers: { "x-canary": { exact: "insider" } } }], canaryStrategy: { stepWeight: 10, maxWeight: 50 } } })).spec;
    expect(analysis).toMatchObject({ iterations: 3, match: [{ headers: { "x-canary": { exact: "insider" } } }] });
    expect(analysis).not.toHaveProperty("stepWeight");
    expect(analysis).not.toHaveProperty("maxWeight");
  });

  test("labels and annotations of the two Services, a Service of another name, a DaemonSet", () => {
    const one = rollout({}, { workload: { name: "agent", namespace: "apps", kind: "DaemonSet" }, serviceName: "front", primary: { labels: { a: "b" } }, preview: { annotations: { c: "d" } }, testLoader: true });
    const { metadata, spec } = canaryOf(one);
    expect([metadata.name, metadata.namespace]).toEqual(["agent", "apps"]);
    expect(spec).toMatchObject({ targetRef: { kind: "DaemonSet", name: "agent" }, service: { name: "front", primary: { labels: { a: "b" } }, canary: { annotations: { c: "d" } } } });
  });

  test("one load tester has one name: in its objects and in the address of the hooks", () => {
    const one = rollout({ trafficAnalysis: { webhooks: { command: ["hey http://x/", "true"] } } }, { workload: { name: "agent", namespace: "apps" }, serviceName: "front" });
    expect(canaryOf(one).spec.analysis).toMatchObject({ webhooks: [{ name: "generated-testload-0", url: "http://testloader.istio-system/", timeout: "60s" }, { name: "generated-testload-1" }] });
    expect(canaryOf({ ...one, testLoader: true }).spec.analysis).toMatchObject({ webhooks: [{ url: "http://agent-testloader.apps/" }, {}] });
  });

  test("a custom metric is a MetricTemplate; a metric without a bound is not asked", () => {
    const metrics = [{ name: "mine", intervalSeconds: 30, thresholdRange: { max: 1 }, customMetric: { provider: { address: "http://p:9090" }, query: "1" } }, { name: "request-duration" }];
    const result = render(rollout({ trafficAnalysis: { metrics } }));
    if (!result.ok) throw new Error(JSON.stringify(result.problems));
    expect((result.rendered.canary.spec as { analysis: object }).analysis).toMatchObject({ metrics: [{ name: "mine", interval: "30s", templateRef: { name: "mine", namespace: "default" } }] });
    expect(result.rendered.supporting).toMatchObject([{ kind: "MetricTemplate", metadata: { name: "mine", namespace: "default" }, spec: { provider: { type: "prometheus", address: "http://p:9090" }, query: "1" } }]);
  });

  test("what the Application has no words for may be said in the Canary's own, and wins", () => {
    const { spec } = canaryOf(rollout({}, { canarySpec: { analysis: { threshold: 7, alerts: [] }, rollbackWindow: { duration: "10m" } } }));
    expect(spec).toMatchObject({ rollbackWindow: { duration: "10m" }, analysis: { threshold: 7, interval: "60s", stepWeight: 10 } });
  });

  test("waves let a run wait for its turn; Flagger's group has no word for it", () => {
    const waves = [{ name: "pilot" }];
    expect(canaryOf(rollout({ waves })).spec).toMatchObject({ confirmStart: true });
    const flagger = canaryOf(rollout({ waves }), { group: "flagger" });
    expect(flagger.apiVersion).toBe("flagger.app/v1beta1");
    expect(flagger.spec).not.toHaveProperty("confirmStart");
    expect(flagger.spec).toMatchObject({ revertOnDeletion: true });
  });
});

describe("nginx", () => {
  test("an Ingress for the host alone, under the workload's name, and a Canary that names it", () => {
    const one = nginx({ host: "app.example.com", timeoutSeconds: 60, gateways: ["mesh"], hosts: ["x"] }, { workload: { name: "agent", namespace: "apps" }, serviceName: "front" });
    expect(beside(one)).toEqual([
      {
        apiVersion: "networking.k8s.io/v1",
        kind: "Ingress",
        metadata: { name: "agent", namespace: "apps", labels: { app: "front", "apps.kurator.dev/app-name": "rollout-demo", "apps.kurator.dev/app-namespace": "default" }, annotations: { "kurator.dev/rollout": "rollout-demo-0" } },
        spec: { ingressClassName: "nginx", rules: [{ host: "app.example.com", http: { paths: [{ path: "/", pathType: "Prefix", backend: { service: { name: "front", port: { number: 9898 } } } }] } }] },
      },
    ]);
    const { spec, metadata } = canaryOf(one);
    expect(spec).toMatchObject({ provider: "nginx", ingressRef: { apiVersion: "networking.k8s.io/v1", kind: "Ingress", name: "agent" } });
    // What an Ingress has no word for, which the engine would refuse.
    expect(spec.service).toEqual({ name: "front", port: 9898, targetPort: "http" });
    expect(metadata.annotations).toEqual({ "kurator.dev/rollout": "rollout-demo-0" });
  });

  test("two rollouts in one namespace have an Ingress each, with a label that is one", () => {
    const both = ["front", "back"].flatMap((name) => beside(nginx({ host: `${name}.example.com` }, { workload: { name }, serviceName: name })));
    expect(both.map(({ metadata }) => [metadata.name, metadata.labels?.app])).toEqual([["front", "front"], ["back", "back"]]);
  });

  test("whoever names an Ingress needs no host and gets no other one", () => {
    const one = nginx({}, { canarySpec: { ingressRef: { apiVersion: "networking.k8s.io/v1", kind: "Ingress", name: "mine" } } });
    expect(beside(one)).toEqual([]);
    expect(canaryOf(one).spec).toMatchObject({ ingressRef: { name: "mine" } });
  });

  test("A/B by one header and by the name of a cookie is what the router can say", () => {
    const match = [{ headers: { "x-canary": { exact: "insider" } } }, { headers: { cookie: { exact: "canary" } } }];
    const { metadata, spec } = canaryOf(nginx({ host: "app.example.com", analysisTimes: 3, match }));
    const parsed = parseCanary({ apiVersion: "rollout.kurator.dev/v1alpha1", kind: "Canary", metadata, spec });
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    const found = new Map(beside(nginx({ host: "app.example.com" })).map((object) => ["ingresses.networking.k8s.io/default/backend", object]));
    const intent = { namespace: "default", apex: "backend", spec: parsed.canary.spec, owner: { apiVersion: "rollout.kurator.dev/v1alpha1", name: "backend", uid: "u" }, primaryWeight: 0, canaryWeight: 100, scope: "matched" as const };
    const router = routerFor("nginx");
    expect(router?.check(intent, found)).toEqual([]);
    expect(router?.render(intent, found, () => "v1")[0]?.metadata.annotations).toMatchObject({
      "nginx.ingress.kubernetes.io/canary-by-header": "x-canary",
      "nginx.ingress.kubernetes.io/canary-by-header-value": "insider",
      "nginx.ingress.kubernetes.io/canary-by-cookie": "canary",
    });
  });
});

describe("kuma", () => {
  test("all three Services say what the app speaks on its own port, for old and new versions, and labels of the user's stay", () => {
    const one = kuma({ timeoutSeconds: 60 }, { port: 8080, primary: { labels: { a: "b" } }, preview: { annotations: { c: "d" } } });
    const told = { "8080.service.kuma.io/protocol": "http" };
    expect(canaryOf(one).spec.service).toEqual({ name: "backend", port: 8080, targetPort: "http", appProtocol: "http", apex: { annotations: told }, primary: { labels: { a: "b" }, annotations: told }, canary: { annotations: { ...told, c: "d" } } });
    expect(canaryOf(kuma({ protocol: "grpc" })).spec.service).toMatchObject({ appProtocol: "grpc", apex: { annotations: { "9898.service.kuma.io/protocol": "grpc" } } });
    expect(beside(one)).toEqual([]);
  });

  test("the mesh is named beside the policy; another one is the user's to say", () => {
    expect(canaryOf(kuma({})).metadata.annotations).toEqual({ "kuma.io/mesh": "default", "kurator.dev/rollout": "rollout-demo-0" });
    const blue = { service: { apex: { labels: { "kuma.io/mesh": "blue" } } } };
    expect(canaryOf(kuma({}, { canarySpec: blue }))).toMatchObject({ metadata: { annotations: { "kuma.io/mesh": "blue" } }, spec: { service: { apex: { labels: { "kuma.io/mesh": "blue" }, annotations: { "9898.service.kuma.io/protocol": "http" } } } } });
  });
});

test.each([["istio", "istio-system"], ["kuma", "kuma-system"], ["nginx", "ingress-nginx"]])("the public load tester of %s is in %s", (trafficRoutingProvider, namespace) => {
  const one = rollout({ trafficRouting: { host: "a.b", canaryStrategy: { stepWeight: 10 } }, trafficAnalysis: { webhooks: { command: ["true"] } } }, { trafficRoutingProvider });
  expect(canaryOf(one).spec.analysis).toMatchObject({ webhooks: [{ url: `http://testloader.${namespace}/` }] });
});

describe("what cannot work", () => {
  const path = "spec.syncPolicies[0].rollout";

  test.each<[string, Rollout, string]>([
    ["no steps", rollout({ trafficRouting: {} }), `${path}.rolloutPolicy.trafficRouting.canaryStrategy: names no steps`],
    ["both kinds of steps", rollout({ trafficRouting: { canaryStrategy: { stepWeight: 10, stepWeights: [1, 2] } } }), `${path}.rolloutPolicy.trafficRouting.canaryStrategy: has stepWeight and stepWeights`],
    ["bounds the wrong way round", rollout({ trafficAnalysis: { metrics: [{ name: "request-duration", thresholdRange: { min: 9, max: 1 } }] } }), `${path}.rolloutPolicy.trafficAnalysis.metrics[0].thresholdRange: min is greater than max`],
    ["a custom metric with a builtin name", rollout({ trafficAnalysis: { metrics: [{ name: "request-duration", thresholdRange: { max: 1 }, customMetric: { query: "1" } }] } }), `${path}.rolloutPolicy.trafficAnalysis.metrics[0].name: request-duration is built in`],
    ["a custom metric without a query", rollout({ trafficAnalysis: { metrics: [{ name: "mine", thresholdRange: { max: 1 }, customMetric: {} }] } }), `${path}.rolloutPolicy.trafficAnalysis.metrics[0].customMetric.query: is missing`],
    ["a Service's name that is none", rollout({}, { serviceName: "Not_A_Name" }), `${path}.serviceName: must be a name for Services`],
    ["a name that is too long for a load tester", rollout({}, { workload: { name: "w".repeat(60) }, testLoader: true }), `${path}.workload.name: is too long for a load tester of its own`],
    ["nginx without a host", rollout({}, { trafficRoutingProvider: "nginx" }), `${path}.rolloutPolicy.trafficRouting.host: is missing; give the host that users of the nginx Ingress ask, or name an Ingress of your own in canarySpec.ingressRef`],
    ["nginx with an empty host", nginx({ host: "" }), `${path}.rolloutPolicy.trafficRouting.host: is missing`],
    ["nginx with an address for a host", nginx({ host: "http://App.example.com/" }), `${path}.rolloutPolicy.trafficRouting.host: http://App.example.com/ is no host; write a name in lower case such as app.example.com`],
    ["nginx that is to keep users at a version", rollout({ trafficRouting: { host: "a.b", canaryStrategy: { stepWeight: 10 } }, trafficAnalysis: { sessionAffinity: { cookieName: "a" } } }, { trafficRoutingProvider: "nginx" }), `${path}.rolloutPolicy.trafficAnalysis.sessionAffinity: nginx cannot keep users at a version; remove it, or use istio`],
    ["Kuma that is to split connections", kuma({ protocol: "tcp" }), `${path}.rolloutPolicy.trafficRouting.protocol: tcp has no requests that Kuma could split; write http, http2, grpc`],
  ])("%s", (_what, one, said) => expect(problems(one)).toContainEqual(expect.stringContaining(said)));

  test("an Application whose name is no label", () => {
    expect(problems(rollout(), { app: { namespace: "default", name: "a".repeat(70) } })[0]).toMatch(/^metadata.name: has 70 characters/);
  });

  test("a spec that an older CRD let pass is refused field by field", () => {
    const parsed = parseApplicationSpec({ source: { gitRepository: { url: "ftp://x", interval: "soon" } }, syncPolicies: [{ rollout: { trafficRoutingProvider: "linkerd", workload: {}, serviceName: "a", port: 0, rolloutPolicy: { waves: [{ name: "a" }, { name: "a" }] } } }] });
    expect(parsed.ok ? [] : parsed.problems.map((problem) => problem.path)).toEqual(["spec.source.gitRepository.url", "spec.source.gitRepository.interval", `${path}.trafficRoutingProvider`, `${path}.workload.name`, `${path}.port`, `${path}.rolloutPolicy.waves`]);
  });
});

test("short names are Kurator's; long ones stay apart", () => {
  expect(syncName("rollout-demo-0", "AttachedCluster", "kurator-member1")).toBe("rollout-demo-0-attachedcluster-kurator-member1");
  const long = "p".repeat(80);
  expect(fitted(`${long}-a`)).toHaveLength(63);
  expect(fitted(`${long}-a`)).not.toBe(fitted(`${long}-b`));
});
