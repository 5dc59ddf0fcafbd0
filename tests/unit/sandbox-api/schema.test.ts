// Does a structural schema prune, default and refuse as the API server does, with the field's path in every refusal?
import { describe, expect, test } from "@jest/globals";
import { fieldErrorBody } from "../../../sandbox/api/errors.ts";
import { copyJson } from "../../../sandbox/api/json.ts";
import { jsonPath } from "../../../sandbox/api/json-path.ts";
import { applyDefaults, prune, validate } from "../../../sandbox/api/schema.ts";
import { humanDuration } from "../../../sandbox/api/table.ts";

const text = { type: "string" };
const schema = {
  type: "object",
  properties: {
    spec: {
      type: "object",
      required: ["name"],
      properties: {
        name: { ...text, minLength: 1, pattern: "^[a-z]+$" },
        mode: { ...text, enum: ["a", "b"] },
        count: { type: "integer", minimum: 1, default: 3 },
        deep: { type: "object", default: {}, properties: { x: { ...text, default: "y" } } },
        free: { type: "object", "x-kubernetes-preserve-unknown-fields": true, properties: { known: { type: "object", properties: {} } } },
        map: { type: "object", additionalProperties: { type: "object", properties: { v: { type: "integer", default: 1 } } } },
        list: { type: "array", items: { type: "object", properties: { name: text } } },
        nothing: { ...text, nullable: true },
        port: { "x-kubernetes-int-or-string": true },
        either: { type: "object", properties: { a: text, b: text }, oneOf: [{ required: ["a"] }, { required: ["b"] }] },
      },
    },
  },
};

describe("pruning", () => {
  test("drops what is unknown, says where, and keeps what is free", () => {
    const object = { apiVersion: "v", kind: "K", metadata: { any: 1 }, top: 1, spec: { name: "n", odd: 1, free: { a: { b: 1 }, known: { c: 1 } }, list: [{ name: "a", odd: 1 }], map: { k: { odd: 1 } } } };
    expect(prune(schema, object)).toEqual(["spec.free.known.c", "spec.list[0].odd", "spec.map.k.odd", "spec.odd", "top"]);
    expect(object).toEqual({ apiVersion: "v", kind: "K", metadata: { any: 1 }, spec: { name: "n", free: { a: { b: 1 }, known: {} }, list: [{ name: "a" }], map: { k: {} } } });
  });

  test("a key may be called like a method of every object", () => {
    const object = { spec: { constructor: 1, toString: 2 } };
    expect(prune(schema, object)).toEqual(["spec.constructor", "spec.toString"]);
  });
});

describe("defaulting", () => {
  test("fills from the outside in, and takes null for absent where null is no value", () => {
    const object = { spec: { count: null, nothing: null, map: { k: {} }, mode: null } };
    applyDefaults(schema, object);
    expect(object).toEqual({ spec: { count: 3, deep: { x: "y" }, nothing: null, map: { k: { v: 1 } } } });
  });

  test("two objects do not share a default", () => {
    const first = { spec: {} as { deep?: { x: string } } };
    const second = copyJson(first);
    applyDefaults(schema, first);
    applyDefaults(schema, second);
    expect(first.spec.deep).not.toBe(second.spec.deep);
  });
});

describe("validation", () => {
  test.each([
    [{}, ["spec.name: Required value"]],
    [{ name: "A" }, [`spec.name: Invalid value: "A": spec.name in body should match '^[a-z]+$'`]],
    [{ name: 5 }, ['spec.name: Invalid value: "integer": spec.name in body must be of type string: "integer"']],
    [{ name: "n", mode: "c" }, ['spec.mode: Unsupported value: "c": supported values: "a", "b"']],
    [{ name: "n", count: 0 }, ["spec.count: Invalid value: 0: spec.count in body should be greater than or equal to 1"]],
    [{ name: "n", list: [{ name: 1 }] }, ['spec.list[0].name: Invalid value: "integer": spec.list[0].name in body must be of type string: "integer"']],
    [{ name: "n", port: true }, ['spec.port: Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean"']],
    [{ name: "n", either: { a: "1", b: "2" } }, ['<nil>: Invalid value: "": "spec.either" must validate one and only one schema (oneOf). Found 2 valid alternatives']],
    [{ name: "n", nothing: null, port: "http", count: 7 }, []],
  ])("%j", (spec, expected) => {
    expect(validate(schema, { spec }).map((error) => `${error.field}: ${fieldErrorBody(error)}`)).toEqual(expected);
  });
});

describe("columns", () => {
  const object = { status: { conditions: [{ type: "A", status: "no" }, { type: "Ready", status: "True" }], "odd.key": 1 }, list: [{ n: 1 }, { n: 2 }] };

  test.each([
    [".status.conditions[0].type", ["A"]],
    ['.status.conditions[?(@.type=="Ready")].status', ["True"]],
    [".status.conditions[?(@.type=='None')].status", []],
    [".status['odd.key']", [1]],
    [".status.odd\\.key", [1]],
    [".list[*].n", [1, 2]],
    ["{.list[-1].n}", [2]],
    [".nowhere.at.all", []],
  ])("%s", (path, expected) => {
    expect(jsonPath(path)(object)).toEqual(expected);
  });

  test.each([
    [0, "0s"], [119, "119s"], [120, "2m"], [310, "5m10s"], [900, "15m"], [10_800, "3h"], [12_000, "3h20m"], [172_799, "47h"], [176_400, "2d1h"], [777_600, "9d"], [63_158_400, "2y1d"],
  ])("%d seconds are shown as %s", (seconds, shown) => {
    expect(humanDuration(seconds * 1000)).toBe(shown);
  });
});
