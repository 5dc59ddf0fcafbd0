// What do a JSON patch (RFC 6902) and a JSON merge patch (RFC 7386) make of an object? They must never change their
// arguments, and a patch applies wholly or not at all.
import { ApiError, badRequest } from "./errors.ts";
import { copyJson, isRecord, sameJson } from "./json.ts";
import type { JsonRecord } from "./json.ts";

export function mergePatch(current: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return copyJson(patch);
  const merged: JsonRecord = isRecord(current) ? copyJson(current) : {};
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) delete merged[field];
    else merged[field] = mergePatch(merged[field], value);
  }
  return merged;
}

/** @throws ApiError 400 when it is no patch, 422 when it does not apply */
export function jsonPatch(current: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw badRequest("error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp");
  let result: unknown = copyJson(current);
  for (const operation of patch) {
    if (!isRecord(operation)) throw badRequest("a JSON patch is a list of operations");
    result = applied(result, operation);
  }
  return result;
}

function refused(): never {
  throw new ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {});
}

function applied(document: unknown, operation: JsonRecord): unknown {
  const path = pointer(operation.path);
  switch (operation.op) {
    case "add": return added(document, path, copyJson(operation.value));
    case "remove": return removed(document, path);
    case "replace": return replaced(document, path, copyJson(operation.value));
    case "move": {
      const from = pointer(operation.from);
      const value = read(document, from);
      return added(removed(document, from), path, value);
    }
    case "copy": return added(document, path, copyJson(read(document, pointer(operation.from))));
    case "test": return sameJson(readOrAbsent(document, path), operation.value ?? null) ? document : refused();
    default: return refused();
  }
}

function pointer(text: unknown): string[] {
  if (typeof text !== "string") return refused();
  if (text === "") return [];
  if (!text.startsWith("/")) return refused();
  return text.slice(1).split("/").map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function read(document: unknown, path: readonly string[]): unknown {
  let value = document;
  for (const part of path) {
    if (Array.isArray(value) && /^\d+$/.test(part) && Number(part) < value.length) value = value[Number(part)];
    else if (isRecord(value) && Object.hasOwn(value, part)) value = value[part];
    else return refused();
  }
  return value;
}

function readOrAbsent(document: unknown, path: readonly string[]): unknown {
  const parent = path.slice(0, -1);
  const last = path.at(-1);
  const holder = read(document, parent);
  if (last !== undefined && isRecord(holder) && !Object.hasOwn(holder, last)) return null;
  return read(document, path);
}

function added(document: unknown, path: readonly string[], value: unknown): unknown {
  const last = path.at(-1);
  if (last === undefined) return value;
  const parent = read(document, path.slice(0, -1));
  if (Array.isArray(parent)) {
    const index = last === "-" ? parent.length : Number(last);
    if (!Number.isInteger(index) || index < 0 || index > parent.length) return refused();
    parent.splice(index, 0, value);
  } else if (isRecord(parent)) parent[last] = value;
  else return refused();
  return document;
}

/** A field that is not there is added: the library of the real server takes it so. */
function replaced(document: unknown, path: readonly string[], value: unknown): unknown {
  const parent = path.length === 0 ? undefined : read(document, path.slice(0, -1));
  return added(Array.isArray(parent) ? removed(document, path) : document, path, value);
}

function removed(document: unknown, path: readonly string[]): unknown {
  read(document, path);
  const last = path.at(-1) ?? "";
  const parent = read(document, path.slice(0, -1));
  if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else if (isRecord(parent)) delete parent[last];
  return document;
}
