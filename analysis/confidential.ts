// May this sentence be shown? Puts an error where it belongs, and takes out of it what was sent in confidence: a provider that quotes the key it was given must
// not bring it into a status, an event or a log.
import type { HttpResponse } from "../engine/ports.ts";
import type { Credentials, MetricRequest, PlannedMetric, Reading } from "./types.ts";

const HIDDEN = "***";
/** What is shorter is no secret, and taking it out would garble the words. */
const SECRET_MIN = 3;
/** Headers that say nothing of who asks. */
const PLAIN: ReadonlySet<string> = new Set(["accept", "content-type", "x-amz-date", "x-amz-target", "host"]);

/** "MetricTemplate webapp/latency: spec.query: ..."; a query that the manifest itself has is named by whoever shows the measurement. */
export function placed(metric: Pick<PlannedMetric, "template">, reading: Reading): Reading {
  if (reading.kind !== "error" || metric.template === undefined) return reading;
  return { ...reading, why: `MetricTemplate ${metric.template}: ${reading.field ?? "spec.query"}: ${reading.why}` };
}

/**
 * The reading of an answer, without anything in it that was sent. The answer is read as it is, because a number may well hold the digits of an account; only the
 * words of an error are taken from a second look, at an answer in which the secrets were struck out before anything was cut to length.
 */
export function asked(read: (response: HttpResponse) => Reading, response: HttpResponse, request: Pick<MetricRequest, "url" | "headers">, credentials: Credentials | undefined): Reading {
  const reading = read(response);
  if (reading.kind === "value") return reading;
  const secrets = secretsOf(request, credentials);
  const again = read({ ...response, body: struck(response.body, secrets) });
  const why = again.kind === reading.kind ? struck(again.why, secrets) : "the answer repeats what was sent in confidence, so it is not shown";
  return reading.kind === "error" ? { ...reading, why } : { kind: "no-data", why };
}

function struck(text: string, secrets: readonly string[]): string {
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, HIDDEN), text);
}

/** In all spellings in which they come back: as they are, in JSON, in a URL, in base64; the longest first, so that no rest of one is left. */
function secretsOf({ url, headers = {} }: Pick<MetricRequest, "url" | "headers">, credentials: Credentials = {}): string[] {
  const { username, password } = new URL(url);
  const sent = Object.entries(headers).filter(([name]) => !PLAIN.has(name.toLowerCase())).flatMap(([, value]) => [value, ...value.split(/[\s,]+/).filter((word) => word.length > 7)]);
  const held = Object.values(credentials).flatMap((value) => [value, value.trim(), ...value.split("\n").map((line) => line.trim())]);
  const plain = [...sent, ...held, username, password, decoded(username), decoded(password)];
  const spelt = plain.flatMap((value) => [value, JSON.stringify(value).slice(1, -1), encoded(value), Buffer.from(value).toString("base64")]);
  return [...new Set(spelt)].filter((value) => value.length >= SECRET_MIN).sort((left, right) => right.length - left.length);
}

function encoded(text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    return text;
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
