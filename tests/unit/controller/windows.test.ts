// Is a window open at an instant, and when does that change? Time zones and the days on which clocks move included.
import { describe, expect, test } from "@jest/globals";
import { windowProblems, windowSeen } from "../../../engine/controller/windows.ts";

const at = (text: string): number => Date.parse(text);
const office = { schedule: "0 9 * * 1-5", duration: "8h", timeZone: "Europe/Berlin" };

describe("a window", () => {
  test.each([
    ["on a Monday at nine in Berlin", "2026-11-23T08:00:00Z", true, "2026-11-23T16:00:00Z"],
    ["a second before", "2026-11-23T07:59:59Z", false, "2026-11-23T08:00:00Z"],
    ["at five", "2026-11-23T16:00:00Z", false, "2026-11-24T08:00:00Z"],
    ["on a Friday night", "2026-11-27T20:00:00Z", false, "2026-11-30T08:00:00Z"],
    ["in summer an hour earlier in UTC", "2026-07-01T07:00:00Z", true, "2026-07-01T15:00:00Z"],
  ])("%s", (_name, now, open, changes) => {
    expect(windowSeen([office], at(now))).toEqual({ open, changesAtMs: at(changes) });
  });

  test("that spans the night on which clocks are put forward is as long as it says", () => {
    const night = { schedule: "0 22 * * *", duration: "8h", timeZone: "Europe/Berlin" };
    expect(windowSeen([night], at("2027-03-28T02:00:00Z"))).toEqual({ open: true, changesAtMs: at("2027-03-28T05:00:00Z") });
  });

  test("of several the one that stays open longest counts", () => {
    const early = { schedule: "0 7 * * *", duration: "2h" };
    const late = { schedule: "0 8 * * *", duration: "4h" };
    expect(windowSeen([early, late], at("2026-11-23T08:30:00Z"))).toEqual({ open: true, changesAtMs: at("2026-11-23T12:00:00Z") });
  });

  test("no windows at all are always open", () => {
    expect(windowSeen(undefined, 0)).toBeUndefined();
    expect(windowSeen([], 0)).toBeUndefined();
  });

  test("a date that never comes is never open", () => {
    expect(windowSeen([{ schedule: "0 9 30 2 *", duration: "1h" }], at("2026-11-23T08:30:00Z"))).toEqual({ open: false });
  });
});

describe("what cannot be read", () => {
  test.each([
    [{ ...office, schedule: "every day" }, "spec.windows[0].schedule"],
    [{ ...office, schedule: "0 0 9 * * 1-5" }, "spec.windows[0].schedule"],
    [{ ...office, schedule: "61 9 * * *" }, "spec.windows[0].schedule"],
    [{ ...office, timeZone: "Berlin" }, "spec.windows[0].timeZone"],
  ])("%o is named, and never open", (window, path) => {
    expect(windowProblems([window], 0)).toMatchObject([{ reason: "InvalidSpec", path }]);
    expect(windowSeen([window], at("2026-11-23T10:00:00Z"))).toEqual({ open: false });
  });

  test("nothing is wrong with what can", () => expect(windowProblems([office], 0)).toEqual([]));
});
