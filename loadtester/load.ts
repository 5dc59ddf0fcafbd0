// What does a service answer under a given rate of requests? Sends at that rate whatever comes back, so that a slow service is not spared; knows no sockets.
import type { Clock } from "../engine/ports.ts";
import { latencies, type Latencies } from "./latencies.ts";

export interface Pace {
  /** Requests a second. */
  rate: number;
  durationMs: number;
  /** Requests in flight; a request that finds no place is not sent, and counted. */
  concurrency: number;
}

/** An answer's status, or that none came and why. */
export type Answered = { status: number } | { fault: string };
export type Send = (signal: AbortSignal) => Promise<Answered>;

export interface Report {
  sent: number;
  /** By status, and by fault. */
  answers: ReadonlyMap<string, number>;
  failed: number;
  skipped: number;
  tookMs: number;
  latencies: Latencies;
  stopped: boolean;
}

/** Timers are not finer than this; what fell due in between is sent at once. */
const BEAT_MS = 10;
const FAULTS_MAX = 20;

/** @param isGood of a status; an answer that never came is never good */
export async function generate(pace: Pace, send: Send, isGood: (status: number) => boolean, clock: Clock, signal: AbortSignal): Promise<Report> {
  const began = clock.monotonic();
  const answers = new Map<string, number>();
  const times = latencies();
  const inFlight = new Set<Promise<void>>();
  let sent = 0;
  let failed = 0;
  let skipped = 0;

  const count = (answer: Answered, sentAt: number): void => {
    times.add(clock.monotonic() - sentAt);
    const name = "status" in answer ? String(answer.status) : answer.fault;
    const key = answers.has(name) || answers.size < FAULTS_MAX ? name : "other";
    answers.set(key, (answers.get(key) ?? 0) + 1);
    if (!("status" in answer) || !isGood(answer.status)) failed += 1;
  };
  const sendOne = (): void => {
    const sentAt = clock.monotonic();
    sent += 1;
    const request = send(signal)
      .catch((): Answered => ({ fault: "could not be sent" }))
      .then((answer) => {
        inFlight.delete(request);
        // What was cut off by our own end says nothing about the service.
        if (signal.aborted && !("status" in answer)) sent -= 1;
        else count(answer, sentAt);
      });
    inFlight.add(request);
  };

  const total = Math.max(Math.round((pace.rate * pace.durationMs) / 1000), 1);
  while (!signal.aborted && sent + skipped < total) {
    const elapsedMs = clock.monotonic() - began;
    const due = Math.min(Math.floor((elapsedMs * pace.rate) / 1000) + 1, total);
    while (sent + skipped < due) {
      if (inFlight.size < pace.concurrency) sendOne();
      else skipped += 1;
    }
    if (due < total) await pause(Math.max((due * 1000) / pace.rate - elapsedMs, BEAT_MS), clock, signal);
  }
  await Promise.all(inFlight);
  return { sent, answers, failed, skipped, tookMs: clock.monotonic() - began, latencies: times, stopped: signal.aborted };
}

/** Resolves early when the signal is given. */
function pause(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(ms, () => done());
    const done = (): void => {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
  });
}
