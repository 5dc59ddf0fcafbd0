// What does a service answer under a given rate of requests? Sends at that rate whatever comes back, so that a slow service is not spared; knows no sockets.
import type { Clock } from "../engine/ports.ts";
import { latencies, type Latencies } from "./latencies.ts";

export interface Pace {
  /** Requests a second; "unlimited" sends the next one as soon as there is a place for it. */
  rate: number | "unlimited";
  durationMs: number;
  /** Ends when so many were due, when that is earlier. */
  requests?: number;
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
  const counted = counts(isGood, clock, signal);
  if (pace.rate === "unlimited") await crowd(pace, send, counted, clock, signal);
  else await paced({ ...pace, rate: pace.rate }, send, counted, clock, signal);
  const { answers, sent, failed, skipped, times } = counted;
  return { sent, answers, failed, skipped, tookMs: clock.monotonic() - began, latencies: times, stopped: signal.aborted };
}

interface Counts {
  sent: number;
  failed: number;
  skipped: number;
  answers: Map<string, number>;
  times: Latencies;
  /** Takes note of one request from its beginning to its end. */
  follow(send: Send): Promise<Answered>;
}

function counts(isGood: (status: number) => boolean, clock: Clock, signal: AbortSignal): Counts {
  const counted: Counts = {
    sent: 0,
    failed: 0,
    skipped: 0,
    answers: new Map(),
    times: latencies(),
    async follow(send) {
      const sentAt = clock.monotonic();
      counted.sent += 1;
      const answer = await send(signal).catch((): Answered => ({ fault: "could not be sent" }));
      // What was cut off by our own end says nothing about the service.
      if (signal.aborted && !("status" in answer)) counted.sent -= 1;
      else note(answer, clock.monotonic() - sentAt);
      return answer;
    },
  };
  function note(answer: Answered, tookMs: number): void {
    const { answers, times } = counted;
    times.add(tookMs);
    const name = "status" in answer ? String(answer.status) : answer.fault;
    const key = answers.has(name) || answers.size < FAULTS_MAX ? name : "other";
    answers.set(key, (answers.get(key) ?? 0) + 1);
    if (!("status" in answer) || !isGood(answer.status)) counted.failed += 1;
  }
  return counted;
}

/** At 20 a second, requests are due at 0, 50, 100 ms ...; one that finds `concurrency` others in flight is left out, and no later one is moved for it. */
async function paced({ rate, durationMs, requests, concurrency }: Pace & { rate: number }, send: Send, counted: Counts, clock: Clock, signal: AbortSignal): Promise<void> {
  const began = clock.monotonic();
  const inFlight = new Set<Promise<void>>();
  const total = Math.min(Math.max(Math.round((rate * durationMs) / 1000), 1), requests ?? Infinity);
  let dealt = 0;
  while (!signal.aborted && dealt < total) {
    const elapsedMs = clock.monotonic() - began;
    const due = Math.min(Math.floor((elapsedMs * rate) / 1000) + 1, total);
    for (; dealt < due; dealt += 1) {
      if (inFlight.size >= concurrency) {
        counted.skipped += 1;
        continue;
      }
      const request = counted.follow(send).then(() => void inFlight.delete(request));
      inFlight.add(request);
    }
    if (due < total) await pause(Math.max((due * 1000) / rate - elapsedMs, BEAT_MS), clock, signal);
  }
  await Promise.all(inFlight);
}

/** Each worker sends its next request when its last one was answered. */
async function crowd({ durationMs, requests = Infinity, concurrency }: Pace, send: Send, counted: Counts, clock: Clock, signal: AbortSignal): Promise<void> {
  const end = clock.monotonic() + durationMs;
  const worker = async (): Promise<void> => {
    while (!signal.aborted && counted.sent < requests && clock.monotonic() < end) {
      const answer = await counted.follow(send);
      // A service that refuses at once would be asked without a breath.
      if ("fault" in answer) await pause(BEAT_MS, clock, signal);
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, requests) }, worker));
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
