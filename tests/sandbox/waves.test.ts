// Does a release go from wave to wave, and stop where it fails, with real engines in the members and a fleet's controller that dies?
import { expect, test } from "@jest/globals";
import { setImage } from "../../sandbox/simulation/furniture.ts";
import type { FleetScene } from "../../sandbox/simulation/fleetscene.ts";
import { applicationOf, APPLICATIONS, condition, edit, furnished, member, message, phaseIn, rolloutOf, waves } from "./fleetscenes.ts";

const NAMES = ["pilot1", "rest1", "rest2", "rest3"];
const LABELS = { pilot1: { stage: "pilot" }, rest1: { stage: "rest" }, rest2: { stage: "rest" }, rest3: { stage: "rest" } };

function inWaves(pilot: object = {}, rest: object = {}): object {
  return applicationOf({ syncPolicies: [{ rollout: rolloutOf({ waves: [{ name: "pilot", clusterSelector: { matchLabels: { stage: "pilot" } }, ...pilot }, { name: "rest", clusterSelector: { matchLabels: { stage: "rest" } }, ...rest }] }) }] });
}

async function started(pilot?: object, rest?: object): Promise<FleetScene> {
  const scene = await furnished(NAMES, LABELS);
  scene.host.create(APPLICATIONS, inWaves(pilot, rest) as never);
  expect(await scene.until(() => condition(scene, "Ready") === "True Delivered", 120)).toBe(true);
  return scene;
}

function release(scene: FleetScene, tag: string): void {
  for (const name of NAMES) setImage(member(scene, name), tag);
}

const met = (scene: FleetScene, name: string, tag: string): number => member(scene, name).versions.get(tag) ?? 0;

test("the pilot first, then, when it has baked, the others, no more than allowed at one time", async () => {
  const scene = await started({ bakeSeconds: 60 }, { maxParallel: 1 });
  release(scene, "2.0.0");
  expect(await scene.until(() => phaseIn(scene, "pilot1") === "Succeeded", 120)).toBe(true);
  const promotedAt = scene.clock.now();
  expect(waves(scene)).toMatch(/^pilot (Baking|Running), rest Held$/);
  expect(NAMES.slice(1).map((name) => [phaseIn(scene, name), met(scene, name, "2.0.0")])).toEqual([["Waiting", 0], ["Waiting", 0], ["Waiting", 0]]);
  let most = 0;
  expect(
    await scene.until(() => {
      most = Math.max(most, NAMES.slice(1).filter((name) => ["Progressing", "Promoting", "Finalising"].includes(phaseIn(scene, name))).length);
      if (most > 0 && scene.clock.now() - promotedAt < 55_000) throw new Error("it did not bake");
      return NAMES.every((name) => phaseIn(scene, name) === "Succeeded");
    }, 400),
  ).toBe(true);
  expect(most).toBe(1);
  expect(await scene.until(() => waves(scene) === "pilot Done, rest Done", 5)).toBe(true);
  for (const one of scene.members.values()) expect(one.lost).toEqual([]);
  await scene.end();
});

test("a failure stops the train: the next wave never meets the release, and says why; another release starts it again", async () => {
  const scene = await started();
  release(scene, "2.0.0-errors");
  expect(await scene.until(() => phaseIn(scene, "pilot1") === "Failed", 180)).toBe(true);
  await scene.advance(60_000);
  expect(NAMES.slice(1).map((name) => [phaseIn(scene, name), met(scene, name, "2.0.0-errors")])).toEqual([["Waiting", 0], ["Waiting", 0], ["Waiting", 0]]);
  expect(waves(scene)).toBe("pilot Stopped, rest Held");
  expect([condition(scene, "Stalled"), message(scene, "Stalled")]).toEqual(["True RolledBack", "app in pilot1 went back to the version before; release another one"]);
  release(scene, "3.0.0");
  expect(await scene.until(() => NAMES.every((name) => phaseIn(scene, name) === "Succeeded"), 400)).toBe(true);
  for (const one of scene.members.values()) expect(one.lost).toEqual([]);
  await scene.end();
});

test("by policy a failure brings its whole wave back, and those before it stay", async () => {
  const scene = await started({}, { onFailure: "rollback", maxParallel: 2 });
  for (const name of NAMES) setImage(member(scene, name), "2.0.0");
  // In one of them the release meets what it cannot bear.
  const config = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "faults", namespace: "test" }, data: { ERROR_RATE: "1" } };
  const one = member(scene, "rest3");
  one.store.create("configmaps", config);
  const target = structuredClone(one.store.get("deployments.apps", "test", "app"));
  if (target === undefined) throw new Error("no target");
  Object.assign((target.spec as { template: { spec: { containers: object[] } } }).template.spec.containers[0] ?? {}, { envFrom: [{ configMapRef: { name: "faults" } }] });
  one.store.update("deployments.apps", target);
  expect(await scene.until(() => phaseIn(scene, "rest3") === "Failed", 400)).toBe(true);
  expect(await scene.until(() => ["rest1", "rest2"].every((name) => phaseIn(scene, name) === "Failed"), 120)).toBe(true);
  expect(member(scene, "rest1").status().run).toMatchObject({ outcome: "Undone" });
  expect(phaseIn(scene, "pilot1")).toBe("Succeeded");
  expect(member(scene, "rest1").status().actions?.[0]).toMatchObject({ verb: "rollback", by: "fleet", result: "Done" });
  await scene.end();
});

test("a pilot out of reach holds those behind it and nobody else's work; a controller that dies forgets nothing", async () => {
  const scene = await started({}, {});
  scene.cut.add("pilot1");
  release(scene, "2.0.0");
  await scene.advance(90_000);
  // The engine there goes on without anybody's help, but it was told to wait for its turn.
  expect(phaseIn(scene, "pilot1")).toBe("Waiting");
  expect(NAMES.slice(1).map((name) => met(scene, name, "2.0.0"))).toEqual([0, 0, 0]);
  scene.kill("one");
  scene.start("two");
  scene.cut.delete("pilot1");
  expect(await scene.until(() => ["Progressing", "Promoting"].includes(phaseIn(scene, "pilot1")), 120)).toBe(true);
  scene.kill("two");
  scene.start("three");
  expect(await scene.until(() => NAMES.every((name) => phaseIn(scene, name) === "Succeeded"), 400)).toBe(true);
  for (const one of scene.members.values()) expect(one.lost).toEqual([]);
  await scene.end();
});

test("without waves any more nobody waits", async () => {
  const scene = await started();
  release(scene, "2.0.0");
  await scene.until(() => phaseIn(scene, "rest1") === "Waiting", 30);
  edit(scene, (spec) => (spec.syncPolicies = [{ rollout: rolloutOf() }]));
  expect(await scene.until(() => NAMES.every((name) => phaseIn(scene, name) === "Succeeded"), 240)).toBe(true);
  expect(scene.status().waves).toBeUndefined();
  await scene.end();
});
