// What does a user see? Specs and events against the lines that `kubectl get canary -w` shows, equal neighbours dropped.
import { describe, expect, test } from "@jest/globals";
import { down, fail, initialized, noData, pass, SECOND, SimulatedWorld, spec, T0 } from "./simulated.ts";

describe("taking over an app", () => {
  test("the primary serves before the target goes to rest", () => {
    const world = new SimulatedWorld().run();
    expect(world.trace).toEqual(["Initializing 0", "Initialized 0"]);
    expect(world.status).toMatchObject({ lastAppliedSpec: "v1", lastPromotedSpec: "v1", target: { scale: "Zero", replicas: 2 }, route: { primaryWeight: 100, canaryWeight: 0 } });
    expect(world.target?.replicas).toBe(0);
  });

  test("a primary that never becomes ready leaves the target serving and says so (W17)", () => {
    const world = new SimulatedWorld();
    world.primaryStarts = false;
    world.run(3600);
    expect(world.target?.replicas).toBe(2);
    expect(world.status.route).toBeUndefined();
  });

  test("the image is bumped while the primary is being made: the primary follows", () => {
    const world = new SimulatedWorld();
    world.primaryStarts = false;
    world.at(5, () => world.push("v2")).at(10, () => (world.primaryStarts = true)).run();
    expect(world.status.lastPromotedSpec).toBe("v2");
    expect(world.trace).toEqual(["Initializing 0", "Initialized 0"]);
  });

  test("a bump during the drain of the take-over gets its own run", () => {
    const world = new SimulatedWorld();
    world.at(13, () => world.push("v2")).run();
    expect(world.trace.slice(0, 4)).toEqual(["Initializing 0", "Initialized 0", "Progressing 0", "Progressing 10"]);
    expect(world.status).toMatchObject({ phase: "Succeeded", lastPromotedSpec: "v2" });
  });

  test.each([[undefined, 10], [4, 4], [0, 0]])("with a drain of %s s the Services exist for %i s before the first traffic", (drainSeconds, seconds) => {
    const world = new SimulatedWorld(spec({ drainSeconds }));
    let routedMs = Number.NaN;
    world.onCommit = () => {
      if (Number.isNaN(routedMs) && world.status.route !== undefined) routedMs = world.nowMs;
    };
    world.run(60);
    expect(routedMs - (world.primary?.createdMs ?? Number.NaN)).toBeGreaterThanOrEqual(seconds * SECOND);
    expect(routedMs - (world.primary?.createdMs ?? Number.NaN)).toBeLessThan(seconds * SECOND + 2 * SECOND);
    expect(world.status.phase).toBe("Initialized");
  });

  test("a clock that is hours behind the API server's does not hold the take-over for hours", () => {
    const world = new SimulatedWorld();
    world.at(1, () => (world.primary = { ...world.primary!, createdMs: T0 + 3600 * SECOND })).run(60);
    expect(world.status.phase).toBe("Initialized");
  });

  test("a Canary made anew beside a primary adopts it, and a changed target runs", () => {
    const world = initialized();
    world.status = {};
    world.push("v2");
    world.run();
    expect(world.trace[0]).toBe("Initializing 0");
    expect(world.notices).toContain("Adopted");
    expect(world.trace).toContain("Progressing 50");
    expect(world.status.lastPromotedSpec).toBe("v2");
  });
});

describe("a release", () => {
  test("the seed's timeline: one failed check on the first rung, then all the way", () => {
    const world = initialized();
    world.answer = (_ask, nth) => (nth === 1 ? fail : pass);
    world.push("v2");
    world.run();
    const rungs = ["Progressing 0", "Progressing 10", "Progressing 20", "Progressing 30", "Progressing 40", "Progressing 50"];
    expect(world.trace).toEqual([...rungs, "Promoting 0", "Finalising 0", "Succeeded 0"]);
    expect(world.status).toMatchObject({ phase: "Succeeded", failedChecks: 1, lastAppliedSpec: "v2", lastPromotedSpec: "v2", iterations: 0, trackedConfigs: {} });
    expect(world.primary?.revision).toBe("v2");
    expect(world.target?.replicas).toBe(0);
    // six checks of the seed's ladder at 90 s each
    expect(world.nowMs - T0).toBeGreaterThanOrEqual(6 * 90 * SECOND);
  });

  test.each([
    ["stepWeight 30, maxWeight 50 is clamped (Flagger goes to 60)", { stepWeight: 30, maxWeight: 50 }, [30, 50]],
    ["no maxWeight means 100", { stepWeight: 40, maxWeight: undefined }, [40, 80, 100]],
    ["stepWeights, the last is the maximum", { stepWeight: undefined, maxWeight: undefined, stepWeights: [1, 5, 20] }, [1, 5, 20]],
    ["stepWeights with equal neighbours do not stall (W7c)", { stepWeight: undefined, maxWeight: undefined, stepWeights: [10, 10, 30] }, [10, 30]],
  ])("%s", (_name, analysis, weights) => {
    const world = initialized(spec({}, analysis));
    world.push("v2");
    world.run();
    expect(world.trace).toEqual(["Progressing 0", ...weights.map((weight) => `Progressing ${weight}`), "Promoting 0", "Finalising 0", "Succeeded 0"]);
  });

  test("steps edited in the middle of a run go on from where the traffic is (Flagger jumps to 100)", () => {
    const world = initialized(spec({}, { stepWeight: undefined, maxWeight: undefined, stepWeights: [10, 30, 60] }));
    world.push("v2");
    world.at(100, () => (world.spec = spec({}, { stepWeight: undefined, maxWeight: undefined, stepWeights: [5, 25, 40] }))).run();
    expect(world.trace.filter((line) => line.startsWith("Progressing"))).toEqual(["Progressing 0", "Progressing 10", "Progressing 25", "Progressing 40"]);
  });

  test("a maximum lowered below the weight takes the weight down", () => {
    const world = initialized();
    world.push("v2");
    world.at(60 + 90 * 2 + 5, () => (world.spec = spec({}, { maxWeight: 20 }))).run();
    const weights = world.trace.filter((line) => line.startsWith("Progressing"));
    expect(weights.slice(-2)).toEqual(["Progressing 30", "Progressing 20"]);
  });

  test("stepWeightPromotion walks back", () => {
    const world = initialized(spec({}, { stepWeightPromotion: 20 }));
    world.push("v2");
    const weights: number[] = [];
    for (let second = 60; second < 2000; second += 5) {
      world.run(second);
      const weight = world.status.route?.canaryWeight ?? 0;
      if (weights.at(-1) !== weight) weights.push(weight);
    }
    expect(weights).toEqual([10, 20, 30, 40, 50, 30, 10, 0]);
    expect(world.status.phase).toBe("Succeeded");
  });

  test("skipAnalysis promotes without any weight", () => {
    const world = initialized(spec({ skipAnalysis: true }));
    world.push("v2");
    world.run();
    expect(world.trace).toEqual(["Progressing 0", "Promoting 0", "Finalising 0", "Succeeded 0"]);
  });

  test("one check per interval, the first one interval after the rung is applied", () => {
    const world = initialized();
    const asked: number[] = [];
    world.answer = () => {
      asked.push(world.nowMs);
      return pass;
    };
    world.push("v2");
    world.run();
    const gaps = asked.slice(1).map((atMs, index) => (atMs - (asked[index] ?? 0)) / SECOND);
    expect(gaps).toEqual([90, 90, 90, 90]);
  });
});

describe("a bad release", () => {
  test("threshold failed checks roll back at once", () => {
    const world = initialized();
    world.answer = () => fail;
    world.push("v2");
    world.run();
    expect(world.trace).toEqual(["Progressing 0", "Progressing 10", "Failed 0"]);
    expect(world.status).toMatchObject({ lastPromotedSpec: "v1", lastAppliedSpec: "v2", run: { outcome: "RolledBack", reason: "ChecksFailed" }, target: { scale: "Zero" } });
    expect(world.primary?.revision).toBe("v1");
    expect(world.target?.replicas).toBe(0);
  });

  test("the same revision is not tried again by itself, the next one is", () => {
    const world = initialized();
    world.answer = () => fail;
    world.push("v2");
    world.run(1000);
    world.trace.length = 0;
    world.answer = () => pass;
    world.run(2000);
    expect(world.trace).toEqual([]);
    world.push("v3");
    world.run();
    expect(world.trace.at(-1)).toBe("Succeeded 0");
    expect(world.status.lastPromotedSpec).toBe("v3");
  });

  test("reverting after a failure is quiet and ends healthy", () => {
    const world = initialized();
    world.answer = () => fail;
    world.push("v2");
    world.run(1000);
    world.trace.length = 0;
    world.push("v1", "app:1");
    world.run();
    expect(world.trace).toEqual(["Succeeded 0"]);
    expect(world.status.conditions?.find((condition) => condition.type === "Ready")?.status).toBe("True");
  });

  test.each([
    ["a crash loop under weight", (world: SimulatedWorld) => (world.target = { ...world.target!, restarts: 3 }), "CrashLoop"],
    ["all ready pods lost under weight", (world: SimulatedWorld) => (world.target = { ...world.target!, availableReplicas: 0, readiness: { ready: false, why: "0 of 2", deadlineExceeded: false } }), "CanaryUnavailable"],
    ["the target deleted under weight", (world: SimulatedWorld) => (world.target = undefined), "TargetMissing"],
  ])("%s is back at 0 without waiting for a check", (_name, happens, reason) => {
    const world = initialized();
    world.push("v2");
    world.at(100, () => happens(world)).run(101);
    expect(world.status).toMatchObject({ phase: "Failed", canaryWeight: 0, route: { canaryWeight: 0 }, run: { outcome: "RolledBack", reason } });
    expect(world.nowMs).toBeLessThanOrEqual(T0 + 101 * SECOND);
  });

  test("a target that never becomes ready fails at the deadline, with no weight ever", () => {
    const world = initialized(spec({ progressDeadlineSeconds: 120 }));
    world.podsStart = false;
    world.push("v2");
    world.run();
    expect(world.trace).toEqual(["Progressing 0", "Failed 0"]);
    expect(world.status.run).toMatchObject({ reason: "ProgressDeadlineExceeded" });
  });

  test("a rollback that is due waits for a primary with pods, and is done when there is one", () => {
    const world = initialized();
    world.answer = () => fail;
    world.push("v2");
    const before = world.primary;
    world.at(80, () => {
      world.primaryStarts = false;
      world.primary = { ...before!, availableReplicas: 0, readiness: { ready: true } };
    });
    world.at(400, () => (world.primaryStarts = true)).run();
    expect(world.status).toMatchObject({ phase: "Failed", route: { canaryWeight: 0 } });
  });
});

describe("silence and outages", () => {
  test.each([
    ["no data", noData],
    ["provider down", down],
  ])("%s holds the weight, counts nothing, and is decided after maxHold", (_name, answer) => {
    const world = initialized(spec({}, { maxHold: "10m" }));
    world.answer = () => answer;
    world.push("v2");
    world.run(600);
    expect(world.status).toMatchObject({ phase: "Progressing", canaryWeight: 10, failedChecks: 0 });
    world.run();
    expect(world.status).toMatchObject({ phase: "Failed", failedChecks: 0, run: { outcome: "Inconclusive" } });
    expect(world.notices.filter((reason) => reason === "CheckError" || reason === "CheckInconclusive")).toHaveLength(1);
  });

  test("an outage that ends lets the run go on", () => {
    const world = initialized();
    world.answer = (_ask, nth) => (nth > 1 && nth < 4 ? down : pass);
    world.push("v2");
    world.run();
    expect(world.status).toMatchObject({ phase: "Succeeded", failedChecks: 0 });
  });

  test("a route that is never applied stops the ladder", () => {
    const world = initialized();
    world.push("v2");
    world.traffic = "differs";
    world.run(3600);
    expect(world.status.route?.canaryWeight ?? 0).toBeLessThanOrEqual(10);
    expect(world.status.phase).toBe("Progressing");
  });
});

describe("changes in the middle of a run", () => {
  test("a newer revision goes back to 0, drains, rolls and climbs again", () => {
    const world = initialized();
    world.push("v2");
    world.at(250, () => world.push("v3")).run();
    expect(world.trace).toEqual([
      "Progressing 0", "Progressing 10", "Progressing 20", "Progressing 30",
      "Progressing 0", "Progressing 10", "Progressing 20", "Progressing 30", "Progressing 40", "Progressing 50",
      "Promoting 0", "Finalising 0", "Succeeded 0",
    ]);
    expect(world.status.lastPromotedSpec).toBe("v3");
    expect(world.status.history?.map((run) => [run.revision, run.outcome])).toEqual([["v3", "Promoted"], ["v2", "Superseded"]]);
  });

  test("a manual revert to the promoted revision ends the run once (W10)", () => {
    const world = initialized();
    world.push("v2");
    world.at(250, () => world.push("v1", "app:1")).run();
    expect(world.trace.slice(-1)).toEqual(["Succeeded 0"]);
    expect(world.status.history?.[0]).toMatchObject({ revision: "v2", outcome: "Withdrawn" });
    expect(world.target?.replicas).toBe(0);
    expect(world.status.lastPromotedSpec).toBe("v1");
  });

  test("a revision pushed while promoting runs after this one ended (W8)", () => {
    const world = initialized();
    world.push("v2");
    world.primaryStarts = false;
    world.primary = { ...world.primary!, readiness: { ready: true } };
    world.at(700, () => world.push("v3")).at(750, () => (world.primaryStarts = true)).run();
    expect(world.trace.filter((line) => line === "Succeeded 0")).toHaveLength(2);
    expect(world.status.history?.map((run) => [run.revision, run.outcome])).toEqual([["v3", "Promoted"], ["v2", "Promoted"]]);
  });

  test("suspend freezes and resuming goes on", () => {
    const world = initialized();
    world.push("v2");
    world.at(100, () => (world.spec = { ...world.spec, suspend: true })).run(5000);
    expect(world.status).toMatchObject({ phase: "Progressing", canaryWeight: 10 });
    world.at(5001, () => (world.spec = { ...world.spec, suspend: false })).run();
    expect(world.status.phase).toBe("Succeeded");
  });

  test("replicas put back by a GitOps tool are remembered and taken away again", () => {
    const world = initialized();
    world.at(100, () => (world.target = { ...world.target!, replicas: 5, generation: world.target!.generation + 1 })).run();
    expect(world.target?.replicas).toBe(0);
    expect(world.status.target?.replicas).toBe(5);
    expect(world.trace).toEqual([]);
  });
});

describe("a promotion whose primary does not start", () => {
  function blocked(): SimulatedWorld {
    const world = initialized(spec({ progressDeadlineSeconds: 300 }));
    world.push("v2");
    world.at(480, () => (world.primaryStarts = false)).run(2000);
    return world;
  }

  test("leaves the healthy canary serving everything", () => {
    const world = blocked();
    expect(world.status).toMatchObject({ phase: "Failed", canaryWeight: 100, route: { canaryWeight: 100 }, run: { outcome: "PromotionBlocked" }, target: { scale: "Up", paused: true } });
    expect(world.status.conditions?.find((condition) => condition.type === "Stalled")).toMatchObject({ status: "True", reason: "PromotionBlocked" });
  });

  test("goes on when the primary starts after all", () => {
    const world = blocked();
    world.primaryStarts = true;
    world.run();
    expect(world.status).toMatchObject({ phase: "Succeeded", lastPromotedSpec: "v2", route: { canaryWeight: 0 } });
  });

  test("a fix runs after the primary is back at the promoted revision (W5)", () => {
    const world = blocked();
    world.push("v3");
    world.at(2100, () => (world.primaryStarts = true)).run();
    expect(world.status).toMatchObject({ phase: "Succeeded", lastPromotedSpec: "v3" });
  });
});

describe("upgrades start no rollout (P13)", () => {
  test("another hash of the same generation renames the revision", () => {
    const world = initialized();
    world.run();
    world.target = { ...world.target!, hash: "v1-as-the-new-engine-reads-it" };
    world.primary = { ...world.primary!, revision: "v1-as-the-new-engine-reads-it" };
    world.run();
    expect(world.trace).toEqual([]);
    expect(world.status).toMatchObject({ phase: "Initialized", lastPromotedSpec: "v1-as-the-new-engine-reads-it" });
  });
});

describe("what must not hold a run for ever, nor end it for nothing", () => {
  test("suspended in Promoting, it goes on with a new deadline", () => {
    const world = initialized(spec({ progressDeadlineSeconds: 300 }));
    world.push("v2");
    world.at(480, () => (world.primaryStarts = false));
    world.at(560, () => (world.spec = { ...world.spec, suspend: true })).at(900, () => (world.spec = { ...world.spec, suspend: false })).run(2000);
    expect(world.status).toMatchObject({ phase: "Failed", run: { outcome: "PromotionBlocked" } });
  });

  test("a blip of readiness after an hour at a gate ends nothing", () => {
    const world = initialized(spec({}, { webhooks: [{ name: "go", type: "confirm-traffic-increase", url: "http://gate" }] }));
    world.answer = (ask) => (ask.kind === "gate" && world.nowMs < T0 + 4000 * SECOND ? fail : pass);
    world.push("v2");
    const blip = (ready: boolean) => () => void (world.target = world.target && { ...world.target, readiness: ready ? { ready: true } : { ready: false, why: "1 of 2 pods", deadlineExceeded: false } });
    world.at(3600, blip(false)).at(3610, blip(true)).run();
    expect(world.status.phase).toBe("Succeeded");
  });

  test("a clock that was an hour ahead delays the next check by one interval, not by an hour", () => {
    const world = initialized();
    world.push("v2");
    world.run(200);
    world.status = { ...world.status, run: { ...world.status.run!, nextCheckAt: new Date(world.nowMs + 3600 * SECOND).toISOString() } };
    world.run(400);
    expect(world.status.route?.canaryWeight).toBeGreaterThan(20);
  });

  test("a deletion that somebody's finalizer holds takes the traffic off", () => {
    const world = initialized();
    world.push("v2");
    world.at(200, () => (world.deleting = true)).run(400);
    expect(world.status).toMatchObject({ phase: "Terminating", route: { canaryWeight: 0 } });
  });

  test("what may be old raises nothing, and a failure still rolls back", () => {
    const world = initialized();
    world.push("v2");
    world.at(200, () => (world.stale = "a watch keeps failing")).run(2000);
    expect(world.status).toMatchObject({ phase: "Progressing", route: { canaryWeight: 20 } });
    world.answer = () => fail;
    world.run(4000);
    expect(world.status.phase).toBe("Failed");
  });

  test.each([
    ["a fraction", { stepWeight: 2.5, maxWeight: 6 }, [2, 4, 6]],
    ["next to nothing", { stepWeight: 1e-7, maxWeight: 3 }, [1, 2, 3]],
  ])("a step of %s is a whole percent", (_name, analysis, weights) => {
    const world = initialized(spec({}, analysis));
    world.push("v2");
    world.run();
    expect(world.trace.filter((line) => line.startsWith("Progressing"))).toEqual(["Progressing 0", ...weights.map((weight) => `Progressing ${weight}`)]);
  });
});
