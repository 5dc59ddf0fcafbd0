// What time is it in the sandbox, and who is called when? One clock is the machine's, the other moves only when it is told to.
// The virtual one must never move backwards and never call a task before its instant.
import type { Clock } from "./api/types.ts";

export function realClock(): Clock {
  return {
    now: () => Date.now(),
    after(delayMs, task) {
      const timer = setTimeout(task, delayMs);
      return () => clearTimeout(timer);
    },
  };
}

export interface VirtualClock extends Clock {
  /** Moves time forward, calling what falls due in the order of its instants; tasks added on the way are called too. */
  advance(ms: number): void;
  /** The instant of the earliest task; lets a simulation jump over time in which nothing happens. */
  nextDueAt(): number | undefined;
}

interface Task {
  dueAt: number;
  run: () => void;
}

export function virtualClock(startAt = Date.UTC(2030, 0, 1)): VirtualClock {
  let now = startAt;
  // Ordered by instant, then by the order of asking, so that two runs with the same seed are the same run.
  const tasks: Task[] = [];
  return {
    now: () => now,
    after(delayMs, run) {
      const task = { dueAt: now + Math.max(0, delayMs), run };
      tasks.splice(positionAfter(tasks, task.dueAt), 0, task);
      return () => {
        const index = tasks.indexOf(task);
        if (index >= 0) tasks.splice(index, 1);
      };
    },
    advance(ms) {
      if (!(ms >= 0)) throw new RangeError(`a clock does not go backwards: ${ms} ms`);
      const until = now + ms;
      for (let task = tasks[0]; task !== undefined && task.dueAt <= until; task = tasks[0]) {
        tasks.shift();
        now = task.dueAt;
        task.run();
      }
      now = until;
    },
    nextDueAt: () => tasks[0]?.dueAt,
  };
}

function positionAfter(tasks: readonly Task[], dueAt: number): number {
  let low = 0;
  let high = tasks.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((tasks[middle]?.dueAt ?? Infinity) <= dueAt) low = middle + 1;
    else high = middle;
  }
  return low;
}
