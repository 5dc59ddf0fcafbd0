// Time for these tests: it passes only when a test says so, and everybody who waits for a promise is let go on first.
import type { Clock, Log } from "../../../engine/ports.ts";

export class ManualClock implements Clock {
  /** May be set apart from the monotonic one, as an operator does who corrects a clock. */
  wallOffsetMs = Date.UTC(2026, 0, 1);
  private timers: { dueAt: number; task: () => void }[] = [];
  private passedMs = 0;

  now(): number {
    return this.wallOffsetMs + this.passedMs;
  }

  monotonic(): number {
    return this.passedMs;
  }

  after(delayMs: number, task: () => void): () => void {
    const timer = { dueAt: this.passedMs + Math.max(delayMs, 0), task };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  get waiting(): number {
    return this.timers.length;
  }

  /** Time passes and what falls due runs, in order of its instant. */
  async pass(spanMs: number): Promise<void> {
    const end = this.passedMs + spanMs;
    await settled();
    for (;;) {
      const [next] = this.timers.filter((timer) => timer.dueAt <= end).sort((a, b) => a.dueAt - b.dueAt);
      if (next === undefined) break;
      this.timers = this.timers.filter((timer) => timer !== next);
      this.passedMs = Math.max(this.passedMs, next.dueAt);
      next.task();
      await settled();
    }
    this.passedMs = end;
  }

  /** Time passes while this process is stopped: nothing runs, not even what falls due. */
  freeze(spanMs: number): void {
    this.passedMs += spanMs;
  }
}

/** Lets everything run that waits for no time. */
export async function settled(): Promise<void> {
  for (let round = 0; round < 10; round += 1) await new Promise((resolve) => setImmediate(resolve));
}

export const silent: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
