// What does a strategic merge patch make of an object? Lists of the shape's merge keys are merged item by item, other
// lists are replaced. It must never change its arguments.
import { badRequest } from "./errors.ts";
import { arrayOf, copyJson, isRecord, sameJson } from "./json.ts";
import { fieldShape } from "./shapes.ts";
import type { FieldShape } from "./shapes.ts";
import type { JsonRecord } from "./json.ts";

const DELETE_FROM = "$deleteFromPrimitiveList/";
const ORDER = "$setElementOrder/";
/** The merge key of a list of plain values. */
const SET = "=";

/** @throws ApiError 400 for a directive that has no meaning where it stands */
export function strategicMerge(shape: string | undefined, current: JsonRecord, patch: JsonRecord): JsonRecord {
  if (patch.$patch === "replace") return withoutDirectives(patch);
  if (patch.$patch === "delete") return {};
  if (patch.$patch !== undefined && patch.$patch !== "merge") throw badRequest(`unknown patch type: ${String(patch.$patch)}`);
  const merged = copyJson(current);
  retainOnly(merged, patch.$retainKeys);
  for (const [field, value] of Object.entries(patch)) {
    if (field.startsWith(DELETE_FROM)) {
      const list = field.slice(DELETE_FROM.length);
      merged[list] = arrayOf(merged[list]).filter((item) => !arrayOf(value).some((gone) => sameJson(gone, item)));
    } else if (field.startsWith("$")) continue;
    else if (value === null) delete merged[field];
    else merged[field] = mergedField(fieldShape(shape, field), merged[field], value);
  }
  for (const [field, order] of Object.entries(patch)) {
    if (!field.startsWith(ORDER)) continue;
    const list = field.slice(ORDER.length);
    const present = merged[list];
    if (Array.isArray(present)) merged[list] = ordered(present, arrayOf(order), arrayOf(current[list]), fieldShape(shape, list)?.mergeKey ?? SET);
  }
  return merged;
}

function mergedField(shape: FieldShape | undefined, current: unknown, value: unknown): unknown {
  if (isRecord(value)) return strategicMerge(shape?.form === "one" ? shape.of : undefined, isRecord(current) ? current : {}, value);
  if (!Array.isArray(value) || shape?.form !== "list" || shape.mergeKey === undefined) return copyJson(value);
  const before = Array.isArray(current) ? current : [];
  return shape.mergeKey === SET ? mergedSet(before, value) : mergedList(shape.of, shape.mergeKey, before, value);
}

function mergedSet(current: readonly unknown[], added: readonly unknown[]): unknown[] {
  const all = [...current, ...added.filter((item) => !current.some((present) => sameJson(present, item)))];
  return ordered(all, added, current, SET);
}

function mergedList(itemShape: string, key: string, current: readonly unknown[], patches: readonly unknown[]): unknown[] {
  if (patches.some((item) => isRecord(item) && item.$patch === "replace")) {
    return patches.filter((item) => !(isRecord(item) && item.$patch === "replace")).map(copyJson);
  }
  let items = current.map(copyJson);
  for (const patch of patches) {
    if (!isRecord(patch)) throw badRequest("map: list of maps with a merge key expected");
    if (patch[key] === undefined) throw badRequest(`map: ${JSON.stringify(patch)} does not contain declared merge key: ${key}`);
    const matches = (item: unknown): boolean => isRecord(item) && item[key] === patch[key];
    if (patch.$patch === "delete") items = items.filter((item) => !matches(item));
    else {
      const index = items.findIndex(matches);
      const before = items[index];
      if (index < 0) items.push(withoutDirectives(patch));
      else items[index] = strategicMerge(itemShape, isRecord(before) ? before : {}, patch);
    }
  }
  return ordered(items, patches.filter((item) => !(isRecord(item) && item.$patch !== undefined)), current, key);
}

/**
 * The order of a merged list. What the patch names stands in the patch's order, the rest in the list's own; where the two
 * meet, an item of the rest goes first only if it stood before the other already. So a new item comes before old ones.
 */
function ordered(items: readonly unknown[], patchOrder: readonly unknown[], before: readonly unknown[], key: string): unknown[] {
  const identity = (item: unknown): unknown => (key !== SET && isRecord(item) ? item[key] : item);
  const rankIn = (order: readonly unknown[]): Map<unknown, number> => new Map(order.map((item, index) => [identity(item), index]));
  const named = rankIn(patchOrder);
  const earlier = rankIn(before);
  const rank = (ranks: Map<unknown, number>, item: unknown): number => ranks.get(identity(item)) ?? -1;
  const isNamed = (item: unknown): boolean => named.has(identity(item));
  const fromPatch = items.filter(isNamed).sort((a, b) => rank(named, a) - rank(named, b));
  const rest = items.filter((item) => !isNamed(item)).sort((a, b) => rank(earlier, a) - rank(earlier, b));
  const result: unknown[] = [];
  while (fromPatch.length > 0 && rest.length > 0) {
    const [left, right] = [rank(earlier, rest[0]), rank(earlier, fromPatch[0])];
    const restFirst = left >= 0 && right >= 0 && left < right;
    result.push((restFirst ? rest : fromPatch).shift());
  }
  return [...result, ...fromPatch, ...rest];
}

function retainOnly(record: JsonRecord, keys: unknown): void {
  if (!Array.isArray(keys)) return;
  for (const field of Object.keys(record)) if (!keys.includes(field)) delete record[field];
}

function withoutDirectives(value: JsonRecord): JsonRecord {
  const kept: JsonRecord = {};
  for (const [field, child] of Object.entries(value)) {
    if (field.startsWith("$") || child === null) continue;
    kept[field] = isRecord(child) ? withoutDirectives(child)
      : Array.isArray(child) ? child.filter((item) => !(isRecord(item) && item.$patch !== undefined)).map((item: unknown) => (isRecord(item) ? withoutDirectives(item) : item))
      : child;
  }
  return kept;
}
