// What a Deployment says of itself, and above all when it must not be called ready.
import { describe, expect, test } from "@jest/globals";
import { readDeployment, selectorLabel } from "../../../engine/workload/deployment.ts";
import { deployment } from "./objects.ts";

const progressDeadline = { conditions: [{ type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded" }] };

describe("readDeployment", () => {
  test("reads what the machine has to know", () => {
    const seen = readDeployment(deployment({ paused: true }), 100);
    expect(seen).toMatchObject({ uid: "u1", generation: 3, images: ["podinfo:6.0.0"], replicas: 2, paused: true, availableReplicas: 2, pods: 2 });
  });

  test.each([
    ["all pods are new and available", {}, {}, 100, true],
    ["it is paused with its template rolled out", { paused: true }, {}, 100, true],
    ["its controller lags behind", {}, { observedGeneration: 2 }, 100, false],
    ["it has no status yet", {}, { observedGeneration: undefined, updatedReplicas: undefined }, 100, false],
    ["new pods are missing", {}, { updatedReplicas: 1 }, 100, false],
    ["old pods are left", {}, { replicas: 3 }, 100, false],
    ["one pod is not available", {}, { availableReplicas: 1 }, 100, false],
    ["one pod of two is available and half is enough", {}, { availableReplicas: 1 }, 50, true],
    ["no pod is available and the threshold rounds to none", { replicas: 1 }, { replicas: 1, updatedReplicas: 1, availableReplicas: 0 }, 50, false],
    ["no pod is available and the threshold is 0", {}, { availableReplicas: 0 }, 0, false],
    ["it is scaled to zero", { replicas: 0 }, { replicas: 0, updatedReplicas: 0, availableReplicas: 0 }, 100, false],
    ["spec.replicas is missing, which means 1", { replicas: undefined }, { replicas: 1, updatedReplicas: 1, availableReplicas: 1 }, 100, true],
  ])("when %s", (_when, spec, status, threshold, ready) => {
    expect(readDeployment(deployment(spec, status), threshold).readiness.ready).toBe(ready);
  });

  test("zero replicas are what was wanted once nothing is wanted of it and the pods are gone", () => {
    const zero = (replicas: number) => deployment({ replicas: 0 }, { replicas, updatedReplicas: 0, availableReplicas: 0 });
    expect(readDeployment(zero(0), 100, false).readiness).toEqual({ ready: true });
    expect(readDeployment(zero(2), 100, false).readiness.ready).toBe(false);
  });

  test("only the Deployment's own deadline is final", () => {
    expect(readDeployment(deployment({}, progressDeadline), 100).readiness).toMatchObject({ ready: false, deadlineExceeded: true });
    expect(readDeployment(deployment({}, { availableReplicas: 0 }), 100).readiness).toMatchObject({ ready: false, deadlineExceeded: false });
  });

  test("a deadline that was passed before the last change says nothing", () => {
    expect(readDeployment(deployment({}, { ...progressDeadline, observedGeneration: 2 }), 100).readiness).toMatchObject({ ready: false, deadlineExceeded: false });
  });

  test("names the quota that keeps pods from being made", () => {
    const conditions = [{ type: "ReplicaFailure", status: "True", message: "exceeded quota: compute" }];
    expect(readDeployment(deployment({}, { updatedReplicas: 0, conditions }), 100).readiness).toMatchObject({ why: expect.stringContaining("exceeded quota: compute") });
  });

  test("a mangled object is not ready", () => {
    const object = { ...deployment(), spec: "?", status: 3 };
    expect(readDeployment(object, 100).readiness.ready).toBe(false);
  });
});

describe("selectorLabel", () => {
  test.each([
    [{ "app.kubernetes.io/name": "c", name: "b", app: "a" }, { key: "app", value: "a" }],
    [{ "app.kubernetes.io/name": "c", name: "b" }, { key: "name", value: "b" }],
    [{ "app.kubernetes.io/name": "c" }, { key: "app.kubernetes.io/name", value: "c" }],
    [{ tier: "front" }, undefined],
  ])("of %j", (matchLabels, label) => {
    expect(selectorLabel(deployment({ selector: { matchLabels } }))).toEqual(label);
  });
});
