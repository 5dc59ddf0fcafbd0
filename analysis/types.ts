// The words of analysis: what a metric asks, what a provider answered, and the verdict. Pure; fetching belongs to the shell.
import type { HttpRequest, HttpResponse } from "../engine/ports.ts";
import type { Measurement, Reporter } from "../crds/status.ts";

/** Exactly one of three: a provider that is down never looks like a bad release, and silence never like a good one. */
export type Reading = { kind: "value"; value: number } | { kind: "no-data"; why: string } | { kind: "error"; why: string };

/** How readings without a value count: `hold` keeps the weight and counts nothing. */
export type Policy = "hold" | "fail" | "pass";

export interface PlannedMetric {
  name: string;
  /** Where it is written, for example "spec.analysis.metrics[0]". */
  path: string;
  provider: string;
  address: string;
  query: string;
  /** Inclusive bounds in the metric's own unit. */
  min?: number;
  max?: number;
  unit?: "%" | "ms";
  /** Below the minimum nothing is known yet, instead of bad. */
  enough?: boolean;
  /** Whose Istio metrics the query reads; absent where it reads none, and while they are still to be found. */
  reporter?: Reporter;
  /** Nobody chose the reporter and it was not found yet: an answer to this query may speak of no request at all. */
  reporterUnknown?: boolean;
  /** Of the template; a provider adds its own. */
  headers?: Readonly<Record<string, string>>;
  insecureSkipVerify?: boolean;
  /** Secret whose keys the provider needs; undefined where it needs none. */
  secret?: { namespace: string; name: string };
  /** Before the analysis' own policies. */
  onNoData?: Policy;
  onProviderError?: Policy;
}

export type MetricRequest = Pick<HttpRequest, "method" | "url" | "headers" | "body">;

/** The decoded keys of a Secret; never part of a message. */
export type Credentials = Readonly<Record<string, string>>;

export interface Provider {
  name: string;
  /**
   * The one request that answers the query, or why there is none, naming the keys that the Secret lacks; time-out and size limit are set by the shell.
   * `credentials` is undefined where the metric names no Secret.
   */
  request(metric: PlannedMetric, credentials?: Credentials): { ok: true; request: MetricRequest } | { ok: false; why: string };
  /** Total: any status and any body give exactly one reading, and no error text holds a secret or a body longer than 200 characters. */
  read(response: HttpResponse): Reading;
}

export type Judge = (metric: PlannedMetric, reading: Reading, policies: { onNoData: Policy; onProviderError: Policy }) => Measurement;
