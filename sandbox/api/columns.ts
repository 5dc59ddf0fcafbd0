// What does `kubectl get` show of a built-in object? It must never read anything but the object and the time.
import type { Column } from "./resource-type.ts";

export const plainColumns: readonly Column[] = [
  { name: "Name", type: "string", format: "name", priority: 0, cell: (object) => object.metadata.name },
];

export const COLUMNS: Record<string, readonly Column[]> = {};
