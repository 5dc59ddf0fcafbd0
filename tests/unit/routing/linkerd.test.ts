// What is Linkerd's and Gloo's alone: what their routes are attached to, and what is refused.
import { describe, expect, test } from "@jest/globals";
import { map } from "../../../crds/json.ts";
import { gloo } from "../../../routing/gloo.ts";
import { linkerd } from "../../../routing/linkerd.ts";
import { foundOf, intentOf, version } from "./conformance.ts";
import { gatewaySamples, gatewaySpec } from "./gateway.samples.ts";
import { linkerdSpec } from "./linkerd.samples.ts";

const NONE = new Map();
const FLAGGER = { apiVersion: "flagger.app/v1beta1", name: "podinfo", uid: "c1" };

describe("linkerd", () => {
  test("routes are the app's Service's, and need no Gateway; where one is named they are the Gateway's", () => {
    const [within, outside] = [intentOf(linkerdSpec(), 0), intentOf(linkerdSpec({ gatewayRefs: [{ name: "public" }] }), 0)];
    expect(linkerd.check(within, NONE)).toEqual([]);
    expect(linkerd.needs(within).map(({ kind }) => kind)).toEqual(["HTTPRoute"]);
    expect(linkerd.needs(outside).map(({ kind }) => kind)).toEqual(["HTTPRoute", "Gateway"]);
    expect(map(linkerd.render(outside, NONE, version)[0]?.spec).parentRefs).toEqual([{ group: "gateway.networking.k8s.io", kind: "Gateway", name: "public" }]);
  });

  test("a route that Linkerd has refused raises nothing, whether its answer names the namespace or not", () => {
    const [object] = linkerd.render(intentOf(linkerdSpec(), 10), NONE, version);
    if (object === undefined) throw new Error("nothing was rendered");
    const answered = (more: object, status: string) => ({ ...object, status: { parents: [{ parentRef: { group: "core", kind: "Service", name: "podinfo", port: 9898, ...more }, conditions: [{ type: "Accepted", status, reason: "NoMatchingParent" }] }] } });
    for (const more of [{}, { namespace: "test" }]) expect(linkerd.read(intentOf(linkerdSpec(), 0), foundOf(linkerd, [answered(more, "False")])).kind).toBe("unknown");
    for (const more of [{ namespace: "other" }, { name: "other" }]) expect(linkerd.read(intentOf(linkerdSpec(), 0), foundOf(linkerd, [answered(more, "False")])).kind).toBe("known");
    expect(linkerd.read(intentOf(linkerdSpec(), 0), foundOf(linkerd, [answered({ namespace: "test" }, "True")]))).toMatchObject({ kind: "known", canaryWeight: 10 });
  });

  test.each([
    ["spec.analysis.mirror", {}, { mirror: true }],
    ["spec.analysis.sessionAffinity", {}, { sessionAffinity: { cookieName: "c" } }],
    ["spec.service.rewrite", { rewrite: { uri: "/" } }, {}],
    ["spec.service.hosts", { hosts: ["app.example.com"] }, {}],
  ])("refuses %s", (path, service, analysis) => {
    expect(linkerd.check(intentOf(linkerdSpec(service, analysis), 0), NONE)).toMatchObject([{ reason: "Unsupported", path }]);
  });

  test("a manifest of Flagger's, whose hosts named the root of a TrafficSplit, is taken as it is", () => {
    expect(linkerd.check({ ...intentOf(linkerdSpec({ hosts: ["podinfo"] }), 0), owner: FLAGGER }, NONE)).toEqual([]);
  });
});

describe("gloo", () => {
  test("says what to write in place of an Upstream, and of no Gateway", () => {
    const spec = { ...gatewaySpec({ gatewayRefs: undefined }), upstreamRef: { apiVersion: "gloo.solo.io/v1", kind: "Upstream" as const, name: "podinfo" } };
    expect(gloo.check({ ...intentOf(spec, 0), owner: FLAGGER }, NONE)).toMatchObject([{ reason: "Unsupported", path: "spec.upstreamRef" }, { reason: "InvalidSpec", path: "spec.service.gatewayRefs" }]);
    expect(gloo.check(intentOf(gatewaySamples.spec, 0), NONE)).toMatchObject([{ reason: "GatewayMissing" }]);
  });
});
