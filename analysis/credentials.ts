// What of a Secret does a provider need? Names the keys that it lacks, and never says what it holds.
import type { Credentials, PlannedMetric, Provider, Question } from "./types.ts";

export type Held = { ok: true; values: Credentials } | Extract<Question, { ok: false }>;

/** For people: "the key token, or the keys username and password". */
export function keysText(sets: readonly (readonly string[])[]): string {
  return sets.length === 0 ? "at least one key" : sets.map((keys) => `the ${keys.length === 1 ? "key" : "keys"} ${listed(keys)}`).join(", or ");
}

/**
 * The values of the first set of keys that the Secret has whole, and of those that it may have; all of them without the line end that editors and `echo` leave
 * behind. Nothing where the template names no Secret and the provider can do without.
 */
export function keysOf({ keys, maybe = [], needs, title }: Pick<Provider, "keys" | "maybe" | "needs" | "title">, metric: PlannedMetric, credentials: Credentials | undefined, goes: "header" | "elsewhere" = "header"): Held {
  if (credentials === undefined) return needs.includes("secretRef") ? refused(`is missing: ${title} needs a Secret with ${keysText(keys)}`) : { ok: true, values: {} };
  const held = Object.fromEntries(Object.entries(credentials).map(([key, value]) => [key, value.trim()]));
  const has = (key: string): boolean => (held[key] ?? "") !== "";
  const whole = keys.find((set) => set.every(has));
  const where = `Secret ${metric.secret?.namespace}/${metric.secret?.name}`;
  if (whole === undefined) {
    const [only = []] = keys;
    const lacking = only.filter((key) => !has(key));
    return refused(keys.length === 1 ? `${where} lacks ${keysText([lacking])}` : `${where} needs ${keysText(keys)}`);
  }
  const values = Object.fromEntries([...whole, ...maybe.filter(has)].map((key) => [key, held[key] ?? ""]));
  return (goes === "header" ? unfit(values, metric) : undefined) ?? { ok: true, values };
}

/** A line end in a header would be the end of it, and what is no ASCII is refused by whoever sends it, in words that quote it. */
export function unfit(values: Credentials, metric: PlannedMetric): Extract<Question, { ok: false }> | undefined {
  const bad = Object.entries(values).find(([, value]) => !/^[\x20-\x7e]*$/.test(value));
  return bad === undefined ? undefined : refused(`the key ${bad[0]} of Secret ${metric.secret?.namespace}/${metric.secret?.name} holds characters that no header may have`);
}

export function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function refused(why: string): Extract<Question, { ok: false }> {
  return { ok: false, field: "spec.provider.secretRef", why };
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}
