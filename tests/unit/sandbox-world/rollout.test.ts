import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { boundsOf, rollingStep, scaleStep } from "../../../sandbox/workloads/rollout.ts";
import type { SizedSet } from "../../../sandbox/workloads/rollout.ts";
import { contentHash } from "../../../sandbox/workloads/naming.ts";
import { deploymentOf } from "./scene.ts";

const set = (name: string, replicas: number, available = replicas, more: Partial<SizedSet> = {}): SizedSet => ({ name, replicas, available, createdAt: 0, ...more });
const sizes = (resize: ReadonlyMap<string, number>) => Object.fromEntries(resize);

describe("bounds of a rollout", () => {
  test.each([
    ["defaults round surge up and unavailability down", 2, undefined, { surge: 1, unavailable: 0 }],
    ["percentages of ten", 10, { maxSurge: "25%", maxUnavailable: "25%" }, { surge: 3, unavailable: 2 }],
    ["numbers are taken as they are", 4, { maxSurge: 2, maxUnavailable: 1 }, { surge: 2, unavailable: 1 }],
    ["both zero gives one up", 4, { maxSurge: 0, maxUnavailable: 0 }, { surge: 0, unavailable: 1 }],
    ["no more than there are", 2, { maxSurge: 0, maxUnavailable: 9 }, { surge: 0, unavailable: 2 }],
  ])("%s", (_because, replicas, rollingUpdate, expected) => {
    expect(boundsOf(deploymentOf("app:1", { replicas, strategy: { type: "RollingUpdate", rollingUpdate } }))).toEqual(expected);
  });
});

describe("one step of a rolling update", () => {
  const bounds = { surge: 1, unavailable: 1 };
  test.each([
    ["grows the new set up to the ceiling first", set("new", 0, 0), [set("old", 4)], { new: 1 }],
    ["then lets old pods go down to the floor", set("new", 1, 0), [set("old", 4)], { old: 3 }],
    ["waits while nothing new is available and the floor is reached", set("new", 2, 0), [set("old", 3)], {}],
    ["goes on as new pods become available", set("new", 2, 2), [set("old", 3)], { old: 1 }],
    ["drops unhealthy old pods before healthy ones", set("new", 1, 0), [set("sick", 1, 0), set("old", 3)], { sick: 0 }],
    ["shrinks a new set that is too large", set("new", 6), [], { new: 4 }],
    ["rests when done", set("new", 4), [set("old", 0)], {}],
  ])("%s", (_because, fresh, olds, expected) => {
    expect(sizes(rollingStep(4, bounds, fresh, olds))).toEqual(expected);
  });

  test("steps, with pods becoming available in between, keep floor and ceiling and end at the new revision", () => {
    const input = fc.record({ desired: fc.integer({ min: 1, max: 12 }), surge: fc.nat(4), unavailable: fc.nat(4), olds: fc.array(fc.nat(5), { maxLength: 3 }) });
    fc.assert(fc.property(input, ({ desired, surge, unavailable, olds: counts }) => {
      const rolling = { surge, unavailable: surge + unavailable === 0 ? 1 : Math.min(unavailable, desired) };
      let fresh = set("new", 0);
      let olds = counts.map((count, index) => set(`old${index}`, count, count, { createdAt: index }));
      const all = () => [fresh, ...olds];
      const sum = (field: "replicas" | "available") => all().reduce((total, each) => total + each[field], 0);
      const [startSize, startAvailable] = [sum("replicas"), sum("available")];
      for (let step = 0; step < 100; step += 1) {
        const resize = rollingStep(desired, rolling, fresh, olds);
        const resized = (each: SizedSet): SizedSet => {
          const replicas = resize.get(each.name) ?? each.replicas;
          return { ...each, replicas, available: Math.min(each.available, replicas) };
        };
        [fresh, olds] = [resized(fresh), olds.map(resized)];
        expect(sum("replicas")).toBeLessThanOrEqual(Math.max(startSize, desired + surge));
        expect(sum("available")).toBeGreaterThanOrEqual(Math.min(startAvailable, desired - rolling.unavailable));
        if (resize.size === 0 && fresh.available === fresh.replicas) break;
        if (resize.size === 0) fresh = { ...fresh, available: fresh.available + 1 };
      }
      expect(all().map(({ replicas }) => replicas)).toEqual([desired, ...olds.map(() => 0)]);
    }));
  });
});

describe("a change of size", () => {
  const bounds = { surge: 1, unavailable: 0 };
  test.each([
    ["goes to the only active set", 5, set("new", 0), [set("old", 3)], { old: 5 }],
    ["goes to the new set when none is active", 2, set("new", 0), [set("old", 0)], { new: 2 }],
    ["goes to the newest old set of a paused Deployment", 2, undefined, [set("older", 0, 0, { createdAt: 1 }), set("newer", 0, 0, { createdAt: 2 })], { newer: 2 }],
    ["is shared out in proportion, here 5 + 1 of 11", 10, set("new", 3, 3, { ceiling: 6 }), [set("old", 3, 3, { ceiling: 6 })], { new: 6, old: 5 }],
    ["to zero reaches every set", 0, set("new", 2, 2, { ceiling: 5 }), [set("old", 3, 3, { ceiling: 5 })], { new: 0, old: 0 }],
    ["leaves old sets behind when the new one is full", 4, set("new", 4), [set("old", 1)], { old: 0 }],
  ])("%s", (_because, desired, fresh, olds, expected) => {
    expect(sizes(scaleStep(desired, bounds, fresh, olds))).toEqual(expected);
  });
});

describe("template hashes", () => {
  test("depend on content, not on order or absent fields", () => {
    expect(contentHash({ a: 1, b: [{ c: "x", d: undefined }] })).toBe(contentHash({ b: [{ c: "x" }], a: 1 }));
    expect(contentHash({ a: 1 })).not.toBe(contentHash({ a: 2 }));
    expect(contentHash({ a: 1 })).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{10}$/);
  });
});
