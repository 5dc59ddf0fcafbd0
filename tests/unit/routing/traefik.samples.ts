// What the shared suite needs to know of Traefik.
import { join } from "node:path";
import type { CanarySpec } from "../../../crds/canary.ts";
import { list, map } from "../../../crds/json.ts";
import type { Samples } from "./conformance.ts";

export function traefikSpec(service: object = {}, analysis: object = {}): CanarySpec {
  return {
    targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "podinfo" },
    service: { port: 9898, ...service },
    analysis: { interval: "10s", threshold: 5, stepWeight: 10, ...analysis },
  } as CanarySpec;
}

type Spec = Record<string, unknown>;

function onServices(change: (primary: Spec, canary: Spec) => unknown[]): (spec: Spec) => Spec {
  return (spec) => {
    const [primary, canary] = list(map(spec.weighted).services).map(map);
    return { ...spec, weighted: { ...map(spec.weighted), services: change(primary ?? {}, canary ?? {}) } };
  };
}

export const traefikSamples: Samples = {
  spec: traefikSpec(),
  others: [traefikSpec({ port: 80 }), traefikSpec({}, { stepWeight: undefined, iterations: 3 })],
  users: {
    apiVersion: "traefik.io/v1alpha1",
    kind: "TraefikService",
    metadata: { name: "podinfo", namespace: "test", uid: "ts1", resourceVersion: "5", labels: { theirs: "a" }, annotations: { theirs: "b" } },
    spec: {
      weighted: {
        sticky: { cookie: { name: "lb" } },
        services: [
          { name: "docs", port: 80, weight: 0 },
          { name: "podinfo", kind: "Service", namespace: "test", port: 9898, passHostHeader: true },
        ],
      },
    },
  },
  mangled: [
    ["nothing weighted", () => ({})],
    ["a mirror beside it", (spec) => ({ ...spec, mirroring: { name: "podinfo", port: 9898 } })],
    ["no services", onServices(() => [])],
    ["no canary", onServices((primary) => [primary])],
    ["no primary", onServices((_primary, canary) => [canary])],
    ["a third service", onServices((primary, canary) => [primary, canary, { name: "other", port: 80, weight: 1 }])],
    ["a third service without a weight", onServices((primary, canary) => [primary, canary, { name: "other", port: 80 }])],
    ["a TraefikService of the canary's name", onServices((primary, canary) => [primary, { ...canary, kind: "TraefikService" }])],
    ["one service twice", onServices((primary) => [primary, primary])],
    ["no weights", onServices((primary, canary) => [{ ...primary, weight: undefined }, { ...canary, weight: undefined }])],
    ["a weight of text", onServices((primary, canary) => [{ ...primary, weight: "70" }, canary])],
    ["weights that do not sum to 100", onServices((primary, canary) => [{ ...primary, weight: 1 }, canary])],
  ],
  goldens: join(import.meta.dirname, "goldens", "traefik"),
};
