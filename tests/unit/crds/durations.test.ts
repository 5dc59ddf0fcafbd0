// Is a duration read as manifests mean it, and nothing else taken for one?
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { parseDuration } from "../../../crds/durations.ts";

describe("parseDuration", () => {
  test.each([
    ["90s", 90_000],
    ["1m", 60_000],
    ["1m30s", 90_000],
    ["500ms", 500],
    ["2h", 7_200_000],
    ["1h1m1s1ms", 3_661_001],
    ["0s", 0],
  ])("%s is %d ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each(["", "1", "s", "1d", "1 m", "-1s", "1.5s", "1m30", "m1", "1S", " 1s", "1s\n"])("%j is no duration", (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  test("is the sum of its parts", () => {
    const amount = fc.nat(100_000);
    fc.assert(
      fc.property(amount, amount, amount, amount, (hours, minutes, seconds, ms) => {
        expect(parseDuration(`${hours}h${minutes}m${seconds}s${ms}ms`)).toBe(((hours * 60 + minutes) * 60 + seconds) * 1000 + ms);
      }),
    );
  });
});
