// What changed since a resourceVersion? Keeps the last changes of the store so that a watch can start in the past and a
// paged list can see one snapshot; what was compacted is gone, and a reader must be told so rather than skip changes.
import { expired } from "./errors.ts";
import type { KubeObject, StoreEvent } from "./types.ts";

export interface Change {
  revision: number;
  event: StoreEvent;
  /** The object before the change; absent when it was created. */
  previous: KubeObject | undefined;
}

export class History {
  private changes: Change[] = [];
  private compactedTo = 0;
  private readonly limit: number;
  private readonly listeners = new Set<(change: Change) => void>();

  constructor(limit: number) {
    this.limit = limit;
  }

  append(change: Change): void {
    this.changes.push(change);
    // Dropped in halves: removing the first entry on every append would cost its length each time.
    if (this.changes.length > this.limit) this.dropBefore(this.changes.length - Math.floor(this.limit / 2));
    for (const listener of [...this.listeners]) listener(change);
  }

  /** Called for each change as it is committed, before the store's own subscribers. */
  follow(listener: (change: Change) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Forgets everything up to now; older resourceVersions are answered with 410 from here on. */
  compact(currentRevision: number): void {
    this.changes = [];
    this.compactedTo = currentRevision;
  }

  /** @throws ApiError 410 when changes behind `revision` were compacted */
  since(revision: number, currentRevision: number): readonly Change[] {
    if (revision < this.compactedTo) throw expired(`too old resource version: ${revision} (${currentRevision})`);
    return this.changes.slice(this.firstAfter(revision));
  }

  isCompacted(revision: number): boolean {
    return revision < this.compactedTo;
  }

  private dropBefore(count: number): void {
    const last = this.changes[count - 1];
    if (last === undefined) return;
    this.compactedTo = last.revision;
    this.changes = this.changes.slice(count);
  }

  private firstAfter(revision: number): number {
    let low = 0;
    let high = this.changes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.changes[middle]?.revision ?? Infinity) <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
