// What is JSON here, and how is it copied, compared and frozen? It must never learn what a Kubernetes object is.

export type JsonRecord = Record<string, unknown>;

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value when it is an object, else an empty one: for reading a path that may be absent. */
export function recordOf(value: unknown): JsonRecord {
  return isRecord(value) ? value : {};
}

export function arrayOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function recordsOf(value: unknown): JsonRecord[] {
  return arrayOf(value).filter(isRecord);
}

export function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

export function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

/** Reads a path of field names; undefined as soon as one is missing. */
export function at(value: unknown, ...path: string[]): unknown {
  let current = value;
  for (const field of path) {
    if (!isRecord(current)) return undefined;
    current = current[field];
  }
  return current;
}

/** The record below `field`, put there when absent; for writing into an object that the caller owns. */
export function childOf(parent: JsonRecord, field: string): JsonRecord {
  const present = parent[field];
  if (isRecord(present)) return present;
  const created: JsonRecord = {};
  parent[field] = created;
  return created;
}

/** Sets a field that is absent or null; an explicit value, even an empty one, is the author's. */
export function fallback(record: JsonRecord, field: string, value: unknown): void {
  if (record[field] === undefined || record[field] === null) record[field] = value;
}

/** A deep copy without the fields that are undefined, which JSON cannot carry. */
export function copyJson<T>(value: T): T {
  return copyAny(value) as T;
}

function copyAny(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyAny);
  if (!isRecord(value)) return value;
  const copy: JsonRecord = {};
  for (const field of Object.keys(value)) {
    const child = value[field];
    if (child !== undefined) copy[field] = copyAny(child);
  }
  return copy;
}

export function sameJson(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (Array.isArray(left)) {
    return Array.isArray(right) && left.length === right.length && left.every((item, index) => sameJson(item, right[index]));
  }
  if (!isRecord(left) || !isRecord(right)) return false;
  const leftFields = Object.keys(left).filter((field) => left[field] !== undefined);
  const rightFields = Object.keys(right).filter((field) => right[field] !== undefined);
  return leftFields.length === rightFields.length && leftFields.every((field) => sameJson(left[field], right[field]));
}

export function freezeJson<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) freezeJson(child);
  }
  return value;
}
