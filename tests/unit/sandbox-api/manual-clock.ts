// Time and chance for these tests: nothing passes unless a test says so.
import type { Clock, Random } from "../../../sandbox/api/types.ts";

export class ManualClock implements Clock {
  private timers: { dueAt: number; task: () => void }[] = [];
  private time = Date.UTC(2026, 0, 1);

  now(): number {
    return this.time;
  }

  get waiting(): number {
    return this.timers.length;
  }

  after(delayMs: number, task: () => void): () => void {
    const timer = { dueAt: this.time + delayMs, task };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  /** Runs everything that falls due within the span, in order of its instant. */
  pass(spanMs: number): void {
    const end = this.time + spanMs;
    for (;;) {
      const next = this.timers.filter((timer) => timer.dueAt <= end).sort((a, b) => a.dueAt - b.dueAt)[0];
      if (next === undefined) break;
      this.timers = this.timers.filter((timer) => timer !== next);
      this.time = Math.max(this.time, next.dueAt);
      next.task();
    }
    this.time = end;
  }
}

export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
