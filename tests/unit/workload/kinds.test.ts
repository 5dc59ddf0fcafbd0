// Are targets of every kind read, scaled and held without touching anything else, and is coming to rest no new revision?
import { describe, expect, test } from "@jest/globals";
import { PAUSED, SCALED_TO_ZERO } from "../../../crds/marks.ts";
import type { KubeObject } from "../../../engine/ports.ts";
import { workloadOf, type Workload } from "../../../engine/workload/kinds.ts";
import { renderPrimary } from "../../../engine/workload/primary.ts";
import { readRevision, renderRevision, revisionNamed, revisionOf } from "../../../engine/workload/revisions.ts";
import { deployment, specOf, template } from "./objects.ts";

function codec(kind: string, group = "apps"): Workload {
  const found = workloadOf({ group, kind });
  if (found === undefined) throw new Error(`${kind} is not rolled out`);
  return found;
}

function daemonSet(spec: object = {}, status: object = {}): KubeObject {
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "agent", namespace: "test", uid: "d1", generation: 4, annotations: { team: "web" } },
    spec: { selector: { matchLabels: { app: "podinfo" } }, updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } }, template: template(), ...spec },
    status: { observedGeneration: 4, desiredNumberScheduled: 3, currentNumberScheduled: 3, updatedNumberScheduled: 3, numberAvailable: 3, ...status },
  };
}

describe("a Deployment", () => {
  const deployments = codec("Deployment");

  test.each([
    [3, true, { replicas: 3, paused: true }],
    [undefined, true, { replicas: 2, paused: true }],
    [0, undefined, { replicas: 0 }],
    [undefined, undefined, { replicas: 2 }],
  ])("replicas %p, paused %p", (replicas, paused, expected) => {
    const found = deployment();
    expect(deployments.scaled(found, replicas, paused).spec).toEqual({ ...specOf(found), ...expected });
  });

  test("resuming leaves nothing behind", () => {
    const paused = deployments.scaled(deployment(), undefined, true);
    expect(paused.metadata.annotations?.[PAUSED]).toBe("true");
    const resumed = deployments.scaled(paused, undefined, false);
    expect(resumed.spec).toEqual(deployment().spec);
    expect(resumed.metadata.annotations?.[PAUSED]).toBeUndefined();
  });
});

describe("a DaemonSet", () => {
  const daemonSets = codec("DaemonSet");

  test("rests where no node is, which is no new revision", () => {
    const found = daemonSet({ template: template({ nodeSelector: { disk: "ssd" } }) });
    const resting = daemonSets.scaled(found, 0, undefined);
    expect(specOf(resting).template).toMatchObject({ spec: { nodeSelector: { disk: "ssd", [SCALED_TO_ZERO]: "true" } } });
    expect(daemonSets.replicas(resting)).toBe(0);
    expect(revisionOf(resting).hash).toBe(revisionOf(found).hash);
    expect(daemonSets.scaled(resting, 1, undefined).spec).toEqual(found.spec);
  });

  test("one that Flagger left at rest is started by taking its selector off", () => {
    const found = daemonSet({ template: template({ nodeSelector: { "flagger.app/scale-to-zero": "true" } }) });
    expect(daemonSets.replicas(found)).toBe(0);
    expect(revisionOf(found).hash).toBe(revisionOf(daemonSet()).hash);
    expect(daemonSets.scaled(found, 1, undefined).spec).toEqual(daemonSet().spec);
  });

  test("is held by OnDelete, which is not promoted, and gets its own strategy back", () => {
    const found = daemonSet();
    const held = daemonSets.scaled(found, undefined, true);
    expect(specOf(held).updateStrategy).toEqual({ type: "OnDelete" });
    expect(daemonSets.read(held, 100).paused).toBe(true);
    expect(revisionOf(held).fields.updateStrategy).toEqual(specOf(found).updateStrategy);
    // Sent again with each pass, and it must not forget what was there before.
    expect(daemonSets.scaled(held, undefined, true)).toEqual(held);
    expect(daemonSets.scaled(held, undefined, false)).toEqual(found);
  });

  test("a manifest that is sent again while it is held is held again, and not lost", () => {
    const held = daemonSets.scaled(daemonSet(), undefined, true);
    const applied = { ...held, spec: daemonSet().spec };
    expect(daemonSets.scaled(applied, undefined, true)).toEqual(held);
    expect(daemonSets.scaled(applied, undefined, false)).toEqual(daemonSet());
  });

  test.each([
    ["all pods are there", {}, undefined],
    ["its controller is behind", { observedGeneration: 3 }, /has not seen/],
    ["old pods are left", { updatedNumberScheduled: 1 }, /1 of 3 pods are of its template/],
    ["pods are not available", { numberAvailable: 1 }, /1 of 3 pods are available/],
    ["no node may run it", { desiredNumberScheduled: 0, updatedNumberScheduled: 0, numberAvailable: 0 }, /no node/],
  ])("readiness: %s", (_, status, why) => {
    const { readiness } = daemonSets.read(daemonSet({}, status), 100);
    if (why === undefined) expect(readiness).toEqual({ ready: true });
    else expect(readiness).toMatchObject({ ready: false, why: expect.stringMatching(why) });
  });

  test("at rest it is never ready, though all of its no pods are there", () => {
    const resting = daemonSets.scaled(daemonSet({}, { desiredNumberScheduled: 0, updatedNumberScheduled: 0, numberAvailable: 0 }), 0, undefined);
    expect(daemonSets.read(resting, 100).readiness).toMatchObject({ ready: false, why: "it is scaled to zero" });
  });

  test("its primary has no replicas, and never the selector of rest", () => {
    const target = daemonSets.scaled(daemonSet(), 0, undefined);
    const primary = renderPrimary({ target, label: { key: "app", value: "podinfo" }, revision: revisionOf(target), copies: new Map(), replicas: 1, found: undefined, includeLabelPrefixes: [] });
    expect(primary.kind).toBe("DaemonSet");
    expect(specOf(primary)).not.toHaveProperty("replicas");
    expect(specOf(primary)).toMatchObject({ updateStrategy: { type: "RollingUpdate" }, selector: { matchLabels: { app: "podinfo-primary" } } });
    expect(JSON.stringify(primary)).not.toContain("scale-to-zero");
  });
});

describe("a Knative Service", () => {
  const services = codec("Service", "serving.knative.dev");
  const READY = { observedGeneration: 4, latestCreatedRevisionName: "podinfo-00002", latestReadyRevisionName: "podinfo-00002", conditions: [{ type: "ConfigurationsReady", status: "True" }] };

  function service(status: unknown = READY, spec: object = {}, annotations: Record<string, string> = {}): KubeObject {
    const metadata = { name: "podinfo", namespace: "test", uid: "k1", generation: 4, annotations };
    return { apiVersion: "serving.knative.dev/v1", kind: "Service", metadata, spec: { template: template(), traffic: [{ latestRevision: true, percent: 100 }], ...spec }, status };
  }

  test("is no core Service, and a core Service is none", () => {
    expect(services.primary).toBe("revision");
    for (const group of ["", "example.com"]) expect(codec("Service", group).primary).toBe("copy");
  });

  test.each<[string, unknown, RegExp | undefined]>([
    ["its newest Revision is ready", READY, undefined],
    ["nothing is said", null, /not seen/],
    ["a status of another shape", "ready", /not seen/],
    ["the status is of the template before", { ...READY, observedGeneration: 3 }, /not seen/],
    ["only the Revision before is ready", { ...READY, latestReadyRevisionName: "podinfo-00001" }, /podinfo-00002 is not ready/],
    ["its names are of the template before", { ...READY, conditions: [{ type: "ConfigurationsReady", status: "Unknown", message: "out of date" }] }, /out of date/],
    ["the Revision failed", { ...READY, conditions: [{ type: "ConfigurationsReady", status: "False", message: "no such image" }] }, /no such image/],
    ["no conditions", { ...READY, conditions: "True" }, /not ready/],
    ["no names", { ...READY, latestCreatedRevisionName: undefined, latestReadyRevisionName: undefined }, /not ready/],
  ])("readiness, and with it the Revision's name: %s", (_what, status, why) => {
    const { readiness } = services.read(service(status), 100);
    if (why === undefined) expect(readiness).toEqual({ ready: true });
    else expect(readiness).toMatchObject({ ready: false, why: expect.stringMatching(why), deadlineExceeded: false });
    expect(revisionOf(service(status)).name).toBe(why === undefined ? "podinfo-00002" : undefined);
  });

  test("one that failed has nobody to answer", () => {
    expect(services.read(service({ ...READY, conditions: [{ type: "ConfigurationsReady", status: "False" }] }), 100).availableReplicas).toBe(0);
    expect(services.read(service(null), 100).availableReplicas).toBe(1);
  });

  test("what it is about is its template, whatever becomes of its traffic", () => {
    const revision = revisionOf(service());
    expect(revisionOf(service(READY, { traffic: [{ revisionName: "podinfo-00001", percent: 100 }] })).hash).toBe(revision.hash);
    expect(revisionOf(service(READY, { template: template({ serviceAccountName: "other" }) })).hash).not.toBe(revision.hash);
    const stored = renderRevision("test", "podinfo", revision, 1);
    expect(readRevision(stored, "podinfo")).toEqual(revision);
    expect(readRevision(renderRevision("test", "podinfo", revisionNamed("podinfo-00001", "u1"), 2), "podinfo")).toMatchObject({ name: "podinfo-00001", uid: "u1" });
  });

  const [one, two, newest] = [{ revisionName: "podinfo-00001", percent: 60 }, { revisionName: "podinfo-00002", percent: 40 }, { latestRevision: true, percent: 100 }];
  test.each<[string, unknown, Record<string, string>, string | undefined]>([
    ["the newest", [newest], {}, undefined],
    ["nothing", undefined, {}, undefined],
    ["one by name", [{ ...one, percent: 100 }, { ...newest, percent: 0 }], {}, "podinfo-00001"],
    ["two by name", [one, two], {}, undefined],
    ["two by name, of which the engine promoted one", [one, two], { "rollout.kurator.dev/primary-revision": "podinfo-00002" }, "podinfo-00002"],
    ["two by name, of which Flagger promoted one", [one, two], { "flagger.app/primary-revision": "podinfo-00001" }, "podinfo-00001"],
    ["another one than was promoted", [newest], { "flagger.app/primary-revision": "podinfo-00001", "rollout.kurator.dev/primary-revision": "podinfo-00002" }, undefined],
  ])("where its traffic is pinned: %s", (_what, traffic, annotations, name) => {
    expect(services.pinned?.(service(READY, { traffic }, annotations))).toBe(name);
  });

  test("nothing of it is scaled or paused", () => {
    expect(services.scaled(service(), 0, true)).toEqual(service());
    expect(services.replicas(service())).toBe(1);
  });
});
