// A clock that moves when told, a log that is kept, and a turn of the event loop: what background work is tested with.
import type { Clock, Log } from "../../../engine/ports.ts";
import { virtualClock } from "../../../sandbox/clock.ts";

export function testClock(): Clock & { advance(ms: number): Promise<void> } {
  const clock = virtualClock();
  return {
    now: clock.now,
    monotonic: clock.now,
    after: clock.after,
    /** In small steps, because what a task starts has its own waits. */
    async advance(ms) {
      for (let left = ms; left > 0; left -= 500) {
        clock.advance(Math.min(left, 500));
        await settled();
      }
    },
  };
}

/** Everything that can go on without time has gone on. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

export function testLog(): Log & { lines: string[] } {
  const lines: string[] = [];
  const write = (fields: Record<string, unknown>, message: string): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
  return { lines, debug: write, info: write, warn: write, error: write };
}
