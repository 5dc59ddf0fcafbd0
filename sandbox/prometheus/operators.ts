// What do operators between two values yield? Scalars, vectors with scalars, and vectors matched one to one by their
// labels. It must never pair one sample with several: that is an error, not a guess.
import { QueryError } from "./ast.ts";
import type { BinaryOperator, Matching } from "./ast.ts";
import { computed, onlyThese, scalar, signature, typeName, vector, without } from "./values.ts";
import type { Sample, Value } from "./values.ts";
import type { Labels } from "../mesh/series.ts";

type Arithmetic = "+" | "-" | "*" | "/" | "%" | "^";
type Comparison = "==" | "!=" | ">" | "<" | ">=" | "<=";

const arithmetic: Record<Arithmetic, (a: number, b: number) => number> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "%": (a, b) => a % b,
  "^": (a, b) => a ** b,
};

const comparisons: Record<Comparison, (a: number, b: number) => boolean> = {
  "==": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  ">": (a, b) => a > b,
  "<": (a, b) => a < b,
  ">=": (a, b) => a >= b,
  "<=": (a, b) => a <= b,
};

export interface Operation {
  op: BinaryOperator;
  bool: boolean;
  matching: Matching;
}

export function binary(operation: Operation, left: Value, right: Value): Value {
  const { op, bool } = operation;
  for (const side of [left, right]) {
    if (side.type !== "scalar" && side.type !== "vector") {
      throw new QueryError(`parse error: binary expression must contain only scalar and instant vector types, got ${typeName(side)}`);
    }
  }
  if (op === "and" || op === "or" || op === "unless") {
    if (left.type !== "vector" || right.type !== "vector") throw new QueryError(`parse error: set operator "${op}" not allowed in binary scalar expression`);
    return vector(setOperation(op, operation.matching, left.samples, right.samples));
  }
  if (bool && !isComparison(op)) throw new QueryError("parse error: bool modifier can only be used on comparison operators");
  if (left.type === "vector" && right.type === "vector") return oneToOne({ ...operation, op }, left.samples, right.samples);
  if (left.type === "scalar" && right.type === "scalar") {
    if (isComparison(op) && !bool) throw new QueryError("parse error: comparisons between scalars must use BOOL modifier");
    return scalar(isComparison(op) ? Number(comparisons[op](left.value, right.value)) : arithmetic[op](left.value, right.value));
  }
  const samples = left.type === "vector" ? left.samples : right.type === "vector" ? right.samples : [];
  const constant = left.type === "scalar" ? left.value : right.type === "scalar" ? right.value : NaN;
  const scalarLeft = left.type === "scalar";
  return withScalar(op, bool, samples, (value) => (scalarLeft ? [constant, value] : [value, constant]));
}

function withScalar(op: Arithmetic | Comparison, bool: boolean, samples: readonly Sample[], sides: (value: number) => [number, number]): Value {
  if (!isComparison(op)) return computed(samples.map(({ labels, value }) => ({ labels, value: arithmetic[op](...sides(value)) })));
  if (bool) return computed(samples.map(({ labels, value }) => ({ labels, value: Number(comparisons[op](...sides(value))) })));
  return vector(samples.filter(({ value }) => comparisons[op](...sides(value))));
}

function oneToOne({ op, bool, matching }: Operation & { op: Arithmetic | Comparison }, left: readonly Sample[], right: readonly Sample[]): Value {
  const partners = new Map<string, Sample>();
  for (const sample of right) {
    const key = signature(matchedBy(matching, sample.labels));
    if (partners.has(key)) throw manyToMany("right");
    partners.set(key, sample);
  }
  const used = new Set<string>();
  const results: Sample[] = [];
  for (const { labels, value } of left) {
    const key = signature(matchedBy(matching, labels));
    const partner = partners.get(key);
    if (partner === undefined) continue;
    const holds = isComparison(op) && comparisons[op](value, partner.value);
    if (isComparison(op) && !bool && !holds) continue;
    if (used.has(key)) throw manyToMany("left");
    used.add(key);
    const kept = matching.on ? onlyThese(labels, matching.labels) : without(labels, matching.labels);
    results.push({ labels: kept, value: !isComparison(op) ? arithmetic[op](value, partner.value) : bool ? Number(holds) : value });
  }
  return isComparison(op) && !bool ? vector(results) : computed(results);
}

function setOperation(op: "and" | "or" | "unless", matching: Matching, left: readonly Sample[], right: readonly Sample[]): Sample[] {
  const keyOf = ({ labels }: Sample) => signature(matchedBy(matching, labels));
  const rightKeys = new Set(right.map(keyOf));
  switch (op) {
    case "and": return left.filter((sample) => rightKeys.has(keyOf(sample)));
    case "unless": return left.filter((sample) => !rightKeys.has(keyOf(sample)));
    case "or": {
      const leftKeys = new Set(left.map(keyOf));
      return [...left, ...right.filter((sample) => !leftKeys.has(keyOf(sample)))];
    }
  }
}

function matchedBy(matching: Matching, labels: Labels): Labels {
  return matching.on ? onlyThese(labels, matching.labels) : without(labels, ["__name__", ...matching.labels]);
}

function isComparison(op: BinaryOperator): op is Comparison {
  return op in comparisons;
}

function manyToMany(side: "left" | "right"): QueryError {
  return side === "right"
    ? new QueryError("found duplicate series for the match group on the right hand-side of the operation;many-to-many matching not allowed: matching labels must be unique on one side", "execution")
    : new QueryError("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)", "execution");
}
