// How does an adapter wait without outliving its caller? By the clock that it was given, and never past the abort of a signal.
import type { Clock } from "../ports.ts";

/** Resolves after `ms`, or at once when `signal` aborts. */
export function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      signal.removeEventListener("abort", end);
      cancel();
      resolve();
    };
    const cancel = clock.after(ms, end);
    signal.addEventListener("abort", end, { once: true });
  });
}

export interface Cut {
  signal: AbortSignal;
  /** Call it when the work is over, or the listener and the timer stay for as long as the outer signal lives. */
  release(): void;
}

/** A signal that aborts with `outer`, and after `ms` at the latest. */
export function cutAfter(clock: Clock, ms: number, outer: AbortSignal): Cut {
  const cut = new AbortController();
  const abort = (): void => cut.abort();
  if (outer.aborted) abort();
  outer.addEventListener("abort", abort, { once: true });
  const cancel = clock.after(ms, abort);
  return {
    signal: cut.signal,
    release() {
      outer.removeEventListener("abort", abort);
      cancel();
    },
  };
}

/** The promise's value, or undefined when it has none after `ms`; the work itself goes on unheard. */
export async function within<T>(clock: Clock, ms: number, work: Promise<T>): Promise<T | undefined> {
  let cancel = (): void => undefined;
  const late = new Promise<undefined>((resolve) => {
    cancel = clock.after(ms, () => resolve(undefined));
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    cancel();
  }
}

export async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

const LOOK_MS = 50;

/** Resolves when it holds, or `signal` aborts. */
export async function until(holds: () => boolean, clock: Clock, signal: AbortSignal): Promise<void> {
  if (signal.aborted || holds()) return;
  await new Promise<void>((resolve) => {
    let cancel = (): void => undefined;
    const end = (): void => {
      cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const look = (): void => {
      if (holds()) end();
      else cancel = clock.after(LOOK_MS, look);
    };
    signal.addEventListener("abort", end, { once: true });
    cancel = clock.after(LOOK_MS, look);
  });
}
