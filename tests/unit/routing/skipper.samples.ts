// What the shared suite needs to know of Skipper.
import { join } from "node:path";
import type { CanarySpec } from "../../../crds/canary.ts";
import { list, map } from "../../../crds/json.ts";
import type { KubeObject } from "../../../engine/ports.ts";
import type { Samples } from "./conformance.ts";

export function skipperSpec(more: object = {}, analysis: object = {}): CanarySpec {
  return {
    targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "podinfo" },
    ingressRef: { apiVersion: "networking.k8s.io/v1", kind: "Ingress", name: "shop" },
    service: { port: 9898 },
    analysis: { interval: "10s", threshold: 5, stepWeight: 10, ...analysis },
    ...more,
  } as CanarySpec;
}

const backend = (name: string, port: number): object => ({ service: { name, port: { number: port } } });

export const SKIPPER_INGRESS: KubeObject = {
  apiVersion: "networking.k8s.io/v1",
  kind: "Ingress",
  metadata: {
    name: "shop",
    namespace: "test",
    uid: "i1",
    resourceVersion: "5",
    labels: { "kustomize.toolkit.fluxcd.io/name": "apps" },
    annotations: { "kubernetes.io/ingress.class": "skipper", "zalando.org/skipper-filter": "consecutiveBreaker(15)", "zalando.org/skipper-predicate": 'Method("GET")', "zalando.org/skipper-routes": "r: Path(\"/x\") -> <shunt>;" },
  },
  spec: {
    rules: [
      { host: "app.example.com", http: { paths: [{ path: "/docs", pathType: "Prefix", backend: backend("docs", 80) }, { path: "/", pathType: "Prefix", backend: backend("podinfo", 9898) }] } },
      { host: "docs.example.com", http: { paths: [{ path: "/", pathType: "Prefix", backend: backend("docs", 80) }] } },
    ],
  },
};

function annotated(change: (annotations: Record<string, string>) => void): Samples["mangled"][number][1] {
  return (spec, object) => {
    change(object.metadata.annotations ?? {});
    return spec;
  };
}

const WEIGHTS = "zalando.org/backend-weights";
const PREDICATE = "zalando.org/skipper-predicate";

export const skipperSamples: Samples = {
  spec: skipperSpec(),
  others: [skipperSpec({ service: { port: 9898, portName: "web" } }), skipperSpec({}, { stepWeight: undefined, iterations: 3 })],
  users: { ...SKIPPER_INGRESS, metadata: { ...SKIPPER_INGRESS.metadata, name: "shop-canary", uid: "i2" } },
  given: [SKIPPER_INGRESS],
  mangled: [
    ["no rules", (spec) => ({ ...spec, rules: [] })],
    ["a path to the primary alone", (spec) => ({ ...spec, rules: list(spec.rules).map((rule) => ({ ...map(rule), http: { paths: list(map(map(rule).http).paths).slice(0, 1) } })) })],
    ["a path to the canary alone", (spec) => ({ ...spec, rules: list(spec.rules).map((rule) => ({ ...map(rule), http: { paths: list(map(map(rule).http).paths).slice(1) } })) })],
    ["no weights", annotated((annotations) => delete annotations[WEIGHTS])],
    ["weights that are no JSON", annotated((annotations) => void (annotations[WEIGHTS] = "{"))],
    ["one weight", annotated((annotations) => void (annotations[WEIGHTS] = '{"podinfo-canary": 30}'))],
    ["a third weight", annotated((annotations) => void (annotations[WEIGHTS] = '{"podinfo-primary": 70, "podinfo-canary": 30, "docs": 10}'))],
    ["weights that do not sum to 100", annotated((annotations) => void (annotations[WEIGHTS] = '{"podinfo-primary": 7, "podinfo-canary": 3}'))],
    ["weights as text", annotated((annotations) => void (annotations[WEIGHTS] = '{"podinfo-primary": "70", "podinfo-canary": "30"}'))],
    ["no predicate", annotated((annotations) => delete annotations[PREDICATE])],
    ["switched off", annotated((annotations) => void (annotations[PREDICATE] = 'Method("GET") && False()'))],
    ["without weight and not switched off", annotated((annotations) => void (annotations[WEIGHTS] = '{"podinfo-primary": 100, "podinfo-canary": 0}'))],
  ],
  goldens: join(import.meta.dirname, "goldens", "skipper"),
};
