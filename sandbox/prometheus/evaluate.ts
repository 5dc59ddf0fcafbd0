// What does a query yield at one instant? Walks the parsed expression over the stored samples. Pure over the store's
// content; it must never look at a sample younger than the instant asked for.
import { callFunction } from "./functions.ts";
import { QueryError } from "./ast.ts";
import type { Aggregation, Expr, Matcher, Selector } from "./ast.ts";
import { binary } from "./operators.ts";
import { parseQuery } from "./parse.ts";
import type { SampleStore, StoredSeries } from "./samples.ts";
import { computed, onlyThese, scalar, signature, typeName, vector, without } from "./values.ts";
import type { Sample, Value } from "./values.ts";

/** How old the newest sample of a series may be and still stand for its present value. */
const lookbackMs = 5 * 60_000;

/** @throws QueryError */
export function evaluateQuery(query: string, samples: SampleStore, at: number): Value {
  // One query names the same selector again and again.
  const found = new Map<string, StoredSeries[]>();
  const select = (matchers: readonly Matcher[]): StoredSeries[] => {
    const key = JSON.stringify(matchers);
    const known = found.get(key) ?? samples.select(matchers);
    found.set(key, known);
    return known;
  };
  return evaluate(parseQuery(query), { ...samples, select }, at);
}

function evaluate(expr: Expr, samples: SampleStore, at: number): Value {
  switch (expr.type) {
    case "number": return scalar(expr.value);
    case "string": return { type: "string", value: expr.value };
    case "selector": return vector(instant(expr, samples, at - (expr.offsetMs ?? 0)));
    case "range": {
      const series = samples.select(expr.selector.matchers).map((stored) => ({ labels: stored.labels, points: stored.between(at - expr.rangeMs, at) }));
      return { type: "matrix", rangeMs: expr.rangeMs, series: series.filter(({ points }) => points.length > 0) };
    }
    case "call": {
      const args = expr.args.map((arg) => evaluate(arg, samples, at));
      return callFunction({ name: expr.name, args, exprs: expr.args, at });
    }
    case "aggregate": {
      const value = evaluate(expr.expr, samples, at);
      if (value.type !== "vector") throw new QueryError(`parse error: expected type instant vector in aggregation expression, got ${typeName(value)}`);
      return aggregate(expr.op, expr.grouping, value.samples);
    }
    case "binary": return binary(expr, evaluate(expr.left, samples, at), evaluate(expr.right, samples, at));
    case "negate": {
      const value = evaluate(expr.expr, samples, at);
      if (value.type === "scalar") return scalar(-value.value);
      if (value.type === "vector") return computed(value.samples.map((sample) => ({ ...sample, value: -sample.value })));
      throw new QueryError(`parse error: unary expression only allowed on expressions of type scalar or instant vector, got ${typeName(value)}`);
    }
  }
}

function instant(selector: Selector, samples: SampleStore, at: number): Sample[] {
  return samples.select(selector.matchers).flatMap((series) => {
    const point = series.last(at - lookbackMs, at);
    return point === undefined ? [] : [{ labels: series.labels, value: point.value }];
  });
}

const folds: Record<Aggregation, (values: readonly number[]) => number> = {
  sum: (values) => values.reduce((sum, value) => sum + value, 0),
  avg: (values) => values.reduce((sum, value) => sum + value, 0) / values.length,
  // A NaN gives way to any number.
  min: (values) => values.reduce((least, value) => (value < least || Number.isNaN(least) ? value : least), NaN),
  max: (values) => values.reduce((most, value) => (value > most || Number.isNaN(most) ? value : most), NaN),
  count: (values) => values.length,
};

function aggregate(op: Aggregation, { by, labels: names }: { by: boolean; labels: readonly string[] }, samples: readonly Sample[]): Value {
  const groups = new Map<string, { labels: Sample["labels"]; values: number[] }>();
  for (const { labels, value } of samples) {
    const kept = by ? onlyThese(labels, names) : without(labels, ["__name__", ...names]);
    const key = signature(kept);
    const group = groups.get(key) ?? { labels: kept, values: [] };
    groups.set(key, group);
    group.values.push(value);
  }
  return vector([...groups.values()].map(({ labels, values }) => ({ labels, value: folds[op](values) })));
}
