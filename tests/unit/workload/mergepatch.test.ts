// Applying the patch must lead to the other object, and nothing is sent when both mean the same.
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { mergePatch } from "../../../engine/workload/mergepatch.ts";

/** RFC 7386, section 2, as the API server does it. */
function applied(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> = typeof target === "object" && target !== null && !Array.isArray(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = applied(result[key], value);
  }
  return result;
}

const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.array(fc.oneof(fc.integer(), fc.record({ a: fc.integer() })), { maxLength: 3 }));
const objects = fc.letrec<{ map: object; node: unknown }>((tie) => ({
  node: fc.oneof({ depthSize: "small" }, leaf, tie("map")),
  map: fc.dictionary(fc.constantFrom("a", "b", "c", "d"), tie("node")),
})).map;

describe("mergePatch", () => {
  test("leads from one to the other, after which nothing is left to send", () => {
    fc.assert(
      fc.property(objects, objects, (from, to) => {
        const patch = mergePatch(from, to);
        const result = patch === undefined ? from : applied(from, patch);
        expect(mergePatch(result as object, to)).toBeUndefined();
      }),
    );
  });

  test("is nothing between an object and itself", () => {
    fc.assert(fc.property(objects, (value) => expect(mergePatch(value, structuredClone(value))).toBeUndefined()));
  });

  test("looks at each level once: what is deep takes as long as what is wide", () => {
    let looks = 0;
    const nested = (depth: number): object => new Proxy({ a: depth === 0 ? {} : nested(depth - 1), b: depth === 0 ? 1 : {} }, { ownKeys: (target) => ((looks += 1), Reflect.ownKeys(target)) });
    mergePatch(nested(200), nested(200));
    expect(looks).toBeLessThan(200 * 2 * 4);
  });

  test.each([
    ["a member that is missing, null or empty", { spec: { a: {}, b: null, c: [] } }, { spec: {} }, undefined],
    ["a changed scalar alone", { spec: { replicas: 1, paused: true } }, { spec: { replicas: 2, paused: true } }, { spec: { replicas: 2 } }],
    ["a member that goes", { spec: { paused: true } }, { spec: {} }, { spec: { paused: null } }],
    ["a map that goes", { spec: { a: 1 } }, {}, { spec: null }],
    ["a member that goes beside one that stays", { spec: { paused: true, a: 1 } }, { spec: { a: 1 } }, { spec: { paused: null } }],
    ["a list as a whole", { l: [{ w: 1 }, { w: 2 }] }, { l: [{ w: 1 }, { w: 3 }] }, { l: [{ w: 1 }, { w: 3 }] }],
    ["an empty map within a list, where it has a meaning", { l: [{ name: "a" }] }, { l: [{ name: "a", emptyDir: {} }] }, { l: [{ name: "a", emptyDir: {} }] }],
    ["zero and false, which are values", { a: 0 }, { a: 0, b: 0, c: false }, { b: 0, c: false }],
  ])("sends %s", (_what, from, to, patch) => {
    expect(mergePatch(from, to)).toEqual(patch);
  });
});
