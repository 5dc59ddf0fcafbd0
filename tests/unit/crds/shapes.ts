// What does a generated schema say of each field? Walks over it and over the zod schema that it was made from; only reads.
import { z } from "zod";
import type { CustomResourceDefinition } from "../../../crds/generate.ts";
import { isMap, map, type Json } from "../../../crds/json.ts";

export interface Node {
  /** Like "analysis.metrics[].name"; ".*" stands for the values of a map. */
  path: string;
  schema: Json;
}

export function schemaOf(crd: CustomResourceDefinition, part: "spec" | "status"): Json {
  return map(map(crd.spec.versions[0]?.schema.openAPIV3Schema.properties)[part]);
}

/** Each node of the schema, the root included with the path "". */
export function nodes(schema: Json, path = ""): Node[] {
  const members = Object.entries(map(schema.properties)).flatMap(([name, member]) => nodes(map(member), join(path, name)));
  const items = isMap(schema.items) ? nodes(schema.items, `${path}[]`) : [];
  const values = isMap(schema.additionalProperties) ? nodes(schema.additionalProperties, `${path}.*`) : [];
  return [{ path, schema }, ...members, ...items, ...values];
}

/** The path of each field that the zod schema knows. */
export function zodPaths(schema: unknown, path = ""): string[] {
  const here = path === "" ? [] : [path];
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) return zodPaths(schema.unwrap(), path);
  if (schema instanceof z.ZodArray) return [...here, ...zodPaths(schema.element, `${path}[]`)];
  if (schema instanceof z.ZodRecord) return [...here, ...zodPaths(schema.valueType, `${path}.*`)];
  if (schema instanceof z.ZodObject) return [...here, ...Object.entries(schema.shape).flatMap(([name, member]) => zodPaths(member, join(path, name)))];
  return here;
}

/** As the API server does on each write: members that the schema does not name are gone. */
export function pruned(value: unknown, schema: Json): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => pruned(item, map(schema.items)));
  if (!isMap(value)) return value;
  const { properties, additionalProperties, "x-kubernetes-preserve-unknown-fields": open } = schema;
  const kept = Object.entries(value).flatMap(([key, member]) => {
    const known = map(properties)[key] ?? additionalProperties;
    if (isMap(known)) return [[key, pruned(member, known)]];
    return open === true ? [[key, member]] : [];
  });
  return Object.fromEntries(kept) as Json;
}

/** The path of each field that the value has, written as in a schema whose maps are named. */
export function valuePaths(value: unknown, maps: readonly string[], path = ""): string[] {
  const here = path === "" ? [] : [path];
  if (Array.isArray(value)) return [...here, ...value.flatMap((item: unknown) => valuePaths(item, maps, `${path}[]`))];
  if (!isMap(value)) return here;
  const isNamed = maps.includes(path);
  return [...here, ...Object.entries(value).flatMap(([key, member]) => valuePaths(member, maps, isNamed ? `${path}.*` : join(path, key)))];
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}
