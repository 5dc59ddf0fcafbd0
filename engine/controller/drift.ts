// Does somebody undo what the engine writes? Counts repairs per object; after too many in a minute the object is held back for a while and shown.
import type { Problem } from "../../crds/problem.ts";

const WINDOW_MS = 60_000;
const REPAIRS_MAX = 12;
const HELD_MS = 60_000;

interface Record {
  repairsMs: number[];
  heldUntilMs: number;
  fields: string;
}

export class Drift {
  private readonly objects = new Map<string, Map<string, Record>>();

  /** True while the object must not be written: its last repairs were all undone. */
  held(key: string, object: string, nowMs: number): boolean {
    return (this.objects.get(key)?.get(object)?.heldUntilMs ?? 0) > nowMs;
  }

  repaired(key: string, object: string, fields: string, nowMs: number): void {
    const mine = this.objects.get(key) ?? new Map<string, Record>();
    const before = mine.get(object);
    const repairsMs = [...(before?.repairsMs ?? []).filter((atMs) => atMs > nowMs - WINDOW_MS), nowMs].slice(-REPAIRS_MAX);
    const heldUntilMs = repairsMs.length >= REPAIRS_MAX ? nowMs + HELD_MS : (before?.heldUntilMs ?? 0);
    mine.set(object, { repairsMs, heldUntilMs, fields });
    this.objects.set(key, mine);
  }

  /** What to show while an object is held back, and when it may be written again. */
  fight(key: string, nowMs: number): { problem: Problem; untilMs: number } | undefined {
    for (const [object, record] of this.objects.get(key) ?? []) {
      if (record.heldUntilMs <= nowMs) continue;
      const message = `${object}: somebody undoes the engine's changes of ${record.fields} (${REPAIRS_MAX} times within a minute); make that tool ignore these fields`;
      return { problem: { reason: "DriftFight", path: record.fields, message }, untilMs: record.heldUntilMs };
    }
    return undefined;
  }

  forget(key: string): void {
    this.objects.delete(key);
  }
}
