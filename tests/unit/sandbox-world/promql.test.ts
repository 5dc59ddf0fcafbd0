import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { Counter } from "../../../sandbox/mesh/series.ts";
import { apiAnswer, formatNumber } from "../../../sandbox/prometheus/api.ts";
import { evaluateQuery } from "../../../sandbox/prometheus/evaluate.ts";
import { bucketQuantile } from "../../../sandbox/prometheus/quantile.ts";
import { sampleStore } from "../../../sandbox/prometheus/samples.ts";
import type { SampleStore } from "../../../sandbox/prometheus/samples.ts";

const start = Date.UTC(2030, 0, 1);
const seconds = 120;
const end = start + seconds * 1000;

/** Two workloads for two minutes: "a" answers 9 times 200 and once 500 each second, "b" 5 times 200. */
function history(): SampleStore {
  const samples = sampleStore();
  const counter = (labels: Record<string, string>): Counter => ({ name: "requests_total", labels, value: 0 });
  const perSecond: [Counter, number][] = [
    [counter({ workload: "a", code: "200" }), 9],
    [counter({ workload: "a", code: "500" }), 1],
    [counter({ workload: "b", code: "200" }), 5],
  ];
  const bucket = (le: string): Counter => ({ name: "duration_bucket", labels: { workload: "a", le }, value: 0 });
  const buckets: [Counter, number][] = [[bucket("10"), 5], [bucket("100"), 9], [bucket("+Inf"), 10]];
  for (let second = 0; second <= seconds; second += 1) {
    samples.scrape([...perSecond, ...buckets].map(([each]) => each), start + second * 1000);
    for (const [each, step] of [...perSecond, ...buckets]) each.value += step;
  }
  return samples;
}

const samples = history();

/** "LABELS value" per sample; a scalar is its number. */
function ask(query: string, at = end): string[] | number {
  const value = evaluateQuery(query, samples, at);
  if (value.type === "scalar") return value.value;
  if (value.type !== "vector") throw new Error(value.type);
  return value.samples.map(({ labels, value: number }) => {
    const { job, instance, ...own } = labels;
    const pairs = Object.entries({ ...own, ...(job === undefined ? {} : { job }), ...(instance === undefined ? {} : { instance }) });
    return `{${pairs.filter(([name]) => name !== "job" && name !== "instance").map(([name, text]) => `${name}=${text}`).join(",")}} ${Number(number.toPrecision(10))}`;
  }).sort();
}

describe("queries of progressive delivery", () => {
  test.each<[string, string[] | number]>([
    ["sum(rate(requests_total[1m]))", ["{} 15"]],
    ["sum(rate(requests_total[1m])) by (workload)", ["{workload=a} 10", "{workload=b} 5"]],
    ["sum by (code) (rate(requests_total[30s]))", ["{code=200} 14", "{code=500} 1"]],
    ["sum without (code, job, instance) (rate(requests_total[30s]))", ["{workload=a} 10", "{workload=b} 5"]],
    ['sum(rate(requests_total{workload=~"a|c",code!~"5.*"}[1m])) / sum(rate(requests_total{workload="a"}[1m])) * 100', ["{} 90"]],
    ['100 - sum(rate(requests_total{code=~"5.."}[1m])) / sum(rate(requests_total[1m])) * 100', ["{} 93.33333333"]],
    ["histogram_quantile(0.5, sum(rate(duration_bucket[1m])) by (le))", ["{} 10"]],
    ["histogram_quantile(0.9, sum(rate(duration_bucket[1m])) by (le))", ["{} 100"]],
    ["histogram_quantile(0.7, sum(rate(duration_bucket[1m])) by (le))", ["{} 55"]],
    ["histogram_quantile(0.99, sum(rate(duration_bucket[1m])) by (le))", ["{} 100"]],
    ["sum(increase(requests_total[1m]))", ["{} 900"]],
    ["sum(irate(requests_total[1m]))", ["{} 15"]],
    ["max(requests_total)", ["{} 1080"]],
    ["max((requests_total offset 1m))", ["{} 540"]],
    ["min(requests_total) + count(requests_total)", ["{} 123"]],
    ["avg(requests_total)", ["{} 600"]],
    ["sum(requests_total{workload='nobody'})", []],
    ["absent(requests_total{workload='nobody'})", ["{workload=nobody} 1"]],
    ["sum(requests_total{workload='nobody'}) or vector(0)", ["{} 0"]],
    ["requests_total > 600", ["{__name__=requests_total,workload=a,code=200} 1080"]],
    ["requests_total > bool 600", ["{workload=a,code=200} 1", "{workload=a,code=500} 0", "{workload=b,code=200} 0"]],
    ["requests_total{code='200'} and on(workload) requests_total{code='500'}", ["{__name__=requests_total,workload=a,code=200} 1080"]],
    ["requests_total unless requests_total{workload='a'}", ["{__name__=requests_total,workload=b,code=200} 600"]],
    ["requests_total{code='500'} / ignoring(code) requests_total{code='200'}", ["{workload=a} 0.1111111111"]],
    ["1 + 2 * 3 ^ 2 - -4 % 3", 20],
    ["scalar(sum(requests_total{workload='b'}))", 600],
    ["-2^2", -4],
    ["time()", end / 1000],
    ["1 > bool 2", 0],
    ["5m", 300],
  ])("%s", (query, expected) => {
    expect(ask(query)).toEqual(expected);
  });

  test("a series without its first zero is not stretched back beyond it", () => {
    const young = sampleStore();
    const counter: Counter = { name: "young_total", labels: {}, value: 0 };
    for (let second = 50; second <= 60; second += 1) {
      counter.value += 1;
      young.scrape([counter], start + second * 1000);
    }
    const value = evaluateQuery("increase(young_total[60s])", young, start + 60_000);
    // Ten seconds grew by 10 from a first value of 1; before that lie half a gap at most, not 50 seconds.
    expect(value).toEqual({ type: "vector", samples: [{ labels: { job: "sandbox", instance: "mesh" }, value: 10.5 }] });
  });

  test("a counter that was reset counts on from zero", () => {
    const reset = sampleStore();
    const counter: Counter = { name: "c", labels: {}, value: 0 };
    [10, 20, 5, 15].forEach((value, second) => {
      counter.value = value;
      reset.scrape([counter], start + second * 1000);
    });
    expect(evaluateQuery("irate(c[10s])", reset, start + 2000)).toMatchObject({ samples: [{ value: 5 }] });
  });

  test("a vanished series is gone at once, and its past still counts in a range", () => {
    const store = sampleStore();
    const counter: Counter = { name: "c", labels: {}, value: 1 };
    store.scrape([counter], start);
    counter.value = 3;
    store.scrape([counter], start + 1000);
    store.scrape([], start + 2000);
    expect(evaluateQuery("c", store, start + 1500)).toMatchObject({ samples: [{ value: 3 }] });
    expect(evaluateQuery("c", store, start + 2500)).toMatchObject({ samples: [] });
    expect(evaluateQuery("irate(c[10s])", store, start + 2500)).toMatchObject({ samples: [{ value: 2 }] });
  });

  test("what is older than the retention is forgotten", () => {
    const store = sampleStore();
    const counter: Counter = { name: "c", labels: {}, value: 1 };
    for (let minute = 0; minute <= 90; minute += 1) store.scrape([counter], start + minute * 60_000);
    expect(evaluateQuery("count_over_time(c[2h])", store, start + 90 * 60_000)).toMatchObject({ samples: [{ value: 31 }] });
  });
});

describe("refusals", () => {
  test.each([
    "", "sum(", "requests_total{", "requests_total[5m", "{}", '{workload=~".*"}', "nothing_known(requests_total)", "rate(requests_total)",
    "sum(rate(requests_total[1m]) by workload", "rate(requests_total[1m] offset 5m)", "sum(requests_total) offset 5m", "rate(requests_total[5m:1m])", "topk(3, requests_total)",
    "requests_total / on(workload) group_left requests_total", "1 > 2", "requests_total and 1", "requests_total + bool requests_total",
    'requests_total{workload=~"("}', "rate(requests_total[1m], 2)", "sum(1)", "-requests_total[1m]", 'label_replace(requests_total, "a", "b", "c", "d")',
    "requests_total @ 5", "histogram_quantile(requests_total, 1)", "constructor(requests_total)",
  ])("%s is bad data", (query) => {
    const answer = apiAnswer("/api/v1/query", new URLSearchParams({ query }), samples, end, {});
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body)).toMatchObject({ status: "error", errorType: "bad_data", error: expect.any(String) });
  });

  test.each([
    "requests_total / on(workload) requests_total",
    'rate({__name__=~"requests_total|duration_bucket",workload="a",le=~"|10",code=~"|200"}[1m]) + on() vector(1)',
  ])("%s cannot be executed", (query) => {
    const answer = apiAnswer("/api/v1/query", new URLSearchParams({ query }), samples, end, {});
    expect(answer.status).toBe(422);
    expect(JSON.parse(answer.body)).toMatchObject({ status: "error", errorType: "execution" });
  });
});

describe("the HTTP API", () => {
  const get = (query: string, extra: Record<string, string> = {}, faults = {}) =>
    apiAnswer("/api/v1/query", new URLSearchParams({ query, ...extra }), samples, end, faults);
  const data = (query: string, extra: Record<string, string> = {}, faults = {}) => JSON.parse(get(query, extra, faults).body).data;

  test("renders each type as Prometheus does", () => {
    expect(data("sum(requests_total)")).toEqual({ resultType: "vector", result: [{ metric: {}, value: [end / 1000, "1800"] }] });
    expect(data("1/0")).toEqual({ resultType: "scalar", result: [end / 1000, "+Inf"] });
    expect(data("0/0").result[1]).toBe("NaN");
    expect(data("-1/0").result[1]).toBe("-Inf");
    expect(data('"text"')).toEqual({ resultType: "string", result: [end / 1000, "text"] });
    expect(data('requests_total{workload="b"}[2s]')).toEqual({
      resultType: "matrix",
      result: [{
        metric: { __name__: "requests_total", workload: "b", code: "200", job: "sandbox", instance: "mesh" },
        values: [[end / 1000 - 1, "595"], [end / 1000, "600"]],
      }],
    });
  });

  test("answers for the instant that was asked for", () => {
    expect(data("sum(requests_total)", { time: String(start / 1000 + 10) }).result[0].value).toEqual([start / 1000 + 10, "150"]);
    expect(data("sum(requests_total)", { time: new Date(start + 20_000).toISOString() }).result[0].value[1]).toBe("300");
    expect(get("1", { time: "yesterday" }).status).toBe(400);
  });

  test("lies when it is told to", () => {
    expect(data("sum(requests_total)", {}, { empty: true })).toEqual({ resultType: "vector", result: [] });
    expect(data("sum(requests_total)", {}, { nan: true }).result[0].value[1]).toBe("NaN");
    expect(get("1", {}, { status: 502 })).toMatchObject({ status: 502, contentType: "text/plain" });
    expect(apiAnswer("/-/ready", new URLSearchParams(), samples, end, {}).status).toBe(200);
    expect(apiAnswer("/api/v1/status/buildinfo", new URLSearchParams(), samples, end, {}).status).toBe(200);
  });
});

describe("numbers", () => {
  test("are written without exponents and read back the same", () => {
    expect([1e21, 1.5e-7, -2.5e-10, 1.234e25, 0.1, -0, 100].map(formatNumber)).toEqual([
      "1000000000000000000000", "0.00000015", "-0.00000000025", "12340000000000000000000000", "0.1", "-0", "100",
    ]);
    fc.assert(fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const text = formatNumber(value);
      expect(text).toMatch(/^-?\d+(\.\d+)?$/);
      expect(Object.is(Number(text), value)).toBe(true);
    }));
  });

  test("a quantile lies within its bucket and rises with the share", () => {
    const histogram = fc.array(fc.nat(50), { minLength: 2, maxLength: 8 }).filter((counts) => counts.some((count) => count > 0));
    fc.assert(fc.property(histogram, fc.double({ min: 0.001, max: 1, noNaN: true }), fc.double({ min: 0.001, max: 1, noNaN: true }), (counts, a, b) => {
      let total = 0;
      const buckets = counts.map((count, index) => ({ upperBound: index === counts.length - 1 ? Infinity : 10 * (index + 1), count: (total += count) }));
      const [low, high] = [Math.min(a, b), Math.max(a, b)].map((share) => bucketQuantile(share, buckets));
      expect(low).toBeLessThanOrEqual(high ?? NaN);
      expect(low).toBeGreaterThanOrEqual(0);
      expect(high).toBeLessThanOrEqual(10 * (counts.length - 1));
    }));
    expect(bucketQuantile(0.5, [{ upperBound: 10, count: 5 }])).toBeNaN();
    expect(bucketQuantile(0.5, [{ upperBound: 10, count: 0 }, { upperBound: Infinity, count: 0 }])).toBeNaN();
  });
});
