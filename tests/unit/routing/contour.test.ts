// What is Contour's alone: conditions, HTTPProxies of the user's own, and what is refused.
import { describe, expect, test } from "@jest/globals";
import { list, map } from "../../../crds/json.ts";
import type { KubeObject } from "../../../engine/ports.ts";
import { contour } from "../../../routing/contour.ts";
import type { RouteIntent } from "../../../routing/router.ts";
import { foundOf, intentOf, version } from "./conformance.ts";
import { contourSamples, contourSpec } from "./contour.samples.ts";

const NONE = new Map();
const FLAGGER = { apiVersion: "flagger.app/v1beta1", name: "podinfo", uid: "c1" };

function routes(intent: RouteIntent, before: KubeObject[] = []): Record<string, unknown>[] {
  return list(map(contour.render(intent, foundOf(contour, before), version)[0]?.spec).routes).map(map);
}

function users(...all: object[]): KubeObject {
  return { ...contourSamples.users, spec: { routes: all } };
}

function conditions(match: object, owner = intentOf(contourSpec(), 0).owner): unknown {
  return routes({ ...intentOf(contourSpec({}, { iterations: 2, match: [match] }), 100), scope: "matched", owner })[0]?.conditions;
}

describe("conditions", () => {
  test.each<[object, object]>([
    [{ exact: "a.b" }, { exact: "a.b" }],
    [{ regex: "a|b" }, { regex: "a|b" }],
    [{ prefix: "a.b" }, { regex: "a\\.b.*" }],
    [{ suffix: "a.b" }, { regex: ".*a\\.b" }],
  ])("%j of a header is %j", (said, condition) => {
    expect(conditions({ headers: { "x-user": said } })).toEqual([{ prefix: "/" }, { header: { name: "x-user", ...condition } }]);
  });

  test("a beginning is looked for anywhere in manifests of Flagger's, as Flagger does", () => {
    expect(conditions({ headers: { "x-user": { prefix: "a.b" } } }, FLAGGER)).toEqual([{ prefix: "/" }, { header: { name: "x-user", contains: "a.b" } }]);
  });

  test("a header that the route asks for as well is asked for once", () => {
    const spec = contourSpec({ match: [{ headers: { "X-Lane": { exact: "blue" }, "x-a": { exact: "b" } } }] }, { iterations: 2, match: [{ headers: { "x-lane": { exact: "green" } } }] });
    const [chosen, rest] = routes({ ...intentOf(spec, 100), scope: "matched" });
    expect(chosen?.conditions).toEqual([{ prefix: "/" }, { header: { name: "x-a", exact: "b" } }, { header: { name: "x-lane", exact: "green" } }]);
    expect(rest?.conditions).toEqual([{ prefix: "/" }, { header: { name: "X-Lane", exact: "blue" } }, { header: { name: "x-a", exact: "b" } }]);
  });
});

describe("an HTTPProxy of the user's own", () => {
  test("keeps its order and all else that it says, and what its owner edits meanwhile", () => {
    const intent: RouteIntent = { ...intentOf(contourSpec({}, { iterations: 2, match: [{ headers: { a: { exact: "1" } } }, { headers: { b: { exact: "2" } } }] }), 100), scope: "matched" };
    const [taken] = contour.render(intent, foundOf(contour, [contourSamples.users]), version);
    if (taken === undefined) throw new Error("nothing was rendered");
    const named = (object: KubeObject): unknown => list(map(object.spec).routes).map(map).map((route) => list(route.services).map((service) => map(service).name));
    const split = ["podinfo-primary", "podinfo-canary"];
    expect(named(taken)).toEqual([["docs"], split, split, ["podinfo-primary"], [...split, "log"], [...split, "log"], ["podinfo-primary", "log"]]);
    const edited = { ...taken, spec: { ...map(taken.spec), ingressClassName: "other", routes: list(map(taken.spec).routes).map((route) => ({ ...map(route), permitInsecure: true })) } };
    const over = contour.restore(intent, foundOf(contour, [edited])).restored[0];
    expect(over?.spec).toMatchObject({ ingressClassName: "other", routes: [{ permitInsecure: true }, { permitInsecure: true, services: [{ name: "podinfo" }] }, { permitInsecure: true, services: [{ name: "podinfo" }, { name: "log" }] }] });
  });

  test.each<[string, object[], object]>([
    ["leads elsewhere", [{ services: [{ name: "docs", port: 80 }] }], { reason: "NameTaken", path: "spec.service.name" }],
    ["is shared", [{ services: [{ name: "podinfo", port: 80 }, { name: "docs", port: 80, weight: 1 }] }], { reason: "Unsupported", path: "spec.service.name" }],
  ])("is refused when it %s", (_what, all, problem) => {
    expect(contour.check(intentOf(contourSpec(), 0), foundOf(contour, [users(...all)]))).toMatchObject([problem]);
  });
});

describe("refusals", () => {
  test.each([
    ["spec.analysis.sessionAffinity", {}, { sessionAffinity: { cookieName: "c" } }],
    ["spec.analysis.mirrorWeight", {}, { mirror: true, mirrorWeight: 10 }],
    ["spec.analysis.match[0].sourceLabels", {}, { iterations: 2, match: [{ sourceLabels: { a: "b" } }] }],
    ["spec.service.match[0].method", { match: [{ method: { exact: "GET" } }] }, {}],
    ["spec.service.match[0].uri", { match: [{ uri: { suffix: ".js" } }] }, {}],
    ["spec.service.hosts", { hosts: ["app.example.com"] }, {}],
    ["spec.service.rewrite", { rewrite: { uri: "/" } }, {}],
  ])("%s", (path, service, analysis) => {
    expect(contour.check(intentOf(contourSpec(service, analysis), 0), NONE)).toMatchObject([{ reason: "Unsupported", path }]);
  });
});
