// Is the primary scaled as the target is, never below what it is about to carry, and by its own load and not by the canary's?
import { describe, expect, test } from "@jest/globals";
import type { KubeObject } from "../../../engine/ports.ts";
import { leastReplicas, mostReplicas, renderScaler, scalesOther, withRest, type AutoscalerRef, type ScalerIntent } from "../../../engine/workload/scalers.ts";
import { specOf } from "./objects.ts";

const hpaRef: AutoscalerRef = { apiVersion: "autoscaling/v2", kind: "HorizontalPodAutoscaler", name: "podinfo" };
const kedaRef: AutoscalerRef = { apiVersion: "keda.sh/v1alpha1", kind: "ScaledObject", name: "podinfo" };

const hpa: KubeObject = {
  apiVersion: "autoscaling/v2",
  kind: "HorizontalPodAutoscaler",
  metadata: { name: "podinfo", namespace: "test", uid: "h1", resourceVersion: "3", labels: { team: "web", "kustomize.toolkit.fluxcd.io/name": "apps" }, annotations: { a: "b" } },
  spec: { scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "podinfo" }, minReplicas: 3, maxReplicas: 30, metrics: [{ type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } } }], behavior: { scaleDown: { stabilizationWindowSeconds: 60 } } },
};

const scaledObject: KubeObject = {
  apiVersion: "keda.sh/v1alpha1",
  kind: "ScaledObject",
  metadata: { name: "podinfo", namespace: "test", uid: "s1" },
  spec: {
    scaleTargetRef: { name: "podinfo" },
    pollingInterval: 5,
    minReplicaCount: 2,
    advanced: { horizontalPodAutoscalerConfig: { name: "podinfo-hpa", behavior: {} } },
    triggers: [
      { type: "prometheus", name: "rps", metadata: { query: 'sum(rate(http_requests_total{app="podinfo",pod=~"podinfo-canary-.*"}[1m]))', threshold: "5" } },
      { type: "prometheus", name: "queue", metadata: { query: 'sum(queue{deployment="podinfo-primary"}) + sum(podinfo_up) + sum(up{pod=~"podinfo-[0-9a-z]+",app!="podinfo-other"})' } },
      { type: "cron", metadata: { start: "0 8 * * *" } },
    ],
  },
};

function intent(over: Partial<ScalerIntent> = {}): ScalerIntent {
  return { ref: hpaRef, source: hpa, found: undefined, target: "podinfo", primary: "podinfo-primary", floor: undefined, ...over };
}

describe("a HorizontalPodAutoscaler", () => {
  test("is copied for the primary, without the marks of a GitOps tool", () => {
    const copy = renderScaler(intent());
    expect(copy.metadata).toMatchObject({ name: "podinfo-primary", namespace: "test", labels: { team: "web" } });
    expect(copy.metadata.labels).not.toHaveProperty(["kustomize.toolkit.fluxcd.io/name"]);
    expect(copy.metadata).not.toHaveProperty("uid");
    expect(copy.spec).toEqual({ ...specOf(hpa), scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "podinfo-primary" } });
  });

  test("the manifest's own bounds win", () => {
    const copy = renderScaler(intent({ ref: { ...hpaRef, primaryScalerReplicas: { minReplicas: 5, maxReplicas: 9 } } }));
    expect(copy.spec).toMatchObject({ minReplicas: 5, maxReplicas: 9 });
  });

  test.each([
    [undefined, 3],
    [2, 3],
    [18, 18],
    [50, 30],
  ])("with a floor of %p its minimum is %p", (floor, minReplicas) => {
    expect(renderScaler(intent({ floor })).spec).toMatchObject({ minReplicas, maxReplicas: 30 });
  });

  test("what the source drops is dropped, and what others put beside it stays", () => {
    const found = renderScaler(intent());
    const { behavior: _, ...spec } = specOf(hpa);
    const theirs = { ...found, metadata: { ...found.metadata, uid: "c1", annotations: { ...found.metadata.annotations, mine: "x" } } };
    const copy = renderScaler(intent({ source: { ...hpa, spec }, found: theirs }));
    expect(copy.spec).not.toHaveProperty("behavior");
    expect(copy.metadata).toMatchObject({ uid: "c1", annotations: { mine: "x" } });
  });

  test("rendering twice is rendering once", () => {
    const once = renderScaler(intent({ floor: 7 }));
    expect(renderScaler(intent({ floor: 7, found: once }))).toEqual(once);
  });
});

describe("a ScaledObject", () => {
  const triggersOf = (ref: AutoscalerRef): { metadata: { query?: string } }[] => (renderScaler(intent({ ref, source: scaledObject })).spec as { triggers: { metadata: { query?: string } }[] }).triggers;

  test("is copied with queries about the primary", () => {
    const copy = renderScaler(intent({ ref: kedaRef, source: scaledObject }));
    expect(copy.spec).toMatchObject({ scaleTargetRef: { name: "podinfo-primary" }, pollingInterval: 5, minReplicaCount: 2, advanced: { horizontalPodAutoscalerConfig: { name: "podinfo-hpa-primary" } } });
    expect(triggersOf(kedaRef).map(({ metadata }) => metadata.query)).toEqual([
      'sum(rate(http_requests_total{app="podinfo-primary",pod=~"podinfo-primary-.*"}[1m]))',
      'sum(queue{deployment="podinfo-primary"}) + sum(podinfo_up) + sum(up{pod=~"podinfo-primary-[0-9a-z]+",app!="podinfo-other"})',
      undefined,
    ]);
  });

  test("a query that the manifest gives is taken as it is", () => {
    expect(triggersOf({ ...kedaRef, primaryScalerQueries: { rps: "sum(podinfo)" } })[0]?.metadata).toEqual({ query: "sum(podinfo)", threshold: "5" });
  });

  test("the floor is its minimum, up to KEDA's own maximum where none is set", () => {
    expect(renderScaler(intent({ ref: kedaRef, source: scaledObject, floor: 200 })).spec).toMatchObject({ minReplicaCount: 100 });
  });

  test("rests at zero and wakes up, and a pause of somebody else stays", () => {
    const resting = withRest(scaledObject, true);
    expect(resting.metadata.annotations).toEqual({ "autoscaling.keda.sh/paused-replicas": "0" });
    expect(withRest(resting, true)).toEqual(resting);
    expect(withRest(resting, false).metadata.annotations).toEqual({});
    const theirs = { ...scaledObject, metadata: { ...scaledObject.metadata, annotations: { "autoscaling.keda.sh/paused-replicas": "4" } } };
    expect(withRest(theirs, false)).toEqual(theirs);
  });
});

test("bounds and targets are read from both kinds", () => {
  expect([leastReplicas(hpa), mostReplicas(hpa), leastReplicas(scaledObject), mostReplicas(scaledObject)]).toEqual([3, 30, 2, 100]);
  expect(leastReplicas({ ...scaledObject, spec: { minReplicaCount: 0 } })).toBe(1);
  expect(scalesOther(hpa, "podinfo")).toBeUndefined();
  expect(scalesOther(hpa, "backend")).toBe("scales podinfo and not backend");
  expect(scalesOther({ ...hpa, spec: {} }, "podinfo")).toBe("scales nothing and not podinfo");
});
