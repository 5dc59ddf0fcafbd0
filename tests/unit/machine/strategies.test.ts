// What does a user see of A/B, blue/green, mirroring and gates? Specs and events against the lines of the status.
import { describe, expect, test } from "@jest/globals";
import type { CanarySpec } from "../../../crds/canary.ts";
import type { Ask, Answer } from "../../../engine/machine/types.ts";
import { fail, initialized, pass, SECOND, SimulatedWorld, spec } from "./simulated.ts";

const closed: Answer = { verdict: "fail", message: "webhook approve: 403", measurements: [] };
const noWeights = { stepWeight: undefined, maxWeight: undefined };

function ab(analysis: object = {}): CanarySpec {
  return spec({}, { ...noWeights, iterations: 3, match: [{ headers: { "x-user": { exact: "tester" } } }], ...analysis });
}

function blueGreen(analysis: object = {}): CanarySpec {
  return spec({}, { ...noWeights, iterations: 2, ...analysis });
}

function hooked(manifest: CanarySpec, ...types: string[]): CanarySpec {
  return { ...manifest, analysis: { ...manifest.analysis, webhooks: types.map((type) => ({ name: type, type, url: "http://gate" })) } as CanarySpec["analysis"] };
}

/** Everything that a run did to users: phase, iteration, weight, and for whom. */
function routes(world: SimulatedWorld): string[] {
  const lines: string[] = [];
  world.onCommit = () => {
    const { phase, iterations, route } = world.status;
    const line = `${phase} ${iterations} ${route?.canaryWeight}${route?.matched === true ? " matched" : ""}${route?.mirror === true ? " mirror" : ""}`;
    if (lines.at(-1) !== line) lines.push(line);
  };
  return lines;
}

const checks = (asked: readonly Ask[]): number => asked.filter((ask) => ask.kind === "check").length;

describe("A/B", () => {
  test("matched users get the canary for as many checks as there are iterations", () => {
    const world = initialized(ab());
    const lines = routes(world);
    world.push("v2");
    world.run();
    expect(lines).toEqual(["Progressing 0 0", "Progressing 1 100 matched", "Progressing 2 100 matched", "Progressing 3 100 matched", "Promoting 0 100 matched", "Finalising 0 0", "Succeeded 0 0"]);
    expect(world.status).toMatchObject({ lastPromotedSpec: "v2", canaryWeight: 0, run: { strategy: "ab-testing" } });
  });

  test("failed checks bring everybody back", () => {
    const world = initialized(ab());
    world.answer = () => fail;
    const lines = routes(world);
    world.push("v2");
    world.run();
    expect(lines).toEqual(["Progressing 0 0", "Progressing 1 100 matched", "Failed 0 0"]);
  });

  test("an edit to a weighted canary starts again from nothing: 100 matched never becomes 100 of everybody", () => {
    const world = initialized(ab());
    const lines = routes(world);
    world.push("v2");
    world.at(60 + 100, () => (world.spec = spec())).run();
    expect(lines.slice(0, 5)).toEqual(["Progressing 0 0", "Progressing 1 100 matched", "Progressing 2 100 matched", "Progressing 0 0", "Progressing 0 10"]);
    expect(lines.at(-1)).toBe("Succeeded 0 0");
  });
});

describe("blue/green", () => {
  test("rehearses without users, switches everybody, checks once more, promotes", () => {
    const world = initialized(blueGreen());
    const lines = routes(world);
    const asked: Ask[] = [];
    world.answer = (ask) => (asked.push(ask), pass);
    world.push("v2");
    world.run();
    expect(lines).toEqual(["Progressing 0 0", "Progressing 1 0", "Progressing 2 0", "Progressing 2 100", "Promoting 0 100", "Finalising 0 0", "Succeeded 0 0"]);
    expect(checks(asked)).toBe(3);
  });

  test("with mirroring the rehearsal has a copy of the traffic", () => {
    const world = initialized(blueGreen({ mirror: true }));
    const lines = routes(world);
    world.push("v2");
    world.run();
    expect(lines).toEqual(["Progressing 0 0", "Progressing 1 0 mirror", "Progressing 2 0 mirror", "Progressing 2 100", "Promoting 0 100", "Finalising 0 0", "Succeeded 0 0"]);
  });

  test("a failing rehearsal ends the copy too", () => {
    const world = initialized(blueGreen({ mirror: true }));
    world.answer = () => fail;
    const lines = routes(world);
    world.push("v2");
    world.run();
    expect(lines.at(-1)).toBe("Failed 0 0");
    expect(world.target?.replicas).toBe(0);
  });

  test("a pod that goes unready in the rehearsal and comes back costs nothing later", () => {
    const world = initialized(blueGreen({ iterations: 20 }));
    world.push("v2");
    const unready = (): void => void (world.target = world.target && { ...world.target, readiness: { ready: false, why: "1 of 2 pods", deadlineExceeded: false } });
    const ready = (): void => void (world.target = world.target && { ...world.target, readiness: { ready: true } });
    world.at(200, unready).at(230, ready).at(1200, unready).at(1230, ready).run();
    expect(world.status.phase).toBe("Succeeded");
  });
});

describe("a weighted canary with mirroring", () => {
  test("begins with a copy of the traffic", () => {
    const world = initialized(spec({}, { stepWeight: 25, mirror: true }));
    const lines = routes(world);
    world.push("v2");
    world.run();
    expect(lines).toEqual(["Progressing 0 0", "Progressing 0 0 mirror", "Progressing 0 25", "Progressing 0 50", "Promoting 0 50", "Finalising 0 0", "Succeeded 0 0"]);
  });
});

describe("gates", () => {
  function gate(world: SimulatedWorld, type: string, opensAt: number): void {
    const before = world.answer;
    world.answer = (ask, nth) => (ask.kind === "gate" && ask.type === type ? (world.nowMs >= opensAt ? pass : closed) : before(ask, nth));
  }

  test("confirm-rollout: Waiting until it opens, then a run like any other", () => {
    const world = initialized(hooked(spec(), "confirm-rollout"));
    gate(world, "confirm-rollout", world.nowMs + 300 * SECOND);
    world.push("v2");
    world.run();
    expect(world.trace.slice(0, 3)).toEqual(["Waiting 0", "Progressing 0", "Progressing 10"]);
    expect(world.trace.at(-1)).toBe("Succeeded 0");
    expect(world.notices.filter((reason) => reason === "WaitingForApproval")).toHaveLength(1);
    expect(world.target?.replicas).toBe(0);
  });

  test("confirm-rollout: an open gate is not seen at all", () => {
    const world = initialized(hooked(spec(), "confirm-rollout"));
    world.push("v2");
    world.run();
    expect(world.trace[0]).toBe("Progressing 0");
  });

  test.each([
    ["v1", "Initialized 0"],
    ["v3", "Succeeded 0"],
  ])("confirm-rollout: the target changed to %s while it waits ends in %s", (hash, end) => {
    const world = initialized(hooked(spec(), "confirm-rollout"));
    gate(world, "confirm-rollout", hash === "v1" ? Infinity : world.nowMs + 600 * SECOND);
    world.push("v2");
    world.at(200, () => world.push(hash)).run(5000);
    expect(world.trace[0]).toBe("Waiting 0");
    expect(world.trace.at(-1)).toBe(end);
    expect(world.status.lastPromotedSpec).toBe(hash);
  });

  test("confirm-promotion: checks go on, and a canary that went bad while it waits is rolled back", () => {
    const world = initialized(hooked(spec({}, { stepWeight: 50 }), "confirm-promotion"));
    world.answer = () => (world.nowMs > 2_000 * SECOND + Date.parse("2024-01-11T09:00:00Z") ? fail : pass);
    gate(world, "confirm-promotion", Infinity);
    world.push("v2");
    world.run();
    expect(world.trace).toEqual(["Progressing 0", "Progressing 50", "WaitingPromotion 50", "Progressing 50", "Failed 0"]);
    expect(world.notices.filter((reason) => reason === "WaitingForApproval")).toHaveLength(1);
  });

  test("confirm-promotion: opens, and promotes at once", () => {
    const world = initialized(hooked(spec({}, { stepWeight: 50 }), "confirm-promotion"));
    const opens = world.nowMs + 1000 * SECOND;
    gate(world, "confirm-promotion", opens);
    world.push("v2");
    let promoting = 0;
    world.onCommit = () => void (world.status.phase === "Promoting" && promoting === 0 && (promoting = world.nowMs));
    world.run();
    expect(world.trace.slice(2)).toEqual(["WaitingPromotion 50", "Promoting 0", "Finalising 0", "Succeeded 0"]);
    expect(promoting - opens).toBeLessThanOrEqual(90 * SECOND);
  });

  test("confirm-promotion holds the switch of blue/green as well", () => {
    const world = initialized(hooked(blueGreen(), "confirm-promotion"));
    gate(world, "confirm-promotion", Infinity);
    world.push("v2");
    world.run(5000);
    expect(world.status).toMatchObject({ phase: "WaitingPromotion", iterations: 2, route: { canaryWeight: 0 } });
  });

  test("confirm-traffic-increase holds each rung, the first one too", () => {
    const world = initialized(hooked(spec({}, { stepWeight: 25 }), "confirm-traffic-increase"));
    const before = world.answer;
    const openAt = [1000, 2000, 3000].map((second) => Date.parse("2024-01-11T09:00:00Z") + second * SECOND);
    world.answer = (ask, nth) => (ask.kind === "gate" ? (world.nowMs >= (openAt[Number(ask.id.split("/")[1])] ?? 0) ? pass : closed) : before(ask, nth));
    world.push("v2");
    const weights: string[] = [];
    world.onCommit = () => {
      const line = `${Math.floor((world.nowMs - Date.parse("2024-01-11T09:00:00Z")) / 1000_000)} ${world.status.route?.canaryWeight}`;
      if (weights.at(-1) !== line) weights.push(line);
    };
    world.run();
    expect(weights).toEqual(["0 0", "1 25", "2 50", "3 50", "3 0"]);
    expect(world.status.phase).toBe("Succeeded");
  });

  test("a newer revision while a gate is closed starts again", () => {
    const world = initialized(hooked(spec({}, { stepWeight: 50 }), "confirm-promotion"));
    gate(world, "confirm-promotion", Infinity);
    world.push("v2");
    world.at(1000, () => world.push("v3")).run(3000);
    expect(world.trace).toEqual(["Progressing 0", "Progressing 50", "WaitingPromotion 50", "Progressing 0", "Progressing 50", "WaitingPromotion 50"]);
    expect(world.status.run?.revision).toBe("v3");
  });
});

describe("the rollback hook", () => {
  const asks = (world: SimulatedWorld, fromSecond: number): void => {
    world.answer = (ask) => (ask.kind === "gate" ? (ask.type === "rollback" && world.nowMs >= Date.parse("2024-01-11T09:00:00Z") + fromSecond * SECOND ? { ...pass, message: "webhook undo asked for it" } : closed) : pass);
  };

  test("ends a run in the middle", () => {
    const world = initialized(hooked(spec(), "rollback"));
    asks(world, 300);
    world.push("v2");
    world.run();
    expect(world.trace.at(-1)).toBe("Failed 0");
    expect(world.status.run).toMatchObject({ outcome: "RolledBack", reason: "RollbackHook" });
  });

  test.each(["confirm-rollout", "confirm-promotion"])("is heard while %s is waited for (Flagger is deaf in Waiting)", (type) => {
    const world = initialized(hooked(spec({}, { stepWeight: 50 }), "rollback", type));
    asks(world, 2000);
    world.push("v2");
    world.run();
    expect(world.trace.at(-2)).toMatch(/^Waiting/);
    expect(world.trace.at(-1)).toBe("Failed 0");
    expect(world.status).toMatchObject({ lastPromotedSpec: "v1", lastAppliedSpec: "v2" });
    expect(world.target?.replicas).toBe(0);
  });
});

describe("rollout windows", () => {
  test("a revision that comes outside waits for the next one", () => {
    const world = initialized();
    const opensAtMs = world.nowMs + 3600 * SECOND;
    world.window = { open: false, changesAtMs: opensAtMs };
    world.push("v2");
    world.at(3660, () => (world.window = { open: true })).run();
    expect(world.trace.slice(0, 3)).toEqual(["Waiting 0", "Progressing 0", "Progressing 10"]);
    expect(world.notices).toContain("WaitingForWindow");
    expect(world.status.phase).toBe("Succeeded");
  });

  test.each([
    ["finish", "Succeeded"],
    ["hold", "Progressing"],
  ] as const)("a run that is under way when the window closes: %s", (outsideWindows, phase) => {
    const world = initialized({ ...spec(), outsideWindows });
    world.window = { open: true };
    world.push("v2");
    world.at(200, () => (world.window = { open: false, changesAtMs: world.nowMs + 5000 * SECOND })).run(4000);
    expect(world.status.phase).toBe(phase);
    if (phase === "Progressing") expect(world.status.route?.canaryWeight).toBe(20);
    world.at(5200, () => (world.window = { open: true })).run();
    expect(world.status.phase).toBe("Succeeded");
  });

  test("a run that holds is checked all the same", () => {
    const world = initialized({ ...spec(), outsideWindows: "hold" });
    world.window = { open: true };
    world.answer = () => (world.nowMs > Date.parse("2024-01-11T09:00:00Z") + 1000 * SECOND ? fail : pass);
    world.push("v2");
    world.at(200, () => (world.window = { open: false })).run(4000);
    expect(world.status).toMatchObject({ phase: "Failed", route: { canaryWeight: 0 } });
  });
});

describe("a freeze of the whole cluster", () => {
  test("starts nothing, raises nothing, and goes on when it is over", () => {
    const world = initialized();
    world.frozen = "incident 7";
    world.push("v2");
    world.at(1000, () => (world.frozen = undefined)).at(1300, () => (world.frozen = "incident 8")).at(3000, () => (world.frozen = undefined)).run(2900);
    expect(world.trace[0]).toBe("Waiting 0");
    expect(world.status).toMatchObject({ phase: "Progressing", route: { canaryWeight: 40 } });
    expect(world.notices).toContain("WaitingForThaw");
    world.run();
    expect(world.status.phase).toBe("Succeeded");
  });

  test("rolls back all the same", () => {
    const world = initialized();
    world.answer = () => (world.frozen === undefined ? pass : fail);
    world.push("v2");
    world.at(200, () => (world.frozen = "incident")).run(2000);
    expect(world.status.phase).toBe("Failed");
  });

  test("does not let skipAnalysis through", () => {
    const world = initialized(spec({ skipAnalysis: true }));
    world.push("v2");
    world.frozen = "incident";
    world.run(2000);
    expect(world.status.lastPromotedSpec).toBe("v1");
  });
});
