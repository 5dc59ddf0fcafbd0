// Which key next? A queue of names after client-go's: one worker per key, repeats merge into one, and a key that is added while it is worked on is
// looked at once more. Delays keep the earliest instant. It never holds more than one entry per key.
import type { Clock } from "../ports.ts";

const BACKOFF_BASE_MS = 100;
const BACKOFF_MAX_MS = 60_000;

export class WorkQueue {
  private readonly queue: string[] = [];
  private readonly dirty = new Set<string>();
  private readonly working = new Set<string>();
  /** `dueMs` on the monotonic clock: one that was named before the wall clock was set must not outlast what is named after. */
  private readonly delayed = new Map<string, { dueMs: number; cancel: () => void }>();
  private readonly failures = new Map<string, number>();
  private readonly waiters: ((key: string | undefined) => void)[] = [];
  private closed = false;

  constructor(private readonly clock: Clock) {}

  get depth(): number {
    return this.queue.length;
  }

  /** Keys waiting for an instant. */
  get waiting(): number {
    return this.delayed.size;
  }

  add(key: string): void {
    if (this.closed || this.dirty.has(key)) return;
    this.dirty.add(key);
    if (this.working.has(key)) return;
    const waiter = this.waiters.shift();
    if (waiter === undefined) this.queue.push(key);
    else waiter(this.take(key));
  }

  /** At the latest at `atMs`; an earlier wish that is already there stays. */
  addAt(key: string, atMs: number): void {
    if (this.closed) return;
    const delayMs = Math.max(atMs - this.clock.now(), 0);
    const dueMs = this.clock.monotonic() + delayMs;
    const known = this.delayed.get(key);
    if (known !== undefined && known.dueMs <= dueMs) return;
    known?.cancel();
    const cancel = this.clock.after(delayMs, () => {
      this.delayed.delete(key);
      this.add(key);
    });
    this.delayed.set(key, { dueMs, cancel });
  }

  /** Again after 0.1 s, 0.2 s, 0.4 s ... 60 s, until `forgive`. */
  addLater(key: string): void {
    const failures = this.failures.get(key) ?? 0;
    this.failures.set(key, failures + 1);
    this.addAt(key, this.clock.now() + Math.min(BACKOFF_BASE_MS * 2 ** Math.min(failures, 20), BACKOFF_MAX_MS));
  }

  forgive(key: string): void {
    this.failures.delete(key);
  }

  /** Drops the pending instant: the pass that just ended named a new one, or none. */
  clearDelay(key: string): void {
    this.delayed.get(key)?.cancel();
    this.delayed.delete(key);
  }

  /** The next key, or undefined once the queue is closed. Each key handed out must be given back with `done`. */
  next(): Promise<string | undefined> {
    if (this.closed) return Promise.resolve(undefined);
    const key = this.queue.shift();
    if (key !== undefined) return Promise.resolve(this.take(key));
    return new Promise((resolve) => this.waiters.push(resolve));
  }

  done(key: string): void {
    this.working.delete(key);
    if (!this.dirty.has(key) || this.closed) return;
    this.dirty.delete(key);
    this.add(key);
  }

  close(): void {
    this.closed = true;
    for (const { cancel } of this.delayed.values()) cancel();
    this.delayed.clear();
    this.queue.length = 0;
    for (const waiter of this.waiters.splice(0)) waiter(undefined);
  }

  private take(key: string): string {
    this.dirty.delete(key);
    this.working.add(key);
    return key;
  }
}
