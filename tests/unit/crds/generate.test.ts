// Are the generated CRDs what an API server takes, what users know, and whole?
import { describe, expect, test } from "@jest/globals";
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { flaggerSpecSchema, canarySpecSchema, GROUPS } from "../../../crds/canary.ts";
import { KINDS, renderCRD, renderCRDs, renderYaml, type GroupName } from "../../../crds/generate.ts";
import { list, map } from "../../../crds/json.ts";
import { canaryStatusSchema, PHASES } from "../../../crds/status.ts";
import { structuralSchema } from "../../../crds/structural.ts";
import { ADDED_FIELDS, OWN_FIELDS, SPEC_FIELDS, STATUS_FIELDS } from "./contract.ts";
import { FULL_STATUS } from "./fullstatus.ts";
import { VALID } from "./rejections.ts";
import { nodes, pruned, schemaOf, valuePaths, zodPaths } from "./shapes.ts";

const OWN = GROUPS.own.group;
const FLAGGER = GROUPS.flagger.group;
const BOTH: GroupName[] = [OWN, FLAGGER];
const ALL = BOTH.flatMap((group) => renderCRDs(group));
const MEBIBYTE = 1024 * 1024;

function columns(group: GroupName, wide: boolean): string[] {
  const version = renderCRD(group).spec.versions[0];
  return (version?.additionalPrinterColumns ?? []).filter(({ priority }) => (priority === 1) === wide).map(({ name }) => name);
}

function pathsOf(group: GroupName, part: "spec" | "status"): Set<string> {
  return new Set(nodes(schemaOf(renderCRD(group), part)).map(({ path }) => path));
}

describe.each(BOTH)("the Canary of %s", (group) => {
  const crd = renderCRD(group);

  test("has the names that users type", () => {
    expect(crd.metadata.name).toBe(`canaries.${group}`);
    expect(crd.spec.names).toEqual({ plural: "canaries", singular: "canary", kind: "Canary", listKind: "CanaryList", categories: ["all"] });
    expect(crd.spec.scope).toBe("Namespaced");
    expect(crd.spec.versions.map(({ name }) => name)).toEqual([Object.values(GROUPS).find((known) => known.group === group)?.version]);
    expect(crd.spec.versions[0]?.subresources).toEqual({ status: {} });
  });

  test("shows status, weight and last transition, the rest only when asked for wide output", () => {
    expect(columns(group, false)).toEqual(["Status", "Weight", "LastTransitionTime"]);
    const known = ["Suspended", "FailedChecks", "Interval", "Mirror", "StepWeight", "StepWeights", "MaxWeight"];
    expect(columns(group, true)).toEqual(group === OWN ? [...known, "Message"] : known);
  });

  test("has columns that lead to fields of the schema", () => {
    for (const { jsonPath } of crd.spec.versions[0]?.additionalPrinterColumns ?? []) {
      const [, part = "", field = ""] = /^\.(spec|status)\.(.+)$/.exec(jsonPath.replace(/\[\?.*\]/, "[]")) ?? [];
      expect([jsonPath, pathsOf(group, part as "spec" | "status").has(field)]).toEqual([jsonPath, true]);
    }
  });

  test("knows every field of Flagger's contract, and our additions", () => {
    const known = pathsOf(group, "spec");
    expect([...SPEC_FIELDS, ...ADDED_FIELDS].filter((field) => !known.has(field))).toEqual([]);
    expect(OWN_FIELDS.filter((field) => known.has(field))).toEqual(group === OWN ? OWN_FIELDS : []);
    const remembered = pathsOf(group, "status");
    expect(STATUS_FIELDS.filter((field) => !remembered.has(field))).toEqual([]);
  });

  test("loses no field of the zod schemas on the way", () => {
    const spec = pathsOf(group, "spec");
    const status = pathsOf(group, "status");
    expect(zodPaths(group === OWN ? canarySpecSchema : flaggerSpecSchema).filter((path) => !spec.has(path))).toEqual([]);
    expect(zodPaths(canaryStatusSchema).filter((path) => !status.has(path))).toEqual([]);
  });

  test("prunes nothing of a status or a manifest (P11)", () => {
    expect(pruned(FULL_STATUS, schemaOf(crd, "status"))).toEqual(FULL_STATUS);
    const { spec } = VALID[group];
    expect(pruned(spec, schemaOf(crd, "spec"))).toEqual(spec);
    expect(pruned({ ...FULL_STATUS, unheardOf: 1 }, schemaOf(crd, "status"))).toEqual(FULL_STATUS);
  });

  test("keeps the fields of Istio's traffic policy that it does not name", () => {
    const trafficPolicy = { connectionPool: { tcp: { maxConnections: 1 } }, portLevelSettings: [{ port: { number: 80 } }] };
    const spec = { service: { trafficPolicy } };
    expect(pruned(spec, schemaOf(crd, "spec"))).toEqual(spec);
  });

  test("has no defaults but those of the contract", () => {
    const defaults = nodes(schemaOf(crd, "spec")).filter(({ schema }) => "default" in schema);
    expect(Object.fromEntries(defaults.map(({ path, schema }) => [path, schema.default]))).toEqual({
      "service.gatewayRefs[].group": "gateway.networking.k8s.io",
      "service.gatewayRefs[].kind": "Gateway",
      "service.mirror[].backendRef.group": "",
      "service.mirror[].backendRef.kind": "Service",
      "analysis.sessionAffinity.maxAge": 86_400,
    });
  });

  test("takes every phase", () => {
    const phases = list(map(map(schemaOf(crd, "status").properties).phase).enum);
    expect(phases).toEqual(group === OWN ? [...PHASES] : ["", ...PHASES]);
  });
});

test("the full status has every field that the schema knows, and is one", () => {
  expect(canaryStatusSchema.parse(FULL_STATUS)).toEqual(FULL_STATUS);
  const written = new Set(valuePaths(FULL_STATUS, ["trackedConfigs"]));
  expect(zodPaths(canaryStatusSchema).filter((path) => !written.has(path) && !path.endsWith("[]"))).toEqual([]);
});

test("flagger.app keeps Flagger's looseness, and what it demands", () => {
  const spec = schemaOf(renderCRD(FLAGGER), "spec");
  const byPath = new Map(nodes(spec).map(({ path, schema }) => [path, schema]));
  expect(spec.required).toEqual(["targetRef", "analysis"]);
  expect(byPath.get("analysis.interval")).toMatchObject({ type: "string", pattern: "^[0-9]+(m|s)" });
  expect(byPath.get("analysis.threshold")).toMatchObject({ type: "number" });
  expect(byPath.get("progressDeadlineSeconds")).toMatchObject({ type: "number" });
  expect(byPath.get("service")).toMatchObject({ required: ["port"] });
  expect(byPath.get("analysis")?.oneOf).toEqual([
    { required: ["interval", "threshold", "iterations"] },
    { required: ["interval", "threshold", "stepWeight"] },
    { required: ["interval", "threshold", "stepWeights"] },
  ]);
  const ruled = [...byPath].filter(([, schema]) => "x-kubernetes-validations" in schema).map(([path]) => path);
  expect(ruled.filter((path) => path !== "service.mirror[].backendRef" && path !== "analysis.maxHold" && path !== "windows[].duration" && path !== "rollbackWindow.duration")).toEqual([]);
});

describe("what goes with it", () => {
  test("each group has all the kinds", () => {
    for (const group of [OWN, FLAGGER]) expect(renderCRDs(group).map((crd) => crd.spec.names.kind)).toEqual([...KINDS]);
  });

  test("a MetricTemplate shows its provider", () => {
    const crd = renderCRD(FLAGGER, { kind: "MetricTemplate" });
    expect(crd.metadata.name).toBe("metrictemplates.flagger.app");
    expect(crd.spec.versions[0]?.additionalPrinterColumns).toEqual([{ name: "Provider", type: "string", jsonPath: ".spec.provider.type" }]);
    const known = new Set(nodes(schemaOf(crd, "spec")).map(({ path }) => path));
    const fields = ["provider.type", "provider.address", "provider.headers.*", "provider.secretRef.name", "provider.region", "provider.insecureSkipVerify", "query"];
    expect(fields.filter((path) => !known.has(path))).toEqual([]);
  });

  test("an AlertProvider shows its type and takes an address or a Secret", () => {
    const crd = renderCRD(FLAGGER, { kind: "AlertProvider" });
    expect(crd.spec.versions[0]?.additionalPrinterColumns).toEqual([{ name: "Type", type: "string", jsonPath: ".spec.type" }]);
    expect(schemaOf(crd, "spec").oneOf).toEqual([{ required: ["type", "address"] }, { required: ["type", "secretRef"] }]);
    const known = new Set(nodes(schemaOf(crd, "spec")).map(({ path }) => path));
    expect(["type", "channel", "username", "address", "proxy", "secretRef.name"].filter((path) => !known.has(path))).toEqual([]);
  });
});

describe.each(ALL.map((crd) => [crd.metadata.name, crd] as const))("%s", (_name, crd) => {
  const all = nodes(map(crd.spec.versions[0]?.schema.openAPIV3Schema));

  test("is structural", () => {
    for (const { path, schema } of all) {
      const typed = typeof schema.type === "string" || schema["x-kubernetes-int-or-string"] === true || schema["x-kubernetes-preserve-unknown-fields"] === true;
      expect([path, typed]).toEqual([path, true]);
      for (const word of ["$ref", "const", "anyOf", "allOf", "not", "propertyNames", "$schema", "definitions"]) expect([path, word in schema]).toEqual([path, false]);
      expect([path, schema.additionalProperties === false]).toEqual([path, false]);
      expect([path, "properties" in schema && "additionalProperties" in schema]).toEqual([path, false]);
    }
  });

  test("has rules with a message for people, and bounded lists where a rule goes over one", () => {
    for (const { path, schema } of all) {
      for (const { rule, message } of list(schema["x-kubernetes-validations"]).map(map)) {
        expect([path, typeof rule, typeof message]).toEqual([path, "string", "string"]);
        if (/\.(all|exists|exists_one)\(/.test(String(rule))) expect([path, typeof schema.maxItems]).toEqual([path, "number"]);
        if (/\.matches\(|duration\(/.test(String(rule))) expect([path, typeof schema.maxLength]).toEqual([path, "number"]);
      }
    }
  });

  test("is far below what an API server stores", () => {
    expect(JSON.stringify(crd).length).toBeLessThan(MEBIBYTE / 4);
  });
});

describe("structuralSchema", () => {
  test("refuses what it cannot express, by path", () => {
    expect(() => structuralSchema(z.object({ a: z.object({ b: z.tuple([z.string()]) }) }))).toThrow(/prefixItems.*\.a\.b/);
    expect(() => structuralSchema(z.object({ a: z.union([z.string(), z.boolean()]) }))).toThrow(/types string, boolean at \.a/);
  });

  test("writes literals, null and open objects as the API server wants them", () => {
    const schema = structuralSchema(z.object({ a: z.literal("x"), b: z.string().nullable(), c: z.looseObject({}), d: z.int(), e: z.object({}).nullable() }));
    expect(schema.properties).toEqual({
      a: { type: "string", enum: ["x"] },
      b: { type: "string", nullable: true },
      c: { type: "object", properties: {}, "x-kubernetes-preserve-unknown-fields": true },
      d: { type: "integer" },
      e: { type: "object", properties: {}, nullable: true },
    });
  });
});

describe("renderYaml", () => {
  test("gives the same text each time, and the objects back", () => {
    const text = renderYaml(BOTH);
    expect(renderYaml(BOTH)).toBe(text);
    expect(parseAllDocuments(text).map((document) => document.toJS() as unknown)).toEqual(ALL);
  });

  test("marks what Helm must keep when it is asked to", () => {
    expect(renderCRD(OWN, { keep: true }).metadata.annotations).toEqual({ "helm.sh/resource-policy": "keep" });
    expect(renderCRD(OWN).metadata.annotations).toBeUndefined();
    expect(renderYaml([FLAGGER], { keep: true }).match(/helm\.sh\/resource-policy: keep/g)).toHaveLength(3);
  });
});
