// A template is named by its meaning: order and empty values do not count, everything else does.
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { canonicalJson, templateHash } from "../../../engine/workload/canonical.ts";

const template = {
  metadata: { labels: { app: "podinfo" }, creationTimestamp: null },
  spec: { containers: [{ name: "podinfo", image: "podinfo:6.0.0", resources: { limits: { cpu: "100m" } } }] },
};

/** The same JSON with every map's keys in reverse order. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).reverse().map(([key, member]) => [key, reversed(member)]));
}

describe("templateHash", () => {
  test("is ten characters of Kubernetes' safe alphabet", () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => expect(templateHash(value)).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{10}$/)));
  });

  test("never changes: a change of the encoding would be read as a new revision of every app", () => {
    expect(templateHash(template)).toBe("nt8g2cq525");
  });

  test("does not depend on the order of keys", () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => expect(templateHash(reversed(value))).toBe(templateHash(value))));
  });

  test.each([
    ["null", null],
    ["an empty map", {}],
    ["an empty list", []],
    ["a map of empty values", { a: null, b: {}, c: [] }],
  ])("ignores a member that is %s", (_what, empty) => {
    expect(templateHash({ ...template, spec: { ...template.spec, securityContext: empty } })).toBe(templateHash(template));
  });

  test.each([
    ["an image", { ...template, spec: { containers: [{ ...template.spec.containers[0], image: "podinfo:6.0.1" }] } }],
    ["the stamp of kubectl rollout restart", { ...template, metadata: { ...template.metadata, annotations: { "kubectl.kubernetes.io/restartedAt": "2026-01-01" } } }],
    ["the spelling of a quantity", { ...template, spec: { containers: [{ ...template.spec.containers[0], resources: { limits: { cpu: "0.1" } } }] } }],
    ["false", { ...template, spec: { ...template.spec, hostNetwork: false } }],
    ["an empty string", { ...template, spec: { ...template.spec, schedulerName: "" } }],
    ["zero", { ...template, spec: { ...template.spec, priority: 0 } }],
  ])("sees %s", (_what, changed) => {
    expect(templateHash(changed)).not.toBe(templateHash(template));
  });

  test("tells a selector of everything from none, and keeps the places of a list", () => {
    expect(canonicalJson({ terms: [{ namespaceSelector: {} }] })).not.toBe(canonicalJson({ terms: [{}] }));
    expect(canonicalJson({ terms: [{}, { a: 1 }] })).not.toBe(canonicalJson({ terms: [{ a: 1 }] }));
    expect(canonicalJson({ args: ["a", "b"] })).not.toBe(canonicalJson({ args: ["b", "a"] }));
  });
});
