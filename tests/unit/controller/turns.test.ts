// Are many things done a few at a time, with their results in order?
import { expect, test } from "@jest/globals";
import { inTurns } from "../../../engine/controller/turns.ts";

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a few at a time, in order, each once", async () => {
  let [now, most] = [0, 0];
  const results = await inTurns(Array.from({ length: 100 }, (_, index) => index), async (item) => {
    most = Math.max(most, (now += 1));
    for (let turn = 0; turn <= item % 3; turn += 1) await tick();
    now -= 1;
    return item * 2;
  });
  expect(results).toEqual(Array.from({ length: 100 }, (_, index) => index * 2));
  expect(most).toBe(8);
});

test("nothing to do is done at once", async () => expect(await inTurns([], () => Promise.reject(new Error("never")))).toEqual([]));

test("a rejection is heard, and nothing new begins after it", async () => {
  const begun: number[] = [];
  const broken = inTurns(Array.from({ length: 100 }, (_, index) => index), async (item) => {
    begun.push(item);
    await tick();
    if (item === 3) throw new Error("three");
  });
  await expect(broken).rejects.toThrow("three");
  await tick();
  await tick();
  expect(begun.length).toBeLessThan(20);
});
