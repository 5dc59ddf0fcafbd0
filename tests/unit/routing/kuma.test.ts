// What is Kuma's alone: whose calls are led, in which mesh, and what is refused.
import { describe, expect, test } from "@jest/globals";
import { list, map } from "../../../crds/json.ts";
import type { KubeObject } from "../../../engine/ports.ts";
import { kuma } from "../../../routing/kuma.ts";
import { foundOf, intentOf, version } from "./conformance.ts";
import { kumaSamples, kumaSpec } from "./kuma.samples.ts";

const NONE = new Map();

function users(rules: object[]): KubeObject {
  return { ...kumaSamples.users, spec: { to: [{ targetRef: { kind: "MeshService", name: "podinfo" }, rules }] } };
}

function rule(...backendRefs: object[]): object {
  return { matches: [{ path: { type: "PathPrefix", value: "/" } }], default: { backendRefs } };
}

const app = { kind: "MeshService", name: "podinfo", port: 9898 };

test("the mesh is the default one, or the one that the manifest or the route's owner names", () => {
  const label = (spec: object, before: KubeObject[] = []): unknown => kuma.render(intentOf(kumaSpec(spec), 10), foundOf(kuma, before), version)[0]?.metadata.labels?.["kuma.io/mesh"];
  expect(label({})).toBe("default");
  expect(label({ apex: { labels: { "kuma.io/mesh": "blue" } } })).toBe("blue");
  expect(label({}, [kumaSamples.users])).toBe("blue");
});

describe("a route of the user's own", () => {
  test("keeps what it says of others, in either spelling of a name", () => {
    const near = { kind: "MeshService", name: "docs", namespace: "test", port: 80 };
    const taken = kuma.render(intentOf(kumaSpec(), 30), foundOf(kuma, [users([rule(near), rule(app)])]), version);
    const [entry] = list(map(taken[0]?.spec).to).map(map);
    expect(list(entry?.rules)).toEqual([rule(near), rule({ ...app, name: "podinfo-primary", weight: 70 }, { ...app, name: "podinfo-canary", weight: 30 })]);
  });

  test.each<[string, object[], object]>([
    ["leads elsewhere", [rule({ kind: "MeshService", name: "docs" })], { reason: "NameTaken", path: "spec.service.name" }],
    ["leads to the app of another namespace", [rule({ ...app, namespace: "other" })], { reason: "NameTaken", path: "spec.service.name" }],
    ["is shared", [rule(app, { kind: "MeshService", name: "docs", weight: 1 })], { reason: "Unsupported", path: "spec.service.name" }],
  ])("is refused when it %s", (_what, rules, problem) => {
    expect(kuma.check(intentOf(kumaSpec(), 0), foundOf(kuma, [users(rules)]))).toMatchObject([problem]);
  });
});

describe("refusals", () => {
  test.each([
    ["spec.analysis.sessionAffinity", {}, { sessionAffinity: { cookieName: "c" } }],
    ["spec.analysis.mirrorWeight", {}, { mirror: true, mirrorWeight: 10 }],
    ["spec.analysis.match[0].headers.a", {}, { iterations: 2, match: [{ headers: { a: { prefix: "b" } } }] }],
    ["spec.service.match[0].authority", { match: [{ authority: { exact: "a" } }] }, {}],
    ["spec.service.timeout", { timeout: "5s" }, {}],
    ["spec.service.appProtocol", { appProtocol: "tcp" }, {}],
  ])("%s", (path, service, analysis) => {
    expect(kuma.check(intentOf(kumaSpec(service, analysis), 0), NONE)).toMatchObject([{ reason: "Unsupported", path }]);
  });

  test("what Flagger leaves out is left out", () => {
    const owner = { apiVersion: "flagger.app/v1beta1", name: "podinfo", uid: "c1" };
    expect(kuma.check({ ...intentOf(kumaSpec({ timeout: "5s" }), 0), owner }, NONE)).toEqual([]);
  });
});
