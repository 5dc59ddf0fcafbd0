// May this sentence be shown? Puts an error where it belongs, and takes out of it what was sent in confidence: a provider that quotes the key it was given must
// not bring it into a status, an event or a log.
import type { HttpResponse } from "../engine/ports.ts";
import { hiderOf, secretsOf } from "./hiding.ts";
import type { Credentials, MetricRequest, PlannedMetric, Reading } from "./types.ts";

/** "MetricTemplate webapp/latency: spec.query: ..."; a query that the manifest itself has is named by whoever shows the measurement. */
export function placed(metric: Pick<PlannedMetric, "template">, reading: Reading): Reading {
  if (reading.kind !== "error" || metric.template === undefined) return reading;
  return { ...reading, why: `MetricTemplate ${metric.template}: ${reading.field ?? "spec.query"}: ${reading.why}` };
}

/**
 * The reading of an answer, without anything in it that was sent. The answer is read as it is, because a number may well hold the digits of an account; only the
 * words of an error are taken from a second look, at an answer in which the secrets were struck out before anything was cut to length.
 */
export function asked(read: (response: HttpResponse) => Reading, response: HttpResponse, metric: Pick<PlannedMetric, "address">, request: Pick<MetricRequest, "url" | "headers">, credentials: Credentials = {}): Reading {
  const reading = read(response);
  if (reading.kind === "value") return reading;
  const { username, password } = new URL(request.url);
  // The query itself is no secret: an error that quotes it is what its author needs to see.
  const sent = [...secretsOf({ url: metric.address, headers: {} }), ...secretsOf({ url: "", headers: request.headers }), username, password];
  const held = Object.values(credentials).flatMap((value) => [value, ...value.split("\n")]);
  const hide = hiderOf([...sent, ...held]);
  const again = read({ ...response, body: hide(response.body) });
  const why = again.kind === reading.kind ? hide(again.why) : "the answer repeats what was sent in confidence, so it is not shown";
  return reading.kind === "error" ? { ...reading, why } : { kind: "no-data", why };
}
