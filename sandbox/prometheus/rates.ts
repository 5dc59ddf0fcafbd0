// How fast does a counter grow? rate and increase with Prometheus' extrapolation to the edges of the range, irate from
// the last two points. A counter that falls was reset: it must never yield a negative rate.
import type { Point } from "./samples.ts";

/** An edge further from the nearest sample than this many mean gaps is taken as the series' own beginning or end. */
const patience = 1.1;

/**
 * Example: range 60 s, samples each second from 0.4 s after the start to 0.6 s before the end, 5 more each time: the 59 s
 * sampled grew by 295; both edges are within 1.1 gaps, so the growth is stretched to 60 s: 300, a rate of 5.
 */
export function increase(points: readonly Point[], from: number, until: number): number | undefined {
  const first = points[0];
  const last = points.at(-1);
  if (first === undefined || last === undefined || points.length < 2) return undefined;
  const grown = growth(points);
  const sampled = last.at - first.at;
  const gap = sampled / (points.length - 1);
  const edge = (distance: number) => (distance >= gap * patience ? gap / 2 : distance);
  let before = edge(first.at - from);
  // A counter starts at 0: never stretch it back beyond the instant at which it would have been 0.
  if (grown > 0 && first.value >= 0) before = Math.min(before, sampled * (first.value / grown));
  return grown * ((sampled + before + edge(until - last.at)) / sampled);
}

export function rate(points: readonly Point[], from: number, until: number): number | undefined {
  const grown = increase(points, from, until);
  return grown === undefined ? undefined : grown / ((until - from) / 1000);
}

export function irate(points: readonly Point[]): number | undefined {
  const last = points.at(-1);
  const previous = points.at(-2);
  if (last === undefined || previous === undefined) return undefined;
  const grown = last.value < previous.value ? last.value : last.value - previous.value;
  return grown / ((last.at - previous.at) / 1000);
}

function growth(points: readonly Point[]): number {
  let total = 0;
  points.forEach(({ value }, index) => {
    const previous = points[index - 1];
    if (previous !== undefined) total += value < previous.value ? value : value - previous.value;
  });
  return total;
}
