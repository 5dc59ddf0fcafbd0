// What is nginx's alone: the user's Ingress, the one beside it, whom annotations can choose, and what is refused.
import { describe, expect, test } from "@jest/globals";
import { map } from "../../../crds/json.ts";
import type { KubeObject } from "../../../engine/ports.ts";
import { nginx } from "../../../routing/nginx.ts";
import type { RouteIntent } from "../../../routing/router.ts";
import { foundOf, intentOf, version } from "./conformance.ts";
import { INGRESS, nginxSpec, PREFIX } from "./nginx.samples.ts";

const GIVEN = foundOf(nginx, [INGRESS]);
const FLAGGER = { apiVersion: "flagger.app/v1beta1", name: "podinfo", uid: "c1" };

function ingress(change: { spec?: object; annotations?: Record<string, string> }): KubeObject {
  return { ...INGRESS, metadata: { ...INGRESS.metadata, annotations: { ...INGRESS.metadata.annotations, ...change.annotations } }, spec: { ...map(INGRESS.spec), ...change.spec } };
}

function made(intent: RouteIntent, source = INGRESS, before: KubeObject[] = []): KubeObject {
  const [object] = nginx.render(intent, foundOf(nginx, [source, ...before]), version);
  if (object === undefined) throw new Error("nothing was rendered");
  return object;
}

describe("the Ingress of the user", () => {
  test.each<[string, object, KubeObject | undefined, object]>([
    ["no ingressRef", { ingressRef: undefined }, INGRESS, { reason: "InvalidSpec", path: "spec.ingressRef" }],
    ["no such Ingress", {}, undefined, { reason: "GatewayMissing", path: "spec.ingressRef.name" }],
    ["no rule that leads to the app", { service: { port: 9898, name: "shop" } }, INGRESS, { reason: "InvalidSpec", path: "spec.ingressRef.name" }],
    ["the class of another controller", {}, ingress({ spec: { ingressClassName: "traefik" } }), { reason: "Unsupported", path: "spec.ingressRef.name" }],
    ["that class as an annotation", {}, ingress({ spec: { ingressClassName: undefined }, annotations: { "kubernetes.io/ingress.class": "alb" } }), { reason: "Unsupported", path: "spec.ingressRef.name" }],
    ["words of the other nginx", {}, ingress({ annotations: { "nginx.org/rewrites": "serviceName=podinfo rewrite=/" } }), { reason: "Unsupported", path: "spec.ingressRef.name" }],
    ["itself a canary", {}, ingress({ annotations: { [`${PREFIX}/canary`]: "true" } }), { reason: "InvalidSpec", path: "spec.ingressRef.name" }],
  ])("is refused: %s", (_what, more, source, problem) => {
    expect(nginx.check(intentOf(nginxSpec(more), 0), foundOf(nginx, source === undefined ? [] : [source]))).toEqual([{ ...problem, message: expect.stringMatching(/\. .*\./) as unknown }]);
  });

  test.each([undefined, "nginx", "internal"])("of the class %s is taken", (ingressClassName) => {
    expect(nginx.check(intentOf(nginxSpec(), 0), foundOf(nginx, [ingress({ spec: { ingressClassName } })]))).toEqual([]);
  });

  test("without an ingressRef there is no route, and nothing is rendered", () => {
    const intent = intentOf(nginxSpec({ ingressRef: undefined }), 40);
    expect(nginx.keys(intent)).toEqual({ route: undefined, others: [] });
    expect(nginx.reads(intent)).toEqual([]);
    expect(nginx.render(intent, GIVEN, version)).toEqual([]);
    expect(nginx.read(intent, GIVEN)).toEqual({ kind: "absent" });
  });

  test("what its owner changes is followed, at the same weight", () => {
    const before = made(intentOf(nginxSpec(), 40));
    const edited = ingress({ spec: { rules: [{ host: "new.example.com", http: { paths: [{ path: "/", pathType: "Exact", backend: { service: { name: "podinfo", port: { name: "http" } } } }] } }] }, annotations: { [`${PREFIX}/affinity`]: "cookie" } });
    const after = made(intentOf(nginxSpec(), 40), edited, [before]);
    expect(after.spec).toEqual({ ingressClassName: "nginx", rules: [{ host: "new.example.com", http: { paths: [{ path: "/", pathType: "Exact", backend: { service: { name: "podinfo-canary", port: { name: "http" } } } }] } }] });
    expect(after.metadata.annotations).toMatchObject({ [`${PREFIX}/affinity`]: "cookie", [`${PREFIX}/canary-weight`]: "40" });
    // What it says no more goes too.
    expect(made(intentOf(nginxSpec(), 40), INGRESS, [after]).metadata.annotations).toEqual(before.metadata.annotations);
  });

  test("one that leads to the app no more is a problem, and traffic can still be led back", () => {
    const before = made(intentOf(nginxSpec(), 40));
    const found = foundOf(nginx, [ingress({ spec: { rules: [] } }), before]);
    expect(nginx.check(intentOf(nginxSpec(), 40), found)).toMatchObject([{ reason: "InvalidSpec" }]);
    const after = nginx.render(intentOf(nginxSpec(), 0), found, version);
    expect(nginx.read(intentOf(nginxSpec(), 0), foundOf(nginx, after))).toMatchObject({ canaryWeight: 0 });
  });

  test("a default backend is led too", () => {
    const backend = { service: { name: "podinfo", port: { number: 9898 } } };
    const object = made(intentOf(nginxSpec(), 10), ingress({ spec: { rules: undefined, defaultBackend: backend } }));
    expect(object.spec).toEqual({ ingressClassName: "nginx", defaultBackend: { service: { name: "podinfo-canary", port: { number: 9898 } } } });
    expect(nginx.read(intentOf(nginxSpec(), 0), foundOf(nginx, [object]))).toMatchObject({ kind: "known", canaryWeight: 10 });
  });
});

describe("the Ingress beside it", () => {
  test("carries nothing that other tools act on, and keeps what they put there", () => {
    const object = made(intentOf(nginxSpec(), 10));
    expect(object.metadata.labels).toBeUndefined();
    expect(Object.keys(object.metadata.annotations ?? {})).not.toContain("cert-manager.io/cluster-issuer");
    const seen = { ...object, metadata: { ...object.metadata, labels: { theirs: "a" }, annotations: { ...object.metadata.annotations, theirs: "b" } }, status: { loadBalancer: {} } };
    expect(made(intentOf(nginxSpec(), 10), INGRESS, [seen])).toEqual(seen);
  });

  test("one that Flagger made for the same Canary is taken over and deleted in the end", () => {
    const ownerReferences = [{ apiVersion: "flagger.app/v1beta1", kind: "Canary", name: "podinfo", uid: "c1", controller: true }];
    const flaggers: KubeObject = { ...INGRESS, metadata: { name: "shop-canary", namespace: "test", annotations: { [`${PREFIX}/canary`]: "true", [`${PREFIX}/canary-weight`]: "20" }, ownerReferences }, spec: made(intentOf(nginxSpec(), 20)).spec };
    const intent = { ...intentOf(nginxSpec(), 30), owner: FLAGGER };
    expect(nginx.check(intent, foundOf(nginx, [INGRESS, flaggers]))).toEqual([]);
    expect(nginx.read(intent, foundOf(nginx, [flaggers]))).toMatchObject({ kind: "known", canaryWeight: 20 });
    const taken = made(intent, INGRESS, [flaggers]);
    expect(nginx.restore({ ...intent, owner: { apiVersion: "", name: "", uid: "" } }, foundOf(nginx, [INGRESS, taken]))).toEqual({ restored: [], deleted: [taken] });
  });
});

describe("whom the annotations choose", () => {
  const chosen = (match: object[], owner = intentOf(nginxSpec(), 0).owner): Record<string, string> => {
    const intent: RouteIntent = { ...intentOf(nginxSpec({}, { stepWeight: undefined, iterations: 2, match }), 100), scope: "matched", owner };
    expect(nginx.check(intent, GIVEN)).toEqual([]);
    const { annotations = {} } = made(intent).metadata;
    return Object.fromEntries(Object.entries(annotations).flatMap(([key, value]) => (key.startsWith(`${PREFIX}/canary-by-`) ? [[key.slice(`${PREFIX}/canary-by-`.length), value]] : [])));
  };

  test.each<[string, object[], object]>([
    ["one value of a header", [{ headers: { "x-user": { exact: "a|b" } } }], { header: "x-user", "header-value": "a|b" }],
    ["several", [{ headers: { "x-user": { exact: "a.b" } } }, { headers: { "X-User": { suffix: ".qa" } } }], { header: "x-user", "header-pattern": "^(?:a\\.b|.*\\.qa)$" }],
    ["a regular expression of the whole value", [{ headers: { agent: { regex: "a|b" } } }], { header: "agent", "header-pattern": "^(?:(?:a|b))$" }],
    ["a cookie", [{ headers: { Cookie: { exact: "insider" } } }], { cookie: "insider" }],
    ["either", [{ headers: { cookie: { exact: "insider" } } }, { headers: { "x-user": { exact: "qa" } } }], { cookie: "insider", header: "x-user", "header-value": "qa" }],
  ])("%s", (_what, match, annotations) => {
    expect(chosen(match)).toEqual(annotations);
  });

  test("a regular expression of Flagger's is handed on as it was written", () => {
    expect(chosen([{ headers: { agent: { regex: "Firefox" } } }], FLAGGER)).toEqual({ header: "agent", "header-pattern": "Firefox" });
  });

  test.each<[string, object]>([
    ["two headers at a time", { match: [{ headers: { a: { exact: "1" }, b: { exact: "2" } } }] }],
    ["one header or another", { match: [{ headers: { a: { exact: "1" } } }, { headers: { b: { exact: "2" } } }] }],
    ["a cookie by a regular expression", { match: [{ headers: { cookie: { regex: ".*insider.*" } } }] }],
    ["one cookie or another", { match: [{ headers: { cookie: { exact: "a" } } }, { headers: { cookie: { exact: "b" } } }] }],
    ["a query", { match: [{ queryParams: { a: { exact: "1" } } }] }],
    ["who calls", { match: [{ sourceLabels: { app: "shop" } }] }],
    ["percents of them", { iterations: undefined, stepWeight: 10, match: [{ headers: { a: { exact: "1" } } }] }],
  ])("is refused: %s", (_what, analysis) => {
    expect(nginx.check(intentOf(nginxSpec({}, { stepWeight: undefined, iterations: 2, ...analysis }), 0), GIVEN)).toMatchObject([{ reason: "Unsupported", path: "spec.analysis.match" }]);
  });

  test("while it is no matter of all or none they stay where the promoted version is", () => {
    const spec = nginxSpec({}, { iterations: 2, stepWeightPromotion: 50, match: [{ headers: { a: { exact: "1" } } }] });
    expect(nginx.check(intentOf(spec, 0), GIVEN)).toMatchObject([{ path: "spec.analysis.stepWeightPromotion" }]);
    const object = made({ ...intentOf(spec, 50), scope: "matched" });
    expect(nginx.read(intentOf(spec, 0), foundOf(nginx, [object]))).toMatchObject({ canaryWeight: 0, scope: "all" });
  });
});

describe("refusals", () => {
  test.each([
    ["spec.analysis.mirror", {}, { mirror: true }],
    ["spec.analysis.sessionAffinity", {}, { sessionAffinity: { cookieName: "c" } }],
    ["spec.service.appProtocol", { appProtocol: "tcp" }, {}],
    ["spec.service.timeout", { timeout: "5s" }, {}],
    ["spec.service.hosts", { hosts: ["app.example.com"] }, {}],
  ])("%s", (path, service, analysis) => {
    expect(nginx.check(intentOf(nginxSpec({ service: { port: 9898, ...service } }, analysis), 0), GIVEN)).toMatchObject([{ reason: "Unsupported", path }]);
  });

  test("what Flagger leaves out of its manifests is left out of them here", () => {
    const intent = { ...intentOf(nginxSpec({ service: { port: 9898, hosts: ["app.example.com"], timeout: "5s" } }), 0), owner: FLAGGER };
    expect(nginx.check(intent, GIVEN)).toEqual([]);
  });
});
