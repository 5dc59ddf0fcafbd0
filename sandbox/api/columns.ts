// What does `kubectl get` show of a built-in object? It must never read anything but the object and the time.
import { ageColumn, nameColumn } from "./table.ts";
import type { Column } from "./resource-type.ts";

export const plainColumns: readonly Column[] = [nameColumn, ageColumn];

export const COLUMNS: Record<string, readonly Column[]> = {};
