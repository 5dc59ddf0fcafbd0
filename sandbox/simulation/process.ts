// One engine's process as the operating system sees it: it can be killed, frozen and thawed, and its wall clock can be set. What it sent before it froze
// is on the wire and arrives; what comes back waits until it runs again.
import type { Transport, TransportResponse } from "../../engine/adapters/transport.ts";
import type { Clock } from "../../engine/ports.ts";
import type { VirtualClock } from "../clock.ts";

export class Process {
  readonly killed = new AbortController();
  readonly clock: Clock;
  /** How far its wall clock is ahead of the world's, in milliseconds; the monotonic one keeps its pace. */
  skewMs = 0;
  private frozen: (() => void)[] | undefined;

  constructor(world: VirtualClock) {
    const started = world.now();
    this.clock = {
      now: () => world.now() + this.skewMs,
      monotonic: () => world.now() - started,
      after: (ms, task) => world.after(ms, () => this.run(task)),
    };
  }

  freeze(): void {
    this.frozen ??= [];
  }

  thaw(): void {
    const held = this.frozen ?? [];
    this.frozen = undefined;
    for (const task of held) this.run(task);
  }

  /** An answer reaches the process only while it runs. */
  async passed<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } finally {
      if (this.frozen !== undefined) await new Promise<void>((resolve) => void this.frozen?.push(resolve));
    }
  }

  transport(plain: Transport): Transport {
    return {
      request: (request): Promise<TransportResponse> => this.passed(plain.request(request)),
      stream: async (request) => {
        const { status, lines } = await this.passed(plain.stream(request));
        return { status, lines: this.lines(lines) };
      },
    };
  }

  private async *lines(lines: AsyncIterable<string>): AsyncIterable<string> {
    const iterator = lines[Symbol.asyncIterator]();
    try {
      for (;;) {
        const { done, value } = await this.passed(iterator.next());
        if (done === true) return;
        yield value;
      }
    } finally {
      await iterator.return?.(undefined);
    }
  }

  private run(task: () => void): void {
    if (this.killed.signal.aborted) return;
    if (this.frozen === undefined) task();
    else this.frozen.push(task);
  }
}
