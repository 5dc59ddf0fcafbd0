// What is Istio's alone: gateways, refusals, versions, and route objects that were there before.
import { describe, expect, test } from "@jest/globals";
import { list, map } from "../../../crds/json.ts";
import { ORIGIN, ORIGINAL_SPEC } from "../../../crds/marks.ts";
import type { KubeObject } from "../../../engine/ports.ts";
import { istio } from "../../../routing/istio.ts";
import type { FoundObjects } from "../../../routing/router.ts";
import { foundOf, intentOf, version } from "./conformance.ts";
import { istioSamples, istioSpec } from "./istio.samples.ts";

const ROUTE = "virtualservices.networking.istio.io/test/podinfo";

function gateway(namespace: string, name: string): KubeObject {
  return { apiVersion: "networking.istio.io/v1", kind: "Gateway", metadata: { name, namespace }, spec: {} };
}

function routeSpec(service: object, found: FoundObjects = new Map()): Record<string, unknown> {
  return map(istio.render(intentOf(istioSpec(service), 0), found, version)[0]?.spec);
}

describe("gateways", () => {
  test.each([
    ["istio-system/public", "istio-system", "public"],
    ["./public", "test", "public"],
    ["public", "test", "public"],
    ["public.example", "test", "public.example"],
    ["public.istio-system.svc.cluster.local", "istio-system", "public"],
  ])("%s is found in its namespace and nowhere else", (name, namespace, object) => {
    const intent = intentOf(istioSpec({ gateways: ["mesh", name] }), 0);
    expect(istio.check(intent, foundOf(istio, [gateway(namespace, object)]))).toEqual([]);
    expect(istio.reads(intent)).toContain(`gateways.networking.istio.io/${namespace}/${object}`);
    expect(istio.check(intent, foundOf(istio, [gateway("elsewhere", object)]))).toMatchObject([{ reason: "GatewayMissing", path: "spec.service.gateways[1]" }]);
  });

  test("the mesh needs no Gateway", () => {
    expect(istio.check(intentOf(istioSpec(), 0), new Map())).toEqual([]);
    expect(istio.reads(intentOf(istioSpec(), 0))).toEqual([]);
  });
});

describe("refusals", () => {
  test.each([
    ["spec.analysis.match", { match: [{ headers: { cookie: { exact: "a" } } }], iterations: 3 }],
    ["spec.analysis.mirror", { mirror: true }],
    ["spec.analysis.sessionAffinity", { sessionAffinity: { cookieName: "c" } }],
  ])("%s beside TCP, and nowhere else", (path, analysis) => {
    expect(istio.check(intentOf(istioSpec({ appProtocol: "TCP" }, analysis), 0), new Map())).toMatchObject([{ reason: "Unsupported", path }]);
    expect(istio.check(intentOf(istioSpec({}, analysis), 0), new Map())).toEqual([]);
  });

  test.each([[{ hosts: ["a"] }], [{ gateways: ["mesh"] }]])("delegation beside %j", (service) => {
    const problems = istio.check(intentOf(istioSpec({ delegation: true, ...service }), 0), new Map());
    expect(problems).toMatchObject([{ reason: "InvalidSpec", path: "spec.service.delegation" }]);
  });

  test("what is not asked for is not refused", () => {
    expect(istio.check(intentOf(istioSpec({}, { match: [], mirror: false }), 0), new Map())).toEqual([]);
  });

  test("another Canary of this engine that took the object over before", () => {
    const annotations = { [ORIGIN]: "adopted", "rollout.kurator.dev/owner": "flagger.app/other" };
    const taken = { ...istioSamples.users, metadata: { ...istioSamples.users.metadata, annotations } };
    expect(istio.check(intentOf(istioSpec(), 0), foundOf(istio, [taken]))).toMatchObject([{ reason: "ForeignController" }]);
  });
});

describe("hosts", () => {
  test.each([
    [undefined, ["podinfo"]],
    [["a.example"], ["a.example", "podinfo"]],
    [["podinfo", "a.example"], ["podinfo", "a.example"]],
    [["*"], ["*"]],
  ])("%j become %j", (hosts, expected) => {
    expect(routeSpec({ hosts }).hosts).toEqual(expected);
  });
});

test("a port is named only where a gateway has to choose among several", () => {
  const destination = (service: object): unknown => JSON.stringify(routeSpec(service)).includes('"port":{"number":9898}');
  expect(destination({ portDiscovery: true })).toBe(false);
  expect(destination({ gateways: ["public"] })).toBe(false);
  expect(destination({ portDiscovery: true, gateways: ["public"] })).toBe(true);
  expect(destination({ gateways: ["public", "mesh"] })).toBe(false);
});

describe("several ports, for gateways and the mesh at a time", () => {
  const ports = { portDiscovery: true, gateways: ["mesh", "public"] };
  const sides = (service: object, routes: "http" | "tcp" = "http"): unknown =>
    list(routeSpec({ ...ports, ...service })[routes]).map(map).map(({ match, route }) => [match, ...list(route).map((entry) => map(map(entry).destination).port)]);
  const number = { number: 9898 };

  // Regression: the gateway found no port and answered 503, or callers in the mesh were led from every port to the one of the Canary.
  test("each side has its own route, whatever their order", () => {
    const expected = [[[{ gateways: ["public"] }], number, number], [[{ gateways: ["mesh"] }], undefined, undefined]];
    expect(sides({})).toEqual(expected);
    expect(sides({ gateways: ["public", "mesh"] })).toEqual(expected);
    expect(sides({ appProtocol: "tcp" }, "tcp")).toEqual(expected);
  });

  test("a condition that is for one side stays on it", () => {
    const match = [{ uri: { prefix: "/a" } }, { uri: { prefix: "/b" }, gateways: ["mesh"] }];
    expect(sides({ match })).toEqual([
      [[{ uri: { prefix: "/a" }, gateways: ["public"] }], number, number],
      [[{ uri: { prefix: "/a" }, gateways: ["mesh"] }, match[1]], undefined, undefined],
    ]);
    expect(sides({ match: [match[1]] })).toEqual([[[match[1]], undefined, undefined]]);
  });

  test("sides that disagree, and a side that is not there, are read as unknown", () => {
    const intent = intentOf(istioSpec(ports), 40);
    const [route, ...rules] = istio.render(intent, new Map(), version);
    const [other] = istio.render({ ...intent, primaryWeight: 50, canaryWeight: 50 }, new Map(), version);
    const [outside, mesh] = list(map(route?.spec).http);
    const reading = (http: unknown[]): unknown => istio.read(intent, foundOf(istio, [{ ...(route ?? rules[0] ?? gateway("a", "b")), spec: { ...map(route?.spec), http } }])).kind;
    expect(reading([outside, mesh])).toBe("known");
    expect(reading([outside, list(map(other?.spec).http)[1]])).toBe("unknown");
    expect(reading([outside])).toBe("unknown");
    expect(reading([mesh])).toBe("unknown");
    expect(reading([outside, mesh, mesh])).toBe("unknown");
  });
});

// Regression: whoever reached the app by a path that is rewritten, or by one of several ports, met 404 or 503 after the Canary was gone.
test("a route that the engine made keeps what callers reach the app by when it is given back", () => {
  const service = { gateways: ["public"], portDiscovery: true, match: [{ uri: { prefix: "/app/" } }], rewrite: { uri: "/" }, headers: { response: { set: { a: "b" } } } };
  const spec = istioSpec(service, { iterations: 2, match: [{ headers: { "x-user": { exact: "tester" } } }] });
  const intent = { ...intentOf(spec, 100), scope: "matched" as const };
  const [given] = istio.restore(intent, foundOf(istio, istio.render(intent, new Map(), version))).restored;
  const destination = { host: "podinfo", port: { number: 9898 } };
  expect(map(given?.spec).http).toEqual([{ match: service.match, rewrite: service.rewrite, headers: service.headers, route: [{ destination }] }]);
});

test("the version is the one that is served", () => {
  const objects = istio.render(intentOf(istioSpec(), 0), new Map(), () => "v1beta1");
  expect(new Set(objects.map((object) => object.apiVersion))).toEqual(new Set(["networking.istio.io/v1beta1"]));
});

describe("a VirtualService that was there", () => {
  test("keeps routes for TLS and TCP and what else is not the router's", () => {
    const tcp = [{ match: [{ port: 5432 }], route: [{ destination: { host: "db" } }] }];
    const users = { ...istioSamples.users, spec: { ...map(istioSamples.users.spec), tcp } };
    const rendered = routeSpec({}, foundOf(istio, [users]));
    expect(rendered).toMatchObject({ exportTo: ["."], tls: map(users.spec).tls, tcp, hosts: ["podinfo"], gateways: ["mesh"] });
    expect(rendered.http).toEqual(routeSpec({}).http);
  });

  test("made by Flagger for this Canary counts as made by the engine", () => {
    const ownerReferences = [{ apiVersion: "flagger.app/v1beta1", kind: "Canary", name: "podinfo", uid: "c1", controller: true }];
    const flaggers = { ...istioSamples.users, metadata: { ...istioSamples.users.metadata, ownerReferences }, spec: routeSpec({}) };
    const [rendered] = istio.render(intentOf(istioSpec(), 20), foundOf(istio, [flaggers]), version);
    expect(rendered?.metadata.annotations).toMatchObject({ [ORIGIN]: "created" });
    expect(rendered?.metadata.annotations).not.toHaveProperty([ORIGINAL_SPEC]);
    expect(istio.read(intentOf(istioSpec(), 0), foundOf(istio, [flaggers]))).toMatchObject({ kind: "known", canaryWeight: 0 });
  });

  const original = map(istioSamples.users.spec);
  test.each([
    ["kubectl's record", { "kubectl.kubernetes.io/last-applied-configuration": JSON.stringify({ spec: original }) }, original],
    ["Flagger's record", { "flagger.kubernetes.io/original-configuration": JSON.stringify(original) }, original],
    ["Flagger's record of its own writing, which is none", { "flagger.kubernetes.io/original-configuration": JSON.stringify(routeSpec({})) }, routeSpec({})],
    ["no record", {}, routeSpec({})],
  ])("and that Flagger took over is given back from %s", (_which, annotations, spec) => {
    const flaggers = { ...istioSamples.users, metadata: { ...istioSamples.users.metadata, annotations }, spec: routeSpec({}) };
    const rendered = foundOf(istio, istio.render(intentOf(istioSpec(), 20), foundOf(istio, [flaggers]), version));
    expect(istio.restore(intentOf(istioSpec(), 0), rendered).restored[0]?.spec).toEqual(spec);
  });

  test("a DestinationRule keeps its subsets and is given back with its policy", () => {
    const rule: KubeObject = {
      apiVersion: "networking.istio.io/v1",
      kind: "DestinationRule",
      metadata: { name: "podinfo-primary", namespace: "test" },
      spec: { host: "podinfo-primary", subsets: [{ name: "v1" }], trafficPolicy: { tls: { mode: "DISABLE" } } },
    };
    const rendered = foundOf(istio, istio.render(intentOf(istioSpec(), 0), foundOf(istio, [rule]), version));
    expect(rendered.get("destinationrules.networking.istio.io/test/podinfo-primary")?.spec).toEqual({ host: "podinfo-primary", subsets: [{ name: "v1" }] });
    expect(istio.restore(intentOf(istioSpec(), 0), rendered).restored).toContainEqual(rule);
  });

  test("is known by its key", () => {
    expect(istio.keys(intentOf(istioSpec(), 0)).route).toBe(ROUTE);
  });
});

describe("users who are chosen", () => {
  const chosen = [{ headers: { "x-user": { exact: "tester" } } }, { queryParams: { beta: { exact: "1" } } }];
  const spec = istioSpec({ match: [{ uri: { prefix: "/api" }, headers: { "x-app": { exact: "web" } } }] }, { iterations: 3, match: chosen });
  const render = (canaryWeight: number, scope: "all" | "matched", from = spec): Record<string, unknown>[] =>
    list(map(istio.render({ ...intentOf(from, canaryWeight), scope }, new Map(), version)[0]?.spec).http).map(map);
  const weights = (route: Record<string, unknown> | undefined): unknown[] => list(route?.route).map((entry) => map(entry).weight);

  test("get the canary, and all others the primary", () => {
    const [matched, rest, ...more] = render(100, "matched");
    expect([weights(matched), weights(rest), more]).toEqual([[0, 100], [100], []]);
    expect(matched?.match).toEqual([
      { uri: { prefix: "/api" }, headers: { "x-app": { exact: "web" }, "x-user": { exact: "tester" } } },
      { uri: { prefix: "/api" }, headers: { "x-app": { exact: "web" } }, queryParams: { beta: { exact: "1" } } },
    ]);
    expect(rest?.match).toEqual([{ uri: { prefix: "/api" }, headers: { "x-app": { exact: "web" } } }]);
  });

  test("are read back as such", () => {
    const objects = istio.render({ ...intentOf(spec, 100), scope: "matched" }, new Map(), version);
    expect(istio.read(intentOf(spec, 100), foundOf(istio, objects))).toEqual({ kind: "known", primaryWeight: 0, canaryWeight: 100, scope: "matched", mirror: false });
  });

  test("are nobody at rest, and nobody when the manifest names them no more", () => {
    expect(render(0, "all").map(weights)).toEqual([[100, 0]]);
    expect(render(100, "matched", istioSpec()).map(weights)).toEqual([[100, 0]]);
  });
});

describe("a mirror", () => {
  test.each([[undefined, undefined], [20, { value: 20 }]])("of %p percent", (mirrorWeight, percentage) => {
    const intent = { ...intentOf(istioSpec({}, { mirror: true, mirrorWeight }), 0), mirror: true };
    const objects = istio.render(intent, new Map(), version);
    const [route] = list(map(objects[0]?.spec).http).map(map);
    expect([route?.mirror, route?.mirrorPercentage]).toEqual([{ host: "podinfo-canary" }, percentage]);
    expect(istio.read(intent, foundOf(istio, objects))).toMatchObject({ kind: "known", canaryWeight: 0, mirror: true });
  });
});

describe("session affinity", () => {
  const spec = istioSpec({ match: [{ uri: { prefix: "/" } }] }, { sessionAffinity: { cookieName: "canary.id", primaryCookieName: "primary", path: "/", secure: true, sameSite: "Lax", maxAge: 600 } });
  const render = (canaryWeight: number, affinity: object): Record<string, unknown>[] => list(map(istio.render({ ...intentOf(spec, canaryWeight), affinity }, new Map(), version)[0]?.spec).http).map(map);

  test("keeps whoever has a cookie, and gives one to everybody else", () => {
    const [canary, primary, split, ...more] = render(20, { canary: "canary.id=v2-1", primary: "primary=v2-1", primarySeconds: 90 });
    expect(more).toEqual([]);
    expect(canary?.match).toEqual([{ uri: { prefix: "/" }, headers: { Cookie: { regex: "(.*; ?)?canary\\.id=v2-1(;.*)?" } } }]);
    expect([canary, primary, split].map((route) => list(route?.route).map((entry) => map(entry).weight))).toEqual([[0, 100], [100, 0], [80, 20]]);
    const cookies = list(split?.route).map((entry) => map(map(map(map(entry).headers).response).add)["Set-Cookie"]);
    expect(cookies).toEqual(["primary=v2-1; Max-Age=90; Path=/; SameSite=Lax; Secure", "canary.id=v2-1; Max-Age=600; Path=/; SameSite=Lax; Secure"]);
  });

  test.each([
    ["a route for the primary leads to the canary", { canary: "c=1", primary: "p=1" }, 40, 1],
    ["users are kept where no weight is", { canary: "c=1" }, 0, 0],
  ])("%s: unknown", (_what, affinity, weight, at) => {
    const routes = render(weight, affinity);
    const http = routes.map((route, index) => (index === at ? { ...route, route: routes[0]?.route } : route));
    const found = foundOf(istio, [{ ...istioSamples.users, spec: { http } }]);
    expect(istio.read(intentOf(spec, weight), found).kind).toBe("unknown");
  });

  test("tells browsers to forget the cookie of the last run", () => {
    const [expired, split, ...more] = render(0, { expired: "canary.id=v2-1" });
    expect(more).toEqual([]);
    expect(list(expired?.route).map((entry) => map(map(map(map(entry).headers).response).add)["Set-Cookie"])).toEqual(Array(2).fill("canary.id=v2-1; Max-Age=-1; Path=/; SameSite=Lax; Secure"));
    expect(list(split?.route).map((entry) => map(entry).headers)).toEqual([undefined, undefined]);
  });

  test.each([[0, { expired: "c=1" }], [40, { canary: "c=1" }], [40, { canary: "c=1", primary: "p=1" }]])("weight %i with %o is read back", (weight, affinity) => {
    const objects = istio.render({ ...intentOf(spec, weight), affinity }, new Map(), version);
    expect(istio.read(intentOf(spec, weight), foundOf(istio, objects))).toMatchObject({ kind: "known", canaryWeight: weight, scope: "all" });
    const again = istio.render({ ...intentOf(spec, weight), affinity }, foundOf(istio, objects), version);
    expect(map(again[0]?.spec)).toEqual(map(objects[0]?.spec));
  });
});
