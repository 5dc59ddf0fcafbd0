// What does an expression evaluate to, and how are label sets compared and cut down? It must never change a label set
// in place: samples share them.
import type { Labels } from "../mesh/series.ts";
import { QueryError } from "./ast.ts";
import type { Point } from "./samples.ts";

export interface Sample {
  labels: Labels;
  value: number;
}

export type Value =
  | { type: "scalar"; value: number }
  | { type: "string"; value: string }
  | { type: "vector"; samples: Sample[] }
  | { type: "matrix"; rangeMs: number; series: { labels: Labels; points: Point[] }[] };

export const vector = (samples: Sample[]): Value => ({ type: "vector", samples });

export const scalar = (value: number): Value => ({ type: "scalar", value });

export function typeName({ type }: Value): string {
  return type === "vector" ? "instant vector" : type === "matrix" ? "range vector" : type;
}

/** Equal label sets have equal signatures, whatever their order. */
export function signature(labels: Labels): string {
  return Object.keys(labels).sort().map((name) => `${name}\u0000${labels[name]}`).join("\u0001");
}

export function without(labels: Labels, names: readonly string[]): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([name]) => !names.includes(name)));
}

export function onlyThese(labels: Labels, names: readonly string[]): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([name]) => names.includes(name)));
}

export const unnamed = (labels: Labels): Labels => without(labels, ["__name__"]);

/** Computed samples lose the metric's name; two that differed by it alone cannot both stay. */
export function computed(samples: readonly Sample[]): Value {
  const result = samples.map(({ labels, value }) => ({ labels: unnamed(labels), value }));
  if (new Set(result.map(({ labels }) => signature(labels))).size < result.length) {
    throw new QueryError("vector cannot contain metrics with the same labelset", "execution");
  }
  return vector(result);
}
