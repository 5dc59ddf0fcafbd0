// What the shared suite needs to know of nginx.
import { join } from "node:path";
import type { CanarySpec } from "../../../crds/canary.ts";
import { list, map } from "../../../crds/json.ts";
import type { KubeObject } from "../../../engine/ports.ts";
import type { Samples } from "./conformance.ts";

export const PREFIX = "nginx.ingress.kubernetes.io";

export function nginxSpec(more: object = {}, analysis: object = {}): CanarySpec {
  return {
    targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "podinfo" },
    ingressRef: { apiVersion: "networking.k8s.io/v1", kind: "Ingress", name: "shop" },
    service: { port: 9898 },
    analysis: { interval: "10s", threshold: 5, stepWeight: 10, ...analysis },
    ...more,
  } as CanarySpec;
}

/** As a user may have written it: two hosts, of which one leads elsewhere too. */
export const INGRESS: KubeObject = {
  apiVersion: "networking.k8s.io/v1",
  kind: "Ingress",
  metadata: {
    name: "shop",
    namespace: "test",
    uid: "i1",
    resourceVersion: "5",
    labels: { "kustomize.toolkit.fluxcd.io/name": "apps" },
    annotations: { "cert-manager.io/cluster-issuer": "public", [`${PREFIX}/proxy-body-size`]: "8m" },
  },
  spec: {
    ingressClassName: "nginx",
    tls: [{ hosts: ["app.example.com"], secretName: "app" }],
    rules: [
      {
        host: "app.example.com",
        http: {
          paths: [
            { path: "/docs", pathType: "Prefix", backend: { service: { name: "docs", port: { number: 80 } } } },
            { path: "/", pathType: "Prefix", backend: { service: { name: "podinfo", port: { number: 9898 } } } },
          ],
        },
      },
      { host: "docs.example.com", http: { paths: [{ path: "/", pathType: "Prefix", backend: { service: { name: "docs", port: { number: 80 } } } }] } },
    ],
  },
};

type Spec = Record<string, unknown>;

function annotated(change: (annotations: Record<string, string>) => void): Samples["mangled"][number][1] {
  return (spec, object) => {
    change(object.metadata.annotations ?? {});
    return spec;
  };
}

function backend(name: string): (spec: Spec) => Spec {
  return (spec) => ({ ...spec, rules: list(spec.rules).map((rule) => ({ ...map(rule), http: { paths: [{ path: "/", pathType: "Prefix", backend: { service: { name, port: { number: 9898 } } } }] } })) });
}

export const nginxSamples: Samples = {
  spec: nginxSpec(),
  others: [nginxSpec({ service: { port: 9898, portName: "web" } }), nginxSpec({}, { stepWeight: undefined, iterations: 3 })],
  users: { ...INGRESS, metadata: { ...INGRESS.metadata, name: "shop-canary", uid: "i2" } },
  given: [INGRESS],
  matched: [100, 100],
  mangled: [
    ["no rules", (spec) => ({ ...spec, rules: [] })],
    ["another backend", backend("podinfo")],
    ["no canary any more", annotated((annotations) => delete annotations[`${PREFIX}/canary`])],
    ["a canary that is off", annotated((annotations) => void (annotations[`${PREFIX}/canary`] = "false"))],
    ["no weight", annotated((annotations) => delete annotations[`${PREFIX}/canary-weight`])],
    ["no whole weight", annotated((annotations) => void (annotations[`${PREFIX}/canary-weight`] = "30.5"))],
    ["a weight above 100", annotated((annotations) => void (annotations[`${PREFIX}/canary-weight`] = "130"))],
    ["a negative weight", annotated((annotations) => void (annotations[`${PREFIX}/canary-weight`] = "-30"))],
    ["a weight of something else than 100", annotated((annotations) => void (annotations[`${PREFIX}/canary-weight-total`] = "1000"))],
    ["a header beside the weight", annotated((annotations) => void (annotations[`${PREFIX}/canary-by-header`] = "x-user"))],
    ["a cookie beside the weight", annotated((annotations) => void (annotations[`${PREFIX}/canary-by-cookie`] = "tester"))],
  ],
  goldens: join(import.meta.dirname, "goldens", "nginx"),
};
