// The production engine on the sandbox, in virtual time: plain lives first, then seeded ones with faults.
import { describe, expect, test } from "@jest/globals";
import { Scene } from "../../sandbox/simulation/scene.ts";
import { canaryOf, furnish, setImage } from "../../sandbox/simulation/furniture.ts";
import { live } from "../../sandbox/simulation/life.ts";

/** More of them, and those that once found something: npm run sim. */
const SEEDS = Array.from({ length: 12 }, (_, index) => index + 1);

async function begun(): Promise<Scene> {
  const scene = new Scene(42);
  await furnish(scene, "1.0.0");
  scene.start("one");
  scene.store.create("canaries.rollout.kurator.dev", canaryOf());
  expect(await scene.until(() => scene.status().phase === "Initialized", 60)).toBe(true);
  return scene;
}

describe("without faults", () => {
  test("a good release climbs, is promoted, and costs no request", async () => {
    const scene = await begun();
    setImage(scene, "2.0.0");
    expect(await scene.until(() => scene.status().phase === "Succeeded", 200)).toBe(true);
    expect(scene.trace).toEqual([
      "Initializing 0", "Initialized 0", "Progressing 0", "Progressing 20", "Progressing 40", "Progressing 60", "Promoting 0", "Finalising 0", "Succeeded 0",
    ]);
    expect(scene.lost).toEqual([]);
    expect(scene.versions.get("2.0.0")).toBeGreaterThan(20);
    await scene.end();
  });

  test.each(["errors", "slow", "crash", "unready"])("a release with %s is rolled back", async (kind) => {
    const scene = await begun();
    setImage(scene, `2.0.0-${kind}`);
    expect(await scene.until(() => scene.status().phase === "Failed", 200)).toBe(true);
    expect(await scene.until(() => scene.status().target?.scale === "Zero", 30)).toBe(true);
    expect(scene.status().route).toMatchObject({ canaryWeight: 0 });
    expect(scene.lost).toEqual([]);
    await scene.end();
  });

  test("two releases in a minute: the bad one is not promoted on what the good one did", async () => {
    const scene = await begun();
    setImage(scene, "2.0.0");
    expect(await scene.until(() => scene.status().phase === "Succeeded", 200)).toBe(true);
    setImage(scene, "3.0.0-slow");
    expect(await scene.until(() => scene.status().phase === "Failed", 200)).toBe(true);
    await scene.end();
  });
});

describe("with faults", () => {
  test.each(SEEDS)("seed %i: safe while they last, and at rest in the right place after", async (seed) => {
    const { wrong, plan, acts, trace } = await live(seed);
    expect(wrong.length === 0 ? [] : { wrong, plan, acts, trace }).toEqual([]);
  }, 60_000);
});
