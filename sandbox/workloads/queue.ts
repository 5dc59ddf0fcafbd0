// Which keys of a controller still need work? A key asked for many times is worked once, never from within the
// change that asked for it, and a refused write is simply tried again. It must never lose a key.
import type { Clock } from "../api/types.ts";

export interface KeyQueue {
  add(key: string): void;
  addAfter(key: string, delayMs: number): void;
  stop(): void;
}

/** A refused write (a conflict, an object that went away) is the common case; the world has moved, so look again soon. */
const retryMs = 20;

export function keyQueue(clock: Clock, work: (key: string) => void, onFault: (key: string, fault: unknown) => void): KeyQueue {
  const dirty = new Set<string>();
  const delayed = new Map<string, { dueAt: number; cancel: () => void }>();
  let cancelDrain: (() => void) | undefined;
  let stopped = false;

  const add = (key: string) => {
    if (stopped) return;
    dirty.add(key);
    cancelDrain ??= clock.after(0, drain);
  };
  const addAfter = (key: string, delayMs: number) => {
    if (stopped) return;
    const dueAt = clock.now() + delayMs;
    const earlier = delayed.get(key);
    if (earlier !== undefined && earlier.dueAt <= dueAt) return;
    earlier?.cancel();
    const cancel = clock.after(delayMs, () => {
      delayed.delete(key);
      add(key);
    });
    delayed.set(key, { dueAt, cancel });
  };
  const drain = () => {
    cancelDrain = undefined;
    // What is added while working waits for the next turn, so that no key starves the others.
    const keys = [...dirty];
    dirty.clear();
    for (const key of keys) {
      if (stopped) return;
      try {
        work(key);
      } catch (fault) {
        onFault(key, fault);
        addAfter(key, retryMs);
      }
    }
  };
  const stop = () => {
    stopped = true;
    cancelDrain?.();
    for (const { cancel } of delayed.values()) cancel();
    delayed.clear();
    dirty.clear();
  };
  return { add, addAfter, stop };
}
