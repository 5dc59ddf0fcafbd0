// Does the engine refuse what the API server refuses, for objects that an older CRD let pass? The list is the one that a real cluster is held to.
import { describe, expect, test } from "@jest/globals";
import { parseCanary } from "../../../crds/canary.ts";
import { ACCEPTED, REJECTIONS, VALID, changed } from "./rejections.ts";

function answer(object: unknown): string {
  const parsed = parseCanary(object);
  return parsed.ok ? "accepted" : parsed.problems.map(({ path, message }) => `${path}: ${message}`).join("\n");
}

describe("a wrong manifest is refused with its field and the cure", () => {
  const cases = REJECTIONS.filter(({ on, serverOnly }) => on === undefined && serverOnly === undefined);
  test.each(cases)("$group: $name", (rejection) => {
    const text = answer(changed(rejection));
    for (const part of rejection.expect) expect(text).toContain(part);
  });

  test.each(cases)("$group: $name names the field at the beginning of a line", (rejection) => {
    const lines = answer(changed(rejection)).split("\n");
    expect(lines.some((line) => line.startsWith(rejection.expect[0] ?? "none"))).toBe(true);
  });
});

describe("what looks odd is let in", () => {
  test.each(ACCEPTED)("$group: $name", (accepted) => {
    expect(answer(changed(accepted))).toBe("accepted");
  });

  test.each(Object.entries(VALID))("%s: the manifest that the cases change", (_group, canary) => {
    expect(answer(canary)).toBe("accepted");
  });
});
