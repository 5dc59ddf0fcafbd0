// Which counters exist, and how high are they? Counters and histograms by label set, as a process exports them to
// Prometheus. A counter must never fall, and its labels never change.

export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  readonly name: string;
  readonly labels: Labels;
  value: number;
}

export interface SeriesRegistry {
  count(name: string, labels: Labels): void;
  /** Adds NAME_bucket, NAME_sum and NAME_count. */
  observe(name: string, labels: Labels, bounds: readonly number[], value: number): void;
  all(): Iterable<Counter>;
  /** Drops every series with these labels, as when the process that exported them is gone. */
  drop(labels: Labels): void;
}

export function seriesRegistry(): SeriesRegistry {
  /** One label set of a counter, or all the counters of one label set of a histogram; rendered once, since this runs per request. */
  const families = new Map<string, Counter[]>();
  const family = (name: string, labels: Labels, create: () => Counter[]): Counter[] => {
    const key = `${name}${JSON.stringify(labels)}`;
    const known = families.get(key);
    if (known !== undefined) return known;
    const created = create();
    families.set(key, created);
    return created;
  };
  return {
    count(name, labels) {
      for (const counter of family(name, labels, () => [{ name, labels, value: 0 }])) counter.value += 1;
    },
    observe(name, labels, bounds, value) {
      const counters = family(name, labels, () => [
        ...[...bounds, "+Inf"].map((bound) => ({ name: `${name}_bucket`, labels: { ...labels, le: String(bound) }, value: 0 })),
        { name: `${name}_sum`, labels, value: 0 },
        { name: `${name}_count`, labels, value: 0 },
      ]);
      // In the order of creation: a bucket per bound, the endless one, the sum, the count.
      counters.forEach((counter, index) => {
        if (index === bounds.length + 1) counter.value += value;
        else if (value <= (bounds[index] ?? Infinity)) counter.value += 1;
      });
    },
    *all() {
      for (const counters of families.values()) yield* counters;
    },
    drop(labels) {
      for (const [key, [first]] of families) {
        if (Object.entries(labels).every(([name, value]) => first?.labels[name] === value)) families.delete(key);
      }
    },
  };
}

/** Prometheus' text format; counters of one name must stand together. */
export function textFormat(counters: Iterable<Counter>): string {
  const byName = new Map<string, string[]>();
  for (const { name, labels, value } of counters) {
    const lines = byName.get(name) ?? [];
    byName.set(name, lines);
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${text.replace(/[\\"]/g, "\\$&").replace(/\n/g, "\\n")}"`);
    lines.push(`${name}{${pairs.join(",")}} ${value}\n`);
  }
  return [...byName].map(([name, lines]) => `# TYPE ${name} untyped\n${lines.join("")}`).join("");
}
