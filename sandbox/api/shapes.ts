// Which fields has a built-in object, and how do its lists merge? One table, written in a small notation, serves strict
// decoding, pruning and strategic merge patches. It must never default or judge a value.
import { badRequest } from "./errors.ts";
import { isRecord } from "./json.ts";
import { SHAPE_TEXT } from "./shape-table.ts";
import type { JsonRecord } from "./json.ts";

export interface FieldShape {
  /** s string, i integer, b boolean, q integer or string, n number, x anything, else the name of a shape. */
  of: string;
  form: "one" | "list" | "map";
  /** A list merges item by item by this field, as a set when it is "="; without it the whole list is replaced. */
  mergeKey: string | undefined;
  retainKeys: boolean;
}

type Shape = ReadonlyMap<string, FieldShape>;

const SHAPES: ReadonlyMap<string, Shape> = new Map(
  Object.entries(SHAPE_TEXT).map(([name, text]) => [name, new Map(text.trim().split(/\s+/).map(parseField))]),
);

/** field:type, type[] a replaced list, type[key] a merged one, type{} a map, type~ a union whose other members go. */
function parseField(text: string): [string, FieldShape] {
  const match = /^([\w$]+):(\w+)(\[([\w=]*)\]|\{\})?(~?)$/.exec(text);
  if (match === null) throw new Error(`shape table: cannot read "${text}"`);
  const [, field = "", of = "", suffix = "", key = "", retain] = match;
  const form = suffix === "" ? "one" : suffix === "{}" ? "map" : "list";
  return [field, { of, form, mergeKey: key === "" ? undefined : key, retainKeys: retain === "~" }];
}

export function fieldShape(shape: string | undefined, field: string): FieldShape | undefined {
  return shape === undefined ? undefined : SHAPES.get(shape)?.get(field);
}

export interface ShapeContext {
  kind: string;
  version: string;
}

/**
 * Drops fields that the shape does not have and returns their paths.
 * @throws ApiError 400 for a value of the wrong JSON type, as the Go decoder does
 */
export function pruneByShape(shapeName: string, object: JsonRecord, context: ShapeContext): string[] {
  const unknown: string[] = [];
  pruneRecord(shapeName, object, "", unknown, context);
  return unknown;
}

function pruneRecord(shapeName: string, record: JsonRecord, path: string, unknown: string[], context: ShapeContext): void {
  const shape = SHAPES.get(shapeName);
  if (shape === undefined) throw new Error(`shape table: no shape "${shapeName}"`);
  for (const [field, value] of Object.entries(record)) {
    const fieldPath = path === "" ? field : `${path}.${field}`;
    const expected = shape.get(field);
    if (expected === undefined) {
      unknown.push(fieldPath);
      delete record[field];
    } else if (value === null) {
      // The decoder of a typed object reads null as "not given".
      delete record[field];
    } else {
      pruneValue(expected, value, fieldPath, shapeName, unknown, context);
      if (expected.form !== "one" && isEmpty(value)) delete record[field];
    }
  }
}

/** An empty list or map of a typed object is not written back. */
function isEmpty(value: unknown): boolean {
  return Array.isArray(value) ? value.length === 0 : isRecord(value) && Object.keys(value).length === 0;
}

function pruneValue(expected: FieldShape, value: unknown, path: string, owner: string, unknown: string[], context: ShapeContext): void {
  const refuse = (wanted: string): never => {
    throw badRequest(`${context.kind} in version "${context.version}" cannot be handled as a ${context.kind}: json: cannot unmarshal ${jsonType(value)} into Go struct field ${owner}.${path} of type ${wanted}`);
  };
  if (expected.form === "list") {
    if (!Array.isArray(value)) return refuse(`[]${goType(expected.of)}`);
    value.forEach((item, index) => pruneValue({ ...expected, form: "one" }, item, `${path}[${index}]`, owner, unknown, context));
  } else if (expected.form === "map") {
    if (!isRecord(value)) return refuse(`map[string]${goType(expected.of)}`);
    for (const [key, item] of Object.entries(value)) {
      if (item === null && expected.of === "s") value[key] = "";
      else pruneValue({ ...expected, form: "one" }, item, `${path}.${key}`, owner, unknown, context);
    }
  } else if (!fits(expected.of, value)) refuse(goType(expected.of));
  else if (isRecord(value) && SHAPES.has(expected.of)) pruneRecord(expected.of, value, path, unknown, context);
}

function fits(of: string, value: unknown): boolean {
  switch (of) {
    case "s": return typeof value === "string";
    case "i": return Number.isInteger(value);
    case "n": return typeof value === "number";
    case "b": return typeof value === "boolean";
    case "q": return typeof value === "string" || typeof value === "number";
    case "x": return true;
    default: return isRecord(value);
  }
}

function goType(of: string): string {
  const plain: Record<string, string> = { s: "string", i: "int32", n: "float64", b: "bool", q: "intstr.IntOrString", x: "interface {}" };
  return plain[of] ?? `v1.${of}`;
}

function jsonType(value: unknown): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "boolean") return "bool";
  return typeof value;
}
