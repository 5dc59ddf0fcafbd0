// Below which value lies a share of what a histogram counted? Linear interpolation within the bucket, as Prometheus
// documents it. Without a +Inf bucket, or with nothing counted, there must be no answer but NaN.

export interface Bucket {
  upperBound: number;
  /** Cumulative. */
  count: number;
}

export function bucketQuantile(quantile: number, unsorted: readonly Bucket[]): number {
  if (Number.isNaN(quantile)) return NaN;
  if (quantile < 0) return -Infinity;
  if (quantile > 1) return Infinity;
  const buckets = rising(unsorted);
  const last = buckets.at(-1);
  if (last === undefined || last.upperBound !== Infinity || buckets.length < 2) return NaN;
  if (!(last.count > 0)) return NaN;
  const rank = quantile * last.count;
  const index = buckets.findIndex(({ count }) => count >= rank);
  const bucket = buckets[index];
  const below = buckets[index - 1];
  if (bucket === undefined || bucket.upperBound === Infinity) return buckets.at(-2)?.upperBound ?? NaN;
  if (below === undefined && bucket.upperBound <= 0) return bucket.upperBound;
  const start = below?.upperBound ?? 0;
  const before = below?.count ?? 0;
  return start + (bucket.upperBound - start) * ((rank - before) / (bucket.count - before));
}

/** Sorted, equal bounds merged, and never falling: rates of buckets scraped at slightly different moments may. */
function rising(unsorted: readonly Bucket[]): Bucket[] {
  const sorted = [...unsorted].sort((a, b) => a.upperBound - b.upperBound);
  const result: Bucket[] = [];
  for (const { upperBound, count } of sorted) {
    const previous = result.at(-1);
    if (previous?.upperBound === upperBound) previous.count += count;
    else result.push({ upperBound, count });
  }
  result.forEach((bucket, index) => {
    bucket.count = Math.max(bucket.count, result[index - 1]?.count ?? 0);
  });
  return result;
}
