// A hundred members: does a dead one cost the others nothing, and what does an idle one cost?
import { expect, test } from "@jest/globals";
import { furnish } from "../../sandbox/simulation/furniture.ts";
import { FleetScene } from "../../sandbox/simulation/fleetscene.ts";
import { applicationOf, APPLICATIONS, CANARIES } from "./fleetscenes.ts";

const MANY = 100;
const DEAD = ["member3", "member50", "member99"];

test("ninety-seven have their rollout within seconds while three are dead, and then cost next to nothing", async () => {
  const scene = new FleetScene(5);
  const names = Array.from({ length: MANY }, (_, index) => `member${index}`);
  for (const name of names) {
    const one = scene.member(name, false);
    await furnish(one, "1.0.0");
    scene.attach(name);
  }
  for (const name of DEAD) scene.cut.add(name);
  scene.fleet(names);
  scene.start("one");
  await scene.advance(2000);
  scene.host.create(APPLICATIONS, applicationOf());
  const living = names.filter((name) => !DEAD.includes(name));
  const served = (): number => living.filter((name) => (scene.members.get(name)?.store.list(CANARIES).length ?? 0) > 0).length;
  expect(await scene.until(() => served() === living.length, 15)).toBe(true);
  await scene.advance(30_000);
  expect((scene.status().clusters ?? []).filter(({ state }) => state === "Unreachable").map(({ name }) => name).sort()).toEqual([...DEAD].sort());
  const before = new Map(scene.requests);
  await scene.advance(600_000, false);
  const spent = living.map((name) => (scene.requests.get(name) ?? 0) - (before.get(name) ?? 0));
  // Watches are renewed every 8 to 12 minutes: of two kinds in two groups, and of load testers, their Services and Ingresses.
  expect(Math.max(...spent)).toBeLessThanOrEqual(14);
  await scene.end();
}, 180_000);
