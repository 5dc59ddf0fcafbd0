// How does the engine log? Structured lines on standard output by pino; values of keys that are called like secrets are never printed.
import { pino, stdTimeFunctions, type DestinationStream, type LoggerOptions } from "pino";
import type { Log } from "../ports.ts";

export const LEVELS = ["debug", "info", "warn", "error"] as const;
export type Level = (typeof LEVELS)[number];

const SECRETS = ["password", "passwd", "token", "bearerToken", "authorization", "Authorization", "secret", "clientSecret", "apiKey", "apikey", "headers", "cookie", "Cookie"];
/** Keys of the fields themselves and of what lies up to two levels below. */
const DEPTHS = ["", "*.", "*.*."];

/** @param to standard output, unless it is given */
export function createLog(level: Level, to?: DestinationStream): Log {
  const options: LoggerOptions = {
    level,
    base: undefined,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: DEPTHS.flatMap((depth) => SECRETS.map((key) => `${depth}${key}`)), censor: "[hidden]" },
  };
  return to === undefined ? pino(options) : pino(options, to);
}
