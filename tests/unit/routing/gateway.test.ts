// What is the Gateway API's alone: gateways, refusals, acceptance, chosen users, mirrors, and routes of the user's own.
import { describe, expect, test } from "@jest/globals";
import { list, map } from "../../../crds/json.ts";
import type { KubeObject } from "../../../engine/ports.ts";
import { gatewayApiV1 as router } from "../../../routing/gateway-api.ts";
import type { FoundObjects, RouteIntent } from "../../../routing/router.ts";
import { foundOf, intentOf, version } from "./conformance.ts";
import { gatewaySamples, gatewaySpec } from "./gateway.samples.ts";

const gateway: KubeObject = { apiVersion: "gateway.networking.k8s.io/v1", kind: "Gateway", metadata: { name: "public", namespace: "test" }, spec: {} };
const chosen = [{ headers: { "x-user": { exact: "tester" } } }];

function rules(intent: RouteIntent, found: FoundObjects = new Map()): Record<string, unknown>[] {
  return list(map(router.render(intent, found, version)[0]?.spec).rules).map(map);
}

const backends = (rule: Record<string, unknown> | undefined): string[] => list(rule?.backendRefs).map(map).map(({ name, weight }) => `${String(name)} ${String(weight)}`);

describe("check", () => {
  test("wants a Gateway, and one that is there", () => {
    expect(router.check(intentOf(gatewaySpec({ gatewayRefs: undefined }), 0), new Map())).toMatchObject([{ reason: "InvalidSpec", path: "spec.service.gatewayRefs" }]);
    expect(router.check(intentOf(gatewaySpec(), 0), new Map())).toMatchObject([{ reason: "GatewayMissing", path: "spec.service.gatewayRefs[0]" }]);
    expect(router.check(intentOf(gatewaySpec(), 0), foundOf(router, [gateway]))).toEqual([]);
  });

  test.each([
    ["spec.analysis.sessionAffinity", {}, { sessionAffinity: { cookieName: "c" } }],
    ["spec.service.match[0].authority", { match: [{ authority: { exact: "a" } }] }, {}],
    ["spec.service.match[0].headers.a", { match: [{ headers: { a: { prefix: "b" } } }] }, {}],
    ["spec.analysis.match[0].sourceLabels", {}, { iterations: 2, match: [{ sourceLabels: { a: "b" } }] }],
    ["spec.service.retries", { retries: { attempts: 2 } }, {}],
    ["spec.service.gateways", { gateways: ["public"] }, {}],
    ["spec.service.corsPolicy", { corsPolicy: { allowOrigin: ["*"] } }, {}],
  ])("refuses %s", (path, service, analysis) => {
    expect(router.check(intentOf(gatewaySpec(service, analysis), 0), foundOf(router, [gateway]))).toMatchObject([{ reason: "Unsupported", path }]);
  });

  test("a route of the app's name that leads elsewhere", () => {
    const elsewhere = { ...gatewaySamples.users, spec: { rules: [{ backendRefs: [{ name: "docs", port: 80 }] }] } };
    expect(router.check(intentOf(gatewaySpec(), 0), foundOf(router, [elsewhere]))).toMatchObject([{ reason: "NameTaken" }]);
  });
});

describe("chosen users", () => {
  const intent = { ...intentOf(gatewaySpec({ match: [{ uri: { prefix: "/api" } }] }, { iterations: 2, match: chosen }), 100), scope: "matched" as const };

  test("get the canary, and all others the primary", () => {
    const [matched, rest, ...more] = rules(intent);
    expect([backends(matched), backends(rest), more]).toEqual([["podinfo-primary 0", "podinfo-canary 100"], ["podinfo-primary 1"], []]);
    expect(matched?.matches).toEqual([{ path: { type: "PathPrefix", value: "/api" }, headers: [{ type: "Exact", name: "x-user", value: "tester" }] }]);
    expect(router.read(intent, foundOf(router, router.render(intent, new Map(), version)))).toEqual({ kind: "known", primaryWeight: 0, canaryWeight: 100, scope: "matched", mirror: false });
  });

  test("on a route of the user's own too, and it is given back as it was", () => {
    const found = foundOf(router, [gatewaySamples.users]);
    const rendered = router.render(intent, found, version);
    expect(rules(intent, found).map(backends)).toEqual([["podinfo-primary 0", "podinfo-canary 100"], ["podinfo-primary 1"], ["docs 1"]]);
    expect(router.read(intent, foundOf(router, rendered))).toMatchObject({ scope: "matched", canaryWeight: 100 });
    expect(router.restore(intent, foundOf(router, rendered)).restored).toEqual([gatewaySamples.users]);
    expect(rules({ ...intent, scope: "all", primaryWeight: 100, canaryWeight: 0 }, foundOf(router, rendered)).map(backends)).toEqual([["podinfo-primary 100", "podinfo-canary 0"], ["docs 1"]]);
  });
});

test("a mirror is a filter, and is read back", () => {
  const intent = { ...intentOf(gatewaySpec({}, { mirror: true }), 0), mirror: true };
  const objects = router.render(intent, new Map(), version);
  expect(list(map(list(map(objects[0]?.spec).rules)[0]).filters)).toEqual([{ type: "RequestMirror", requestMirror: { backendRef: { group: "", kind: "Service", name: "podinfo-canary", port: 9898 } } }]);
  expect(router.read(intent, foundOf(router, objects))).toMatchObject({ mirror: true });
  expect(rules({ ...intent, mirror: false }, foundOf(router, objects))[0]?.filters).toBeUndefined();
});

describe("a Gateway", () => {
  const status = (condition: object): object => ({ parents: [{ parentRef: { name: "public" }, conditions: [{ type: "Accepted", ...condition }] }] });

  test.each([
    ["refused it", { status: "False", reason: "NotAllowedByListeners" }, "unknown"],
    ["has not seen its last change", { status: "True", observedGeneration: 1 }, "unknown"],
    ["accepted it", { status: "True", observedGeneration: 2 }, "known"],
  ])("that %s", (_what, condition, kind) => {
    const intent = intentOf(gatewaySpec(), 40);
    const [route] = router.render(intent, new Map(), version);
    if (route === undefined) throw new Error("nothing was rendered");
    const live = { ...route, metadata: { ...route.metadata, generation: 2 }, status: status(condition) };
    expect(router.read(intent, foundOf(router, [live])).kind).toBe(kind);
  });
});
