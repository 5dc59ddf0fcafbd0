// What is APISIX's alone: rules of the user's route, and what is refused.
import { describe, expect, test } from "@jest/globals";
import { list, map } from "../../../crds/json.ts";
import type { KubeObject } from "../../../engine/ports.ts";
import { apisix } from "../../../routing/apisix.ts";
import { foundOf, intentOf, version } from "./conformance.ts";
import { APISIX_ROUTE, apisixSpec } from "./apisix.samples.ts";

function route(...http: object[]): KubeObject {
  return { ...APISIX_ROUTE, spec: { http } };
}

const app = { serviceName: "podinfo", servicePort: 9898 };

describe("the route of the user", () => {
  test.each<[string, object, KubeObject | undefined, object]>([
    ["no routeRef", { routeRef: undefined }, APISIX_ROUTE, { reason: "InvalidSpec", path: "spec.routeRef" }],
    ["no such route", {}, undefined, { reason: "GatewayMissing", path: "spec.routeRef.name" }],
    ["no rule that leads to the app", {}, route({ name: "docs", backends: [{ serviceName: "docs", servicePort: 80 }] }), { reason: "InvalidSpec", path: "spec.routeRef.name" }],
    ["a rule that is shared", {}, route({ name: "app", backends: [app, { serviceName: "docs", servicePort: 80 }] }), { reason: "Unsupported", path: "spec.routeRef.name" }],
  ])("is refused: %s", (_what, more, source, problem) => {
    expect(apisix.check(intentOf(apisixSpec(more), 0), foundOf(apisix, source === undefined ? [] : [source]))).toMatchObject([problem]);
  });

  test("what its owner changes is followed, at the same weight and in front of it", () => {
    const [before] = apisix.render(intentOf(apisixSpec(), 40), foundOf(apisix, [APISIX_ROUTE]), version);
    if (before === undefined) throw new Error("nothing was rendered");
    const edited = route({ name: "app", priority: 7, match: { paths: ["/new*"] }, backends: [app], websocket: true });
    const [after] = apisix.render(intentOf(apisixSpec(), 40), foundOf(apisix, [edited, before]), version);
    expect(list(map(after?.spec).http)).toEqual([
      { name: "app", priority: 10_007, match: { paths: ["/new*"] }, websocket: true, backends: [{ ...app, serviceName: "podinfo-primary", weight: 60 }, { ...app, serviceName: "podinfo-canary", weight: 40 }] },
    ]);
  });
});

describe("refusals", () => {
  test.each([
    ["spec.analysis.match", {}, { iterations: 2, match: [{ headers: { a: { exact: "b" } } }] }],
    ["spec.analysis.mirror", {}, { mirror: true }],
    ["spec.analysis.sessionAffinity", {}, { sessionAffinity: { cookieName: "c" } }],
    ["spec.service.timeout", { timeout: "5s" }, {}],
  ])("%s", (path, service, analysis) => {
    expect(apisix.check(intentOf(apisixSpec({ service: { port: 9898, ...service } }, analysis), 0), foundOf(apisix, [APISIX_ROUTE]))).toMatchObject([{ reason: "Unsupported", path }]);
  });
});
