// Is everything run once, and does every failure come back to whoever asks next?
import { getMaxListeners } from "node:events";
import { expect, test } from "@jest/globals";
import { createTasks, type Outcome, type Task } from "../../../loadtester/tasks.ts";
import { ManualClock, settled } from "../adapters/manual-clock.ts";

const GOOD: Outcome = { ok: true, text: "good" };
const BAD: Outcome = { ok: false, text: "bad" };
const here = new AbortController().signal;

interface Played {
  task: Task;
  rounds: number;
  end(outcome: Outcome): Promise<void>;
}

function play(more: Partial<Task> = {}): Played {
  let resolve: (outcome: Outcome) => void = () => undefined;
  const played: Played = {
    rounds: 0,
    async end(outcome) {
      resolve(outcome);
      await settled();
    },
    task: {
      key: "a",
      run: "1",
      wait: false,
      ignoreFailure: false,
      work: (signal) =>
        new Promise<Outcome>((done) => {
          played.rounds += 1;
          resolve = done;
          signal.addEventListener("abort", () => done({ ok: false, text: "stopped", interrupted: true }));
        }),
      ...more,
    },
  };
  return played;
}

test("a task that runs is not started again, and is when it has ended well", async () => {
  const tasks = createTasks(9, new ManualClock());
  const one = play();
  expect([await tasks.ask(one.task, here), await tasks.ask(one.task, here), one.rounds, tasks.running]).toEqual([{ kind: "started" }, { kind: "running" }, 1, 1]);
  await one.end(GOOD);
  expect([await tasks.ask(one.task, here), one.rounds]).toEqual([{ kind: "started" }, 2]);
});

test("the next to ask hears of the failure once, and the next round runs", async () => {
  const tasks = createTasks(9, new ManualClock());
  const one = play();
  await tasks.ask(one.task, here);
  await one.end(BAD);
  expect(await tasks.ask(one.task, here)).toEqual({ kind: "failed before", outcome: BAD });
  expect([one.rounds, await tasks.ask(one.task, here)]).toEqual([2, { kind: "running" }]);
});

test.each([
  ["another run", { run: "2" }, 0, "started"],
  ["too long ago", {}, 15 * 60_000 + 1, "started"],
  ["just not too long ago", {}, 15 * 60_000, "failed before"],
  ["another task", { key: "b" }, 0, "started"],
])("of a failure, %s hears: %#", async (_, more, passedMs, kind) => {
  const clock = new ManualClock();
  const tasks = createTasks(9, clock);
  const one = play();
  await tasks.ask(one.task, here);
  await one.end(BAD);
  await clock.pass(passedMs);
  expect(await tasks.ask({ ...one.task, ...more }, here)).toMatchObject({ kind });
});

test("a failure that is to be ignored is told to nobody", async () => {
  const tasks = createTasks(9, new ManualClock());
  const one = play({ ignoreFailure: true });
  await tasks.ask(one.task, here);
  await one.end(BAD);
  expect(await tasks.ask(one.task, here)).toEqual({ kind: "started" });
});

test("all who wait hear the end, and nobody hears it again", async () => {
  const tasks = createTasks(9, new ManualClock());
  const one = play({ wait: true });
  const both = [tasks.ask(one.task, here), tasks.ask(one.task, here)];
  await settled();
  await one.end(BAD);
  expect(await Promise.all(both)).toEqual([{ kind: "ended", outcome: BAD }, { kind: "ended", outcome: BAD }]);
  const again = tasks.ask(one.task, here);
  await settled();
  await one.end(GOOD);
  expect([await again, one.rounds]).toEqual([{ kind: "ended", outcome: GOOD }, 2]);
});

test.each([GOOD, BAD])("a caller whose time was over hears the end when it asks again, instead of starting anew: %j", async (outcome) => {
  const tasks = createTasks(9, new ManualClock());
  const one = play({ wait: true });
  const leaves = new AbortController();
  const first = tasks.ask(one.task, leaves.signal);
  leaves.abort();
  expect(await first).toEqual({ kind: "gone" });
  await one.end(outcome);
  expect([await tasks.ask(one.task, here), one.rounds]).toEqual([{ kind: "ended", outcome }, 1]);
});

test("a caller who was gone before it was heard waits for nothing", async () => {
  const tasks = createTasks(9, new ManualClock());
  expect(await tasks.ask(play({ wait: true }).task, AbortSignal.abort())).toEqual({ kind: "gone" });
});

test("no more run than there is room for, and a failure is told all the same", async () => {
  const tasks = createTasks(1, new ManualClock());
  const one = play();
  const other = play({ key: "b" });
  await tasks.ask(one.task, here);
  expect(await tasks.ask(other.task, here)).toEqual({ kind: "full" });
  await one.end(BAD);
  await tasks.ask(other.task, here);
  expect([await tasks.ask(one.task, here), one.rounds]).toEqual([{ kind: "failed before", outcome: BAD }, 1]);
});

test("failures that nobody hears are bounded: the oldest are forgotten", async () => {
  const tasks = createTasks(9, new ManualClock());
  const failing = (index: number): Task => ({ ...play().task, key: String(index), work: () => Promise.resolve(BAD) });
  for (let index = 0; index < 1_002; index += 1) {
    await tasks.ask(failing(index), here);
    await settled();
  }
  expect([(await tasks.ask(failing(0), here)).kind, (await tasks.ask(failing(1_001), here)).kind]).toEqual(["started", "failed before"]);
}, 30_000);

test("a bug in a task is its failure, and its message is said to nobody", async () => {
  const tasks = createTasks(9, new ManualClock());
  const { task } = play({ wait: true, work: () => Promise.reject(new TypeError("s3cret")) });
  const told = await tasks.ask(task, here);
  expect(told).toMatchObject({ kind: "ended", outcome: { ok: false } });
  expect(JSON.stringify(told)).not.toContain("s3cret");
});

test("the end ends all that runs, tells those who wait, and starts nothing more", async () => {
  const tasks = createTasks(9, new ManualClock());
  const one = play({ wait: true });
  const waiting = tasks.ask(one.task, here);
  await tasks.ask(play({ key: "b" }).task, here);
  await tasks.stop();
  expect(await waiting).toMatchObject({ kind: "ended", outcome: { interrupted: true } });
  expect([tasks.running, await tasks.ask(one.task, here)]).toEqual([0, { kind: "full" }]);
});

test("any number of requests may listen for the end, without a warning of Node's", async () => {
  const tasks = createTasks(9, new ManualClock());
  let listeners: number | undefined;
  await tasks.ask(play({ work: (signal) => Promise.resolve({ ok: (listeners = getMaxListeners(signal)) > 1e6, text: "" }) }).task, here);
  expect(listeners).toBe(Infinity);
});
