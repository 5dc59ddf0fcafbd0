// Which functions does the sandbox's PromQL know, and what do they compute? One row per function; a name that is not
// here is refused. It must never accept an argument of another type than Prometheus would.
import { QueryError } from "./ast.ts";
import type { Expr } from "./ast.ts";
import { bucketQuantile } from "./quantile.ts";
import type { Bucket } from "./quantile.ts";
import { increase, irate, rate } from "./rates.ts";
import type { Point } from "./samples.ts";
import { computed, scalar, signature, typeName, unnamed, vector, without } from "./values.ts";
import type { Sample, Value } from "./values.ts";
import type { Labels } from "../mesh/series.ts";

/** One call: its arguments evaluated, and as written. */
export interface Call {
  name: string;
  args: readonly Value[];
  exprs: readonly Expr[];
  /** The instant of evaluation. */
  at: number;
}

type Implementation = (call: Call) => Value;

const functions: Record<string, Implementation> = {
  rate: overRange(rate),
  increase: overRange(increase),
  irate: overRange(irate),
  sum_over_time: overRange((points) => total(points)),
  count_over_time: overRange((points) => points.length),
  avg_over_time: overRange((points) => total(points) / points.length),
  min_over_time: overRange((points) => Math.min(...points.map(({ value }) => value))),
  max_over_time: overRange((points) => Math.max(...points.map(({ value }) => value))),
  last_over_time: (call) => {
    const { series } = matrixAt(call, 0);
    return vector(series.flatMap(({ labels, points }) => points.slice(-1).map(({ value }) => ({ labels, value }))));
  },
  abs: perSample(Math.abs),
  ceil: perSample(Math.ceil),
  floor: perSample(Math.floor),
  clamp_min: (call) => mapped(call, (value) => Math.max(value, scalarAt(call, 1)), 2),
  clamp_max: (call) => mapped(call, (value) => Math.min(value, scalarAt(call, 1)), 2),
  round: (call) => {
    const unit = call.args.length > 1 ? scalarAt(call, 1) : 1;
    return mapped(call, (value) => Math.floor(value / unit + 0.5) * unit, 1, 2);
  },
  histogram_quantile: histogramQuantile,
  time: (call) => {
    arity(call, 0);
    return scalar(call.at / 1000);
  },
  vector: (call) => {
    arity(call, 1);
    return vector([{ labels: {}, value: scalarAt(call, 0) }]);
  },
  scalar: (call) => {
    arity(call, 1);
    const [only, ...others] = vectorAt(call, 0);
    return scalar(only === undefined || others.length > 0 ? NaN : only.value);
  },
  absent: (call) => {
    arity(call, 1);
    return vector(vectorAt(call, 0).length > 0 ? [] : [{ labels: wantedLabels(call.exprs[0]), value: 1 }]);
  },
};

export function callFunction(call: Call): Value {
  const implementation = Object.hasOwn(functions, call.name) ? functions[call.name] : undefined;
  if (implementation === undefined) throw new QueryError(`parse error: unknown function with name "${call.name}" or one that the sandbox does not support`);
  return implementation(call);
}

function overRange(compute: (points: readonly Point[], from: number, until: number) => number | undefined): Implementation {
  return (call) => {
    arity(call, 1);
    const { series, rangeMs } = matrixAt(call, 0);
    return computed(series.flatMap(({ labels, points }) => {
      const value = compute(points, call.at - rangeMs, call.at);
      return value === undefined ? [] : [{ labels, value }];
    }));
  };
}

function perSample(compute: (value: number) => number): Implementation {
  return (call) => mapped(call, compute, 1);
}

function mapped(call: Call, compute: (value: number) => number, fewest: number, most = fewest): Value {
  arity(call, fewest, most);
  return computed(vectorAt(call, 0).map(({ labels, value }) => ({ labels, value: compute(value) })));
}

function histogramQuantile(call: Call): Value {
  arity(call, 2);
  const quantile = scalarAt(call, 0);
  const groups = new Map<string, { labels: Labels; buckets: Bucket[] }>();
  for (const { labels, value } of vectorAt(call, 1)) {
    const upperBound = boundOf(labels.le);
    if (Number.isNaN(upperBound)) continue;
    const rest = unnamed(without(labels, ["le"]));
    const key = signature(rest);
    const group = groups.get(key) ?? { labels: rest, buckets: [] };
    groups.set(key, group);
    group.buckets.push({ upperBound, count: value });
  }
  return vector([...groups.values()].map(({ labels, buckets }) => ({ labels, value: bucketQuantile(quantile, buckets) })));
}

function boundOf(le: string | undefined): number {
  if (le === undefined || le === "") return NaN;
  return /^\+?inf$/i.test(le) ? Infinity : Number(le);
}

/** The labels that the selector says the missing series would have. */
function wantedLabels(expr: Expr | undefined): Labels {
  if (expr?.type !== "selector") return {};
  const equal = expr.matchers.filter(({ label, op, value }) => op === "=" && label !== "__name__" && value !== "");
  return Object.fromEntries(equal.map(({ label, value }) => [label, value]));
}

function total(points: readonly Point[]): number {
  return points.reduce((sum, { value }) => sum + value, 0);
}

function arity({ name, args }: Call, fewest: number, most = fewest): void {
  if (args.length >= fewest && args.length <= most) return;
  const expected = fewest === most ? `${fewest}` : `at least ${fewest}`;
  throw new QueryError(`parse error: expected ${expected} argument(s) in call to "${name}", got ${args.length}`);
}

function vectorAt(call: Call, index: number): Sample[] {
  const value = call.args[index];
  if (value?.type !== "vector") throw wrongType(call, "instant vector", value);
  return value.samples;
}

function matrixAt(call: Call, index: number): Extract<Value, { type: "matrix" }> {
  const value = call.args[index];
  if (value?.type !== "matrix") throw wrongType(call, "range vector", value);
  return value;
}

function scalarAt(call: Call, index: number): number {
  const value = call.args[index];
  if (value?.type !== "scalar") throw wrongType(call, "scalar", value);
  return value.value;
}

function wrongType({ name }: Call, expected: string, value: Value | undefined): QueryError {
  return new QueryError(`parse error: expected type ${expected} in call to function "${name}", got ${value === undefined ? "nothing" : typeName(value)}`);
}
