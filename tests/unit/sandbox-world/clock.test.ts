import { describe, expect, test } from "@jest/globals";
import { virtualClock } from "../../../sandbox/clock.ts";
import { keyQueue } from "../../../sandbox/workloads/queue.ts";

describe("the virtual clock", () => {
  test("calls tasks at their instants, in order, and those that they add", () => {
    const clock = virtualClock(1000);
    const calls: string[] = [];
    const note = (name: string) => () => calls.push(`${name}@${clock.now()}`);
    clock.after(30, note("late"));
    clock.after(10, () => {
      note("early")();
      clock.after(5, note("added"));
      clock.after(100, note("beyond"));
    });
    clock.after(10, note("second"));
    clock.advance(40);
    expect(calls).toEqual(["early@1010", "second@1010", "added@1015", "late@1030"]);
    expect([clock.now(), clock.nextDueAt()]).toEqual([1040, 1110]);
  });

  test("does not call what was cancelled, and refuses to go backwards", () => {
    const clock = virtualClock();
    let called = false;
    clock.after(10, () => (called = true))();
    clock.advance(20);
    expect(called).toBe(false);
    expect(() => clock.advance(-1)).toThrow(RangeError);
    expect(() => clock.advance(NaN)).toThrow(RangeError);
  });
});

describe("the key queue", () => {
  test("works a key once however often it was asked for, and never within the asking", () => {
    const clock = virtualClock();
    const worked: string[] = [];
    const queue = keyQueue(clock, (key) => void worked.push(key), () => undefined);
    for (const key of ["a", "b", "a"]) queue.add(key);
    expect(worked).toEqual([]);
    clock.advance(0);
    expect(worked).toEqual(["a", "b"]);
  });

  test("tries a failed key again, and loses no other for it", () => {
    const clock = virtualClock();
    const faults: string[] = [];
    const worked: string[] = [];
    let failures = 2;
    const queue = keyQueue(clock, (key) => {
      if (key === "bad" && failures-- > 0) throw new Error("refused");
      worked.push(key);
    }, (key) => void faults.push(key));
    queue.add("bad");
    queue.add("good");
    clock.advance(0);
    expect(worked).toEqual(["good"]);
    clock.advance(100);
    expect([worked, faults]).toEqual([["good", "bad"], ["bad", "bad"]]);
  });

  test("keeps the earliest of several later instants, and nothing after stop", () => {
    const clock = virtualClock(0);
    const worked: number[] = [];
    const queue = keyQueue(clock, () => void worked.push(clock.now()), () => undefined);
    queue.addAfter("a", 50);
    queue.addAfter("a", 20);
    queue.addAfter("a", 80);
    clock.advance(100);
    expect(worked).toEqual([20]);
    queue.add("a");
    queue.addAfter("a", 10);
    queue.stop();
    clock.advance(100);
    expect(worked).toEqual([20]);
    expect(clock.nextDueAt()).toBeUndefined();
  });
});
