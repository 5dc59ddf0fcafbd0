// What Knative's router does beyond the shared promises: nothing is believed before Knative says it, and of what is the owner's only the traffic changes.
import { describe, expect, test } from "@jest/globals";
import { list, map } from "../../../crds/json.ts";
import type { KubeObject } from "../../../engine/ports.ts";
import { knative } from "../../../routing/knative.ts";
import type { RouteIntent } from "../../../routing/router.ts";
import { foundOf, intentOf, version } from "./conformance.ts";
import { knativeService, knativeSpec } from "./knative.samples.ts";

const NEWEST = [{ latestRevision: true, percent: 100 }];

function rendered(service: KubeObject, intent: Partial<RouteIntent> = {}): KubeObject {
  const [object] = knative.render({ ...intentOf(knativeSpec(), 30), ...intent }, foundOf(knative, [service]), version);
  if (object === undefined) throw new Error("nothing was rendered");
  return object;
}

function read(object: KubeObject, intent: Partial<RouteIntent> = {}) {
  return knative.read({ ...intentOf(knativeSpec(), 30), ...intent }, foundOf(knative, [object]));
}

function restored(object: KubeObject): KubeObject | undefined {
  return knative.restore(intentOf(knativeSpec(), 0), foundOf(knative, [object])).restored[0];
}

function trafficOf(object: KubeObject | undefined): unknown {
  return map(object?.spec).traffic;
}

describe("what Knative says", () => {
  const asked = rendered(knativeService(NEWEST, { generation: 4 }));
  const applied = [{ revisionName: "podinfo-00001", percent: 70 }, { revisionName: "podinfo-00002", percent: 30, latestRevision: true }];
  const ready = { type: "RoutesReady", status: "True" };

  test.each<[string, object | undefined, RegExp | undefined]>([
    ["it is so", { observedGeneration: 4, conditions: [ready], traffic: applied }, undefined],
    ["a tag without traffic is beside it", { observedGeneration: 4, conditions: [ready], traffic: [...applied, { revisionName: "podinfo-00003", tag: "newest", url: "http://newest-podinfo.test" }] }, undefined],
    ["nothing yet", undefined, /not seen/],
    ["what was before the last change", { observedGeneration: 3, conditions: [ready], traffic: applied }, /not seen/],
    ["it is not done", { observedGeneration: 4, conditions: [{ type: "RoutesReady", status: "Unknown", message: "waiting for ingress" }], traffic: applied }, /waiting for ingress/],
    ["a Revision is missing", { observedGeneration: 4, conditions: [{ type: "RoutesReady", status: "False", message: "Revision podinfo-00002 not found" }] }, /podinfo-00002 not found/],
    ["no condition", { observedGeneration: 4, traffic: applied }, /not led/],
    ["other percents", { observedGeneration: 4, conditions: [ready], traffic: [{ revisionName: "podinfo-00001", percent: 100 }] }, /elsewhere/],
    ["another Revision", { observedGeneration: 4, conditions: [ready], traffic: [{ revisionName: "podinfo-00001", percent: 70 }, { revisionName: "podinfo-00003", percent: 30 }] }, /elsewhere/],
  ])("%s", (_what, status, why) => {
    const reading = read({ ...asked, status });
    if (why === undefined) expect(reading).toEqual({ kind: "known", primaryWeight: 70, canaryWeight: 30, scope: "all", mirror: false });
    else expect(reading).toMatchObject({ kind: "unknown", why: expect.stringMatching(why) });
  });
});

describe("names", () => {
  test("without that of the promoted one nothing is written and nothing known", () => {
    const intent = { ...intentOf(knativeSpec(), 0), revisions: {} };
    const found = foundOf(knative, [knativeService(NEWEST)]);
    expect(knative.render(intent, found, version)).toEqual([]);
    expect(knative.read(intent, found).kind).toBe("unknown");
  });

  test("without that of the canary it gets nothing, and what is due to the promoted one is written", () => {
    const revisions = { primary: "podinfo-00001" };
    const found = foundOf(knative, [knativeService(NEWEST)]);
    expect(knative.render({ ...intentOf(knativeSpec(), 30), revisions }, found, version)).toEqual([]);
    expect(trafficOf(knative.render({ ...intentOf(knativeSpec(), 0), revisions }, found, version)[0])).toEqual([{ latestRevision: false, revisionName: "podinfo-00001", percent: 100 }]);
  });

  test("a Revision that is both has everything", () => {
    const both = { revisions: { primary: "podinfo-00002", canary: "podinfo-00002" }, primaryWeight: 100, canaryWeight: 0 };
    const object = rendered(knativeService(NEWEST), both);
    expect(trafficOf(object)).toEqual([{ latestRevision: false, revisionName: "podinfo-00002", percent: 100 }]);
    expect(read(object, both)).toMatchObject({ kind: "known", primaryWeight: 100, canaryWeight: 0 });
  });
});

describe("what is the owner's", () => {
  test("the template is not touched, and addresses of their own stay without users", () => {
    const users = knativeService([{ tag: "current", revisionName: "podinfo-00001", latestRevision: false, percent: 100 }, { tag: "newest", latestRevision: true }]);
    const object = rendered(users);
    expect(map(object.spec).template).toEqual(map(users.spec).template);
    expect(list(trafficOf(object)).slice(2)).toEqual([{ tag: "current", revisionName: "podinfo-00001", latestRevision: false, percent: 0 }, { tag: "newest", latestRevision: true }]);
    expect(read(object)).toMatchObject({ kind: "known", canaryWeight: 30 });
    expect(restored(object)).toEqual(users);
  });

  test("what Flagger has pinned is not what the owner wrote", () => {
    const flaggers = knativeService([{ latestRevision: true, percent: 0 }, { revisionName: "podinfo-00001", latestRevision: false, percent: 100 }], { annotations: { "flagger.app/primary-revision": "podinfo-00001" } });
    expect(trafficOf(restored(rendered(flaggers)))).toEqual(NEWEST);
    const moved = knativeService([{ revisionName: "podinfo-00004", latestRevision: false, percent: 100 }], { annotations: { "flagger.app/primary-revision": "podinfo-00001" } });
    expect(trafficOf(restored(rendered(moved)))).toEqual(trafficOf(moved));
  });

  test("the record of what was found is written once", () => {
    const once = rendered(knativeService([{ revisionName: "podinfo-00001", latestRevision: false, percent: 100 }]));
    expect(trafficOf(restored(rendered(once, { primaryWeight: 100, canaryWeight: 0 })))).toEqual([{ revisionName: "podinfo-00001", latestRevision: false, percent: 100 }]);
  });
});

describe("refusals", () => {
  const check = (spec: object, object = knativeService(NEWEST), group = "rollout.kurator.dev/v1alpha1") =>
    knative.check({ ...intentOf(knativeSpec({}, spec), 0), owner: { apiVersion: group, name: "podinfo", uid: "c1" } }, foundOf(knative, [object])).map(({ reason, path }) => `${reason} ${path}`);

  test.each<[string, object, string[]]>([
    ["Services", { service: { port: 80 } }, ["Unsupported spec.service"]],
    ["steps back", { analysis: { stepWeight: 10, stepWeightPromotion: 20 } }, ["Unsupported spec.analysis.stepWeightPromotion"]],
    ["chosen users", { analysis: { iterations: 2, match: [{ headers: { x: { exact: "y" } } }] } }, ["Unsupported spec.analysis.match"]],
    ["a mirror", { analysis: { stepWeight: 10, mirror: true } }, ["Unsupported spec.analysis.mirror"]],
    ["cookies", { analysis: { stepWeight: 10, sessionAffinity: { cookieName: "c" } } }, ["Unsupported spec.analysis.sessionAffinity"]],
  ])("%s", (_what, spec, problems) => expect(check(spec)).toEqual(problems));

  test("manifests of Flagger's have what it leaves out left out", () => {
    expect(check({ service: { port: 80 }, analysis: { stepWeight: 10, stepWeightPromotion: 20 } }, undefined, "flagger.app/v1beta1")).toEqual([]);
  });

  test("traffic that is split by hand; not by Flagger, and not by the engine", () => {
    const halves = [{ revisionName: "podinfo-00001", percent: 50 }, { revisionName: "podinfo-00002", percent: 50 }];
    expect(check({}, knativeService(halves))).toEqual(["Unsupported spec.targetRef.name"]);
    expect(check({}, knativeService(halves, { annotations: { "flagger.app/primary-revision": "podinfo-00001" } }))).toEqual([]);
    expect(check({}, rendered(knativeService(NEWEST)))).toEqual([]);
  });
});
