// How long did answers take? Counts in a fixed number of classes, so that an hour of load costs no more memory than a second of it.

export interface Latencies {
  add(ms: number): void;
  /** Milliseconds within 5 percent, for example of 0.99; 0 when nothing was counted. */
  quantile(q: number): number;
}

const SMALLEST_MS = 0.1;
const GROWTH = 1.05;
/** Up to about 20 minutes. */
const CLASSES = 336;

export function latencies(): Latencies {
  const counts = new Uint32Array(CLASSES);
  let total = 0;
  return {
    add(ms) {
      const index = Math.ceil(Math.log(Math.max(ms, SMALLEST_MS) / SMALLEST_MS) / Math.log(GROWTH));
      const place = Math.min(index, CLASSES - 1);
      counts[place] = (counts[place] ?? 0) + 1;
      total += 1;
    },
    quantile(q) {
      let seen = 0;
      for (const [index, count] of counts.entries()) {
        seen += count;
        if (count > 0 && seen >= q * total) return SMALLEST_MS * GROWTH ** index;
      }
      return 0;
    },
  };
}
