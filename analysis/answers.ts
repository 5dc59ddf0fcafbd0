// What is alike in the answers of providers: statuses, JSON, and what counts as a number. An answer that is not understood is an error, never a value.
import type { HttpResponse } from "../engine/ports.ts";
import type { Field, Reading } from "./types.ts";

const TEXT_MAX = 200;
const NUMERAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

export function failed(why: string, field: Field = "spec.query"): Reading {
  return { kind: "error", why: why.replace(/\s+/g, " ").slice(0, TEXT_MAX), field };
}

/** Whoever asked has to look in another place for each of them; `said` is the API's own word, where there is one. */
export function refused(title: string, status: number, said = ""): Reading {
  const answered = `${title} answered ${status}`;
  const words = said === "" ? "" : `: ${said}`;
  if (status === 401 || status === 403) return failed(`${answered}, it does not take the credentials${words}`, "spec.provider.secretRef");
  if (status === 404) return failed(`${answered}, there is nothing${words}`, "spec.provider.address");
  if (status === 429) return failed(`${answered}, it is asked too often${words}`, "spec.provider.address");
  if (status >= 500 || status < 400) return failed(`${answered}${words}`, "spec.provider.address");
  return failed(`${answered}${words}`);
}

/** A page of a proxy or of a login, or half of an answer. */
export function foreign(title: string): Reading {
  return failed(`${title} answered something that is not its API; check the address`, "spec.provider.address");
}

/** The JSON of an answer that says it is well; otherwise the error. `said` finds the API's own word in the JSON of a refusal. */
export function jsonOf(title: string, { status, body }: HttpResponse, said: (answer: unknown) => unknown): { ok: true; answer: unknown } | { ok: false; reading: Reading } {
  const answer = parsed(body);
  if (status < 200 || status >= 300) return { ok: false, reading: refused(title, status, textOf(said(answer))) };
  return answer === undefined ? { ok: false, reading: foreign(title) } : { ok: true, answer };
}

/** Undefined where it is no JSON; NaN and Infinity are none. */
export function parsed(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return undefined;
  }
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** A number of JSON; null and absence are silence, everything else is not a number. */
export function numberOf(value: unknown): Reading {
  if (value === null || value === undefined) return { kind: "no-data", why: "there is no value" };
  if (typeof value === "string") return failed("the query gives text, and one number is wanted");
  if (typeof value !== "number") return failed(`the query gives ${Array.isArray(value) ? "a list" : typeof value === "object" ? "an object" : `a ${typeof value}`}, and one number is wanted`);
  return Number.isFinite(value) ? { kind: "value", value } : failed("the value is infinite");
}

/** A number that an API writes as text. */
export function numeralOf(value: unknown): Reading {
  if (typeof value !== "string") return numberOf(value);
  if (/^nan$/i.test(value.trim())) return failed("the value is NaN");
  if (/^[+-]?inf(inity)?$/i.test(value.trim())) return failed("the value is infinite");
  return NUMERAL.test(value.trim()) ? numberOf(Number(value)) : failed("the query gives text, and one number is wanted");
}

/** The last of them that is a number, as long as nothing else is among them; points are ordered, the oldest first, and those without a value are silence. */
export function newest(values: readonly unknown[]): Reading {
  const readings = values.map(numberOf);
  return readings.find(({ kind }) => kind === "error") ?? readings.findLast(({ kind }) => kind === "value") ?? { kind: "no-data", why: "no point has a value" };
}

export function several(count: number, what: string, how: string): Reading {
  return failed(`the query gives ${count} ${what}, and one number is wanted; ${how}`);
}
