// Does every field of an Application's rollout become what the Canary calls it, and is what cannot work refused under the user's own path?
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { parseApplicationSpec, type Rollout } from "../../../crds/application.ts";
import type { KubeObject } from "../../../engine/ports.ts";
import { fitted, syncName } from "../../../fleet/names.ts";
import { renderRollout, type RenderInput } from "../../../fleet/render.ts";

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
    ["a router that is not there yet", rollout({}, { trafficRoutingProvider: "nginx" }), `${path}.trafficRoutingProvider: nginx cannot be routed yet`],
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
