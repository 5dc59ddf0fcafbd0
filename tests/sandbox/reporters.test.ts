// A mesh in which no proxy stands at the app: what its gateway, or a waypoint, saw must be enough to promote what is good and to bring back what is not.
import { expect, test } from "@jest/globals";
import { Scene } from "../../sandbox/simulation/scene.ts";
import { canaryOf, furnish, setImage } from "../../sandbox/simulation/furniture.ts";

test.each([
  ["source", ["source"]],
  ["waypoint", ["source", "waypoint"]],
  ["destination", ["source", "destination"]],
] as const)("reporter %s of %j: one run succeeds, the next is rolled back, and the measurements say who was believed", async (believed, reporters) => {
  const scene = new Scene(7, reporters);
  await furnish(scene, "1.0.0");
  scene.start("one");
  scene.store.create("canaries.rollout.kurator.dev", canaryOf());
  expect(await scene.until(() => scene.status().phase === "Initialized", 60)).toBe(true);

  setImage(scene, "2.0.0");
  expect(await scene.until(() => (scene.status().run?.measurements?.length ?? 0) > 0, 100)).toBe(true);
  expect(new Set(scene.status().run?.measurements?.map(({ reporter }) => reporter))).toEqual(new Set([believed]));
  expect(await scene.until(() => scene.status().phase === "Succeeded", 300)).toBe(true);
  expect(scene.lost).toEqual([]);

  setImage(scene, "3.0.0-errors");
  expect(await scene.until(() => scene.status().phase === "Failed", 300)).toBe(true);
  const { run } = scene.status();
  expect(run).toMatchObject({ outcome: "RolledBack", reason: "ChecksFailed" });
  expect(run?.measurements).toContainEqual(expect.objectContaining({ name: "request-success-rate", verdict: "fail", reporter: believed }));
  await scene.end();
});
