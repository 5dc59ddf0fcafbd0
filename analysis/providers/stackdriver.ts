// What did Google Cloud Monitoring say? One query in MQL, of which the newest point of the only series counts. Who asks is a service account's key, which signs a token by
// itself, or the engine's own service account, whose token the metadata server of the machine gives.
import { createPrivateKey, sign, type KeyObject } from "node:crypto";
import type { HttpResponse } from "../../engine/ports.ts";
import { failed, foreign, isMap, jsonOf, listOf, numeralOf, parsed, several, textOf } from "../answers.ts";
import { keysOf } from "../credentials.ts";
import type { MetricRequest, PlannedMetric, Provider, Question, Reading } from "../types.ts";

const TITLE = "Google Cloud Monitoring";
const HOME = "https://monitoring.googleapis.com";
const METADATA = "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token";
const VALID_S = 600;

export const stackdriver: Provider = {
  name: "stackdriver",
  title: TITLE,
  about: { query: "the language MQL", takes: "the newest point of the one series", cannot: "several series or columns, distributions, PromQL (use prometheus)" },
  form: "lines",
  home: HOME,
  needs: ["secretRef"],
  keys: [["project"]],
  maybe: ["serviceAccountKey"],
  request(metric, credentials, nowMs) {
    const held = keysOf(stackdriver, metric, credentials, "elsewhere");
    if (!held.ok) return held;
    const { project = "", serviceAccountKey } = held.values;
    const url = new URL(metric.address);
    url.pathname = `${url.pathname.replace(/\/$/, "")}/v3/projects/${encodeURIComponent(project)}/timeSeries:query`;
    const request = (token: string): MetricRequest => ({
      method: "POST",
      url: url.toString(),
      headers: { Accept: "application/json", "Content-Type": "application/json", ...metric.headers, Authorization: `Bearer ${token}` },
      body: JSON.stringify({ query: metric.query }),
    });
    if (serviceAccountKey !== undefined) {
      const token = tokenOf(serviceAccountKey, nowMs);
      return token === undefined ? refusedKey(metric) : { ok: true, request: request(token) };
    }
    // A bearer token of the engine's own goes to Google alone, whatever a template says.
    if (url.origin !== HOME) return { ok: false, field: "spec.provider.address", why: "needs the key serviceAccountKey in the Secret: the engine's own token goes to Google alone" };
    return { ok: true, first: { method: "GET", url: METADATA, headers: { "Metadata-Flavor": "Google" } }, next: (response) => granted(response, request) };
  },
  read(response) {
    const read = jsonOf(TITLE, response, (answer) => (isMap(answer) && isMap(answer.error) ? answer.error.message : ""));
    if (!read.ok) return read.reading;
    const { answer } = read;
    if (!isMap(answer) || !isMap(answer.timeSeriesDescriptor)) return foreign(TITLE);
    const errors = listOf(answer.partialErrors).map((error) => (isMap(error) ? textOf(error.message) : ""));
    if (errors.length > 0) return failed(`${TITLE} knows a part only: ${errors.join("; ")}`);
    const series = listOf(answer.timeSeriesData);
    if (series.length === 0) return { kind: "no-data", why: "the query found no series" };
    if (series.length > 1) return several(series.length, "series", "end with | group_by []");
    const [only] = series;
    return isMap(only) ? newestOf(listOf(only.pointData)) : foreign(TITLE);
  },
};

/** Google's own APIs take a token that the account signed itself, so that there is no other to be fetched and kept; undefined where the key is none. */
function tokenOf(serviceAccountKey: string, nowMs: number): string | undefined {
  const account = parsed(serviceAccountKey);
  if (!isMap(account)) return undefined;
  const email = textOf(account.client_email);
  const key = keyOf(textOf(account.private_key));
  if (email === "" || key === undefined) return undefined;
  const nowS = Math.floor(nowMs / 1000);
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const head = part({ alg: "RS256", typ: "JWT", ...(textOf(account.private_key_id) === "" ? {} : { kid: account.private_key_id }) });
  const signed = `${head}.${part({ iss: email, sub: email, aud: `${HOME}/`, iat: nowS, exp: nowS + VALID_S })}`;
  return `${signed}.${sign("sha256", Buffer.from(signed), key).toString("base64url")}`;
}

function keyOf(pem: string): KeyObject | undefined {
  try {
    const key = createPrivateKey(pem);
    return key.asymmetricKeyType === "rsa" ? key : undefined;
  } catch {
    // Its words quote the key.
    return undefined;
  }
}

function refusedKey({ secret }: PlannedMetric): Question {
  return { ok: false, field: "spec.provider.secretRef", why: `the key serviceAccountKey of Secret ${secret?.namespace}/${secret?.name} is not the JSON of a service account's key (client_email, private_key)` };
}

function granted({ status, body }: HttpResponse, request: (token: string) => MetricRequest): Question {
  const answer = parsed(body);
  const token = isMap(answer) ? textOf(answer.access_token) : "";
  if (status === 200 && /^[\x21-\x7e]+$/.test(token)) return { ok: true, request: request(token) };
  return { ok: false, field: "spec.provider.secretRef", why: `the Secret has no key serviceAccountKey, and the metadata server of Google gave no token for the engine's own service account (${status})` };
}

/** By its end: in which order the points come no document promises. */
function newestOf(points: readonly unknown[]): Reading {
  const found = points.map((point) => {
    const values = isMap(point) ? listOf(point.values) : [];
    const interval = isMap(point) && isMap(point.timeInterval) ? point.timeInterval : {};
    return { at: Date.parse(textOf(interval.endTime) || textOf(interval.startTime)), values };
  });
  if (found.length === 0) return { kind: "no-data", why: "no point has a value" };
  const [newest] = found.sort((left, right) => right.at - left.at);
  if (newest === undefined || (found.length > 1 && found.some(({ at }) => Number.isNaN(at)))) return foreign(TITLE);
  if (newest.values.length > 1) return several(newest.values.length, "columns", "keep one with | value");
  const [value] = newest.values;
  if (value === undefined) return { kind: "no-data", why: "the newest point has no value" };
  if (!isMap(value)) return foreign(TITLE);
  if (value.doubleValue !== undefined || value.int64Value !== undefined) return numeralOf(value.doubleValue ?? value.int64Value);
  const [type = "nothing"] = Object.keys(value);
  return type === "nothing" ? { kind: "no-data", why: "the newest point has no value" } : failed(`the query gives ${type.replace(/Value$/, "").slice(0, 20)}, and one number is wanted; the text or distribution has to be aggregated`);
}
