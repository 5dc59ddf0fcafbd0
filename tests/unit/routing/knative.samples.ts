// What the shared suite needs to know of Knative.
import { join } from "node:path";
import type { CanarySpec } from "../../../crds/canary.ts";
import { list, map } from "../../../crds/json.ts";
import type { KubeObject } from "../../../engine/ports.ts";
import type { Samples } from "./conformance.ts";

export function knativeSpec(analysis: object = {}, more: object = {}): CanarySpec {
  return {
    targetRef: { apiVersion: "serving.knative.dev/v1", kind: "Service", name: "podinfo" },
    analysis: { interval: "10s", threshold: 5, stepWeight: 10, ...analysis },
    ...more,
  } as CanarySpec;
}

export function knativeService(traffic: unknown, more: Partial<KubeObject["metadata"]> = {}): KubeObject {
  return {
    apiVersion: "serving.knative.dev/v1",
    kind: "Service",
    metadata: { name: "podinfo", namespace: "test", uid: "kn1", resourceVersion: "5", labels: { theirs: "a" }, annotations: { theirs: "b", "serving.knative.dev/creator": "somebody" }, ...more },
    spec: { template: { metadata: { annotations: { "autoscaling.knative.dev/min-scale": "1" } }, spec: { containerConcurrency: 0, containers: [{ image: "podinfo:6.0.0" }] } }, traffic },
  };
}

type Spec = Record<string, unknown>;

function onTraffic(change: (primary: Spec, canary: Spec) => unknown): (spec: Spec) => Spec {
  return (spec) => {
    const [primary, canary] = list(spec.traffic).map(map);
    return { ...spec, traffic: change(primary ?? {}, canary ?? {}) };
  };
}

const USERS = knativeService([{ latestRevision: true, percent: 100 }]);

export const knativeSamples: Samples = {
  spec: knativeSpec(),
  others: [knativeSpec({ stepWeight: undefined, iterations: 3 }), knativeSpec({ stepWeight: 50, maxWeight: 50 })],
  users: USERS,
  itself: true,
  recorded: { traffic: [{ latestRevision: true, percent: 100 }] },
  mangled: [
    ["no traffic", onTraffic(() => undefined)],
    ["no entries", onTraffic(() => [])],
    ["a list of something else", onTraffic(() => ["podinfo-00001"])],
    ["the newest in place of the canary", onTraffic((primary) => [primary, { latestRevision: true, percent: 30 }])],
    ["the newest alone", onTraffic(() => [{ latestRevision: true, percent: 100 }])],
    ["no canary", onTraffic((primary) => [primary])],
    ["no primary", onTraffic((_primary, canary) => [canary])],
    ["a third Revision", onTraffic((primary, canary) => [{ ...primary, percent: 60 }, canary, { revisionName: "podinfo-00003", latestRevision: false, percent: 10 }])],
    ["another Revision in the canary's place", onTraffic((primary, canary) => [primary, { ...canary, revisionName: "podinfo-00003" }])],
    ["no percents", onTraffic((primary, canary) => [{ ...primary, percent: undefined }, { ...canary, percent: undefined }])],
    ["a percent of text", onTraffic((primary, canary) => [{ ...primary, percent: "70" }, canary])],
    ["percents that do not sum to 100", onTraffic((primary, canary) => [{ ...primary, percent: 1 }, canary])],
    ["percents below zero", onTraffic((primary, canary) => [{ ...primary, percent: 130 }, { ...canary, percent: -30 }])],
    ["halves of percents", onTraffic((primary, canary) => [{ ...primary, percent: 69.5 }, { ...canary, percent: 30.5 }])],
  ],
  goldens: join(import.meta.dirname, "goldens", "knative"),
};
