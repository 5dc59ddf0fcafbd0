// Do the builtin queries of routers measure the canary, and nothing beside it? Evaluated on series as the products label them, and not compared as texts.
import { describe, expect, test } from "@jest/globals";
import { builtinsFor } from "../../../analysis/registry.ts";
import { evaluateQuery } from "../../../sandbox/prometheus/evaluate.ts";
import { sampleStore } from "../../../sandbox/prometheus/samples.ts";

const START = Date.UTC(2030, 0, 1);
const SECONDS = 60;

interface Product {
  router: string;
  /** Counter of requests, with the labels of the canary's, the label of their status, and what it is when an answer was bad. */
  requests: string;
  canary: Record<string, string>;
  status: string;
  words?: { good: string; bad: string };
  /** Labels that the series of others have: of the primary, of another app, of another namespace. */
  others: Record<string, string>[];
  /** Histogram of durations: its unit, further labels, and whether the mean is all that is asked for. */
  duration: { name: string; unitMs: number; mean?: boolean; labels?: Record<string, string> };
}

function envoy(router: string, label: string, name: string, others: string[]): Product {
  const named = others.map((other) => ({ [label]: other }));
  return { router, requests: "envoy_cluster_upstream_rq", canary: { [label]: name }, status: "envoy_response_code", others: named, duration: { name: "envoy_cluster_upstream_rq_time", unitMs: 1 } };
}

const PRODUCTS: Product[] = [
  {
    router: "nginx",
    requests: "nginx_ingress_controller_requests",
    canary: { namespace: "webapp", ingress: "shop", canary: "webapp-backend-canary-9898" },
    status: "status",
    others: [{ canary: "" }, { ingress: "backend" }, { namespace: "other" }],
    duration: { name: "nginx_ingress_controller_response_duration_seconds", unitMs: 1000, mean: true },
  },
  envoy("kuma", "service", "web-canary_webapp_svc_9898", ["web-primary_webapp_svc_9898", "web-canary_other_svc_9898", "my-web-canary_webapp_svc_9898"]),
  envoy("gloo", "envoy_cluster_name", "webapp-web-canaryupstream-9898_gloo-system", ["webapp-web-primaryupstream-9898_gloo-system", "other-web-canaryupstream-9898_gloo-system"]),
  envoy("gloo", "envoy_cluster_name", "kube_webapp_web-canary_9898", ["kube_webapp_web-primary_9898", "kube_other_web-canary_9898", "kube_webapp_web_9898"]),
  envoy("gloo", "envoy_cluster_name", "kube-svc_webapp-web-canary-9898_webapp", ["kube-svc_webapp-web-primary-9898_webapp"]),
  envoy("contour", "envoy_cluster_name", "webapp_web-canary_9898", ["webapp_web-primary_9898", "other_web-canary_9898"]),
  envoy("knative", "envoy_cluster_name", "webapp/shop", ["webapp/shop-2", "webapp/my-shop", "other/shop", "webapp/web"]),
  {
    router: "traefik",
    requests: "traefik_service_request_duration_seconds_bucket",
    canary: { service: "webapp-web-canary-9898@kubernetescrd" },
    status: "code",
    others: [{ service: "webapp-web-primary-9898@kubernetescrd" }, { service: "other-web-canary-9898@kubernetescrd" }],
    duration: { name: "traefik_service_request_duration_seconds", unitMs: 1000 },
  },
  {
    router: "apisix",
    requests: "apisix_http_status",
    canary: { route: "webapp_shop-web-canary_app" },
    status: "code",
    others: [{ route: "webapp_shop_app" }, { route: "other_shop-web-canary_app" }],
    duration: { name: "apisix_http_latency", unitMs: 1, labels: { type: "request" } },
  },
  {
    router: "skipper",
    requests: "skipper_response_duration_seconds_bucket",
    canary: { route: "kube_webapp__shop_canary__app_example_com____web_canary" },
    status: "code",
    others: [{ route: "kube_webapp__shop_canary__app_example_com____web_primary" }, { route: "kube_webapp__shop__app_example_com____web" }, { route: "kube_other__shop_canary__app_example_com____web_canary" }],
    duration: { name: "skipper_serve_route_duration_seconds", unitMs: 1000, mean: true },
  },
  {
    router: "linkerd",
    requests: "response_total",
    canary: { namespace: "webapp", deployment: "backend", direction: "inbound" },
    status: "classification",
    words: { good: "success", bad: "failure" },
    others: [{ deployment: "backend-primary" }, { namespace: "other" }, { direction: "outbound" }],
    duration: { name: "response_latency_ms", unitMs: 1 },
  },
];

const SCOPE = { namespace: "webapp", target: "backend", apex: "web", ingress: "shop", route: "shop", interval: "1m", reporter: "source", grpc: false } as const;

interface Series {
  name: string;
  labels: Record<string, string>;
  perSecond: number;
}

function value(router: string, query: "request-success-rate" | "request-duration" | "request-count", seen: Series[]): number | undefined {
  const samples = sampleStore();
  const counters = seen.map(({ name, labels }) => ({ name, labels, value: 0 }));
  for (let second = 0; second <= SECONDS; second += 1) {
    samples.scrape(counters, START + second * 1000);
    counters.forEach((counter, index) => (counter.value += seen[index]?.perSecond ?? 0));
  }
  const found = evaluateQuery(builtinsFor(router)?.[query](SCOPE) ?? "", samples, START + SECONDS * 1000);
  const [sample, ...more] = found.type === "vector" ? found.samples : [];
  expect(more).toEqual([]);
  return sample?.value;
}

describe.each(PRODUCTS)("$router", ({ router, requests, canary, status, words, others, duration }) => {
  const counted = (code: string, perSecond: number, labels: Record<string, string> = {}): Series => {
    const said = words === undefined ? code : code.startsWith("5") ? words.bad : words.good;
    return { name: requests, labels: { ...canary, ...labels, [status]: said, ...(requests.endsWith("_bucket") ? { le: "+Inf" } : {}), ...(words === undefined ? {} : { code }) }, perSecond };
  };

  test("answers of 5xx are failures, and those of others are not the canary's", () => {
    const foreign = others.map((labels) => counted("500", 100, labels));
    expect(value(router, "request-success-rate", [counted("200", 3), counted("404", 3), counted("503", 2), ...foreign])).toBeCloseTo(75, 5);
    expect(value(router, "request-success-rate", [counted("503", 2), ...foreign])).toBe(0);
    expect(value(router, "request-success-rate", foreign)).toBeUndefined();
    expect(value(router, "request-count", [counted("200", 1), counted("500", 1), ...foreign])).toBeCloseTo(2 * SECONDS, 0);
  });

  test("durations are in milliseconds", () => {
    const labels = { ...canary, ...duration.labels, [status]: "200" };
    const bucket = (le: string, perSecond: number, more: Record<string, string> = {}): Series => ({ name: `${duration.name}_bucket`, labels: { ...labels, ...more, le }, perSecond });
    const sums = (sum: number, count: number, more: Record<string, string> = {}): Series[] => [
      { name: `${duration.name}_sum`, labels: { ...labels, ...more }, perSecond: sum },
      { name: `${duration.name}_count`, labels: { ...labels, ...more }, perSecond: count },
    ];
    const slow = 400 / duration.unitMs;
    const seen = duration.mean === true ? [...sums(slow * 5, 5), ...others.flatMap((more) => sums(slow * 500, 5, more))] : [bucket(String(slow / 2), 0), bucket(String(slow), 10), bucket("+Inf", 10), ...others.flatMap((more) => [bucket(String(slow), 0, more), bucket("+Inf", 10, more)])];
    expect(value(router, "request-duration", seen)).toBeCloseTo(duration.mean === true ? 400 : 398, 0);
  });
});
