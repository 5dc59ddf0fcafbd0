// What does a structural schema make of a custom object, and what is wrong with it? Pruning, defaulting and validation as
// the API server does them, in its words. CEL rules are not evaluated. It must never know a particular kind.
import { arrayOf, copyJson, isRecord, numberOf, recordOf, recordsOf, sameJson, textOf } from "./json.ts";
import type { FieldError } from "./errors.ts";
import type { JsonRecord } from "./json.ts";

export type Schema = JsonRecord;

const EMBEDDED = ["apiVersion", "kind", "metadata"];

function propertiesOf(schema: Schema): JsonRecord {
  return recordOf(schema.properties);
}

/** Whether any key may stand in this object; then only those with a schema are looked into. */
function keepsUnknown(schema: Schema): boolean {
  return schema["x-kubernetes-preserve-unknown-fields"] === true;
}

/** The schema of one key: its property, else that of additional properties; undefined when there is none. */
function schemaOf(schema: Schema, key: string): Schema | undefined {
  const properties = propertiesOf(schema);
  // hasOwn: a key may be called "constructor".
  if (Object.hasOwn(properties, key)) return recordOf(properties[key]);
  return isRecord(schema.additionalProperties) ? schema.additionalProperties : undefined;
}

/** Drops what the schema does not have and returns the paths of it. */
export function prune(schema: Schema, value: unknown, path = "", isRoot = true): string[] {
  if (Array.isArray(value)) {
    const items = isRecord(schema.items) ? schema.items : {};
    return value.flatMap((item, index) => prune(items, item, `${path}[${index}]`, false));
  }
  if (!isRecord(value)) return [];
  const dropped: string[] = [];
  const embedded = isRoot || schema["x-kubernetes-embedded-resource"] === true;
  for (const key of Object.keys(value).sort()) {
    if (embedded && EMBEDDED.includes(key)) continue;
    const field = path === "" ? key : `${path}.${key}`;
    const known = schemaOf(schema, key);
    if (known !== undefined) dropped.push(...prune(known, value[key], field, false));
    else if (!keepsUnknown(schema) && schema.additionalProperties !== true) {
      dropped.push(field);
      delete value[key];
    }
  }
  return dropped;
}

/** Fills defaults, and drops nulls where null is no value, into an object that the caller owns. */
export function applyDefaults(schema: Schema, value: unknown): void {
  if (Array.isArray(value)) {
    if (isRecord(schema.items)) for (const item of value) applyDefaults(schema.items, item);
    return;
  }
  if (!isRecord(value)) return;
  for (const [key, property] of Object.entries(propertiesOf(schema))) {
    if (!isRecord(property)) continue;
    if (value[key] === null && property.nullable !== true) delete value[key];
    if (value[key] === undefined && property.default !== undefined) value[key] = copyJson(property.default);
  }
  for (const key of Object.keys(value)) {
    const known = schemaOf(schema, key);
    if (known !== undefined) applyDefaults(known, value[key]);
  }
}

export function validate(schema: Schema, value: unknown, path = ""): FieldError[] {
  if (value === null && schema.nullable === true) return [];
  const errors = typeErrors(schema, value, path);
  errors.push(...enumErrors(schema, value, path));
  if (typeof value === "string") errors.push(...stringErrors(schema, value, path));
  if (typeof value === "number") errors.push(...numberErrors(schema, value, path));
  if (Array.isArray(value)) errors.push(...listErrors(schema, value, path));
  if (isRecord(value)) errors.push(...objectErrors(schema, value, path));
  errors.push(...combinationErrors(schema, value, path));
  return errors;
}

function bad(path: string, value: unknown, detail: string): FieldError {
  return { type: "Invalid value", field: path, value, detail: `${path} in body ${detail}` };
}

function jsonTypeOf(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

function typeErrors(schema: Schema, value: unknown, path: string): FieldError[] {
  const wanted = schema["x-kubernetes-int-or-string"] === true ? ["integer", "string"] : typeof schema.type === "string" ? [schema.type] : [];
  const actual = jsonTypeOf(value);
  const fits = wanted.length === 0 || wanted.includes(actual) || (actual === "integer" && wanted.includes("number"));
  if (fits) return [];
  return [{ type: "Invalid value", field: path, value: actual, detail: `${path} in body must be of type ${wanted.join(",")}: "${actual}"`, wrongType: true }];
}

function enumErrors(schema: Schema, value: unknown, path: string): FieldError[] {
  if (!Array.isArray(schema.enum) || schema.enum.some((allowed) => sameJson(allowed, value))) return [];
  return [{ type: "Unsupported value", field: path, value, detail: `supported values: ${schema.enum.map((allowed) => JSON.stringify(allowed)).join(", ")}` }];
}

function stringErrors(schema: Schema, value: string, path: string): FieldError[] {
  const length = [...value].length;
  const { maxLength, minLength, pattern } = schema;
  if (typeof maxLength === "number" && length > maxLength) return [{ type: "Too long", field: path, detail: `may not be more than ${maxLength} bytes` }];
  if (typeof minLength === "number" && length < minLength) return [bad(path, value, `should be at least ${minLength} chars long`)];
  if (typeof pattern === "string" && !matches(pattern, value)) return [bad(path, value, `should match '${pattern}'`)];
  const format = textOf(schema.format) ?? "";
  if (FORMATS[format]?.(value) === false) return [{ ...bad(path, value, `must be of type ${format}: ${JSON.stringify(value)}`), wrongType: true }];
  return [];
}

const FORMATS: Record<string, (value: string) => boolean> = {
  "date-time": (value) => /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:?\d{2})$/.test(value) && !Number.isNaN(Date.parse(value)),
  date: (value) => /^\d{4}-\d{2}-\d{2}$/.test(value) && !Number.isNaN(Date.parse(value)),
  duration: (value) => /^[+-]?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h|d|w)?\s*)+$/.test(value),
  uri: (value) => /^([a-z][-+.a-z0-9]*:|\/)/i.test(value),
  uuid: (value) => /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i.test(value),
  ipv4: (value) => /^(\d{1,3}\.){3}\d{1,3}$/.test(value) && value.split(".").every((part) => Number(part) < 256),
  byte: (value) => /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value),
};

const compiled = new Map<string, RegExp>();

function matches(pattern: string, value: string): boolean {
  let expression = compiled.get(pattern);
  if (expression === undefined) {
    // Go's (?i) prefix is a flag here.
    const folded = pattern.startsWith("(?i)");
    expression = new RegExp(folded ? pattern.slice(4) : pattern, folded ? "iu" : "u");
    compiled.set(pattern, expression);
  }
  return expression.test(value);
}

function numberErrors(schema: Schema, value: number, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const { multipleOf, maximum, minimum } = schema;
  if (typeof multipleOf === "number" && !isMultiple(value, multipleOf)) errors.push(bad(path, value, `should be a multiple of ${multipleOf}`));
  if (typeof maximum === "number") {
    const exclusive = schema.exclusiveMaximum === true;
    if (exclusive ? value >= maximum : value > maximum) errors.push(bad(path, value, `should be less than ${exclusive ? "" : "or equal to "}${maximum}`));
  }
  if (typeof minimum === "number") {
    const exclusive = schema.exclusiveMinimum === true;
    if (exclusive ? value <= minimum : value < minimum) errors.push(bad(path, value, `should be greater than ${exclusive ? "" : "or equal to "}${minimum}`));
  }
  return errors;
}

function isMultiple(value: number, factor: number): boolean {
  const quotient = value / factor;
  return Math.abs(quotient - Math.round(quotient)) < 1e-9;
}

function listErrors(schema: Schema, value: readonly unknown[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  const { minItems, maxItems } = schema;
  if (typeof minItems === "number" && value.length < minItems) errors.push(bad(path, value.length, `should have at least ${minItems} items`));
  if (typeof maxItems === "number" && value.length > maxItems) errors.push({ type: "Too many", field: path, value: value.length, detail: `must have at most ${maxItems} items` });
  const items = isRecord(schema.items) ? schema.items : {};
  value.forEach((item, index) => errors.push(...validate(items, item, `${path}[${index}]`)));
  const keys = identities(schema, value);
  keys.forEach((key, index) => {
    if (keys.findIndex((other) => sameJson(other, key)) < index) errors.push({ type: "Duplicate value", field: `${path}[${index}]`, value: key });
  });
  return errors;
}

/** What tells the items of a set or of a map-like list apart; nothing for other lists. */
function identities(schema: Schema, value: readonly unknown[]): unknown[] {
  if (schema["x-kubernetes-list-type"] === "set") return [...value];
  if (schema["x-kubernetes-list-type"] !== "map") return [];
  const keys = arrayOf(schema["x-kubernetes-list-map-keys"]).map(String);
  return value.map((item) => Object.fromEntries(keys.map((key) => [key, recordOf(item)[key]]).filter(([, part]) => part !== undefined)));
}

function objectErrors(schema: Schema, value: JsonRecord, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const size = Object.keys(value).length;
  const min = numberOf(schema.minProperties);
  const max = numberOf(schema.maxProperties);
  if (min !== undefined && size < min) errors.push(bad(path, size, `should have at least ${min} properties`));
  if (max !== undefined && size > max) errors.push({ type: "Too many", field: path, value: size, detail: `must have at most ${max} items` });
  for (const required of arrayOf(schema.required).map(String)) {
    if (value[required] === undefined) errors.push({ type: "Required value", field: below(path, required) });
  }
  if (schema["x-kubernetes-embedded-resource"] === true) {
    for (const required of ["apiVersion", "kind"]) if ((textOf(value[required]) ?? "") === "") errors.push({ type: "Required value", field: below(path, required) });
  }
  for (const [key, child] of Object.entries(value)) {
    const known = child === undefined ? undefined : schemaOf(schema, key);
    if (known !== undefined) errors.push(...validate(known, child, below(path, key)));
  }
  return errors;
}

function below(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

/** The real server loses the path of these refusals; what it says is kept, because clients show it. */
function combinationErrors(schema: Schema, value: unknown, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const refuse = (detail: string): void => void errors.push({ type: "Invalid value", field: "<nil>", value: "", detail: `"${path}" ${detail}` });
  const results = (name: string): FieldError[][] => recordsOf(schema[name]).map((option) => validate(option, value, path));
  const one = results("oneOf");
  const valid = one.filter((found) => found.length === 0).length;
  if (one.length > 0 && valid !== 1) {
    refuse(`must validate one and only one schema (oneOf). ${valid === 0 ? "Found none valid" : `Found ${valid} valid alternatives`}`);
    if (valid === 0) errors.push(...fewest(one));
  }
  const any = results("anyOf");
  if (any.length > 0 && any.every((found) => found.length > 0)) {
    refuse("must validate at least one schema (anyOf)");
    errors.push(...fewest(any));
  }
  const all = results("allOf").flat();
  if (all.length > 0) {
    refuse("must validate all the schemas (allOf)");
    errors.push(...all);
  }
  if (isRecord(schema.not) && validate(schema.not, value, path).length === 0) refuse("must not validate the schema (not)");
  return errors;
}

function fewest(found: readonly FieldError[][]): FieldError[] {
  return [...found].sort((left, right) => left.length - right.length)[0] ?? [];
}
