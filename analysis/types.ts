// The words of analysis: what a metric asks, what a provider answered, and the verdict. Pure; fetching belongs to the shell.
import type { HttpRequest, HttpResponse, Resource } from "../engine/ports.ts";
import type { Measurement, Reporter } from "../crds/status.ts";

/** Of a MetricTemplate: where whoever owns it has to look. */
export type Field = "spec.query" | `spec.provider.${"address" | "headers" | "jsonPath" | "region" | "secretRef"}`;

/** Exactly one of three: a provider that is down never looks like a bad release, and silence never like a good one. */
export type Reading = { kind: "value"; value: number } | { kind: "no-data"; why: string } | { kind: "error"; why: string; field?: Field };

/** How readings without a value count: `hold` keeps the weight and counts nothing. */
export type Policy = "hold" | "fail" | "pass";

export interface PlannedMetric {
  name: string;
  /** Where it is written, for example "spec.analysis.metrics[0]". */
  path: string;
  provider: string;
  /** The MetricTemplate as "namespace/name"; absent where the manifest itself has the query. */
  template?: string;
  /** Empty where the API server is asked. */
  address: string;
  query: string;
  /** How far back the metric looks, and how far a provider may that picks the newest of many points. */
  intervalMs?: number;
  windowMs?: number;
  region?: string;
  /** Where in an answer that is nobody's API the number stands. */
  jsonPath?: string;
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

/** What is sent: a request, one that is made of the answer to another, or a list that the API server is asked for; or why there is nothing. */
export type Question =
  | { ok: true; request: MetricRequest }
  | { ok: true; first: MetricRequest; next(response: HttpResponse): Question }
  | { ok: true; list: { resource: Resource; namespace: string; labelSelector?: string } }
  | { ok: false; field: Field; why: string };

/** What a query is: words in which white space means nothing, lines of a program, or a part of a URL in which values are percent-encoded. */
export type QueryForm = "words" | "lines" | "url";

export interface Provider {
  /** As spec.provider.type has it. */
  name: string;
  title: string;
  /** What a query is written in, which of many values counts, and what it cannot do: for whoever asks what there is. */
  about: { query: string; takes: string; cannot: string };
  form: QueryForm;
  /** Where it is asked by templates that name no address, with {region} for theirs; absent where they have to name one. */
  home?: "metricsServer" | "cluster" | `https://${string}`;
  /** Of spec.provider, what a template must have. */
  needs: readonly ("address" | "region" | "secretRef")[];
  /** Sets of keys of the Secret, one of which it must hold whole; empty where the keys have no fixed names. */
  keys: readonly (readonly string[])[];
  /** How long an answer may take, where the usual five seconds are too short. */
  timeoutMs?: number;
  /** Keys that the Secret may have beside them. */
  maybe?: readonly string[];
  /** Whose credentials the engine itself may have, for templates that name no Secret. */
  own?: "aws";
  /**
   * The one request that answers the query, or why there is none, naming the keys that the Secret lacks; time-out and size limit are set by the shell.
   * `credentials` is undefined where the metric names no Secret and the provider knows none of the engine's own.
   */
  request(metric: PlannedMetric, credentials: Credentials | undefined, nowMs: number): Question | Promise<Question>;
  /** Total: any status and any body give exactly one reading, and no error text is longer than 200 characters. */
  read(response: HttpResponse, metric: PlannedMetric): Reading;
}

export type Judge = (metric: PlannedMetric, reading: Reading, policies: { onNoData: Policy; onProviderError: Policy }) => Measurement;
