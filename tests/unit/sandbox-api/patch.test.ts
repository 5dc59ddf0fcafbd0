// What do the three kinds of patch make of an object?
import { describe, expect, test } from "@jest/globals";
import { ApiError } from "../../../sandbox/api/errors.ts";
import { jsonPatch, mergePatch } from "../../../sandbox/api/json-patch.ts";
import { canonicalQuantity } from "../../../sandbox/api/quantity.ts";
import { strategicMerge } from "../../../sandbox/api/strategic-merge.ts";
import type { JsonRecord } from "../../../sandbox/api/json.ts";

describe("merge patch", () => {
  test.each([
    ["sets and adds", { a: 1, b: { c: 2 } }, { b: { d: 3 }, e: 4 }, { a: 1, b: { c: 2, d: 3 }, e: 4 }],
    ["null takes away", { a: 1, b: { c: 2 } }, { a: null, b: { c: null } }, { b: {} }],
    ["a list is replaced whole", { a: [1, 2] }, { a: [3] }, { a: [3] }],
    ["an object takes the place of a value", { a: 1 }, { a: { b: null, c: 1 } }, { a: { c: 1 } }],
  ])("%s", (_what, current, patch, expected) => {
    expect(mergePatch(current, patch)).toEqual(expected);
  });
});

describe("JSON patch", () => {
  const current = { a: 1, list: ["x", "y"], "b/c": { "~d": 2 } };

  test.each([
    ["adds at an index", [{ op: "add", path: "/list/1", value: "z" }], { ...current, list: ["x", "z", "y"] }],
    ["adds at the end", [{ op: "add", path: "/list/-", value: "z" }], { ...current, list: ["x", "y", "z"] }],
    ["removes", [{ op: "remove", path: "/list/0" }], { ...current, list: ["y"] }],
    ["replaces in a list", [{ op: "replace", path: "/list/0", value: "w" }], { ...current, list: ["w", "y"] }],
    ["moves", [{ op: "move", from: "/a", path: "/z" }], { list: ["x", "y"], "b/c": { "~d": 2 }, z: 1 }],
    ["reads escaped paths", [{ op: "test", path: "/b~1c/~0d", value: 2 }], current],
    ["finds the absent equal to null", [{ op: "test", path: "/none", value: null }], current],
  ])("%s", (_what, patch, expected) => {
    expect(jsonPatch(current, patch)).toEqual(expected);
  });

  test.each([
    ["a failed test", [{ op: "replace", path: "/a", value: 9 }, { op: "test", path: "/a", value: 1 }]],
    ["a path that is not there", [{ op: "remove", path: "/none" }]],
    ["an index behind the end", [{ op: "add", path: "/list/7", value: 1 }]],
    ["an operation that is none", [{ op: "increase", path: "/a" }]],
  ])("%s refuses the whole patch and leaves the object alone", (_what, patch) => {
    expect(() => jsonPatch(current, patch)).toThrow(ApiError);
    expect(current.a).toBe(1);
  });
});

describe("strategic merge patch", () => {
  const pod: JsonRecord = {
    containers: [
      { name: "a", image: "a:1", env: [{ name: "X", value: "1" }], ports: [{ containerPort: 80, protocol: "TCP" }] },
      { name: "b", image: "b:1" },
    ],
    tolerations: [{ key: "k" }],
    nodeSelector: { disk: "ssd" },
  };
  const merged = (patch: JsonRecord): JsonRecord => strategicMerge("PodSpec", pod, patch);
  const names = (list: unknown): unknown[] => (list as { name: string }[]).map(({ name }) => name);

  test("containers merge by name, deeply", () => {
    const result = merged({ containers: [{ name: "a", image: "a:2", env: [{ name: "Y", value: "2" }] }] });
    expect(result.containers).toEqual([
      { name: "a", image: "a:2", env: [{ name: "Y", value: "2" }, { name: "X", value: "1" }], ports: [{ containerPort: 80, protocol: "TCP" }] },
      { name: "b", image: "b:1" },
    ]);
  });

  test("a new item stands before the old ones unless an order says otherwise", () => {
    expect(names(merged({ containers: [{ name: "c" }] }).containers)).toEqual(["c", "a", "b"]);
    const order = { "$setElementOrder/containers": [{ name: "b" }, { name: "c" }, { name: "a" }], containers: [{ name: "c" }] };
    expect(names(merged(order).containers)).toEqual(["b", "c", "a"]);
  });

  test("directives delete and replace", () => {
    expect(names(merged({ containers: [{ name: "a", $patch: "delete" }] }).containers)).toEqual(["b"]);
    expect(merged({ containers: [{ $patch: "replace" }, { name: "z" }] }).containers).toEqual([{ name: "z" }]);
    expect(merged({ nodeSelector: { $patch: "replace", only: "this" } }).nodeSelector).toEqual({ only: "this" });
  });

  test("tolerations are one value", () => {
    expect(merged({ tolerations: [{ key: "other" }] }).tolerations).toEqual([{ key: "other" }]);
  });

  test("finalizers are a set, and leave by name", () => {
    const meta = { finalizers: ["a", "b"] };
    expect(strategicMerge("ObjectMeta", meta, { finalizers: ["b", "c"] }).finalizers).toEqual(["a", "b", "c"]);
    expect(strategicMerge("ObjectMeta", meta, { "$deleteFromPrimitiveList/finalizers": ["a"] }).finalizers).toEqual(["b"]);
  });

  test("retained keys are all that stays of a union", () => {
    const strategy = { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } };
    expect(strategicMerge("UpdateStrategy", strategy, { $retainKeys: ["type"], type: "Recreate" })).toEqual({ type: "Recreate" });
  });

  test("the arguments stay as they were", () => {
    const before = JSON.stringify(pod);
    merged({ containers: [{ name: "a", image: "other" }], nodeSelector: null });
    expect(JSON.stringify(pod)).toBe(before);
  });

  test("an item without its key is refused", () => {
    expect(() => merged({ containers: [{ image: "x" }] })).toThrow(ApiError);
  });
});

describe("amounts", () => {
  test.each([
    ["1000m", "1"], ["0.5", "500m"], ["100m", "100m"], ["1024Mi", "1Gi"], ["1.5Gi", "1536Mi"], ["1000", "1k"], ["128Mi", "128Mi"], ["0", "0"], ["2", "2"], ["no amount", "no amount"],
  ])("%s is written %s", (given, written) => {
    expect(canonicalQuantity(given)).toBe(written);
  });
});
