// What the shared suite needs to know of Istio.
import { join } from "node:path";
import type { CanarySpec } from "../../../crds/canary.ts";
import { list, map } from "../../../crds/json.ts";
import type { Samples } from "./conformance.ts";

export function istioSpec(service: object = {}, analysis: object = {}): CanarySpec {
  return {
    targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "podinfo" },
    service: { port: 9898, ...service },
    analysis: { interval: "10s", threshold: 5, stepWeight: 10, ...analysis },
  } as CanarySpec;
}

type Spec = Record<string, unknown>;

/** Changes the only http route, or its two destinations. */
function onRoute(change: (route: Spec) => unknown): (spec: Spec) => Spec {
  return (spec) => ({ ...spec, http: list(spec.http).map((route) => change(map(route))) });
}

function onDestinations(change: (primary: Spec, canary: Spec) => unknown[]): (spec: Spec) => Spec {
  return onRoute((route) => {
    const [primary, canary] = list(route.route).map(map);
    return { ...route, route: change(primary ?? {}, canary ?? {}) };
  });
}

export const istioSamples: Samples = {
  spec: istioSpec(),
  others: [
    istioSpec({ hosts: ["app.example.com"], gateways: ["public"], portDiscovery: true }),
    istioSpec({ timeout: "5s", retries: { attempts: 2 }, match: [{ uri: { prefix: "/" } }], trafficPolicy: { tls: { mode: "DISABLE" } } }),
    istioSpec({ appProtocol: "tcp" }),
    istioSpec({ delegation: true }),
    istioSpec({ gateways: ["public", "mesh"], portDiscovery: true, match: [{ uri: { prefix: "/a" } }, { uri: { prefix: "/b" }, gateways: ["mesh"] }] }),
    istioSpec({ gateways: ["mesh", "public"], portDiscovery: true, appProtocol: "tcp", match: [{ port: 9898 }] }),
  ],
  users: {
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: { name: "podinfo", namespace: "test", uid: "vs1", resourceVersion: "5", labels: { theirs: "a" }, annotations: { theirs: "b" } },
    spec: {
      hosts: ["app.example.com"],
      gateways: ["public"],
      exportTo: ["."],
      http: [{ name: "all", route: [{ destination: { host: "podinfo" } }], fault: { delay: { fixedDelay: "1s" } } }],
      tls: [{ match: [{ sniHosts: ["app.example.com"] }], route: [{ destination: { host: "podinfo" } }] }],
    },
  },
  mangled: [
    ["no route", (spec) => ({ ...spec, http: [] })],
    ["no routes at all", ({ http: _http, ...spec }) => spec],
    ["a route in front of it", (spec) => ({ ...spec, http: [{ route: [{ destination: { host: "other" } }] }, ...list(spec.http)] })],
    ["the route twice", (spec) => ({ ...spec, http: [...list(spec.http), ...list(spec.http)] })],
    ["no canary", onDestinations((primary) => [primary])],
    ["no primary", onDestinations((_primary, canary) => [canary])],
    ["a third destination", onDestinations((primary, canary) => [primary, canary, { destination: { host: "other" }, weight: 0 }])],
    ["one backend twice", onDestinations((primary) => [primary, primary])],
    ["another backend", onDestinations((primary, canary) => [primary, { ...canary, destination: { host: "podinfo-canary.test.svc" } }])],
    ["no weights", onDestinations((primary, canary) => [{ destination: primary.destination }, { destination: canary.destination }])],
    ["one weight", onDestinations((primary, canary) => [{ ...primary, weight: 100 }, { destination: canary.destination }])],
    ["both weights 0", onDestinations((primary, canary) => [{ ...primary, weight: 0 }, { ...canary, weight: 0 }])],
    ["a sum above 100", onDestinations((primary, canary) => [{ ...primary, weight: 90 }, { ...canary, weight: 30 }])],
    ["negative weights", onDestinations((primary, canary) => [{ ...primary, weight: 130 }, { ...canary, weight: -30 }])],
    ["broken weights", onDestinations((primary, canary) => [{ ...primary, weight: 69.5 }, { ...canary, weight: 30.5 }])],
    ["weights as text", onDestinations((primary, canary) => [{ ...primary, weight: "70" }, { ...canary, weight: "30" }])],
  ],
  goldens: join(import.meta.dirname, "goldens", "istio"),
};
