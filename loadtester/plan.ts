// Which load does a payload's metadata ask for, and when has it failed? Reads every field or says what is wrong with it; sends nothing.
import { validateHeaderName, validateHeaderValue } from "node:http";
import { parseDuration } from "../crds/durations.ts";
import type { Pace, Report } from "./load.ts";
import type { Target } from "./sender.ts";

export interface LoadPlan {
  pace: Pace;
  target: Target;
  isGood: (status: number) => boolean;
  /** More than this is a failure of the task. */
  maxFailurePercent: number;
}

export type Planned = { ok: true; plan: LoadPlan } | { ok: false; why: string };

export const LOAD_FIELDS = ["url", "rate", "duration", "requests", "concurrency", "method", "headers", "body", "timeout", "expectStatus", "maxFailurePercent", "keepAlive", "insecureSkipVerify"] as const;
type Fields = Readonly<Partial<Record<(typeof LOAD_FIELDS)[number], string>>>;

const RATE = "10";
const DURATION = "1m";
const CONCURRENCY = "10";
const TIMEOUT = "10s";
const EXPECTED = "200-399";
const RATE_MAX = 10_000;
const CONCURRENCY_MAX = 1_000;
const REQUESTS_MAX = 100_000_000;
const TIMEOUT_MAX_MS = 5 * 60_000;

class Wrong extends Error {}

/** @param strict whether any failed request is a failure where the fields do not say how many may fail
 *  @param longestMs bound of everything that runs here */
export function planLoad(fields: Fields, strict: boolean, longestMs: number): Planned {
  try {
    const requests = fields.requests === undefined ? undefined : number("requests", fields.requests, 1, REQUESTS_MAX, true);
    const concurrency = number("concurrency", fields.concurrency ?? CONCURRENCY, 1, CONCURRENCY_MAX, true);
    const body = fields.body;
    const pace: Pace = {
      rate: fields.rate === "unlimited" ? "unlimited" : number("rate", fields.rate ?? RATE, 0.001, RATE_MAX, false),
      // A number of requests needs no span beside it.
      durationMs: fields.duration === undefined && requests !== undefined ? longestMs : span("duration", fields.duration ?? DURATION, longestMs),
      requests,
      concurrency,
    };
    const target: Target = {
      url: address(fields.url),
      method: method(fields.method ?? (body === undefined ? "GET" : "POST")),
      headers: headers(fields.headers ?? ""),
      body,
      requestTimeoutMs: span("timeout", fields.timeout ?? TIMEOUT, TIMEOUT_MAX_MS),
      keepAlive: truth("keepAlive", fields.keepAlive ?? "true"),
      insecureSkipVerify: truth("insecureSkipVerify", fields.insecureSkipVerify ?? "false"),
      connections: concurrency,
    };
    const maxFailurePercent = number("maxFailurePercent", fields.maxFailurePercent ?? (strict ? "0" : "100"), 0, 100, false);
    return { ok: true, plan: { pace, target, isGood: statuses(fields.expectStatus ?? EXPECTED), maxFailurePercent } };
  } catch (error) {
    if (error instanceof Wrong) return { ok: false, why: error.message };
    throw error;
  }
}

/** One sentence for people, and whether it was good enough. */
export function judge(report: Report, maxFailurePercent: number): { ok: boolean; text: string } {
  const { sent, failed, skipped, tookMs, answers, latencies } = report;
  const answered = [...answers].filter(([name]) => /^\d{3}$/.test(name)).length > 0;
  const percent = sent === 0 ? 0 : (failed / sent) * 100;
  const counted = [...answers].sort(([, left], [, right]) => right - left).map(([name, count]) => `${count} × ${name}`).join(", ");
  const times = [0.5, 0.95, 0.99].map((q) => `p${q * 100} ${latencies.quantile(q).toFixed(1)} ms`).join(", ");
  const left = skipped === 0 ? "" : `; ${skipped} were not sent, because too many were in flight`;
  const text = `${sent} requests in ${(tookMs / 1000).toFixed(1)} s (${counted || "no answer"}), ${percent.toFixed(2)} % failed; ${times}${left}`;
  if (!answered) return { ok: false, text: `no request was answered: ${text}` };
  // 5.000001 of 5 allowed is a matter of binary fractions.
  return { ok: percent <= maxFailurePercent + 1e-9, text };
}

/** As Go reads booleans, because Flagger does. */
export function readTruth(text: string): boolean | undefined {
  if (["1", "t", "T", "true", "TRUE", "True"].includes(text)) return true;
  return ["0", "f", "F", "false", "FALSE", "False"].includes(text) ? false : undefined;
}

function truth(name: string, text: string): boolean {
  const value = readTruth(text);
  if (value === undefined) throw new Wrong(`${name} must be "true" or "false"`);
  return value;
}

function number(name: string, text: string, min: number, max: number, whole: boolean): number {
  const value = text.trim() === "" ? NaN : Number(text);
  if (!(value >= min && value <= max) || (whole && !Number.isInteger(value))) throw new Wrong(`${name} must be a ${whole ? "whole number" : "number"} from ${min} to ${max}`);
  return value;
}

function span(name: string, text: string, longestMs: number): number {
  const value = parseDuration(text);
  if (value === undefined || value === 0) throw new Wrong(`${name} must be a duration such as 30s or 1m30s`);
  if (value > longestMs) throw new Wrong(`${name} must be ${longestMs / 1000} s at the most`);
  return value;
}

function address(text: string | undefined): URL {
  if (text === undefined) throw new Wrong("url is missing");
  // What is wrong is not quoted: an address may hold a password.
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) throw new Wrong("url must be a whole address that begins with http:// or https://");
  return new URL(text);
}

function method(text: string): string {
  const upper = text.toUpperCase();
  if (!/^[A-Z]{1,20}$/.test(upper) || upper === "CONNECT") throw new Wrong("method must be one of HTTP, such as GET or POST");
  return upper;
}

function headers(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const line of text.split("\n").map((one) => one.trim()).filter((one) => one !== "")) {
    const [name = "", ...rest] = line.split(":");
    const value = rest.join(":").trim();
    try {
      validateHeaderName(name);
      validateHeaderValue(name, value);
    } catch {
      throw new Wrong('headers must have one "name: value" on each line');
    }
    found[name] = value;
  }
  return found;
}

function statuses(text: string): (status: number) => boolean {
  const ranges = text.split(",").map((part) => {
    const [, from = "", to = from] = /^(\d{3})(?:-(\d{3}))?$/.exec(part.trim().replace(/^([1-5])xx$/i, (_, hundred: string) => `${hundred}00-${hundred}99`)) ?? [];
    if (from === "" || Number(from) > Number(to)) throw new Wrong("expectStatus must be statuses such as 200, 2xx or 200-399, separated by commas");
    return { from: Number(from), to: Number(to) };
  });
  return (status) => ranges.some(({ from, to }) => status >= from && status <= to);
}
