// What the shared suite needs to know of Kuma.
import { join } from "node:path";
import type { CanarySpec } from "../../../crds/canary.ts";
import { list, map } from "../../../crds/json.ts";
import type { Samples } from "./conformance.ts";

export function kumaSpec(service: object = {}, analysis: object = {}): CanarySpec {
  return {
    targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "podinfo" },
    service: { port: 9898, ...service },
    analysis: { interval: "10s", threshold: 5, stepWeight: 10, ...analysis },
  } as CanarySpec;
}

type Spec = Record<string, unknown>;

function onRules(change: (rules: Spec[]) => unknown): (spec: Spec) => Spec {
  return (spec) => ({ ...spec, to: list(spec.to).map((entry) => ({ ...map(entry), rules: change(list(map(entry).rules).map(map)) })) });
}

function onBackends(change: (primary: Spec, canary: Spec) => unknown[]): (spec: Spec) => Spec {
  return onRules((rules) =>
    rules.map((rule) => {
      const [primary, canary] = list(map(rule.default).backendRefs).map(map);
      return { ...rule, default: { ...map(rule.default), backendRefs: change(primary ?? {}, canary ?? {}) } };
    }),
  );
}

export const kumaSamples: Samples = {
  spec: kumaSpec(),
  others: [
    kumaSpec({ match: [{ uri: { prefix: "/api" }, headers: { "x-lane": { exact: "blue" } } }, { uri: { exact: "/health" }, method: { exact: "GET" } }] }),
    kumaSpec({ headers: { request: { set: { a: "b" } } }, rewrite: { uri: "/", authority: "app.internal" } }),
  ],
  users: {
    apiVersion: "kuma.io/v1alpha1",
    kind: "MeshHTTPRoute",
    metadata: { name: "podinfo", namespace: "test", uid: "kr1", resourceVersion: "5", labels: { "kuma.io/mesh": "blue", theirs: "a" }, annotations: { theirs: "b" } },
    spec: {
      targetRef: { kind: "Mesh" },
      to: [
        {
          targetRef: { kind: "MeshService", name: "podinfo", namespace: "test", sectionName: "http" },
          rules: [
            { matches: [{ path: { type: "PathPrefix", value: "/docs" } }], default: { backendRefs: [{ kind: "MeshService", name: "docs", port: 80 }] } },
            { matches: [{ path: { type: "PathPrefix", value: "/" } }], default: { filters: [{ type: "RequestHeaderModifier", requestHeaderModifier: { set: [{ name: "a", value: "b" }] } }], backendRefs: [{ kind: "MeshService", name: "podinfo", port: 9898, weight: 1 }] } },
          ],
        },
        { targetRef: { kind: "MeshService", name: "docs" }, rules: [{ matches: [{ path: { type: "PathPrefix", value: "/" } }], default: { backendRefs: [{ kind: "MeshService", name: "docs", port: 80 }] } }] },
      ],
    },
  },
  mangled: [
    ["nobody whom it speaks of", (spec) => ({ ...spec, to: [] })],
    ["somebody else whom it speaks of", (spec) => ({ ...spec, to: list(spec.to).map((entry) => ({ ...map(entry), targetRef: { kind: "MeshService", name: "docs" } })) })],
    ["no rules", onRules(() => [])],
    ["no canary", onBackends((primary) => [primary])],
    ["no primary", onBackends((_primary, canary) => [canary])],
    ["another namespace's canary", onBackends((primary, canary) => [primary, { ...canary, namespace: "other" }])],
    ["one backend twice", onBackends((primary) => [primary, primary])],
    ["no weights", onBackends((primary, canary) => [{ ...primary, weight: undefined }, { ...canary, weight: undefined }])],
    ["a weight of text", onBackends((primary, canary) => [{ ...primary, weight: "70" }, canary])],
    ["weights that do not sum to 100", onBackends((primary, canary) => [{ ...primary, weight: 1 }, canary])],
  ],
  goldens: join(import.meta.dirname, "goldens", "kuma"),
};
