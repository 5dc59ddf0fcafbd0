// Asks the outside while no pass waits: metric queries and webhooks run in the background, and an answer wakes its key. Gates are asked again and again.
// Guarantees: one question per id at a time; questions that the machine no longer asks are cut off. Assumptions: a question may be asked again after
// a restart, so every hook carries an id by which its receiver can tell.
import PQueue from "p-queue";
import type { Answer, Ask } from "../machine/types.ts";
import type { Clock, Log } from "../ports.ts";
import { pause } from "./pause.ts";

/** Questions at one time; a thousand canaries in step must not open a thousand connections. */
const CONCURRENCY = 64;

interface Entry {
  answer: Answer | undefined;
  abort: AbortController;
}

export type Inquire = (key: string, ask: Ask, signal: AbortSignal) => Promise<Answer>;

export class Asks {
  private readonly entries = new Map<string, Map<string, Entry>>();
  private readonly checks = new PQueue({ concurrency: CONCURRENCY });
  /** Of their own, so that gates which hang delay no check. */
  private readonly gates = new PQueue({ concurrency: CONCURRENCY });

  constructor(
    private readonly inquire: Inquire,
    private readonly wake: (key: string) => void,
    private readonly log: Log,
    private readonly clock: Clock,
  ) {}

  get inFlight(): number {
    return this.checks.pending + this.checks.size + this.gates.pending + this.gates.size;
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
    for (const queue of [this.checks, this.gates]) queue.clear();
    await Promise.all([this.checks.onIdle(), this.gates.onIdle()]);
  }

  private start(key: string, ask: Ask): Entry {
    const entry: Entry = { answer: undefined, abort: new AbortController() };
    void this.follow(key, ask, entry);
    return entry;
  }

  /** Until there is an answer; a gate's is one only when it is a pass, and on the way there only what is new wakes the key. */
  private async follow(key: string, ask: Ask, entry: Entry): Promise<void> {
    const { signal } = entry.abort;
    for (;;) {
      const answer = await this.once(key, ask, signal);
      if (signal.aborted || answer === undefined) return;
      const news = entry.answer?.verdict !== answer.verdict || entry.answer.message !== answer.message;
      entry.answer = answer;
      if (news) this.wake(key);
      if (ask.kind !== "gate" || answer.verdict === "pass") return;
      await pause(this.clock, ask.everyMs, signal);
    }
  }

  private async once(key: string, ask: Ask, signal: AbortSignal): Promise<Answer | undefined> {
    const queue = ask.kind === "gate" ? this.gates : this.checks;
    try {
      // Nothing is asked for a question that was cut off while it waited for its turn.
      return await queue.add(async () => (signal.aborted ? undefined : this.inquire(key, ask, signal)));
    } catch (error) {
      // A bug of ours: the answer is that there is none, which never raises a weight.
      this.log.error({ key, ask: ask.id, error: String(error) }, "a question failed");
      return { verdict: "error", message: "internal error while asking", measurements: [] };
    }
  }
}
