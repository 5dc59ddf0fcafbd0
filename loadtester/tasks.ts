// Is this asked for already, and how did it end? Runs each task once however often it is asked for, few at a time, and keeps a result until somebody heard it.
import { setMaxListeners } from "node:events";
import type { Clock } from "../engine/ports.ts";

export interface Outcome {
  ok: boolean;
  /** One sentence for people; holds no secret. */
  text: string;
  /** Answered beside the sentence when it was asked for. */
  output?: string;
  /** The load tester ended it: that says nothing about what was tested. */
  interrupted?: boolean;
}

export interface Task {
  /** The same for the same thing asked for by the same canary. */
  key: string;
  /** Results of other runs are of no interest. */
  run: string;
  /** The caller is answered when the task has ended, not when it starts. */
  wait: boolean;
  /** Never tell a later check that it failed. */
  ignoreFailure: boolean;
  work: (signal: AbortSignal) => Promise<Outcome>;
}

export type Told =
  | { kind: "started" | "running" }
  /** What this caller waited for, or what an earlier one did not stay for. */
  | { kind: "ended"; outcome: Outcome }
  /** The last round failed; the next one has been started where there was room. */
  | { kind: "failed before"; outcome: Outcome }
  | { kind: "full" }
  | { kind: "gone" };

export interface Tasks {
  ask(task: Task, gone: AbortSignal): Promise<Told>;
  readonly running: number;
  /** Ends all that runs. */
  stop(): Promise<void>;
}

interface Running {
  run: string;
  ended: Promise<Outcome>;
  /** How many wait for the end. */
  waiting: number;
}

interface Unheard {
  run: string;
  outcome: Outcome;
  at: number;
}

const UNHEARD_MAX = 1_000;
/** Longer ago, it says nothing about the check that asks now. */
const UNHEARD_MS = 15 * 60_000;

/** @param limit of tasks that run at one time */
export function createTasks(limit: number, clock: Clock): Tasks {
  const running = new Map<string, Running>();
  const unheard = new Map<string, Unheard>();
  const stop = new AbortController();
  // Every request in flight of every task listens to it; Node takes more than ten for a leak and says so on standard error.
  setMaxListeners(Infinity, stop.signal);

  function keep(task: Task, outcome: Outcome): void {
    unheard.delete(task.key);
    if (task.ignoreFailure || (outcome.ok && !task.wait)) return;
    unheard.set(task.key, { run: task.run, outcome, at: clock.monotonic() });
    const [oldest] = unheard.keys();
    if (unheard.size > UNHEARD_MAX && oldest !== undefined) unheard.delete(oldest);
  }

  function start(task: Task): Running | undefined {
    if (running.size >= limit || stop.signal.aborted) return undefined;
    const entry: Running = { run: task.run, waiting: 0, ended: Promise.resolve({ ok: false, text: "" }) };
    running.set(task.key, entry);
    entry.ended = worked(task, stop.signal).then((outcome) => {
      running.delete(task.key);
      if (entry.waiting === 0 && !stop.signal.aborted) keep(task, outcome);
      return outcome;
    });
    return entry;
  }

  function take({ key, run }: Task): Outcome | undefined {
    const found = unheard.get(key);
    unheard.delete(key);
    return found !== undefined && found.run === run && clock.monotonic() - found.at <= UNHEARD_MS ? found.outcome : undefined;
  }

  async function waitFor(entry: Running, gone: AbortSignal): Promise<Told> {
    if (gone.aborted) return { kind: "gone" };
    entry.waiting += 1;
    const left = new Promise<Told>((resolve) => {
      gone.addEventListener("abort", () => {
        entry.waiting -= 1;
        resolve({ kind: "gone" });
      }, { once: true });
    });
    return Promise.race([left, entry.ended.then((outcome): Told => ({ kind: "ended", outcome }))]);
  }

  return {
    async ask(task, gone) {
      const already = running.get(task.key);
      if (already !== undefined) return task.wait ? waitFor(already, gone) : { kind: "running" };
      const before = take(task);
      if (before !== undefined && task.wait) return { kind: "ended", outcome: before };
      const entry = start(task);
      // Told even when there is no room: it would not be kept any longer.
      if (before !== undefined) return { kind: "failed before", outcome: before };
      if (entry === undefined) return { kind: "full" };
      return task.wait ? waitFor(entry, gone) : { kind: "started" };
    },
    get running() {
      return running.size;
    },
    async stop() {
      stop.abort();
      await Promise.all([...running.values()].map(({ ended }) => ended));
    },
  };
}

async function worked({ work }: Task, signal: AbortSignal): Promise<Outcome> {
  try {
    return await work(signal);
  } catch (error) {
    // Messages of errors may quote what they were given, which may be secret.
    return { ok: false, text: `the load tester met an error: ${error instanceof Error ? error.name : typeof error}` };
  }
}
