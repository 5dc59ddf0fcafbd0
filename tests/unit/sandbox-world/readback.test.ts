// What the watchman knows of routes: a status may call weights applied that the stored route has had since they were committed, and no others.
import { describe, expect, test } from "@jest/globals";
import { ledBy, ReadBack } from "../../../sandbox/simulation/readback.ts";

const to = (host: string, weight?: number): object => ({ destination: { host }, ...(weight === undefined ? {} : { weight }) });
const split = (canary: number): object => ({ http: [{ route: [to("app-primary", 100 - canary), to("app-canary", canary)] }] });
const APPLIED = "2030-01-01T00:00:00Z";
const weights = (canaryWeight: number, appliedAt?: string) => ({ primaryWeight: 100 - canaryWeight, canaryWeight, appliedAt });

describe("where a route leads", () => {
  test.each([
    ["as its user wrote it", { http: [{ route: [to("app")] }] }, { canaryWeight: 0, primary: false, mirror: false }],
    ["by weights", split(20), { canaryWeight: 20, primary: true, mirror: false }],
    ["those who match", { http: [{ match: [{}], route: [to("app-canary.test.svc")] }, { route: [to("app-primary")] }] }, { canaryWeight: 100, primary: true, mirror: false }],
    ["copies", { http: [{ route: [to("app-primary")], mirror: { host: "app-canary" } }] }, { canaryWeight: 0, primary: true, mirror: true }],
    ["nowhere", undefined, { canaryWeight: 0, primary: false, mirror: false }],
  ])("%s", (_, spec, led) => expect(ledBy(spec)).toEqual(led));
});

describe("weights that count as applied", () => {
  test("before the route has had them: wrong", () => {
    const seen = new ReadBack();
    seen.routed(ledBy(split(0)));
    expect(seen.committed(weights(20))).toBeUndefined();
    expect(seen.committed(weights(20, APPLIED))).toContain("20");
  });

  test("once it has, although somebody changed it again meanwhile: right", () => {
    const seen = new ReadBack();
    seen.committed(weights(20));
    seen.routed(ledBy(split(20)));
    seen.routed(ledBy({ http: [{ route: [to("app")] }] }));
    expect(seen.committed(weights(20, APPLIED))).toBeUndefined();
  });

  test("what it had under other weights does not count for these", () => {
    const seen = new ReadBack();
    seen.committed(weights(20));
    seen.routed(ledBy(split(20)));
    seen.committed(weights(20, APPLIED));
    expect(seen.committed(weights(40, APPLIED))).toContain("40");
  });

  test("the route that the user had before there was a Canary leads nobody to the primary", () => {
    const seen = new ReadBack();
    seen.routed(ledBy({ http: [{ route: [to("app")] }] }));
    seen.committed(weights(0));
    expect(seen.committed(weights(0, APPLIED))).toBeDefined();
  });
});
