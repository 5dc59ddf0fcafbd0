// What is Traefik's alone: TraefikServices of the user's own, and what is refused.
import { describe, expect, test } from "@jest/globals";
import { map } from "../../../crds/json.ts";
import type { KubeObject } from "../../../engine/ports.ts";
import { traefik } from "../../../routing/traefik.ts";
import { foundOf, intentOf, version } from "./conformance.ts";
import { traefikSamples, traefikSpec } from "./traefik.samples.ts";

function users(...services: object[]): KubeObject {
  return { ...traefikSamples.users, spec: { weighted: { services } } };
}

describe("a TraefikService of the user's own", () => {
  test("keeps what it says of the app's Service, of stickiness and of those without weight", () => {
    const [taken] = traefik.render(intentOf(traefikSpec(), 30), foundOf(traefik, [traefikSamples.users]), version);
    const app = { kind: "Service", namespace: "test", port: 9898, passHostHeader: true };
    expect(map(taken?.spec).weighted).toEqual({ sticky: { cookie: { name: "lb" } }, services: [{ name: "docs", port: 80, weight: 0 }, { name: "podinfo-primary", ...app, weight: 70 }, { name: "podinfo-canary", ...app, weight: 30 }] });
  });

  test.each<[string, object[], object]>([
    ["leads elsewhere", [{ name: "docs", port: 80 }], { reason: "NameTaken", path: "spec.service.name" }],
    ["leads to another namespace", [{ name: "podinfo", namespace: "other", port: 80 }], { reason: "NameTaken", path: "spec.service.name" }],
    ["leads to a TraefikService", [{ name: "podinfo", kind: "TraefikService" }], { reason: "NameTaken", path: "spec.service.name" }],
    ["is shared", [{ name: "podinfo", port: 80 }, { name: "docs", port: 80 }], { reason: "Unsupported", path: "spec.service.name" }],
  ])("is refused when it %s", (_what, services, problem) => {
    expect(traefik.check(intentOf(traefikSpec(), 0), foundOf(traefik, [users(...services)]))).toMatchObject([problem]);
  });

  test("one that another engine left with the primary alone is no route that can be told, and is written", () => {
    const left = users({ name: "podinfo-primary", namespace: "test", port: 9898, weight: 100 });
    expect(traefik.read(intentOf(traefikSpec(), 0), foundOf(traefik, [left])).kind).toBe("unknown");
    const [taken] = traefik.render(intentOf(traefikSpec(), 0), foundOf(traefik, [left]), version);
    expect(map(map(taken?.spec).weighted).services).toEqual([{ name: "podinfo-primary", namespace: "test", port: 9898, weight: 100 }, { name: "podinfo-canary", namespace: "test", port: 9898, weight: 0 }]);
  });
});

describe("refusals", () => {
  test.each([
    ["spec.analysis.match", {}, { iterations: 2, match: [{ headers: { a: { exact: "b" } } }] }],
    ["spec.analysis.mirror", {}, { mirror: true }],
    ["spec.analysis.sessionAffinity", {}, { sessionAffinity: { cookieName: "c" } }],
    ["spec.service.hosts", { hosts: ["app.example.com"] }, {}],
    ["spec.service.appProtocol", { appProtocol: "tcp" }, {}],
  ])("%s", (path, service, analysis) => {
    expect(traefik.check(intentOf(traefikSpec(service, analysis), 0), new Map())).toMatchObject([{ reason: "Unsupported", path }]);
  });
});
