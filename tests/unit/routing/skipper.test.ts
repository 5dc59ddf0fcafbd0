// What is Skipper's alone: predicates, and what is refused.
import { describe, expect, test } from "@jest/globals";
import type { KubeObject } from "../../../engine/ports.ts";
import { skipper } from "../../../routing/skipper.ts";
import { foundOf, intentOf, version } from "./conformance.ts";
import { SKIPPER_INGRESS, skipperSpec } from "./skipper.samples.ts";

const PREDICATE = "zalando.org/skipper-predicate";

function ingress(annotations: Record<string, string | undefined>): KubeObject {
  const kept = Object.entries({ ...SKIPPER_INGRESS.metadata.annotations, ...annotations }).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return { ...SKIPPER_INGRESS, metadata: { ...SKIPPER_INGRESS.metadata, annotations: Object.fromEntries(kept) } };
}

describe("the predicate", () => {
  test.each<[string | undefined, number, string]>([
    [undefined, 0, "False()"],
    [undefined, 1, "Weight(100)"],
    ['Method("GET")', 0, 'Method("GET") && False()'],
    ['Method("GET")', 100, 'Method("GET") && Weight(100)'],
  ])("%j of the user's at weight %d: %s", (predicate, weight, expected) => {
    const [object] = skipper.render(intentOf(skipperSpec(), weight), foundOf(skipper, [ingress({ [PREDICATE]: predicate })]), version);
    expect(object?.metadata.annotations?.[PREDICATE]).toBe(expected);
  });

  test("is kept where the user's Ingress is gone, and switched", () => {
    const [made] = skipper.render(intentOf(skipperSpec(), 40), foundOf(skipper, [SKIPPER_INGRESS]), version);
    if (made === undefined) throw new Error("nothing was rendered");
    const [led] = skipper.render(intentOf(skipperSpec(), 0), foundOf(skipper, [made]), version);
    expect(led?.metadata.annotations).toMatchObject({ [PREDICATE]: 'Method("GET") && False()', "zalando.org/backend-weights": '{"podinfo-primary":100,"podinfo-canary":0}' });
    expect(led?.spec).toEqual(made.spec);
  });
});

describe("refusals", () => {
  test.each<[string, KubeObject, object]>([
    ["an Ingress that shares the app's traffic", ingress({ "zalando.org/backend-weights": '{"podinfo": 80, "docs": 20}' }), { reason: "Unsupported", path: "spec.ingressRef.name" }],
    ["an Ingress of nginx", ingress({ "kubernetes.io/ingress.class": "nginx" }), { reason: "Unsupported", path: "spec.ingressRef.name" }],
    ["an Ingress that leads there by default alone", { ...SKIPPER_INGRESS, spec: { rules: [] } }, { reason: "InvalidSpec", path: "spec.ingressRef.name" }],
  ])("%s", (_what, source, problem) => {
    expect(skipper.check(intentOf(skipperSpec(), 0), foundOf(skipper, [source]))).toMatchObject([problem]);
  });

  test.each([
    ["spec.analysis.match", {}, { iterations: 2, match: [{ headers: { a: { exact: "b" } } }] }],
    ["spec.analysis.mirror", {}, { mirror: true }],
    ["spec.service.timeout", { timeout: "5s" }, {}],
  ])("%s", (path, service, analysis) => {
    expect(skipper.check(intentOf(skipperSpec({ service: { port: 9898, ...service } }, analysis), 0), foundOf(skipper, [SKIPPER_INGRESS]))).toMatchObject([{ reason: "Unsupported", path }]);
  });

  test("no ingressRef", () => {
    expect(skipper.check(intentOf(skipperSpec({ ingressRef: undefined }), 0), new Map())).toMatchObject([{ reason: "InvalidSpec", path: "spec.ingressRef" }]);
  });
});
