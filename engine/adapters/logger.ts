// How does the engine log? Structured lines on standard output by pino; values of keys that are called like secrets are never printed.
import { pino } from "pino";
import type { Log } from "../ports.ts";

export const LEVELS = ["debug", "info", "warn", "error"] as const;
export type Level = (typeof LEVELS)[number];

const SECRETS = ["password", "token", "authorization", "Authorization", "secret", "apiKey"];

export function createLog(level: Level): Log {
  return pino({
    level,
    base: undefined,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: [...SECRETS, ...SECRETS.map((key) => `*.${key}`)], censor: "[hidden]" },
  });
}
