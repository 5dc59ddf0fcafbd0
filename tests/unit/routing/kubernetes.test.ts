// Without a mesh: nothing is written, nothing is claimed, and what would need one is refused by name.
import { describe, expect, test } from "@jest/globals";
import type { CanarySpec } from "../../../crds/canary.ts";
import { settingsOf } from "../../../engine/machine/settings.ts";
import { kubernetes } from "../../../routing/kubernetes.ts";
import { intentOf, version } from "./conformance.ts";

function spec(analysis: object): CanarySpec {
  return { targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "podinfo" }, service: { port: 9898 }, analysis: { interval: "10s", threshold: 2, ...analysis } } as CanarySpec;
}

test("it renders nothing and reads all traffic at the primary", () => {
  const intent = intentOf(spec({ iterations: 3 }), 0);
  expect(kubernetes.render(intent, new Map(), version)).toEqual([]);
  expect(kubernetes.read(intent, new Map())).toEqual({ kind: "known", primaryWeight: 100, canaryWeight: 0, scope: "all", mirror: false });
  expect(kubernetes.check(intent, new Map())).toEqual([]);
});

describe("refusals", () => {
  test.each([
    ["spec.analysis.stepWeight", { stepWeight: 10 }],
    ["spec.analysis.match", { iterations: 3, match: [{ headers: { a: { exact: "b" } } }] }],
    ["spec.analysis.mirror", { iterations: 3, mirror: true }],
    ["spec.analysis.sessionAffinity", { iterations: 3, sessionAffinity: { cookieName: "c" } }],
  ])("%s", (path, analysis) => {
    expect(kubernetes.check(intentOf(spec(analysis), 0), new Map())).toMatchObject([{ reason: "Unsupported", path }]);
  });
});

test("a weighted canary of Flagger's is rehearsed ten times, as Flagger does", () => {
  const manifest = spec({ stepWeight: 10, maxWeight: 50, match: [{ headers: { a: { exact: "b" } } }] });
  const intent = { ...intentOf(manifest, 0), owner: { apiVersion: "flagger.app/v1beta1", name: "podinfo", uid: "c1" } };
  expect(kubernetes.check(intent, new Map())).toEqual([]);
  expect(settingsOf("flagger.app", manifest, kubernetes.can)).toMatchObject({ strategy: "blue-green", iterations: 10, routed: false });
});
