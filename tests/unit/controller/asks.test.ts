// Are questions asked once, gates again and again, and is nothing heard of a question that is no longer asked?
import { describe, expect, test } from "@jest/globals";
import { Asks } from "../../../engine/controller/asks.ts";
import type { Answer, Ask } from "../../../engine/machine/types.ts";
import { settled, testClock, testLog } from "./support.ts";

const pass: Answer = { verdict: "pass", message: "", measurements: [] };
const closed: Answer = { verdict: "fail", message: "closed", measurements: [] };
const check: Ask = { id: "r/1/0", kind: "check" };
const gate: Ask = { id: "r/1/confirm-promotion", kind: "gate", type: "confirm-promotion", everyMs: 10_000 };

function asking(inquire: (ask: Ask) => Promise<Answer>) {
  const clock = testClock();
  const woken: string[] = [];
  const asked: string[] = [];
  const asks = new Asks((_key, ask) => (asked.push(ask.id), inquire(ask)), (key) => woken.push(key), testLog(), clock);
  return { clock, woken, asked, asks };
}

describe("asks", () => {
  test("a check is asked once and wakes its key", async () => {
    const { asks, asked, woken, clock } = asking(async () => pass);
    asks.set("k", [check]);
    asks.set("k", [check]);
    await settled();
    await clock.advance(60_000);
    expect([asked, woken]).toEqual([[check.id], ["k"]]);
    expect(asks.answers("k").get(check.id)).toEqual(pass);
  });

  test("a gate is asked until it opens, and wakes its key when it closes and when it opens", async () => {
    let answer = closed;
    const { asks, asked, woken, clock } = asking(async () => answer);
    asks.set("k", [gate]);
    await settled();
    await clock.advance(35_000);
    expect(asked).toHaveLength(4);
    expect(woken).toEqual(["k"]);
    answer = pass;
    await clock.advance(10_000);
    expect(woken).toEqual(["k", "k"]);
    await clock.advance(60_000);
    expect(asked).toHaveLength(5);
  });

  test("a gate that is not asked for any more is left alone", async () => {
    const { asks, asked, clock } = asking(async () => closed);
    asks.set("k", [gate]);
    await settled();
    asks.set("k", []);
    await clock.advance(60_000);
    expect(asked).toHaveLength(1);
    expect(asks.answers("k").size).toBe(0);
  });

  test("a hundred gates that hang do not hold up a check", async () => {
    const { asks } = asking((ask) => (ask.kind === "gate" ? new Promise(() => undefined) : Promise.resolve(pass)));
    for (let index = 0; index < 100; index += 1) asks.set(`g${index}`, [{ ...gate, id: `g${index}` }]);
    asks.set("k", [check]);
    await settled();
    expect(asks.answers("k").get(check.id)).toEqual(pass);
  });

  test("a question that throws is answered with an error, never with a pass", async () => {
    const { asks } = asking(() => Promise.reject(new Error("a bug")));
    asks.set("k", [check]);
    await settled();
    expect(asks.answers("k").get(check.id)?.verdict).toBe("error");
  });
});
