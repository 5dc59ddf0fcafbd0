// How do the two API groups differ in what they accept? Ours says no to what cannot work; flagger.app keeps the looseness of the CRD that users already have.
// A rule is written once: its CEL goes into the CRD, its predicate serves the engine, and the two share one message that names the cure.
import { z } from "zod";
import { parseDuration } from "./durations.ts";
import { list } from "./json.ts";

export type Dialect = "own" | "flagger";

export interface Rule<T> {
  cel: string;
  message: string;
  /** The same in the engine, for objects that an older CRD let pass. Absent for rules about changes: the engine sees no old object. */
  ok?: (value: T) => boolean;
}

const VALIDATIONS = "x-kubernetes-validations";

/** `reason` and `fieldPath` exist only since Kubernetes 1.28, so a rule sits on the very field that it is about. */
export function ruled<S extends z.ZodType>(schema: S, ...rules: Rule<z.output<S>>[]): S {
  let checked: S = schema;
  for (const { ok, message } of rules) if (ok !== undefined) checked = checked.refine(ok, message);
  const before = schema.meta() ?? {};
  const added = rules.map(({ cel, message }) => ({ rule: cel, message }));
  return checked.meta({ ...before, [VALIDATIONS]: [...list(before[VALIDATIONS]), ...added] });
}

/** The rules hold in our group only. */
export function strictly<S extends z.ZodType>(dialect: Dialect, schema: S, ...rules: Rule<z.output<S>>[]): S {
  return dialect === "own" ? ruled(schema, ...rules) : schema;
}

/** The API server answers a broken pattern with the pattern; the rule beside it tells what to write instead. */
export function patterned(text: z.ZodString, pattern: RegExp, message: string): z.ZodString {
  return ruled(text.regex(pattern, message), { cel: `self.matches('${pattern.source}')`, message });
}

/** Flagger's CRD says `number`, so a manifest of its group may hold 1.5. */
export function whole(dialect: Dialect, min: number, max?: number): z.ZodNumber {
  if (dialect === "flagger") return z.number();
  const number = z.int().min(min);
  return max === undefined ? number : number.max(max);
}

/** Flagger's pattern is open at the end and knows no hours; the engine floors what it cannot use. */
const FLAGGER_DURATION = /^[0-9]+(m|s)/;
const DURATION = /^([0-9]{1,6}(ms|s|m|h))+$/;
const EXAMPLES = "write a duration such as 30s, 1m or 1m30s";

/** Fits 1m30s and every other row of four; keeps the CEL cost bounded and the sum below what a duration can hold. */
const DURATION_LENGTH = 20;

export function ownDuration(floor: string): z.ZodString {
  const text = patterned(z.string().max(DURATION_LENGTH), DURATION, EXAMPLES);
  return ruled(text, {
    // An ill-formed duration makes duration() fail with a second, confusing error beside the pattern's.
    cel: `!self.matches('${DURATION.source}') || duration(self) >= duration('${floor}')`,
    message: `must be at least ${floor}; ${EXAMPLES}`,
    ok: (value) => !DURATION.test(value) || (parseDuration(value) ?? 0) >= (parseDuration(floor) ?? 0),
  });
}

export function duration(dialect: Dialect, floor: string): z.ZodString {
  return dialect === "own" ? ownDuration(floor) : z.string().regex(FLAGGER_DURATION);
}

/** A duration that Flagger hands to the mesh unread. */
export function meshDuration(dialect: Dialect): z.ZodString {
  return dialect === "own" ? ownDuration("1ms") : z.string();
}

/** No manifest that people write comes near it; beyond it one Canary would keep the engine busy for the others. */
const MOST_OF_FLAGGERS = 256;

/** Bounded in our group's CRD only: its limits are there for the cost of the rules. Flagger's has none, and the engine says no to what is out of all proportion. */
export function listOf<S extends z.ZodType>(dialect: Dialect, item: S, max: number): z.ZodArray<S> {
  if (dialect === "own") return z.array(item).max(max);
  return z.array(item).refine((items) => items.length <= MOST_OF_FLAGGERS, `must be at most ${MOST_OF_FLAGGERS} entries long`);
}

/** A list whose items have a name of their own: the API server refuses a second item of the same name, and names its path. */
export function namedList<S extends z.ZodType<{ name: string }>>(dialect: Dialect, item: S, max: number): z.ZodArray<S> {
  const entries = listOf(dialect, item, max);
  if (dialect === "flagger") return entries;
  return entries
    .superRefine((items: { name: string }[], context) => {
      const taken = new Set<string>();
      items.forEach((one, index) => {
        if (!taken.has(one.name)) return void taken.add(one.name);
        context.addIssue({ code: "custom", path: [index], message: `Duplicate value: the name ${one.name} is taken by an entry above; give each entry its own` });
      });
    })
    .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"] });
}

export const texts = z.record(z.string(), z.string());

/** The field is there and an object, and what it may hold is the mesh's own affair. */
export function open(description: string): z.ZodObject<Record<string, never>, z.core.$loose> {
  return z.looseObject({}).describe(description);
}

const matchers = { exact: z.string().optional(), prefix: z.string().optional(), regex: z.string().optional() };

export const stringMatch = onlyOne(z.object(matchers));
export const headerMatch = onlyOne(z.object({ ...matchers, suffix: z.string().optional() }));

function onlyOne<S extends z.ZodObject>(schema: S): S {
  const message = `takes one of ${Object.keys(schema.shape).join(", ")}; remove the others`;
  return schema.refine((match) => Object.values(match).filter((part) => part !== undefined).length <= 1, message).meta({ maxProperties: 1 });
}
