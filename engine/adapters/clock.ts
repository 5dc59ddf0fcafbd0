// Time and chance as they really are. The only place of the engine that asks the machine for either.
import { performance } from "node:perf_hooks";
import type { Clock, Random } from "../ports.ts";

/** Timers of Node hold at most this long; longer waits are taken in pieces by whoever asked. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, task) {
    const timer = setTimeout(task, Math.min(Math.max(delayMs, 0), TIMER_MAX_MS));
    return () => clearTimeout(timer);
  },
};

export const realRandom: Random = () => Math.random();
