// Does a key come at the earliest instant that was asked for, whatever becomes of the wall clock meanwhile?
import { expect, test } from "@jest/globals";
import { WorkQueue } from "../../../engine/controller/workqueue.ts";
import { virtualClock } from "../../../sandbox/clock.ts";

/** A wall clock that can be set, and a monotonic one that cannot. */
function clocks() {
  const clock = virtualClock();
  let setBy = 0;
  return { clock: { now: () => clock.now() + setBy, monotonic: clock.now, after: clock.after }, advance: clock.advance, set: (ms: number) => void (setBy += ms) };
}

test("the earliest of several instants counts, once", async () => {
  const { clock, advance } = clocks();
  const queue = new WorkQueue(clock);
  queue.addAt("a", clock.now() + 600_000);
  queue.addAt("a", clock.now() + 50);
  queue.addAt("a", clock.now() + 5_000);
  advance(49);
  expect(queue.depth).toBe(0);
  advance(1);
  expect([queue.depth, queue.waiting]).toEqual([1, 0]);
  expect(await queue.next()).toBe("a");
});

test.each([["ahead", 900_000], ["back", -900_000]])("a wall clock that was set %s in between does not hide what is due soon", (_where, ms) => {
  const { clock, advance, set } = clocks();
  const queue = new WorkQueue(clock);
  queue.addAt("a", clock.now() + 600_000);
  set(ms);
  queue.addAt("a", clock.now() + 50);
  advance(50);
  expect(queue.depth).toBe(1);
});
