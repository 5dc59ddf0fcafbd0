// How does a list look as the table that kubectl prints? Cells come from the kind's columns; it must never format a
// value that a column has not declared.
import { at } from "./json.ts";
import type { JsonRecord } from "./json.ts";
import type { Column } from "./resource-type.ts";
import type { View } from "./representation.ts";
import type { KubeObject } from "./types.ts";

export function tableOf(view: View, objects: readonly KubeObject[], metadata: JsonRecord): JsonRecord {
  const columns = view.type.columnsFor?.(view.version) ?? view.type.columns;
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata,
    columnDefinitions: columns.map(({ name, type, format, description, priority }) =>
      ({ name, type, format: format ?? "", description: description ?? "", priority })),
    rows: objects.map((object) => ({
      cells: columns.map((column) => column.cell(object, view.nowMs)),
      object: { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: object.metadata },
    })),
  };
}

export const nameColumn: Column = { name: "Name", type: "string", format: "name", priority: 0, cell: (object) => object.metadata.name };

export const ageColumn: Column = {
  name: "Age", type: "string", priority: 0,
  cell: (object, nowMs) => ageOf(object.metadata.creationTimestamp, nowMs),
};

/** A text column that reads one field and shows `absent` when it is not there. */
export function fieldColumn(name: string, path: string, options: { absent?: string; priority?: number } = {}): Column {
  return {
    name, type: "string", priority: options.priority ?? 0,
    cell: (object) => {
      const value = at(object, ...path.split("."));
      return value === undefined || value === "" || value === null ? options.absent ?? "" : String(value);
    },
  };
}

export function ageOf(then: unknown, nowMs: number): string {
  const thenMs = typeof then === "string" ? Date.parse(then) : Number.NaN;
  return Number.isNaN(thenMs) ? "<unknown>" : humanDuration(nowMs - thenMs);
}

/** Two units where the second one still matters, one elsewhere: 90s, 5m10s, 15m, 3h20m, 12h, 2d3h, 40d, 2y30d. */
export function humanDuration(spanMs: number): string {
  const seconds = Math.floor(spanMs / 1000);
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  const years = Math.floor(days / 365);
  const pair = (big: number, bigUnit: string, small: number, smallUnit: string): string =>
    `${big}${bigUnit}${small === 0 ? "" : `${small}${smallUnit}`}`;
  if (seconds < 120) return `${seconds}s`;
  if (minutes < 10) return pair(minutes, "m", seconds % 60, "s");
  if (minutes < 180) return `${minutes}m`;
  if (hours < 8) return pair(hours, "h", minutes % 60, "m");
  if (hours < 48) return `${hours}h`;
  if (hours < 192) return pair(days, "d", hours % 24, "h");
  if (days < 730) return `${days}d`;
  return years < 8 ? pair(years, "y", days % 365, "d") : `${years}y`;
}
