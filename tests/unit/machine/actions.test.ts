// What do people's actions do, and when are they refused? Each against the run that it names, once.
import { describe, expect, test } from "@jest/globals";
import { ACTION, parseAction } from "../../../crds/action.ts";
import { fail, initialized, noData, pass, SECOND, SimulatedWorld, spec, T0 } from "./simulated.ts";

const closed = { ...fail, message: "webhook approve: 403" };

function gatedSpec(type: string, analysis: object = {}) {
  return spec({}, { stepWeight: 25, webhooks: [{ name: "approve", type, url: "http://gate" }], ...analysis });
}

function ask(world: SimulatedWorld, text: string): void {
  const { run, counters } = world.status;
  const current = world.status.phase === "Waiting" ? `${world.target?.hash}-${(counters?.runs ?? 0) + 1}` : run?.id;
  world.annotations = { [ACTION]: text.replace("THIS", current ?? "") };
}

function held(type: string): SimulatedWorld {
  const world = initialized(gatedSpec(type));
  world.answer = (asked) => (asked.kind === "gate" ? closed : pass);
  world.push("v2");
  return world;
}

describe("the words", () => {
  test.each([
    ["promote run=v2-1", { verb: "promote", run: "v2-1" }],
    ["abort run=v2-1 by=ann reason=it is slow = bad", { verb: "abort", run: "v2-1", by: "ann", reason: "it is slow = bad" }],
    ["set-weight weight=30 run=v2-1", { verb: "set-weight", run: "v2-1", weight: 30 }],
  ])("%s", (text, action) => expect(parseAction(text)).toMatchObject(action));

  test.each([
    ["", /no action/],
    ["destroy run=1", /use one of approve, promote/],
    ["promote", /names no run/],
    ["promote v2-1", /not known; write promote run=ID/],
    ["set-weight run=1", /weight=N/],
    ["set-weight run=1 weight=101", /1 to 100/],
  ])("%p is refused", (text, says) => expect(parseAction(text)).toMatch(says));
});

describe("in a run", () => {
  test("promote skips what is left of the analysis", () => {
    const world = initialized();
    world.push("v2");
    world.at(200, () => ask(world, "promote run=THIS by=ann reason=hotfix")).run();
    expect(world.trace).toEqual(["Progressing 0", "Progressing 10", "Progressing 20", "Promoting 0", "Finalising 0", "Succeeded 0"]);
    expect(world.status.actions).toMatchObject([{ verb: "promote", by: "ann", reason: "hotfix", result: "Done" }]);
    expect(world.notices.filter((reason) => reason === "Action")).toHaveLength(1);
  });

  test("promote of a target that is not ready is refused", () => {
    const world = initialized();
    world.podsStart = false;
    world.push("v2");
    world.at(100, () => ask(world, "promote run=THIS")).run(200);
    expect(world.status).toMatchObject({ phase: "Progressing", actions: [{ result: "Refused", message: /not ready/ }] });
  });

  test("abort brings everybody back at once, also while a check hangs", () => {
    const world = initialized();
    world.answer = (asked) => (asked.kind === "check" ? undefined : pass);
    world.push("v2");
    world.at(400, () => ask(world, "abort run=THIS by=ann")).run();
    expect(world.trace.at(-1)).toBe("Failed 0");
    expect(world.status.run).toMatchObject({ outcome: "RolledBack", reason: "Aborted" });
  });

  test("abort waits for a primary that can take the traffic, and is not forgotten", () => {
    const world = initialized();
    world.push("v2");
    const gone = (available: number) => () => void (world.primary = world.primary && { ...world.primary, availableReplicas: available, readiness: available > 0 ? { ready: true } : { ready: false, why: "no pods", deadlineExceeded: false } });
    world.at(200, () => {
      world.primaryStarts = false;
      gone(0)();
      ask(world, "abort run=THIS");
    });
    world.run(300);
    expect(world.status).toMatchObject({ phase: "Progressing", route: { canaryWeight: 20 } });
    expect(world.status.actions).toBeUndefined();
    world.at(310, gone(2)).run(400);
    expect(world.status).toMatchObject({ phase: "Failed", actions: [{ verb: "abort", result: "Done" }] });
  });

  test("pause holds weight and checks, resume goes on", () => {
    const world = initialized();
    world.push("v2");
    world.at(200, () => ask(world, "pause run=THIS")).run(5000);
    expect(world.status).toMatchObject({ phase: "Progressing", route: { canaryWeight: 20 } });
    world.at(5001, () => ask(world, "resume run=THIS")).run();
    expect(world.trace.at(-1)).toBe("Succeeded 0");
  });

  test("a paused run still comes back when its pods crash", () => {
    const world = initialized();
    world.push("v2");
    world.at(200, () => ask(world, "pause run=THIS"));
    world.at(300, () => void (world.target = world.target && { ...world.target, restarts: 3 })).run(400);
    expect(world.status).toMatchObject({ phase: "Failed", run: { reason: "CrashLoop" } });
  });

  test("set-weight moves within the maximum, and the next check is one interval away", () => {
    const world = initialized();
    world.push("v2");
    world.at(200, () => ask(world, "set-weight run=THIS weight=50")).run(205);
    expect(world.status.route?.canaryWeight).toBe(50);
    world.run(280);
    expect(world.status.phase).toBe("Progressing");
    world.run(300);
    expect(world.status.phase).not.toBe("Progressing");
  });

  test.each([
    ["set-weight run=THIS weight=60", /above the maximum of 50/],
    ["promote run=v1-9", /not the current one, which is v2-1/],
    ["resume run=THIS", /not paused/],
    ["approve run=THIS", /nothing waits/],
    ["retry run=THIS", /only a failed run/],
    ["explode run=THIS", /no action/],
  ])("%s is refused with a reason, once", (text, says) => {
    const world = initialized();
    world.push("v2");
    world.at(200, () => ask(world, text)).run(250);
    expect(world.status.phase).toBe("Progressing");
    expect(world.status.actions).toHaveLength(1);
    expect(world.status.actions?.[0]).toMatchObject({ result: "Refused", message: says });
  });
});

describe("what waits for a person", () => {
  test("approve starts a run that confirm-rollout holds", () => {
    const world = held("confirm-rollout");
    world.at(500, () => ask(world, "approve run=THIS by=ann")).run();
    expect(world.trace.slice(0, 2)).toEqual(["Waiting 0", "Progressing 0"]);
    expect(world.trace.at(-1)).toBe("Succeeded 0");
  });

  test("abort turns it away", () => {
    const world = held("confirm-rollout");
    world.at(500, () => ask(world, "abort run=THIS")).run();
    expect(world.trace).toEqual(["Waiting 0", "Failed 0"]);
    expect(world.status).toMatchObject({ lastPromotedSpec: "v1", lastAppliedSpec: "v2", run: { reason: "Aborted" } });
  });

  test("confirmStart holds every run without a webhook, and says which one waits", () => {
    const world = initialized(spec({ confirmStart: true }, { stepWeight: 25 }));
    world.push("v2");
    world.run(60);
    expect(world.status).toMatchObject({ phase: "Waiting", waiting: { run: "v2-1", revision: "v2" } });
    world.push("v3");
    world.run(60);
    expect(world.status.waiting).toMatchObject({ run: "v3-1", revision: "v3" });
    ask(world, "approve run=THIS by=fleet");
    world.run(30);
    expect(world.status).toMatchObject({ phase: "Progressing", run: { revision: "v3" } });
    expect(world.status.waiting).toBeUndefined();
  });

  test("approve promotes what confirm-promotion holds", () => {
    const world = held("confirm-promotion");
    world.at(2000, () => ask(world, "approve run=THIS")).run();
    expect(world.trace.slice(-4)).toEqual(["WaitingPromotion 50", "Promoting 0", "Finalising 0", "Succeeded 0"]);
  });

  test("approve of the first step", () => {
    const world = held("confirm-traffic-increase");
    world.at(500, () => ask(world, "approve run=THIS")).run(700);
    expect(world.status.route?.canaryWeight).toBe(25);
  });
});

describe("when the run is over", () => {
  test("retry runs the same revision again", () => {
    const world = initialized();
    world.answer = () => (world.nowMs < T0 + 1000 * SECOND ? fail : pass);
    world.push("v2");
    world.at(2000, () => ask(world, "retry run=THIS")).run();
    expect(world.trace.filter((line) => line.startsWith("Failed") || line.startsWith("Succeeded"))).toEqual(["Failed 0", "Succeeded 0"]);
    expect(world.status.lastPromotedSpec).toBe("v2");
    expect(world.status.history?.map(({ outcome }) => outcome)).toEqual(["Promoted", "RolledBack"]);
  });

  test("rollback returns to the revision before at once, without a check, and starts nothing by itself", () => {
    const world = initialized();
    world.push("v2");
    world.run();
    const asked: string[] = [];
    world.answer = (ask) => (asked.push(ask.kind), pass);
    ask(world, "rollback run=THIS by=ann reason=orders fail");
    world.run();
    expect(world.primary?.revision).toBe("v1");
    expect(asked).toEqual([]);
    expect(world.status).toMatchObject({ phase: "Failed", lastPromotedSpec: "v1", lastAppliedSpec: "v2", run: { outcome: "Undone", reason: "RollbackAction" }, route: { canaryWeight: 0 } });
    world.push("v3");
    world.run();
    expect(world.status).toMatchObject({ phase: "Succeeded", lastPromotedSpec: "v3", previousPromotedSpec: "v1" });
  });

  test("rollback of a run that is under way is refused, and so is one with nothing before it", () => {
    const world = initialized();
    world.push("v2");
    world.at(200, () => ask(world, "rollback run=THIS")).run(250);
    expect(world.status.actions?.[0]).toMatchObject({ result: "Refused", message: /under way/ });
    world.run();
    ask(world, "rollback run=THIS by=ann");
    world.run();
    world.at(world.nowMs, () => undefined);
    ask(world, "rollback run=THIS by=bob");
    world.run();
    expect(world.status.actions?.[0]).toMatchObject({ by: "bob", result: "Refused" });
  });

  test("everything else is refused with the phase", () => {
    const world = initialized();
    world.push("v2");
    world.run();
    ask(world, "abort run=THIS");
    world.run();
    expect(world.status.actions?.[0]).toMatchObject({ result: "Refused", message: "nothing to abort: the run is Succeeded" });
  });

  test("an action expires with its run", () => {
    const world = initialized();
    world.answer = () => noData;
    world.push("v2");
    world.at(200, () => ask(world, "pause run=THIS")).at(300, () => world.push("v3")).run(400);
    expect(world.status.run).toMatchObject({ revision: "v3" });
    expect(world.status.run?.paused).toBeUndefined();
  });
});
