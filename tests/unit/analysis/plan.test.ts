// From a manifest's metrics to queries with limits, and from readings to verdicts.
import { describe, expect, test } from "@jest/globals";
import { checksum, hookOutcome, hookRequest, retryDelayMs } from "../../../analysis/hooks.ts";
import { combine, judge } from "../../../analysis/judge.ts";
import { planMetrics } from "../../../analysis/plan.ts";
import { renderQuery } from "../../../analysis/template.ts";
import type { PlannedMetric, Policy, Reading } from "../../../analysis/types.ts";
import type { CanaryMetric, CanarySpec } from "../../../crds/canary.ts";
import type { Verdict } from "../../../crds/status.ts";

function plan(metric: Partial<CanaryMetric>, more: { group?: string; lookBackMs?: number; meshProvider?: string; metricsServer?: string; template?: (namespace: string, name: string) => unknown } = {}) {
  const spec = { targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "backend" }, service: { port: 80 }, analysis: { metrics: [{ name: "request-success-rate", thresholdRange: { min: 99 }, ...metric }] } } as CanarySpec;
  return planMetrics({ group: "rollout.kurator.dev", name: "backend", namespace: "webapp", spec, metricsServer: "http://prometheus:9090", meshProvider: "istio", ...more });
}

function planned(...args: Parameters<typeof plan>): PlannedMetric {
  const result = plan(...args);
  if (!result.ok || result.metrics[0] === undefined) throw new Error("not planned");
  return result.metrics[0];
}

describe("minRequests", () => {
  const spec = { targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "backend" }, service: { port: 80 }, analysis: { minRequests: 50, metrics: [{ name: "request-success-rate", interval: "30s", thresholdRange: { min: 99 } }, { name: "request-duration", interval: "2m", thresholdRange: { max: 500 } }] } } as CanarySpec;
  const result = planMetrics({ group: "rollout.kurator.dev", name: "backend", namespace: "webapp", spec, metricsServer: "http://prometheus:9090", meshProvider: "istio" });
  const count = result.ok ? result.metrics.at(-1) : undefined;

  test("counts the canary's requests in the longest window", () => {
    expect(count).toMatchObject({ name: "request-count", path: "spec.analysis.minRequests", min: 50, query: expect.stringMatching(/^sum\(increase\(istio_requests_total\{.*\[2m\]\)\)$/) });
  });

  test.each([
    [49.6, "inconclusive"],
    [50, "pass"],
  ])("%d of 50 requests are %s, never a failure", (value, verdict) => {
    if (count === undefined) throw new Error("not planned");
    expect(judge(count, { kind: "value", value }, { onNoData: "hold", onProviderError: "hold" })).toMatchObject({ verdict });
  });
});

describe("a MetricTemplate", () => {
  const template = { provider: { type: "prometheus", address: "http://thanos:9090", headers: { "X-Scope-OrgID": ["a", "b"] }, secretRef: { name: "thanos" }, insecureSkipVerify: true }, query: 'sum(up{app="{{ target }}",ns="{{ namespace }}",zone="{{ variables.zone }}"}[{{ interval }}])' };
  const referring = { name: "errors", query: undefined, thresholdRange: { max: 1 }, interval: "30s", templateRef: { name: "errors", namespace: "shared" }, templateVariables: { zone: "eu" } };
  const templates = (found: unknown) => (namespace: string, name: string) => (namespace === "shared" && name === "errors" ? found : undefined);

  test("gives query, address and access; words are the Canary's", () => {
    expect(planned(referring, { template: templates(template) })).toMatchObject({
      provider: "prometheus", address: "http://thanos:9090", query: 'sum(up{app="backend",ns="webapp",zone="eu"}[30s])', max: 1,
      headers: { "X-Scope-OrgID": "a, b" }, insecureSkipVerify: true, secret: { namespace: "shared", name: "thanos" },
    });
  });

  test("without an address asks where every other metric is asked", () => {
    expect(planned(referring, { template: templates({ provider: { type: "prometheus" }, query: "up{zone='{{ variables.zone }}'}" }) }).address).toBe("http://prometheus:9090");
  });

  test("beside a builtin's name is measured as well as the builtin", () => {
    const result = plan({ ...referring, name: "request-success-rate" }, { template: templates(template) });
    expect(result.ok ? result.metrics.map(({ name }) => name) : result.problems).toEqual(["request-success-rate", "request-success-rate (template)"]);
  });

  test.each([
    ["is missing", undefined, "UnknownMetric", /shared\/errors does not exist/],
    ["has a provider that is not here", { ...template, provider: { type: "splunk" } }, "Unsupported", /no provider splunk; use one of prometheus/],
    ["is mangled", { provider: { type: "prometheus" } }, "InvalidSpec", /spec\.query/],
    ["uses a variable that is not set", { ...template, query: "up{a='{{ variables.region }}'}" }, "InvalidSpec", /variables\.region/],
  ])("that %s is a problem with the field's path", (_name, found, reason, says) => {
    const result = plan(referring, { template: templates(found) });
    expect(result).toMatchObject({ ok: false, problems: [{ reason, path: "spec.analysis.metrics[0].templateRef" }] });
    expect(result.ok ? "" : result.problems[0]?.message).toMatch(says);
  });
});

describe("plan", () => {
  test("the builtin success rate measures the target's own pods, in percent", () => {
    const metric = planned({ interval: "90s" });
    expect(metric).toMatchObject({ min: 99, unit: "%", provider: "prometheus", path: "spec.analysis.metrics[0]" });
    expect(metric.query).toContain('destination_workload="backend"');
    expect(metric.query).toContain('destination_workload_namespace="webapp"');
    expect(metric.query).toContain("[90s]");
    expect(metric.query).toMatch(/^\(sum\(rate\(.*response_code!~"5\.\*".*\) or vector\(0\)\) \/ sum\(rate\(.*\* 100$/);
  });

  test("the builtin duration is the 99th percentile in milliseconds, over a minute where nothing else is said", () => {
    const metric = planned({ name: "request-duration", thresholdRange: { max: 500 } });
    expect(metric).toMatchObject({ max: 500, unit: "ms" });
    expect(metric.query).toMatch(/^histogram_quantile\(0\.99, .*\[1m\].*by \(le\)\)$/);
  });

  test("no query looks back before the first weight of its run", () => {
    expect(planned({ interval: "1m" }, { lookBackMs: 12_700 }).query).toContain("[12s]");
    expect(planned({ interval: "1m" }, { lookBackMs: 100 }).query).toContain("[1s]");
    expect(planned({ interval: "1m" }, { lookBackMs: 61_000 }).query).toContain("[1m]");
    expect(planned({ interval: "1m" }).query).toContain("[1m]");
  });

  test("an inline query has its words filled in", () => {
    const metric = planned({ name: "own", query: 'rate(x{ns="{{ namespace }}",t="{{target}}-{{ variables.tier }}"}[{{- interval -}}])', templateVariables: { tier: "web" }, interval: "30s" });
    expect(metric.query).toBe('rate(x{ns="webapp",t="backend-web"}[30s])');
  });

  test.each<[string, Partial<CanaryMetric>, object, string, string]>([
    ["an unknown name without a query", { name: "succes-rate" }, {}, "UnknownMetric", "spec.analysis.metrics[0].name"],
    ["a word that is not known", { name: "own", query: "up{{ nothing }}" }, {}, "InvalidSpec", "spec.analysis.metrics[0].query"],
    ["a variable that is not given", { name: "own", query: "{{ variables.a }}" }, {}, "InvalidSpec", "spec.analysis.metrics[0].query"],
    ["a variable that would break out of the query", { name: "own", query: 'x{a="{{ variables.a }}"}', templateVariables: { a: '"} or vector(100)' } }, {}, "InvalidSpec", "spec.analysis.metrics[0].query"],
    ["braces without a partner", { name: "own", query: "up{{ name" }, {}, "InvalidSpec", "spec.analysis.metrics[0].query"],
    ["no limit in our group", { thresholdRange: undefined }, {}, "InvalidSpec", "spec.analysis.metrics[0].thresholdRange"],
    ["a builtin of a mesh that has none", {}, { meshProvider: "kuma" }, "UnknownMetric", "spec.analysis.metrics[0].name"],
    ["an address that is no URL", {}, { metricsServer: "prometheus" }, "InvalidSpec", "spec.metricsServer"],
  ])("refuses %s", (_name, metric, more, reason, path) => {
    expect(plan(metric, more)).toMatchObject({ ok: false, problems: [{ reason, path }] });
  });

  test.each<[string, Partial<CanaryMetric>, { min?: number; max?: number }]>([
    ["the scalar threshold of a success rate is a minimum", { thresholdRange: undefined, threshold: 95 }, { min: 95 }],
    ["of anything else a maximum", { name: "own", query: "up", thresholdRange: undefined, threshold: 3 }, { max: 3 }],
    ["no limit: a success rate always passes in flagger.app", { thresholdRange: undefined }, {}],
    ["and anything else fails above 0", { name: "own", query: "up", thresholdRange: undefined }, { max: 0 }],
  ])("%s", (_name, metric, limits) => {
    const { min, max } = planned(metric, { group: "flagger.app" });
    expect({ min, max }).toEqual({ min: limits.min, max: limits.max });
  });

  test("white space of a template is folded, also by its trim marks", () => {
    const words = { name: "n", namespace: "ns", target: "t", service: "s", ingress: "i", route: "r", interval: "1m", variables: {} };
    expect(renderQuery("  a \n {{- name }}  b", words, "p")).toEqual({ ok: true, text: "an b" });
  });
});

const metric: PlannedMetric = { name: "m", path: "p", provider: "prometheus", address: "http://a", query: "q", min: 99, max: 100 };
const HOLD = { onNoData: "hold", onProviderError: "hold" } as const;
const noData: Reading = { kind: "no-data", why: "no series" };
const outage: Reading = { kind: "error", why: "status 503" };

describe("judge", () => {
  test.each<[string, Reading, { onNoData: Policy; onProviderError: Policy }, Verdict]>([
    ["on the minimum", { kind: "value", value: 99 }, HOLD, "pass"],
    ["on the maximum", { kind: "value", value: 100 }, HOLD, "pass"],
    ["below", { kind: "value", value: 98.999 }, HOLD, "fail"],
    ["above", { kind: "value", value: 100.001 }, HOLD, "fail"],
    ["silence holds", noData, HOLD, "inconclusive"],
    ["an outage holds", outage, HOLD, "error"],
    ["silence fails where it is asked to", noData, { ...HOLD, onNoData: "fail" }, "fail"],
    ["an outage passes where it is asked to", outage, { ...HOLD, onProviderError: "pass" }, "pass"],
    ["the policies do not mix", outage, { ...HOLD, onNoData: "fail" }, "error"],
  ])("%s", (_name, reading, policies, verdict) => {
    expect(judge(metric, reading, policies).verdict).toBe(verdict);
  });

  test("a metric's own policy goes before the analysis'", () => {
    expect(judge({ ...metric, onNoData: "fail" }, noData, HOLD).verdict).toBe("fail");
  });

  test("the measurement shows value and limits, with six digits", () => {
    expect(judge({ ...metric, unit: "%" }, { kind: "value", value: 98.123456789 }, HOLD)).toEqual({ name: "m", min: 99, max: 100, value: 98.1235, verdict: "fail", message: "98.1235 % is below the minimum 99 %" });
  });

  test.each<[Verdict[], Verdict]>([
    [[], "pass"],
    [["pass", "pass"], "pass"],
    [["pass", "inconclusive"], "inconclusive"],
    [["inconclusive", "error", "pass"], "error"],
    [["error", "fail", "inconclusive"], "fail"],
  ])("%j together are %s", (verdicts, together) => {
    expect(combine(verdicts.map((verdict) => ({ verdict })))).toBe(together);
  });
});

describe("hooks", () => {
  test("the payload is Flagger's, with run, step and attempt beside it", () => {
    const payload = { name: "a", namespace: "b", phase: "Progressing", lastAppliedSpec: "x", trackedConfigs: {}, metadata: { cmd: "hey" }, type: "rollout", run: "x-1", step: 2, attempt: 0 };
    const request = hookRequest({ name: "w", url: "http://hook/" }, payload);
    expect(request).toMatchObject({ method: "POST", url: "http://hook/", headers: { "Content-Type": "application/json" } });
    expect(JSON.parse(request.body ?? "")).toEqual({ name: "a", namespace: "b", phase: "Progressing", checksum: checksum("x", {}), metadata: { cmd: "hey" }, type: "rollout", run: "x-1", step: 2, attempt: 0 });
    expect(JSON.parse(hookRequest({ name: "w", url: "http://hook/" }, { ...payload, metadata: {} }).body ?? "")).not.toHaveProperty("metadata");
  });

  test("the checksum knows nothing of the order of configs", () => {
    expect(checksum("x", { a: "1", b: "2" })).toBe(checksum("x", { b: "2", a: "1" }));
    expect(checksum("x", { a: "1" })).not.toBe(checksum("y", { a: "1" }));
  });

  test.each([
    [200, "open"], [204, "open"], [299, "open"], [302, "closed"], [400, "closed"], [403, "closed"], [429, "retry"], [500, "retry"], [501, "closed"], [503, "retry"],
  ])("%i is %s", (status, kind) => {
    expect(hookOutcome({ status, headers: {}, body: "because" }).kind).toBe(kind);
  });

  test("the reason is short", () => {
    const outcome = hookOutcome({ status: 403, headers: {}, body: "y".repeat(10_000) });
    expect(outcome.kind === "closed" && outcome.why.length < 250).toBe(true);
  });

  test("tries again after 1, 2, 4 ... 30 seconds", () => {
    expect([0, 1, 2, 5, 40].map(retryDelayMs)).toEqual([1000, 2000, 4000, 30_000, 30_000]);
  });
});
