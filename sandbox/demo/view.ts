// What does a person see of a rollout? One picture of the state as lines of text, pure, at most 78 columns wide.
import type { CanaryStatus, Measurement } from "../../crds/status.ts";
import type { Counted } from "./traffic.ts";

export interface Scene {
  title: string;
  elapsedMs: number;
  status: CanaryStatus;
  requests: Counted;
  /** Newest last. */
  events: readonly string[];
}

export const COLUMNS = 78;
const BAR = 40;
const EVENTS_SHOWN = 6;

export interface Paint {
  bold(text: string): string;
  good(text: string): string;
  bad(text: string): string;
  dim(text: string): string;
}

const plain = (text: string): string => text;
const ansi = (code: number) => (text: string): string => `\u001b[${code}m${text}\u001b[0m`;

export const PLAIN: Paint = { bold: plain, good: plain, bad: plain, dim: plain };
export const COLOURS: Paint = { bold: ansi(1), good: ansi(32), bad: ansi(31), dim: ansi(2) };

export function draw(scene: Scene, paint: Paint): string[] {
  const { status, requests } = scene;
  const phase = status.phase ?? "no Canary yet";
  const shown = phase === "Failed" ? paint.bad(phase) : phase === "Succeeded" || phase === "Initialized" ? paint.good(phase) : paint.bold(phase);
  const weight = status.route?.canaryWeight ?? 0;
  return [
    `${paint.bold(fit(scene.title, COLUMNS - 8))} ${paint.dim(seconds(scene.elapsedMs))}`,
    "",
    `phase    ${shown}`,
    `weight   ${bar(weight, 100)} ${String(weight).padStart(3)} % to the canary`,
    `checks   ${checks(status, paint)}`,
    ...(status.run?.measurements ?? []).map((measured) => `         ${measurement(measured, paint)}`),
    "",
    "requests by version",
    ...versions(requests),
    `lost     ${requests.lost === 0 ? paint.good("0") : paint.bad(String(requests.lost))} of ${requests.total}${requests.losses.length === 0 ? "" : paint.bad(`  ${fit(requests.losses.join(", "), 40)}`)}`,
    "",
    ...scene.events.slice(-EVENTS_SHOWN).map((event) => paint.dim(fit(event, COLUMNS))),
  ];
}

export function bar(value: number, of: number): string {
  const filled = Math.round((Math.min(Math.max(value, 0), of) / of) * BAR);
  return "█".repeat(filled) + "░".repeat(BAR - filled);
}

function checks({ run, failedChecks = 0 }: CanaryStatus, paint: Paint): string {
  if (run === undefined) return paint.dim("none yet");
  const failed = `${failedChecks} failed`;
  return `${failedChecks > 0 ? paint.bad(failed) : failed}${run.outcome === undefined ? "" : `, run ended: ${run.outcome} (${run.reason ?? ""})`}`;
}

export function measurement({ name, verdict, value, min, max, message }: Measurement, paint: Paint): string {
  const limits = [min === undefined ? "" : `min ${min}`, max === undefined ? "" : `max ${max}`].filter((limit) => limit !== "").join(", ");
  const text = `${name.padEnd(22)} ${value === undefined ? fit(message ?? "", 24) : String(value).padStart(9)}  (${limits})`;
  return verdict === "pass" ? paint.good(`✔ ${text}`) : verdict === "fail" ? paint.bad(`✖ ${text}`) : paint.dim(`? ${text}`);
}

function versions({ byVersion }: Counted): string[] {
  const counts = Object.entries(byVersion);
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  return counts.map(([version, count]) => `  ${fit(version, 16).padEnd(16)} ${bar(count, Math.max(total, 1))} ${String(count).padStart(6)}`);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(0)} s`;
}

export function fit(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}
