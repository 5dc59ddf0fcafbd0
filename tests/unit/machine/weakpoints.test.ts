// What Flagger is known to be weak at, and users ask for: promises of the machine that no other test names.
import { expect, test } from "@jest/globals";
import type { Answer } from "../../../engine/machine/types.ts";
import { fail, initialized, pass, SECOND, spec, T0, type SimulatedWorld } from "./simulated.ts";

const closed: Answer = { verdict: "fail", message: "webhook approve: 403", measurements: [] };

function gated(type: string, checks: () => Answer): SimulatedWorld {
  const world = initialized(spec({}, { stepWeight: 25, webhooks: [{ name: type, type, url: "http://gate" }] }));
  world.answer = (ask) => (ask.kind === "gate" ? ((world.status.run?.step ?? 0) > 0 ? closed : pass) : checks());
  return world;
}

test("a canary that goes bad behind a closed confirm-traffic-increase is rolled back, with one alert", () => {
  const world = gated("confirm-traffic-increase", () => (world.nowMs < T0 + 500 * SECOND ? pass : fail));
  world.push("v2");
  world.run();
  expect(world.status).toMatchObject({ phase: "Failed", route: { canaryWeight: 0 }, run: { reason: "ChecksFailed" } });
  expect(world.notices.filter((reason) => reason === "RollingBack")).toHaveLength(1);
});

test("a canary that waits for its promotion shows the weight that it has, and no negative iteration", () => {
  const world = gated("confirm-promotion", () => pass);
  world.push("v2");
  world.run(3000);
  expect(world.status).toMatchObject({ phase: "WaitingPromotion", canaryWeight: 50, iterations: 0 });
});

test("lastTransitionTime stands still while nothing that is shown changes", () => {
  const world = gated("confirm-promotion", () => pass);
  world.push("v2");
  world.run(3000);
  const since = world.status.lastTransitionTime;
  world.run(6000);
  expect(world.status.lastTransitionTime).toBe(since);
});

test("an hour of suspension is one event", () => {
  const world = initialized();
  world.push("v2");
  world.podsStart = false;
  world.at(100, () => (world.spec = { ...world.spec, suspend: true })).run(3700);
  expect(world.notices.filter((reason) => reason === "Suspended")).toHaveLength(1);
});

test.each(["Promoting", "Finalising"])("pods of the target that go unready in %s do not undo a promotion", (phase) => {
  const world = initialized();
  let lost = false;
  world.onCommit = () => {
    if (world.status.phase !== phase || lost || world.target === undefined) return;
    lost = true;
    world.target = { ...world.target, availableReplicas: 0, readiness: { ready: false, why: "0 of 2", deadlineExceeded: true } };
  };
  world.push("v2");
  world.run();
  expect([lost, world.status.phase, world.status.lastPromotedSpec, world.status.route?.canaryWeight]).toEqual([true, "Succeeded", "v2", 0]);
});

test("without a mesh a promotion whose primary does not start is undone, and nobody is said to be served by the canary", () => {
  const world = initialized(spec({ progressDeadlineSeconds: 300 }, { stepWeight: undefined, maxWeight: undefined, iterations: 2 }));
  world.routed = false;
  world.onCommit = () => {
    if (world.status.phase === "Promoting") world.primaryStarts = false;
  };
  world.push("v2");
  world.run(5000);
  expect(world.status).toMatchObject({ phase: "Failed", canaryWeight: 0, route: { canaryWeight: 0 }, primary: { revision: "v1" }, lastPromotedSpec: "v1", run: { outcome: "RolledBack", reason: "PromotionFailed" } });
  world.primaryStarts = true;
  world.onCommit = () => undefined;
  world.push("v3");
  world.run();
  expect(world.status).toMatchObject({ phase: "Succeeded", lastPromotedSpec: "v3" });
});

test.each<[string, (world: SimulatedWorld) => void]>([
  ["failed checks", (world) => (world.answer = () => fail)],
  ["a crash loop", (world) => world.at(200, () => (world.target = world.target === undefined ? undefined : { ...world.target, restarts: 3 }))],
  ["pods that never come", (world) => (world.podsStart = false)],
  ["pods that are lost", (world) => world.at(200, () => (world.target = world.target === undefined ? undefined : { ...world.target, availableReplicas: 0, readiness: { ready: false, why: "0 of 2", deadlineExceeded: false } }))],
  ["a deleted target", (world) => world.at(200, () => (world.target = undefined))],
  ["a person", (world) => world.at(200, () => (world.annotations = { "rollout.kurator.dev/action": `abort run=${world.status.run?.id ?? ""} by=ann` }))],
])("every cause of a rollback is announced once: %s", (_cause, happens) => {
  const world = initialized();
  happens(world);
  world.push("v2");
  world.run(5000);
  expect([world.status.phase, world.notices.filter((reason) => reason === "RollingBack")]).toEqual(["Failed", ["RollingBack"]]);
});
