// How does a zod schema become one that a Kubernetes 1.27 API server takes as structural?
// A keyword that it does not know is an error and is never dropped in silence: what is not in the CRD is not checked, and pruned.
import { z } from "zod";
import { isMap, list, map, without, type Json } from "./json.ts";

export type Structural = Json;

/** Copied as they are. */
const KEPT = new Set([
  "description",
  "type",
  "format",
  "default",
  "enum",
  "pattern",
  "required",
  "minimum",
  "maximum",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "maxProperties",
  "oneOf",
  "x-kubernetes-list-map-keys",
  "x-kubernetes-list-type",
  "x-kubernetes-validations",
]);

/** `propertyNames` has no counterpart and says of every map only that its keys are strings. */
const DROPPED = new Set(["$schema", "propertyNames"]);

export function structuralSchema(schema: z.ZodType): Structural {
  return convert(map(z.toJSONSchema(schema, { io: "input", reused: "inline" })), "");
}

function convert(node: Json, path: string): Structural {
  if (node["x-kubernetes-int-or-string"] === true) return withoutType(node, path);
  const nonNull = nullable(node);
  if (nonNull !== undefined) return { ...convert(nonNull, path), nullable: true };

  const out: Structural = {};
  for (const [key, value] of Object.entries(node)) {
    if (key === "properties") out.properties = members(map(value), path);
    else if (key === "items") out.items = convert(map(value), `${path}[]`);
    else if (key === "additionalProperties") Object.assign(out, rest(value, path));
    else if (key === "const") out.enum = [value];
    else if (key === "minimum" && value === Number.MIN_SAFE_INTEGER) continue;
    else if (key === "maximum" && value === Number.MAX_SAFE_INTEGER) continue;
    else if (key === "type" && Array.isArray(value)) throw new Error(`no structural counterpart of the types ${value.join(", ")} at ${path}`);
    else if (KEPT.has(key)) out[key] = value;
    else if (!DROPPED.has(key)) throw new Error(`no structural counterpart of "${key}" at ${path}`);
  }
  return out;
}

function members(properties: Json, path: string): Structural {
  return Object.fromEntries(Object.entries(properties).map(([name, member]) => [name, convert(map(member), `${path}.${name}`)]));
}

function rest(value: unknown, path: string): Structural {
  if (value === false) return {};
  if (isMap(value) && Object.keys(value).length > 0) return { additionalProperties: convert(value, `${path}.*`) };
  return { "x-kubernetes-preserve-unknown-fields": true };
}

/** The API server knows the two types of such a field by itself and allows no others beside it. */
function withoutType(node: Json, path: string): Structural {
  const mark = "x-kubernetes-int-or-string";
  return { [mark]: true, ...convert(without(node, ["anyOf", "type", mark]), path) };
}

/** What the node says when it is not null; undefined when it takes no null. */
function nullable(node: Json): Json | undefined {
  const types = list(node.type);
  if (types.length === 2 && types.includes("null")) return { ...node, type: types.find((type) => type !== "null") };

  const kinds = list(node.anyOf).map(map);
  const [only] = kinds.filter(({ type }) => type !== "null");
  if (only === undefined || kinds.length !== 2 || !kinds.some(({ type }) => type === "null")) return undefined;
  return { ...only, ...without(node, ["anyOf"]) };
}
