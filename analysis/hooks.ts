// What is said to a webhook, and what does its answer mean? The pure half; calling, waiting and trying again belong to the shell.
import { createHash } from "node:crypto";
import type { CanaryWebhook } from "../crds/canary.ts";
import type { HttpRequest, HttpResponse } from "../engine/ports.ts";

export interface HookPayload {
  name: string;
  namespace: string;
  phase: string;
  lastAppliedSpec: string;
  trackedConfigs: Readonly<Record<string, string>>;
  metadata: Readonly<Record<string, string>> | undefined;
  type: string;
  run: string;
  step: number;
  attempt: number;
}

export type HookOutcome = { kind: "open" } | { kind: "closed"; why: string } | { kind: "retry"; why: string };

const RETRY_BASE_MS = 1_000;
const RETRY_MAX_MS = 30_000;
const TEXT_MAX = 200;

/** Flagger's payload, and the run, step and attempt by which a receiver can tell a repetition. */
export function hookRequest(webhook: CanaryWebhook, payload: HookPayload): Pick<HttpRequest, "method" | "url" | "headers" | "body"> {
  const { lastAppliedSpec, trackedConfigs, metadata, ...rest } = payload;
  const body = { ...rest, checksum: checksum(lastAppliedSpec, trackedConfigs), ...(metadata === undefined || Object.keys(metadata).length === 0 ? {} : { metadata }) };
  return { method: "POST", url: webhook.url, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

/** Any 2xx opens (Flagger takes 203 and later for a failure, docs/differences.md); 429 and 5xx but 501 may be tried again; all else says no. */
export function hookOutcome({ status, body }: HttpResponse): HookOutcome {
  if (status >= 200 && status < 300) return { kind: "open" };
  const text = body.trim().replace(/\s+/g, " ").slice(0, TEXT_MAX);
  const why = text === "" ? `answered ${status}` : `answered ${status}: ${text}`;
  return status === 429 || (status >= 500 && status !== 501) ? { kind: "retry", why } : { kind: "closed", why };
}

/** 1 s, 2 s, 4 s ... 30 s; `attempt` counts from 0. */
export function retryDelayMs(attempt: number): number {
  return Math.min(RETRY_BASE_MS * 2 ** Math.min(attempt, 16), RETRY_MAX_MS);
}

export function checksum(lastAppliedSpec: string, trackedConfigs: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(trackedConfigs).sort(([left], [right]) => (left < right ? -1 : 1));
  return createHash("sha256").update(JSON.stringify([lastAppliedSpec, sorted])).digest("hex").slice(0, 16);
}
