// What is the Gateway API's alone: gateways, refusals, acceptance, chosen users, mirrors, and routes of the user's own.
import { describe, expect, test } from "@jest/globals";
import { list, map } from "../../../crds/json.ts";
import type { KubeObject } from "../../../engine/ports.ts";
import { gatewayApiV1 as router } from "../../../routing/gateway-api.ts";
import type { FoundObjects, RouteIntent } from "../../../routing/router.ts";
import { foundOf, intentOf, version } from "./conformance.ts";
import { gatewaySamples, gatewaySpec, grpcSamples, grpcSpec } from "./gateway.samples.ts";

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
    ["spec.analysis.mirrorWeight", {}, { mirror: true, mirrorWeight: 10 }],
    ["spec.service.rewrite.type", { rewrite: { uri: "/", type: "ReplacePrefixMatch" }, match: [{ uri: { prefix: "/a" } }, { uri: { prefix: "/b" } }] }, {}],
    ["spec.service.match[0].uri", { rewrite: { uri: "/", type: "ReplacePrefixMatch" }, match: [{ uri: { exact: "/a" } }] }, {}],
    ["spec.service.match[0].authority", { match: [{ authority: { exact: "a" } }] }, {}],
    ["spec.service.match[0].headers.a", { match: [{ headers: { a: { prefix: "b" } } }] }, {}],
    ["spec.analysis.match[0].sourceLabels", {}, { iterations: 2, match: [{ sourceLabels: { a: "b" } }] }],
    ["spec.service.retries", { retries: { attempts: 2 } }, {}],
    ["spec.service.gateways", { gateways: ["public"] }, {}],
    ["spec.service.corsPolicy.allowOrigins[1]", { corsPolicy: { allowOrigins: [{ exact: "*" }, { regex: ".*" }] } }, {}],
  ])("refuses %s", (path, service, analysis) => {
    expect(router.check(intentOf(gatewaySpec(service, analysis), 0), foundOf(router, [gateway]))).toMatchObject([{ reason: "Unsupported", path }]);
  });

  test("says no more about a manifest of Flagger's than Flagger does", () => {
    const owner = { apiVersion: "flagger.app/v1beta1", name: "podinfo", uid: "c1" };
    const spec = gatewaySpec({ retries: { attempts: 2 } }, { mirror: true, mirrorWeight: 10 });
    expect(router.check({ ...intentOf(spec, 0), owner }, foundOf(router, [gateway]))).toEqual([]);
  });

  test("a route of the user's own whose rules cannot be led by percents", () => {
    const own = (ref: object, more: object[] = []): KubeObject => ({ ...gatewaySamples.users, spec: { rules: [{ backendRefs: [{ name: "podinfo", port: 9898, ...ref }, ...more] }] } });
    const affine = gatewaySpec({}, { sessionAffinity: { cookieName: "c" } });
    const headers = own({ filters: [{ type: "ResponseHeaderModifier", responseHeaderModifier: { set: [{ name: "a", value: "b" }] } }] });
    expect(router.check(intentOf(gatewaySpec(), 0), foundOf(router, [own({}, [{ name: "docs", port: 80, weight: 1 }])]))).toMatchObject([{ reason: "Unsupported", path: "spec.service.name" }]);
    expect(router.check(intentOf(affine, 0), foundOf(router, [headers]))).toMatchObject([{ reason: "Unsupported", path: "spec.analysis.sessionAffinity" }]);
    expect(router.check(intentOf(affine, 0), foundOf(router, [own({}, [{ name: "docs", port: 80, weight: 0 }])]))).toEqual([]);
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

test("each rule of the user's own route that leads to the app is split, and keeps its port, timeout and filters", () => {
  const two = [
    { matches: [{ path: { type: "PathPrefix", value: "/api" } }], timeouts: { request: "3s" }, backendRefs: [{ group: "", kind: "Service", name: "podinfo", port: 9898, weight: 1 }] },
    { matches: [{ path: { type: "PathPrefix", value: "/admin" } }], filters: [{ type: "RequestMirror", requestMirror: { backendRef: { name: "audit", port: 80 } } }], backendRefs: [{ group: "", kind: "Service", name: "podinfo", port: 9999, weight: 1 }] },
  ];
  const own: KubeObject = { ...gatewaySamples.users, spec: { ...map(gatewaySamples.users.spec), rules: two } };
  const led = map(router.render(intentOf(gatewaySpec(), 30), foundOf(router, [own]), version)[0]?.spec).rules as Record<string, unknown>[];
  const split = (port: number): object[] => [{ name: "podinfo-primary", port, weight: 70 }, { name: "podinfo-canary", port, weight: 30 }];
  expect(led).toMatchObject([{ ...two[0], backendRefs: split(9898) }, { ...two[1], backendRefs: split(9999) }]);
});

describe("a Gateway", () => {
  const parentRef = { group: "gateway.networking.k8s.io", kind: "Gateway", name: "public" };
  const status = (condition: object): object => ({ parents: [{ parentRef, conditions: [{ type: "Accepted", ...condition }] }] });

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

describe("session affinity", () => {
  const spec = gatewaySpec({}, { sessionAffinity: { cookieName: "canary.id" } });
  const sticky = { ...intentOf(spec, 20), affinity: { canary: "canary.id=r-1", primary: "primary.id=r-1" } };

  test("keeps whoever has a cookie, and gives one to everybody else", () => {
    expect(rules(sticky).map(backends)).toEqual([["podinfo-canary 1"], ["podinfo-primary 1"], ["podinfo-primary 80", "podinfo-canary 20"]]);
    expect(rules({ ...intentOf(spec, 0), affinity: { expired: "canary.id=r-1" } }).map(backends)).toEqual([["podinfo-primary 1"], ["podinfo-primary 100", "podinfo-canary 0"]]);
  });

  test("users who are kept where no weight is are not overlooked", () => {
    const objects = router.render({ ...sticky, primaryWeight: 100, canaryWeight: 0 }, new Map(), version);
    expect(router.read(sticky, foundOf(router, objects)).kind).toBe("unknown");
  });

  test("a name of a rule is not given twice", () => {
    const named = { ...gatewaySamples.users, spec: { rules: list(map(gatewaySamples.users.spec).rules).map((rule, index) => ({ ...map(rule), name: `rule-${index}` })) } };
    expect(rules(sticky, foundOf(router, [named])).map(({ name }) => name)).toEqual([undefined, undefined, "rule-0", "rule-1"]);
  });
});

describe("a route of the user's own that is edited while the engine leads it", () => {
  const states: Partial<RouteIntent>[] = [{}, { scope: "matched" }, { affinity: { canary: "c=1", primary: "p=1" } }, { affinity: { expired: "c=1" } }, { mirror: true }];
  const spec = gatewaySpec({}, { match: chosen, sessionAffinity: { cookieName: "c" } });
  const docs = { matches: [{ path: { type: "PathPrefix", value: "/more" } }], backendRefs: [{ group: "", kind: "Service", name: "more", port: 80, weight: 1 }] };

  test.each(states)("keeps a rule that is added and a header that the app's rules get, in the state %j", (state) => {
    const intent = { ...intentOf(spec, "affinity" in state && state.affinity?.canary === undefined ? 0 : 30), ...state };
    const [live] = router.render(intent, foundOf(router, [gatewaySamples.users]), version);
    if (live === undefined) throw new Error("nothing was rendered");
    const timeouts = { request: "3s" };
    const edited = { ...live, spec: { ...map(live.spec), rules: [...list(map(live.spec).rules).map((rule) => ({ ...map(rule), timeouts })), docs] } };
    const again = rules(intent, foundOf(router, [edited]));
    expect(again).toEqual(map(edited.spec).rules);

    const rest = rules(intentOf(spec, 0), foundOf(router, [edited]));
    expect(rest.map(backends)).toEqual([["podinfo-primary 100", "podinfo-canary 0"], ["docs 1"], ["more 1"]]);
    const given = list(map(router.restore(intent, foundOf(router, [edited])).restored[0]?.spec).rules).map(map);
    expect(given.map((rule) => [...backends(rule), rule.timeouts])).toEqual([["podinfo 1", timeouts], ["docs 1", timeouts], ["more 1", undefined]]);
  });

  test("and applied anew as it was is led again", () => {
    const [live] = router.render(intentOf(spec, 30), foundOf(router, [gatewaySamples.users]), version);
    const applied = { ...gatewaySamples.users, metadata: { ...gatewaySamples.users.metadata, annotations: live?.metadata.annotations } };
    expect(rules(intentOf(spec, 30), foundOf(router, [applied]))).toEqual(map(live?.spec).rules);
    expect(router.read(intentOf(spec, 30), foundOf(router, [applied])).kind).toBe("unknown");
  });
});

describe("gRPC", () => {
  const routeOf = (owner: string): unknown => {
    const intent = { ...intentOf(grpcSpec(), 0), owner: { apiVersion: `${owner}/v1beta1`, name: "podinfo", uid: "c1" } };
    return [router.keys(intent).route, router.needs(intent).map(({ kind }) => kind)];
  };

  test("is led by a GRPCRoute, but for manifests of Flagger's, whose HTTPRoute is there", () => {
    expect(routeOf("rollout.kurator.dev")).toEqual(["grpcroutes.gateway.networking.k8s.io/test/podinfo", ["GRPCRoute", "Gateway"]]);
    expect(routeOf("flagger.app")).toEqual(["httproutes.gateway.networking.k8s.io/test/podinfo", ["HTTPRoute", "Gateway"]]);
  });

  test.each([
    ["spec.service.timeout", { timeout: "5s" }, {}],
    ["spec.service.rewrite", { rewrite: { uri: "/" } }, {}],
    ["spec.service.match[0].uri", { match: [{ uri: { prefix: "/podinfo.Ec" } }] }, {}],
    ["spec.service.match[0].uri", { match: [{ uri: { exact: "/podinfo.Echo" } }] }, {}],
    ["spec.service.match[0].uri", { match: [{ uri: { regex: "/.*" } }] }, {}],
    ["spec.service.match[0].method", { match: [{ method: { exact: "POST" } }] }, {}],
    ["spec.analysis.match[0].queryParams", {}, { iterations: 2, match: [{ queryParams: { a: { exact: "b" } } }] }],
  ])("refuses %s", (path, service, analysis) => {
    expect(router.check(intentOf(grpcSpec(service, analysis), 0), foundOf(router, [gateway]))).toMatchObject([{ reason: "Unsupported", path }]);
  });

  test("a route of the other kind that leads to the app would be a rival", () => {
    expect(router.reads(intentOf(grpcSpec(), 0))).toContain("httproutes.gateway.networking.k8s.io/test/podinfo");
    expect(router.check(intentOf(grpcSpec(), 0), foundOf(router, [gateway, gatewaySamples.users]))).toMatchObject([{ reason: "NameTaken", path: "spec.service.appProtocol" }]);
    expect(router.check(intentOf(gatewaySpec(), 0), foundOf(router, [gateway, grpcSamples.users]))).toMatchObject([{ reason: "NameTaken", path: "spec.service.appProtocol" }]);
  });

  test("both kinds are given back, whatever the protocol was last", () => {
    const objects = [...router.render(intentOf(grpcSpec(), 0), new Map(), version), ...router.render(intentOf(gatewaySpec(), 0), new Map(), version)];
    expect(router.restore(intentOf(gatewaySpec(), 0), foundOf(router, objects)).restored.map(({ kind }) => kind).sort()).toEqual(["GRPCRoute", "HTTPRoute"]);
  });
});
