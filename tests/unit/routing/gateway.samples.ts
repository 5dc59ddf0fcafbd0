// What the shared suite needs to know of the Gateway API.
import { join } from "node:path";
import type { CanarySpec } from "../../../crds/canary.ts";
import { list, map } from "../../../crds/json.ts";
import type { Samples } from "./conformance.ts";

export function gatewaySpec(service: object = {}, analysis: object = {}): CanarySpec {
  return {
    targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "podinfo" },
    service: { port: 9898, gatewayRefs: [{ name: "public" }], ...service },
    analysis: { interval: "10s", threshold: 5, stepWeight: 10, ...analysis },
  } as CanarySpec;
}

type Spec = Record<string, unknown>;

function onBackends(change: (primary: Spec, canary: Spec) => unknown[]): (spec: Spec) => Spec {
  return (spec) => ({
    ...spec,
    rules: list(spec.rules).map((rule) => {
      const [primary, canary] = list(map(rule).backendRefs).map(map);
      return { ...map(rule), backendRefs: change(primary ?? {}, canary ?? {}) };
    }),
  });
}

export const gatewaySamples: Samples = {
  spec: gatewaySpec(),
  others: [
    gatewaySpec({ hosts: ["app.example.com"], gatewayRefs: [{ name: "public", namespace: "infra", sectionName: "https" }] }),
    gatewaySpec({ timeout: "5s", backendTimeout: "2s", match: [{ uri: { prefix: "/api" }, headers: { "x-lane": { exact: "blue" } } }] }),
    gatewaySpec({ headers: { request: { add: { a: "b" }, remove: ["c"] } }, rewrite: { uri: "/", authority: "app.internal" } }),
  ],
  users: {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "HTTPRoute",
    metadata: { name: "podinfo", namespace: "test", uid: "hr1", resourceVersion: "5", labels: { theirs: "a" }, annotations: { theirs: "b" } },
    spec: {
      parentRefs: [{ group: "gateway.networking.k8s.io", kind: "Gateway", name: "theirs" }],
      hostnames: ["app.example.com"],
      rules: [
        { matches: [{ path: { type: "PathPrefix", value: "/" } }], backendRefs: [{ group: "", kind: "Service", name: "podinfo", port: 9898, weight: 1 }] },
        { matches: [{ path: { type: "PathPrefix", value: "/docs" } }], backendRefs: [{ group: "", kind: "Service", name: "docs", port: 80, weight: 1 }] },
      ],
    },
  },
  mangled: [
    ["no rules", (spec) => ({ ...spec, rules: [] })],
    ["no rules at all", ({ rules: _rules, ...spec }) => spec],
    ["no canary", onBackends((primary) => [primary])],
    ["no primary", onBackends((_primary, canary) => [canary])],
    ["one backend twice", onBackends((primary) => [primary, primary])],
    ["no weights", onBackends((primary, canary) => [{ ...primary, weight: undefined }, { ...canary, weight: undefined }])],
    ["a weight of text", onBackends((primary, canary) => [{ ...primary, weight: "70" }, canary])],
    ["weights that do not sum to 100", onBackends((primary, canary) => [{ ...primary, weight: 1 }, canary])],
    ["rules that disagree", (spec) => ({ ...spec, rules: [...list(spec.rules), ...list(onBackends((primary, canary) => [{ ...primary, weight: 90 }, { ...canary, weight: 10 }])(spec).rules)] })],
  ],
  goldens: join(import.meta.dirname, "goldens/gatewayapi"),
};

export function grpcSpec(service: object = {}, analysis: object = {}): CanarySpec {
  return gatewaySpec({ appProtocol: "grpc", ...service }, analysis);
}

export const grpcSamples: Samples = {
  ...gatewaySamples,
  spec: grpcSpec(),
  others: [
    grpcSpec({ hosts: ["app.example.com"] }),
    grpcSpec({ match: [{ uri: { exact: "/podinfo.Echo/Say" }, headers: { "x-lane": { exact: "blue" } } }, { uri: { prefix: "/podinfo.Info/" } }], headers: { request: { set: { a: "b" } } } }),
  ],
  users: {
    ...gatewaySamples.users,
    kind: "GRPCRoute",
    spec: {
      parentRefs: [{ group: "gateway.networking.k8s.io", kind: "Gateway", name: "theirs" }],
      rules: [
        { matches: [{ method: { type: "Exact", service: "podinfo.Echo" } }], backendRefs: [{ group: "", kind: "Service", name: "podinfo", port: 9898, weight: 1 }] },
        { backendRefs: [{ group: "", kind: "Service", name: "podinfo", port: 9999, weight: 1 }] },
        { matches: [{ method: { type: "Exact", service: "docs.Pages" } }], backendRefs: [{ group: "", kind: "Service", name: "docs", port: 80, weight: 1 }] },
      ],
    },
  },
  goldens: join(import.meta.dirname, "goldens/gatewayapi-grpc"),
};
