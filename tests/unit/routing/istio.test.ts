// What is Istio's alone: gateways, refusals, versions, and route objects that were there before.
import { describe, expect, test } from "@jest/globals";
import { map } from "../../../crds/json.ts";
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
  ])("%s", (path, analysis) => {
    expect(istio.check(intentOf(istioSpec({}, analysis), 0), new Map())).toMatchObject([{ reason: "Unsupported", path }]);
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
  expect(destination({ portDiscovery: true, gateways: ["mesh", "public"] })).toBe(false);
  expect(destination({ gateways: ["public"] })).toBe(false);
  expect(destination({ portDiscovery: true, gateways: ["public"] })).toBe(true);
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
    expect(istio.keys({ namespace: "test", apex: "podinfo" }).route).toBe(ROUTE);
  });
});
