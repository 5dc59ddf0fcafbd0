// Does the demo notice each planted bug?
import { describe, expect, test } from "@jest/globals";
import { SABOTAGES } from "../../sandbox/demo/sabotage.ts";
import { run } from "./demo-run.ts";

describe("a planted bug ends with 1", () => {
  // At one time: each demo has ports and a cluster of its own, and mostly waits.
  test.concurrent.each(Object.keys(SABOTAGES))("%s", async (sabotage) => {
    const { code, lines } = await run({ sabotage });
    expect(code).toBe(1);
    expect(lines.at(-1)?.expectations?.some(({ met }) => !met)).toBe(true);
  }, 120_000);

  test("one that is not known is refused by name", async () => {
    await expect(run({ sabotage: "nonsense" })).rejects.toThrow(/scale-before-route/);
  });
});
