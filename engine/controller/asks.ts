// Asks the outside while no pass waits: metric queries and webhooks run in the background, and an answer wakes its key.
// Guarantees: one question per id at a time; questions that the machine no longer asks are cut off. Assumptions: a question may be asked again after
// a restart, so every hook carries an id by which its receiver can tell.
import PQueue from "p-queue";
import type { Answer, Ask } from "../machine/types.ts";
import type { Log } from "../ports.ts";

/** Questions at one time; a thousand canaries in step must not open a thousand connections. */
const CONCURRENCY = 64;

interface Entry {
  answer: Answer | undefined;
  abort: AbortController;
}

export type Inquire = (key: string, ask: Ask, signal: AbortSignal) => Promise<Answer>;

export class Asks {
  private readonly entries = new Map<string, Map<string, Entry>>();
  private readonly queue = new PQueue({ concurrency: CONCURRENCY });

  constructor(
    private readonly inquire: Inquire,
    private readonly wake: (key: string) => void,
    private readonly log: Log,
  ) {}

  get inFlight(): number {
    return this.queue.pending + this.queue.size;
  }

  answers(key: string): ReadonlyMap<string, Answer> {
    const known = new Map<string, Answer>();
    for (const [id, entry] of this.entries.get(key) ?? []) if (entry.answer !== undefined) known.set(id, entry.answer);
    return known;
  }

  /** Makes `asks` the questions of this key: new ones start, the others are cut off and their answers forgotten. */
  set(key: string, asks: readonly Ask[]): void {
    const mine = this.entries.get(key) ?? new Map<string, Entry>();
    const wanted = new Set(asks.map((ask) => ask.id));
    for (const [id, entry] of mine) {
      if (wanted.has(id)) continue;
      entry.abort.abort();
      mine.delete(id);
    }
    for (const ask of asks) if (!mine.has(ask.id)) mine.set(ask.id, this.start(key, ask));
    if (mine.size === 0) this.entries.delete(key);
    else this.entries.set(key, mine);
  }

  async stop(): Promise<void> {
    for (const key of [...this.entries.keys()]) this.set(key, []);
    this.queue.clear();
    await this.queue.onIdle();
  }

  private start(key: string, ask: Ask): Entry {
    const entry: Entry = { answer: undefined, abort: new AbortController() };
    const { signal } = entry.abort;
    void this.queue
      .add(async () => {
        if (signal.aborted) return;
        const answer = await this.inquire(key, ask, signal);
        if (signal.aborted) return;
        entry.answer = answer;
        this.wake(key);
      })
      .catch((error: unknown) => {
        // A bug of ours: the answer is that there is none, which never raises a weight.
        this.log.error({ key, ask: ask.id, error: String(error) }, "a question failed");
        entry.answer = { verdict: "error", message: "internal error while asking", measurements: [] };
        this.wake(key);
      });
    return entry;
  }
}
