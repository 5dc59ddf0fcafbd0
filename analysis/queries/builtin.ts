// Which metrics need no query of the user, and in which unit are they?
import type { Reporter } from "../../crds/status.ts";

export const BUILTIN_UNITS = { "request-success-rate": "%", "request-duration": "ms" } as const;

export type BuiltinName = keyof typeof BUILTIN_UNITS;

export interface BuiltinScope {
  namespace: string;
  target: string;
  /** Name of the apex Service. */
  apex: string;
  /** The Ingress, or the route, that the manifest names, or the platform's revision where that is led to; the target's name where there is none. */
  ingress: string;
  route: string;
  /** The target is a Service: what is asked of is its copy, whatever workload stands behind it. */
  service?: boolean;
  /** PromQL duration, for example "1m". */
  interval: string;
  /** The window begins with the revision's first users, later than the manifest has it. */
  young?: boolean;
  /** Whose metrics are read, where a mesh has several who count the same requests. */
  reporter: Reporter;
  /** The statuses of gRPC tell whether a request failed, beside those of HTTP. */
  grpc: boolean;
}

type Query = (scope: BuiltinScope) => string;

/** `request-count`: how many requests the window holds; asked for by analysis.minRequests and never by name. */
export interface BuiltinQueries extends Readonly<Record<BuiltinName | "request-count", Query>> {
  /** How many requests of the app, primary included, the reporter saw. Absent where there are no reporters to choose from. */
  readonly "reported-count"?: Query;
}

/** Where a router counts requests: names of its series, and which of them are the canary's. */
export interface Counted {
  /** Counter of requests. */
  requests: string;
  selector(scope: BuiltinScope): string;
  /** Further matchers of the counter, where it is a bucket of a histogram. */
  only?: string;
  /** Matcher of those that did not fail. */
  good: string;
  /** The 99th percentile, or the mean where that is all there is, in milliseconds. */
  duration(selector: string, interval: string): string;
}

/**
 * Percent of requests that did not fail. A version that answers nothing but failures has no series of good answers at all: that is none of them, and not
 * silence. What a series begins with is not seen: where apps count their own probes it would be those that failed as pods came and went. The series of
 * failures may be the younger one, so a window that has just begun says nothing before three scrapes: by then what failed between the first two has grown.
 *
 * @param all an instant vector selector of a counter of requests
 * @param good the same of those that did not fail
 * @param scope its window, and whether that has just begun
 */
export function successRate(all: string, good: string, { interval, young }: Pick<BuiltinScope, "interval" | "young">): string {
  const rate = `(sum(rate(${good}[${interval}])) or vector(0)) / sum(rate(${all}[${interval}])) * 100`;
  return young === true ? `${rate} and max(count_over_time(${all}[${interval}])) >= 3` : rate;
}

export function countedQueries({ requests, selector, only, good, duration }: Counted): BuiltinQueries {
  const counted = (scope: BuiltinScope, more?: string): string => `${requests}{${[selector(scope), only, more].filter((matcher) => matcher !== undefined).join(",")}}`;
  return {
    "request-success-rate": (scope) => successRate(counted(scope), counted(scope, good), scope),
    "request-duration": (scope) => duration(selector(scope), scope.interval),
    "request-count": (scope) => `sum(increase(${counted(scope)}[${scope.interval}]))`,
  };
}

/** Of a histogram, whose unit is `toMs` milliseconds long. */
export function percentile(bucket: string, toMs: number): Counted["duration"] {
  return (selector, interval) => `histogram_quantile(0.99, sum(rate(${bucket}{${selector}}[${interval}])) by (le))${toMs === 1 ? "" : ` * ${toMs}`}`;
}

/** Of a histogram in seconds. */
export function mean(name: string): Counted["duration"] {
  return (selector, interval) => `sum(rate(${name}_sum{${selector}}[${interval}])) / sum(rate(${name}_count{${selector}}[${interval}])) * 1000`;
}

export function isBuiltin(name: string): name is BuiltinName {
  return Object.hasOwn(BUILTIN_UNITS, name);
}
