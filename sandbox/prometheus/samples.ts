// Which value had a series at which instant? Scrapes counters into one ring per series and forgets what is older than
// the retention. It must never answer with a series that had vanished by the instant asked for.
import type { Counter, Labels } from "../mesh/series.ts";
import type { Matcher } from "./ast.ts";
import { anchored } from "./parse.ts";

export interface Point {
  /** Milliseconds since the epoch. */
  at: number;
  value: number;
}

export interface StoredSeries {
  /** With __name__. */
  labels: Labels;
  /** The newest point in (after, until]; undefined also when the series had ended by then. */
  last(after: number, until: number): Point | undefined;
  /** All points in (after, until]. */
  between(after: number, until: number): Point[];
}

export interface SampleStore {
  scrape(counters: Iterable<Counter>, at: number): void;
  select(matchers: readonly Matcher[]): StoredSeries[];
}

const retentionMs = 30 * 60_000;

/** What Prometheus adds for the one target that it scrapes. */
export const targetLabels = { job: "sandbox", instance: "mesh" };

export function sampleStore(): SampleStore {
  const byName = new Map<string, Map<Counter, Ring>>();
  return {
    scrape(counters, at) {
      const seen = new Set<Counter>();
      for (const counter of counters) {
        seen.add(counter);
        const rings = byName.get(counter.name) ?? new Map<Counter, Ring>();
        byName.set(counter.name, rings);
        const ring = rings.get(counter) ?? new Ring({ __name__: counter.name, ...counter.labels, ...targetLabels });
        rings.set(counter, ring);
        ring.push(at, counter.value);
      }
      for (const rings of byName.values()) {
        for (const [counter, ring] of rings) {
          if (seen.has(counter)) continue;
          ring.end(at);
          if (ring.isForgotten(at - retentionMs)) rings.delete(counter);
        }
      }
    },
    select(matchers) {
      const tests = matchers.map(({ label, op, value }) => ({ label, test: testOf(op, value) }));
      const name = matchers.find(({ label, op }) => label === "__name__" && op === "=")?.value;
      const candidates = name === undefined ? [...byName.values()] : [byName.get(name) ?? new Map<Counter, Ring>()];
      return candidates.flatMap((rings) => [...rings.values()]).filter(({ labels }) => tests.every(({ label, test }) => test(labels[label] ?? "")));
    },
  };
}

function testOf(op: Matcher["op"], value: string): (text: string) => boolean {
  switch (op) {
    case "=": return (text) => text === value;
    case "!=": return (text) => text !== value;
    case "=~": return matches(value);
    case "!~": {
      const test = matches(value);
      return (text) => !test(text);
    }
  }
}

function matches(pattern: string): (text: string) => boolean {
  const regex = anchored(pattern);
  return (text) => regex.test(text);
}

class Ring implements StoredSeries {
  readonly labels: Labels;
  private readonly times: number[] = [];
  private readonly values: number[] = [];
  /** Points before this index are older than the retention; cut off in bulk. */
  private first = 0;
  private endedAt: number | undefined;

  constructor(labels: Labels) {
    this.labels = labels;
  }

  push(at: number, value: number): void {
    this.times.push(at);
    this.values.push(value);
    this.endedAt = undefined;
    while ((this.times[this.first] ?? Infinity) < at - retentionMs) this.first += 1;
    if (this.first < 1024) return;
    this.times.splice(0, this.first);
    this.values.splice(0, this.first);
    this.first = 0;
  }

  end(at: number): void {
    this.endedAt ??= at;
  }

  isForgotten(before: number): boolean {
    return (this.times.at(-1) ?? 0) < before;
  }

  last(after: number, until: number): Point | undefined {
    if (this.endedAt !== undefined && this.endedAt <= until) return undefined;
    const index = this.upTo(until) - 1;
    const point = index < this.first ? undefined : this.point(index);
    return point !== undefined && point.at > after ? point : undefined;
  }

  between(after: number, until: number): Point[] {
    const points: Point[] = [];
    for (let index = Math.max(this.first, this.upTo(after)); index < this.upTo(until); index += 1) {
      const point = this.point(index);
      if (point !== undefined) points.push(point);
    }
    return points;
  }

  private point(index: number): Point | undefined {
    const at = this.times[index];
    const value = this.values[index];
    return at === undefined || value === undefined ? undefined : { at, value };
  }

  /** How many points are not younger than `until`. */
  private upTo(until: number): number {
    let low = 0;
    let high = this.times.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.times[middle] ?? Infinity) <= until) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
