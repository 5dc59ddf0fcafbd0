// Does the generator send at the rate that was asked for whatever comes back, and does it count what came back?
import { describe, expect, test } from "@jest/globals";
import { latencies } from "../../../loadtester/latencies.ts";
import { generate, type Answered, type Pace, type Report } from "../../../loadtester/load.ts";
import { judge } from "../../../loadtester/plan.ts";
import { ManualClock } from "../adapters/manual-clock.ts";

const good = (status: number): boolean => status < 400;

interface Played {
  clock: ManualClock;
  /** When each request was sent. */
  sentAt: number[];
  report: Promise<Report>;
  stop(): void;
}

/** @param answer what the n-th request gets, and after how long */
function play(pace: Pace, answer: (n: number) => { answer: Answered; afterMs: number }): Played {
  const clock = new ManualClock();
  const sentAt: number[] = [];
  const stop = new AbortController();
  const send = (signal: AbortSignal): Promise<Answered> =>
    new Promise((resolve) => {
      const { answer: answered, afterMs } = answer(sentAt.length);
      sentAt.push(clock.monotonic());
      clock.after(afterMs, () => resolve(answered));
      signal.addEventListener("abort", () => resolve({ fault: "stopped" }));
    });
  return { clock, sentAt, report: generate(pace, send, good, clock, stop.signal), stop: () => stop.abort() };
}

const fast = () => ({ answer: { status: 200 }, afterMs: 1 });

describe("a rate", () => {
  test.each([[20, 1_000, 20], [5, 10_000, 50], [0.5, 4_000, 2], [1_000, 1_000, 1_000], [0.1, 1_000, 1]])("%d a second for %d ms are %d requests, evenly spread", async (rate, durationMs, wanted) => {
    const { clock, sentAt, report } = play({ rate, durationMs, concurrency: 100 }, fast);
    await clock.pass(durationMs + 10);
    expect(await report).toMatchObject({ sent: wanted, failed: 0, skipped: 0, stopped: false });
    // None before it is due, and none later than a beat of the timer.
    expect(sentAt.filter((at, n) => at < (n * 1000) / rate - 1 || at > (n * 1000) / rate + 10)).toEqual([]);
  });

  test("is kept up when answers are slow: a slow service is not spared", async () => {
    const { clock, report } = play({ rate: 10, durationMs: 2_000, concurrency: 100 }, () => ({ answer: { status: 200 }, afterMs: 5_000 }));
    await clock.pass(8_000);
    const { sent, tookMs, latencies: times } = await report;
    expect(sent).toBe(20);
    expect(tookMs).toBeGreaterThan(6_000);
    expect(Math.abs(times.quantile(0.5) - 5_000)).toBeLessThan(250);
  });

  test("finds its bound in the requests in flight, and says what was left out", async () => {
    const { clock, report } = play({ rate: 10, durationMs: 1_000, concurrency: 3 }, () => ({ answer: { status: 200 }, afterMs: 60_000 }));
    await clock.pass(70_000);
    const counted = await report;
    expect(counted).toMatchObject({ sent: 3, skipped: 7 });
    expect(judge(counted, 100).text).toContain("7 were not sent");
  });

  test("ends with a number of requests where that is earlier", async () => {
    const { clock, report } = play({ rate: 10, durationMs: 60_000, requests: 5, concurrency: 9 }, fast);
    await clock.pass(1_000);
    expect(await report).toMatchObject({ sent: 5 });
  });

  test("after a pause of the whole process catches up within its bound instead of all at once", async () => {
    const { clock, report } = play({ rate: 100, durationMs: 2_000, concurrency: 10 }, fast);
    await clock.pass(500);
    clock.freeze(1_000);
    await clock.pass(1_000);
    const { sent, skipped } = await report;
    expect(sent + skipped).toBe(200);
    expect(skipped).toBeGreaterThan(80);
  });
});

describe("without a rate", () => {
  test("each worker waits for its answer: ten a second with five workers are fifty", async () => {
    const { clock, report } = play({ rate: "unlimited", durationMs: 1_000, concurrency: 5 }, () => ({ answer: { status: 200 }, afterMs: 100 }));
    await clock.pass(2_000);
    expect(await report).toMatchObject({ sent: 50, skipped: 0 });
  });

  test("exactly so many requests as were asked for, also with more workers than that", async () => {
    for (const concurrency of [1, 3, 50]) {
      const { clock, report } = play({ rate: "unlimited", durationMs: 60_000, requests: 7, concurrency }, fast);
      await clock.pass(1_000);
      expect(await report).toMatchObject({ sent: 7 });
    }
  });

  test("a service that refuses at once is not asked without a breath", async () => {
    const { clock, report } = play({ rate: "unlimited", durationMs: 1_000, concurrency: 1 }, () => ({ answer: { fault: "ECONNREFUSED" }, afterMs: 0 }));
    await clock.pass(2_000);
    expect((await report).sent).toBeLessThanOrEqual(101);
  });
});

describe("what came back", () => {
  test("is counted by status and fault; only answers that are good are no failures", async () => {
    const kinds: Answered[] = [{ status: 200 }, { status: 302 }, { status: 404 }, { fault: "timeout" }];
    const { clock, report } = play({ rate: 40, durationMs: 1_000, concurrency: 9 }, (n) => ({ answer: kinds[n % 4] as Answered, afterMs: 1 }));
    await clock.pass(2_000);
    const counted = await report;
    expect(Object.fromEntries(counted.answers)).toEqual({ 200: 10, 302: 10, 404: 10, timeout: 10 });
    expect(counted.failed).toBe(20);
    expect([judge(counted, 49.9).ok, judge(counted, 50).ok]).toEqual([false, true]);
    expect(judge(counted, 50).text).toMatch(/^40 requests in \d\.\d s \(.*10 × timeout.*\), 50\.00 % failed; p50 /);
  });

  test("a sender that throws is a fault", async () => {
    const clock = new ManualClock();
    const report = generate({ rate: 1, durationMs: 1_000, concurrency: 1 }, () => Promise.reject(new Error("bad")), good, clock, new AbortController().signal);
    await clock.pass(1_000);
    expect(await report).toMatchObject({ sent: 1, failed: 1 });
  });

  test("kinds of faults are bounded", async () => {
    const { clock, report } = play({ rate: 100, durationMs: 1_000, concurrency: 99 }, (n) => ({ answer: { fault: `fault ${n}` }, afterMs: 1 }));
    await clock.pass(2_000);
    const { answers } = await report;
    expect([answers.size, answers.get("other")]).toEqual([21, 80]);
  });

  test("no answer at all is a failure, however many may fail", async () => {
    const { clock, report } = play({ rate: 10, durationMs: 1_000, concurrency: 9 }, () => ({ answer: { fault: "ENOTFOUND" }, afterMs: 1 }));
    await clock.pass(2_000);
    expect(judge(await report, 100)).toMatchObject({ ok: false, text: expect.stringMatching(/^no request was answered: .*ENOTFOUND/) });
  });
});

describe.each(["unlimited", 10] as const)("ended from outside, rate %s", (rate) => {
  test("it ends at once, and what was cut off counts neither as sent nor as failed", async () => {
    const { clock, report, stop } = play({ rate, durationMs: 60_000, concurrency: 4 }, (n) => ({ answer: { status: 200 }, afterMs: n < 4 ? 1 : 60_000 }));
    await clock.pass(1_000);
    stop();
    expect(await report).toMatchObject({ sent: 4, failed: 0, stopped: true });
    await clock.pass(0);
  });
});

test("quantiles are right within 5 percent, and take no more room for more of them", () => {
  const times = latencies();
  expect(times.quantile(0.99)).toBe(0);
  for (let ms = 1; ms <= 1_000; ms += 1) times.add(ms);
  for (const [q, wanted] of [[0.5, 500], [0.95, 950], [0.99, 990], [1, 1_000]] as const) expect(Math.abs(times.quantile(q) - wanted) / wanted).toBeLessThan(0.05);
  times.add(1e9);
  times.add(0);
  expect(times.quantile(1)).toBeGreaterThan(1_000_000);
});
