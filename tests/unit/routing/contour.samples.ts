// What the shared suite needs to know of Contour.
import { join } from "node:path";
import type { CanarySpec } from "../../../crds/canary.ts";
import { list, map } from "../../../crds/json.ts";
import type { Samples } from "./conformance.ts";

export function contourSpec(service: object = {}, analysis: object = {}): CanarySpec {
  return {
    targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "podinfo" },
    service: { port: 9898, ...service },
    analysis: { interval: "10s", threshold: 5, stepWeight: 10, ...analysis },
  } as CanarySpec;
}

type Spec = Record<string, unknown>;

function onServices(change: (primary: Spec, canary: Spec) => unknown[]): (spec: Spec) => Spec {
  return (spec) => ({
    ...spec,
    routes: list(spec.routes).map((route) => {
      const [primary, canary] = list(map(route).services).map(map);
      return { ...map(route), services: change(primary ?? {}, canary ?? {}) };
    }),
  });
}

export const contourSamples: Samples = {
  spec: contourSpec(),
  others: [
    contourSpec({ timeout: "15s", retries: { attempts: 3, perTryTimeout: "5s", retryOn: "5xx, reset" } }),
    contourSpec({ match: [{ uri: { prefix: "/api" }, headers: { "x-lane": { exact: "blue" }, "x-user": { prefix: "a" } } }, { uri: { exact: "/health" } }] }),
  ],
  users: {
    apiVersion: "projectcontour.io/v1",
    kind: "HTTPProxy",
    metadata: { name: "podinfo", namespace: "test", uid: "hp1", resourceVersion: "5", labels: { theirs: "a" }, annotations: { theirs: "b" } },
    spec: {
      virtualhost: { fqdn: "app.example.com" },
      ingressClassName: "public",
      routes: [
        { conditions: [{ prefix: "/docs" }], services: [{ name: "docs", port: 80 }] },
        { conditions: [{ prefix: "/" }], enableWebsockets: true, services: [{ name: "podinfo", port: 9898, requestHeadersPolicy: { set: [{ name: "a", value: "b" }] } }] },
        { conditions: [{ prefix: "/" }, { header: { name: "x-debug", present: true } }], services: [{ name: "podinfo", port: 9999, weight: 1 }, { name: "log", port: 80, mirror: true }] },
      ],
    },
  },
  mangled: [
    ["no routes", (spec) => ({ ...spec, routes: [] })],
    ["no routes at all", ({ routes: _routes, ...spec }) => spec],
    ["the apex", onServices((primary) => [{ ...primary, name: "podinfo" }])],
    ["no canary", onServices((primary) => [primary])],
    ["no primary", onServices((_primary, canary) => [canary])],
    ["a third service", onServices((primary, canary) => [primary, canary, { name: "other", port: 80, weight: 1 }])],
    ["one service twice", onServices((primary) => [primary, primary])],
    ["a canary that is but mirrored", onServices((primary, canary) => [primary, { ...canary, mirror: true }])],
    ["no weights", onServices((primary, canary) => [{ ...primary, weight: undefined }, { ...canary, weight: undefined }])],
    ["a weight of text", onServices((primary, canary) => [{ ...primary, weight: "70" }, canary])],
    ["weights that do not sum to 100", onServices((primary, canary) => [{ ...primary, weight: 1 }, canary])],
    ["routes that disagree", (spec) => ({ ...spec, routes: [...list(spec.routes), ...list(onServices((primary, canary) => [{ ...primary, weight: 90 }, { ...canary, weight: 10 }])(spec).routes)] })],
    ["the chosen after everybody else", (spec) => ({ ...spec, routes: [...list(onServices((primary) => [{ ...primary, weight: 100 }])(spec).routes), ...list(spec.routes)] })],
  ],
  goldens: join(import.meta.dirname, "goldens", "contour"),
};
