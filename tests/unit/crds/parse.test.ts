// Is parseCanary total, and does it keep what the manifest says?
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { parseCanary, type Canary } from "../../../crds/canary.ts";
import { pathOf } from "../../../crds/issues.ts";
import { VALID } from "./rejections.ts";

const own = VALID["rollout.kurator.dev"];
const flagger = VALID["flagger.app"];

function parsed(object: unknown): Canary {
  const result = parseCanary(object);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.canary;
}

describe("parseCanary", () => {
  test.each(Object.entries(VALID))("%s: gives back every field of the manifest", (_group, canary) => {
    expect(parsed(canary)).toEqual(canary);
  });

  test("keeps all of the metadata, and reads a status back as it was written", () => {
    const metadata = { name: "podinfo", namespace: "test", uid: "u", generation: 3, labels: { a: "b" }, managedFields: [] };
    const status = { phase: "Progressing", canaryWeight: 20, run: { id: "r", revision: "v", images: [], startedAt: "2024-01-01T00:00:00Z", step: 1, attempt: 0 } };
    expect(parsed({ ...own, metadata, status })).toEqual({ ...own, metadata, status });
  });

  test.each([
    [{ Host: "elsewhere" }, /remove it/],
    [{ "transfer-encoding": "chunked" }, /remove it/],
    [{ "X A": "a" }, /no header can have/],
    [{ "X-A": "a\nb" }, /one line/],
  ])("headers %j of a webhook are refused, which no rule of a CRD could do at a bounded cost", (headers, says) => {
    const spec = own?.spec as { analysis: object };
    const result = parseCanary({ ...own, spec: { ...spec, analysis: { ...spec.analysis, webhooks: [{ name: "gate", url: "http://gate.test/", headers }] } } });
    expect(result.ok ? [] : result.problems.map(({ path, message }) => `${path}: ${message}`).join()).toMatch(says);
  });

  test.each([1_000, 100_000])("%i levels of what the mesh may hold are refused by the field's name, without a look at all of them", (depth) => {
    const tls = JSON.parse(`${'{"a":['.repeat(depth / 2)}1${"]}".repeat(depth / 2)}`) as unknown;
    const spec = own?.spec as { service: object };
    expect(parseCanary({ ...own, spec: { ...spec, service: { ...spec.service, trafficPolicy: { tls } } } })).toEqual({ ok: false, problems: [{ reason: "InvalidSpec", path: "spec.service.trafficPolicy.tls", message: expect.stringContaining("nested deeper than 64 levels") }] });
  });

  test("never throws, whatever it is given", () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true }), (value) => {
        expect(parseCanary(value).ok).toBe(false);
      }),
    );
  });

  test("never throws on any spec or status, and names a path for each problem", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.constantFrom(own, flagger), (spec, status, canary) => {
        const result = parseCanary({ ...canary, spec, status });
        if (!result.ok) for (const problem of result.problems) expect(problem.path).toMatch(/^(spec|status)/);
      }),
    );
  });

  test("never throws when any one field of a good manifest is replaced", () => {
    const keys = Object.keys(own.spec.analysis) as (keyof typeof own.spec.analysis)[];
    fc.assert(
      fc.property(fc.constantFrom(...keys), fc.jsonValue(), fc.constantFrom(own, flagger), (key, value, canary) => {
        const changed = { ...canary, spec: { ...canary.spec, analysis: { ...canary.spec.analysis, [key]: value } } };
        const result = parseCanary(changed);
        if (!result.ok) expect(result.problems.length).toBeGreaterThan(0);
      }),
    );
  });

  test("does not change its argument", () => {
    const spec = { ...own.spec, suspend: null, unknown: 1 };
    const before = JSON.stringify(spec);
    parseCanary({ ...own, spec });
    expect(JSON.stringify(spec)).toBe(before);
  });

  test("takes null for an absent field, as the API server does, and leaves unknown fields out", () => {
    const spec = { ...own.spec, suspend: null, analysis: { ...own.spec.analysis, onNoData: null, unknown: true } };
    expect(parsed({ ...own, spec })).toEqual(own);
  });

  test("a flagger.app object without an analysis is let in, as Flagger skips the analysis then", () => {
    expect(parsed({ ...flagger, spec: { ...flagger.spec, analysis: null } }).spec.analysis).toBeUndefined();
  });

  test("a status that Flagger wrote is understood, its empty phase included", () => {
    const condition = { type: "Promoted", status: "True", reason: "Succeeded", message: "done", lastTransitionTime: "2024-01-01T00:00:00Z", lastUpdateTime: null };
    const status = { phase: "", canaryWeight: 0, failedChecks: 0, iterations: -1, lastAppliedSpec: "abc", trackedConfigs: { "configmap/a": "0f" }, conditions: [condition] };
    const read = parsed({ ...flagger, status }).status;
    expect(read?.phase).toBeUndefined();
    expect(read?.iterations).toBe(-1);
    expect(read?.conditions?.[0]?.reason).toBe("Succeeded");
  });

  test("a status that something else has broken is reported under its path, not guessed around", () => {
    const result = parseCanary({ ...own, status: { route: { primaryWeight: 120, canaryWeight: -20 } } });
    expect(result.ok ? [] : result.problems.map((problem) => problem.path)).toEqual(["status.route.primaryWeight", "status.route.canaryWeight"]);
  });

  test.each([
    ["a kind that is not ours", { ...own, kind: "Deployment" }, "kind"],
    ["another group", { ...own, apiVersion: "apps/v1" }, "apiVersion"],
    ["another version", { ...own, apiVersion: "rollout.kurator.dev/v9" }, "apiVersion"],
    ["no name", { ...own, metadata: {} }, "metadata.name"],
    ["no spec", { ...own, spec: undefined }, "spec"],
    ["nothing", undefined, ""],
  ])("%s is refused by path", (_name, object, path) => {
    const result = parseCanary(object);
    expect(result.ok ? [] : result.problems.map((problem) => [problem.reason, problem.path])).toEqual([["InvalidSpec", path]]);
  });

  test("a manifest with hundreds of faults does not fill the status", () => {
    const metrics = Array.from({ length: 32 }, () => ({}));
    const result = parseCanary({ ...own, spec: { ...own.spec, analysis: { ...own.spec.analysis, metrics } } });
    expect(result.ok ? 0 : result.problems.length).toBe(20);
  });
});

test("a path is written as kubectl prints it", () => {
  expect(pathOf("spec", ["analysis", "metrics", 0, "name"])).toBe("spec.analysis.metrics[0].name");
  expect(pathOf("spec", ["service", "apex", "labels", "app.kubernetes.io/name"])).toBe("spec.service.apex.labels[app.kubernetes.io/name]");
});
