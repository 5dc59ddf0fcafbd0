// A browser is known by its whole cookie, wherever it stands among the others.
import { expect, test } from "@jest/globals";
import { sendsCookie } from "../../../routing/cookies.ts";

test.each([
  ["canary.id=v2-1", true],
  ["a=b; canary.id=v2-1", true],
  ["a=b;canary.id=v2-1; c=d", true],
  ["canary.id=v2-10", false],
  ["other-canary.id=v2-1", false],
  ["canary.id=v2-1x; canary.id=v2-10", false],
  ["canaryxid=v2-1", false],
])("%s", (header, known) => {
  expect(new RegExp(`^(${sendsCookie("canary.id=v2-1")})$`).test(header)).toBe(known);
});
