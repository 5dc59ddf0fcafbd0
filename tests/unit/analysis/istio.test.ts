// What do the builtin queries of Istio make of the series that its proxies count? Evaluated, not compared as texts.
import { describe, expect, test } from "@jest/globals";
import type { BuiltinScope } from "../../../analysis/queries/builtin.ts";
import { istioQueries } from "../../../analysis/queries/istio.ts";
import { evaluateQuery } from "../../../sandbox/prometheus/evaluate.ts";
import { sampleStore } from "../../../sandbox/prometheus/samples.ts";

const START = Date.UTC(2030, 0, 1);
const SECONDS = 60;

/** One request a second of each of these labels, seen by the reporter. */
function value(query: keyof typeof istioQueries, scope: Partial<BuiltinScope>, seen: Record<string, string>[]): number | undefined {
  const samples = sampleStore();
  const workload = { destination_workload_namespace: "webapp", destination_workload: "backend" };
  const counters = seen.map((labels) => ({ name: "istio_requests_total", labels: { ...workload, response_code: "200", ...labels }, value: 0 }));
  for (let second = 0; second <= SECONDS; second += 1) {
    samples.scrape(counters, START + second * 1000);
    for (const counter of counters) counter.value += 1;
  }
  const promql = istioQueries[query]?.({ namespace: "webapp", target: "backend", apex: "backend", ingress: "backend", route: "backend", interval: "1m", reporter: "source", grpc: false, ...scope }) ?? "";
  const found = evaluateQuery(promql, samples, START + SECONDS * 1000);
  return found.type === "vector" ? found.samples[0]?.value : undefined;
}

test.each([
  ["0", true], ["1", true], ["2", false], ["3", true], ["4", false], ["5", true], ["6", true], ["7", true], ["8", true],
  ["9", true], ["10", true], ["11", true], ["12", false], ["13", false], ["14", false], ["15", false], ["16", true], ["", true],
])('status "%s" of gRPC: good is %s, and of HTTP always', (status, good) => {
  const seen = [{ reporter: "source", grpc_response_status: status }];
  expect(value("request-success-rate", { grpc: true }, seen)).toBe(good ? 100 : 0);
  expect(value("request-success-rate", { grpc: false }, seen)).toBe(100);
});

test.each([["0", 100], ["200", 100], ["404", 100], ["500", 0], ["503", 0]])("status %s of HTTP is %d %%: that a client went away (0) is no error of the app", (code, rate) => {
  expect(value("request-success-rate", {}, [{ reporter: "source", response_code: code }])).toBe(rate);
});

test("of three who counted the same request one is read, and nothing but 5xx is 0 and not what another saw", () => {
  const seen: Record<string, string>[] = [{ reporter: "destination", response_code: "500" }, { reporter: "waypoint" }, { reporter: "source" }];
  expect(value("request-success-rate", { reporter: "destination" }, seen)).toBe(0);
  expect(value("request-success-rate", { reporter: "waypoint" }, seen)).toBe(100);
  expect(Math.round(value("request-count", { reporter: "source" }, seen) ?? 0)).toBe(SECONDS);
  expect(value("reported-count", { reporter: "destination" }, seen)).toBeGreaterThan(0);
});

test("who saw the primary has reported, who saw another app of a like name has not", () => {
  expect(value("reported-count", {}, [{ reporter: "source", destination_workload: "backend-primary" }])).toBeGreaterThan(0);
  expect(value("reported-count", {}, [{ reporter: "source", destination_workload: "backend-two" }, { reporter: "source", destination_workload: "my-backend" }])).toBeUndefined();
});

test("a Service as the target is judged by what went through its copy, whatever workload answered", () => {
  const labels = { reporter: "source", destination_service_namespace: "webapp", destination_workload: "somebody" };
  const seen = [
    { ...labels, destination_service_name: "backend-canary", response_code: "200" },
    { ...labels, destination_service_name: "backend-canary", response_code: "503" },
    { ...labels, destination_service_name: "backend-primary", response_code: "200" },
  ];
  expect(value("request-success-rate", { service: true }, seen)).toBe(50);
  expect(value("reported-count", { service: true }, seen)).toBeGreaterThan(0);
  expect(value("request-success-rate", {}, seen)).toBeUndefined();
});

describe("a window that has just begun", () => {
  /** One good answer a second, and from `failsAt` on one failure a second beside it; scraped every five seconds, so many times. */
  function rate(scrapes: number, failsAt: number, young: boolean): number | undefined {
    const samples = sampleStore();
    const labels = { reporter: "source", destination_workload_namespace: "webapp", destination_workload: "backend" };
    const good = { name: "istio_requests_total", labels: { ...labels, response_code: "200" }, value: 0 };
    const failed = { name: "istio_requests_total", labels: { ...labels, response_code: "500" }, value: 0 };
    for (let second = 0; second < scrapes * 5; second += 5) {
      good.value = 5 + second;
      failed.value = Math.max(5 + second - failsAt, 0);
      samples.scrape(failed.value > 0 ? [good, failed] : [good], START + second * 1000);
    }
    const promql = istioQueries["request-success-rate"]({ namespace: "webapp", target: "backend", apex: "backend", ingress: "backend", route: "backend", interval: "20s", young, reporter: "source", grpc: false });
    const found = evaluateQuery(promql, samples, START + (scrapes - 1) * 5000);
    return found.type === "vector" ? found.samples[0]?.value : undefined;
  }

  test("says nothing after two scrapes, of which the second brought the failures: rate() sees none of them", () => {
    expect(rate(2, 5, false)).toBe(100);
    expect(rate(2, 5, true)).toBeUndefined();
  });

  test("tells after three", () => {
    expect(rate(3, 5, true)).toBeLessThan(75);
    expect(rate(3, 0, true)).toBe(50);
    expect(rate(3, 100, true)).toBe(100);
  });
});
