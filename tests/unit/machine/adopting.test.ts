// What becomes of a status that another engine wrote?
import { expect, test } from "@jest/globals";
import { initialized } from "./simulated.ts";

test("a status of Flagger's is adopted: what serves is the promoted revision, and nothing starts by itself", () => {
  for (const phase of ["Initialized", "Progressing", "WaitingPromotion", "Promoting", "Finalising", "Succeeded", "Failed"] as const) {
    const world = initialized();
    world.status = { phase, canaryWeight: 0, failedChecks: 0, iterations: 0, lastAppliedSpec: "6f8d", lastPromotedSpec: "6f8d" };
    world.run();
    // What rested goes on resting; a target that is back at what serves has not failed.
    const rested = phase === "Succeeded" || phase === "Failed" ? "Succeeded" : "Initialized";
    expect([phase, world.status.phase, world.status.lastPromotedSpec]).toEqual([phase, rested, "v1"]);
    world.push("v2");
    world.run();
    expect([phase, world.status.phase, world.status.lastPromotedSpec]).toEqual([phase, "Succeeded", "v2"]);
  }
});

test("what Flagger failed stays failed until there is another revision, and can be tried again", () => {
  const world = initialized();
  world.push("v2");
  world.status = { phase: "Failed", canaryWeight: 0, failedChecks: 0, iterations: 0, lastAppliedSpec: "6f8d", lastPromotedSpec: "5a1c" };
  world.run();
  expect(world.status).toMatchObject({ phase: "Failed", lastAppliedSpec: "v2", lastPromotedSpec: "v1", run: { revision: "v2", outcome: "RolledBack", reason: "BeforeTakeOver" } });
  expect(world.trace).not.toContain("Progressing 0");
  world.push("v3");
  world.run();
  expect(world.status).toMatchObject({ phase: "Succeeded", lastPromotedSpec: "v3" });
});
