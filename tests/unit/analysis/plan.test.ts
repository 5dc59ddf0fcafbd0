// From a manifest's metrics to queries with limits, and from readings to verdicts.
import { describe, expect, test } from "@jest/globals";
import { checksum, hookOutcome, hookRequest, retryDelayMs } from "../../../analysis/hooks.ts";
import { combine, judge } from "../../../analysis/judge.ts";
import { planMetrics, reporterQuestions, type Plan } from "../../../analysis/plan.ts";
import { renderQuery } from "../../../analysis/template.ts";
import type { PlannedMetric, Policy, Reading } from "../../../analysis/types.ts";
import type { CanaryMetric, CanarySpec } from "../../../crds/canary.ts";
import type { Verdict } from "../../../crds/status.ts";

function plan(metric: Partial<CanaryMetric>, more: { group?: string; lookBackMs?: number; meshProvider?: string; metricsServer?: string; template?: (namespace: string, name: string) => unknown } = {}, refs: Partial<CanarySpec> = {}) {
  const spec = { targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "backend" }, service: { port: 80 }, ...refs, analysis: { metrics: [{ name: "request-success-rate", thresholdRange: { min: 99 }, ...metric }] } } as CanarySpec;
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

const BOUNDS = { "request-success-rate": { min: 99 }, "request-duration": { max: 500 } };
const RATE = { name: "request-success-rate", thresholdRange: BOUNDS["request-success-rate"] };
const DURATION = { name: "request-duration", thresholdRange: BOUNDS["request-duration"] };

function planOf(analysis: object, more: Partial<Plan> = {}, service: object = {}): Plan {
  const spec = { targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "backend" }, service: { port: 80, ...service }, analysis } as CanarySpec;
  return { group: "rollout.kurator.dev", name: "backend", namespace: "webapp", spec, metricsServer: "http://prometheus:9090", meshProvider: "istio", ...more };
}

/** Name, reporter that the plan names, and reporters in the query. */
function reporters(plan: Plan): [string, string | undefined, string[]][] {
  const result = planMetrics(plan);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.metrics.map(({ name, reporter, query }) => [name, reporter, [...new Set([...query.matchAll(/reporter=~?"([^"]*)"/g)].map(([, found]) => found ?? ""))]]);
}

describe("Istio's reporters", () => {
  test("are asked for in the order in which they are believed: how many requests, good or bad, of target and primary in the longest window", () => {
    const questions = reporterQuestions(planOf({ metrics: [{ ...RATE, interval: "30s" }, { ...DURATION, interval: "2m" }] }, { lookBackMs: 3000 }));
    expect(questions.map(({ reporter }) => reporter)).toEqual(["destination", "waypoint", "source"]);
    expect(questions[2]?.query).toContain('increase(istio_requests_total{reporter="source",destination_workload_namespace="webapp",destination_workload=~"backend|backend-primary"}[2m])');
  });

  test.each([
    ["every metric names one", { metrics: [{ ...RATE, reporter: "source" }] }, {}],
    ["there is no builtin metric", { metrics: [{ name: "own", query: "up", thresholdRange: { max: 1 } }] }, {}],
    ["the app counts for itself", { metrics: [RATE] }, { meshProvider: "gatewayapi:v1" }],
    ["the metrics cannot be planned", { metrics: [RATE] }, { metricsServer: "prometheus" }],
    ["one was found", { metrics: [RATE] }, { reporter: "waypoint" as const }],
  ])("are not asked for where %s", (_name, analysis, more) => {
    expect(reporterQuestions(planOf(analysis, more))).toEqual([]);
  });

  test.each(["destination", "waypoint", "source"] as const)("%s, once found, is read by rate, duration and count, and by no query together with another", (reporter) => {
    const plan = planOf({ minRequests: 10, metrics: [RATE, DURATION] }, { reporter });
    expect(reporters(plan)).toEqual(["request-success-rate", "request-duration", "request-count"].map((name) => [name, reporter, [reporter]]));
  });

  test("one that a metric names goes before the one that was found, and the requests of the rate are counted where the rate is measured", () => {
    const chosen = { ...RATE, reporter: "source" };
    expect(reporters(planOf({ minRequests: 10, metrics: [DURATION, chosen] }, { reporter: "destination" }))).toEqual([
      ["request-duration", "destination", ["destination"]],
      ["request-success-rate", "source", ["source"]],
      ["request-count", "source", ["source"]],
    ]);
    expect(reporters(planOf({ minRequests: 10, metrics: [RATE, { ...DURATION, reporter: "source" }] }, { reporter: "destination" })).at(-1)).toEqual(["request-count", "destination", ["destination"]]);
  });

  test("naming one reads Istio's metrics behind a gateway of the Gateway API too", () => {
    expect(reporters(planOf({ minRequests: 10, metrics: [{ ...RATE, reporter: "source" }, DURATION] }, { meshProvider: "gatewayapi:v1" }))).toEqual([
      ["request-success-rate", "source", ["source"]],
      ["request-duration", undefined, []],
      ["request-count", "source", ["source"]],
    ]);
  });

  test("the measurement says which one it was, and so does the verdict", () => {
    const [metric] = planMetricsOf(planOf({ metrics: [RATE] }, { reporter: "source" }));
    if (metric === undefined) throw new Error("not planned");
    expect(judge(metric, { kind: "value", value: 0 }, HOLD)).toMatchObject({ verdict: "fail", reporter: "source", message: "0 % is below the minimum 99 % (reporter source)" });
    expect(judge(metric, { kind: "value", value: 100 }, HOLD)).toEqual({ name: "request-success-rate", min: 99, value: 100, reporter: "source", verdict: "pass" });
    expect(judge(metric, noData, HOLD)).toMatchObject({ verdict: "inconclusive", message: "no data: no series (reporter source)" });
  });
});

describe("the success rate of gRPC", () => {
  const good = /,response_code!~"5\.\*",grpc_response_status!~"2\|4\|12\|13\|14\|15"\}/;
  test.each<[string, object, Partial<Plan>, boolean]>([
    ["by appProtocol", { appProtocol: "grpc" }, {}, true],
    ["in capitals", { appProtocol: "GRPC" }, {}, true],
    ["by the port's name", { portName: "grpc-api" }, {}, true],
    ["web", { appProtocol: "grpc-web" }, {}, true],
    ["not of HTTP", { appProtocol: "http", portName: "http" }, {}, false],
    ["not of what only begins like it", { portName: "grpcish" }, {}, false],
    ["not in flagger.app, whose thresholds know nothing of it", { appProtocol: "grpc" }, { group: "flagger.app" }, false],
  ])("counts statuses of gRPC %s", (_name, service, more, counted) => {
    const [metric, count] = planMetricsOf(planOf({ minRequests: 5, metrics: [RATE] }, more, service));
    expect(good.test(metric?.query ?? "")).toBe(counted);
    expect([metric?.query.split(" / ")[1], count?.query].join()).not.toContain("grpc_response_status");
  });
});

function planMetricsOf(plan: Plan): PlannedMetric[] {
  const result = planMetrics(plan);
  return result.ok ? result.metrics : [];
}

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

  test.each(["1m]) or vector(100) or rate(x[1m", "1mbogus", "1 m"])("an interval of %j, which Flagger's CRD lets through, is refused and goes into no query", (interval) => {
    const refused = { ok: false, problems: [{ reason: "InvalidSpec", path: "spec.analysis.metrics[0].interval" }] };
    expect(plan({ ...referring, interval }, { group: "flagger.app", template: templates(template) })).toMatchObject(refused);
    expect(plan({ interval }, { group: "flagger.app" })).toMatchObject(refused);
  });

  test("without an interval of the metric is asked about the last minute", () => {
    expect(planned({ ...referring, interval: undefined }, { template: templates(template) }).query).toContain("[1m]");
  });

  test("beside a builtin's name is measured as well as the builtin", () => {
    const result = plan({ ...referring, name: "request-success-rate" }, { template: templates(template) });
    expect(result.ok ? result.metrics.map(({ name }) => name) : result.problems).toEqual(["request-success-rate", "request-success-rate (template)"]);
  });

  test.each([
    ["is missing", undefined, "UnknownMetric", /shared\/errors does not exist/],
    ["has a provider that is not here", { ...template, provider: { type: "keptn" } }, "Unsupported", /no provider keptn; use one of prometheus/],
    ["names no Secret where its provider needs one", { ...template, provider: { type: "datadog" } }, "InvalidSpec", /MetricTemplate shared\/errors: spec\.provider\.secretRef: is missing: Datadog needs a Secret with the keys datadog_api_key and datadog_application_key/],
    ["names no address where its provider has none", { ...template, provider: { type: "web" } }, "InvalidSpec", /MetricTemplate shared\/errors: spec\.provider\.address: is missing/],
    ["has an address that is none", { ...template, provider: { type: "graphite", address: "graphite:s3cret" } , query: "target=a" }, "InvalidSpec", /^(?!.*s3cret)MetricTemplate shared\/errors: spec\.provider\.address: is not a URL/],
    ["has a header with two lines", { ...template, provider: { ...template.provider, headers: { "X-A": ["s3cret\nX-B: c"] } } }, "InvalidSpec", /^(?!.*s3cret)MetricTemplate shared\/errors: spec\.provider\.headers: "X-A"/],
    ["leads a word into another path", { provider: { type: "web", address: "http://a" }, query: "/{{ variables.zone }}/x" }, "InvalidSpec", /would lead to another path/],
    ["is mangled", { provider: { type: "prometheus" } }, "InvalidSpec", /spec\.query/],
    ["uses a variable that is not set", { ...template, query: "up{a='{{ variables.region }}'}" }, "InvalidSpec", /variables\.region/],
  ])("that %s is a problem with the field's path", (_name, found, reason, says) => {
    const result = plan({ ...referring, templateVariables: { zone: ".." } }, { template: templates(found) });
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

  test("while the window is cut, three scrapes are asked for; a window as long as the manifest has it answers as ever", () => {
    expect(planned({ interval: "1m" }, { lookBackMs: 12_700 }).query).toMatch(/ \* 100 and max\(count_over_time\(.*\[12s\]\)\) >= 3$/);
    expect(planned({ interval: "1m" }, { lookBackMs: 61_000 }).query).toMatch(/ \* 100$/);
  });

  test("an inline query has its words filled in", () => {
    const metric = planned({ name: "own", query: 'rate(x{ns="{{ namespace }}",t="{{target}}-{{ variables.tier }}"}[{{- interval -}}])', templateVariables: { tier: "web" }, interval: "30s" });
    expect(metric.query).toBe('rate(x{ns="webapp",t="backend-web"}[30s])');
  });

  test("ingress and route are those that the manifest names, and the target's name where it names none", () => {
    const query = "{{ ingress }} {{ route }}";
    expect(planned({ name: "own", query }).query).toBe("backend backend");
    const refs = { ingressRef: { apiVersion: "networking.k8s.io/v1", kind: "Ingress", name: "shop" }, routeRef: { apiVersion: "apisix.apache.org/v2", kind: "ApisixRoute", name: "door" } } as const;
    expect(planned({ name: "own", query }, {}, refs).query).toBe("shop door");
    expect(planned({}, { meshProvider: "nginx" }, refs).query).toContain('namespace="webapp",ingress="shop",canary!=""');
  });

  test.each<[string, Partial<CanaryMetric>, object, string, string]>([
    ["an unknown name without a query", { name: "succes-rate" }, {}, "UnknownMetric", "spec.analysis.metrics[0].name"],
    ["a word that is not known", { name: "own", query: "up{{ nothing }}" }, {}, "InvalidSpec", "spec.analysis.metrics[0].query"],
    ["a variable that is not given", { name: "own", query: "{{ variables.a }}" }, {}, "InvalidSpec", "spec.analysis.metrics[0].query"],
    ["a variable that would break out of the query", { name: "own", query: 'x{a="{{ variables.a }}"}', templateVariables: { a: '"} or vector(100)' } }, {}, "InvalidSpec", "spec.analysis.metrics[0].query"],
    ["braces without a partner", { name: "own", query: "up{{ name" }, {}, "InvalidSpec", "spec.analysis.metrics[0].query"],
    ["no limit in our group", { thresholdRange: undefined }, {}, "InvalidSpec", "spec.analysis.metrics[0].thresholdRange"],
    ["a builtin of a mesh that has none", {}, { meshProvider: "osm" }, "UnknownMetric", "spec.analysis.metrics[0].name"],
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
    expect(renderQuery("  a {\n  b { c }} {{ name }}\n", words, "p", "lines")).toEqual({ ok: true, text: "a {\n  b { c }} n" });
    expect(renderQuery("a={{ variables.a }}", { ...words, variables: { a: "x&b=y z" } }, "p", "url")).toEqual({ ok: true, text: "a=x%26b%3Dy%20z" });
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
