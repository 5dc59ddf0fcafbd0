// What the shared suite needs to know of APISIX.
import { join } from "node:path";
import type { CanarySpec } from "../../../crds/canary.ts";
import { list, map } from "../../../crds/json.ts";
import type { KubeObject } from "../../../engine/ports.ts";
import type { Samples } from "./conformance.ts";

export function apisixSpec(more: object = {}, analysis: object = {}): CanarySpec {
  return {
    targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "podinfo" },
    routeRef: { apiVersion: "apisix.apache.org/v2", kind: "ApisixRoute", name: "shop" },
    service: { port: 9898 },
    analysis: { interval: "10s", threshold: 5, stepWeight: 10, ...analysis },
    ...more,
  } as CanarySpec;
}

export const APISIX_ROUTE: KubeObject = {
  apiVersion: "apisix.apache.org/v2",
  kind: "ApisixRoute",
  metadata: { name: "shop", namespace: "test", uid: "ar1", resourceVersion: "5", labels: { theirs: "a" }, annotations: { theirs: "b" } },
  spec: {
    ingressClassName: "apisix",
    http: [
      { name: "docs", match: { hosts: ["app.example.com"], paths: ["/docs*"] }, backends: [{ serviceName: "docs", servicePort: 80 }] },
      { name: "app", match: { hosts: ["app.example.com"], paths: ["/*"] }, backends: [{ serviceName: "podinfo", servicePort: 9898, resolveGranularity: "service" }], plugins: [{ name: "limit-count", enable: true }] },
      { name: "beta", priority: 5, match: { hosts: ["beta.example.com"], paths: ["/*"] }, backends: [{ serviceName: "podinfo", servicePort: 9898 }] },
    ],
    stream: [{ name: "log", protocol: "TCP", match: { ingressPort: 9100 }, backend: { serviceName: "log", servicePort: 9100 } }],
  },
};

type Spec = Record<string, unknown>;

function onBackends(change: (primary: Spec, canary: Spec) => unknown[]): (spec: Spec) => Spec {
  return (spec) => ({
    ...spec,
    http: list(spec.http).map((rule) => {
      const [primary, canary] = list(map(rule).backends).map(map);
      return { ...map(rule), backends: change(primary ?? {}, canary ?? {}) };
    }),
  });
}

export const apisixSamples: Samples = {
  spec: apisixSpec(),
  others: [apisixSpec({ service: { port: 9898, portName: "web" } }), apisixSpec({}, { stepWeight: undefined, iterations: 3 })],
  users: { ...APISIX_ROUTE, metadata: { ...APISIX_ROUTE.metadata, name: "shop-podinfo-canary", uid: "ar2" } },
  given: [APISIX_ROUTE],
  mangled: [
    ["no rules", (spec) => ({ ...spec, http: [] })],
    ["no rules at all", ({ http: _http, ...spec }) => spec],
    ["a rule for somebody else", (spec) => ({ ...spec, http: [...list(spec.http), { name: "docs", backends: [{ serviceName: "docs", servicePort: 80 }] }] })],
    ["no canary", onBackends((primary) => [primary])],
    ["no primary", onBackends((_primary, canary) => [canary])],
    ["a third backend", onBackends((primary, canary) => [primary, canary, { serviceName: "docs", servicePort: 80, weight: 0 }])],
    ["one backend twice", onBackends((primary) => [primary, primary])],
    ["no weights", onBackends((primary, canary) => [{ ...primary, weight: undefined }, { ...canary, weight: undefined }])],
    ["a weight of text", onBackends((primary, canary) => [{ ...primary, weight: "70" }, canary])],
    ["weights that do not sum to 100", onBackends((primary, canary) => [{ ...primary, weight: 1 }, canary])],
    ["rules that disagree", (spec) => ({ ...spec, http: [list(spec.http)[0], ...list(onBackends((primary, canary) => [{ ...primary, weight: 90 }, { ...canary, weight: 10 }])(spec).http).slice(1)] })],
  ],
  goldens: join(import.meta.dirname, "goldens", "apisix"),
};
