// What did Amazon CloudWatch say? One GetMetricData, signed with Signature Version 4; the newest point of the only result that is returned counts.
import { AwsV4Signer } from "aws4fetch";
import { failed, foreign, isMap, jsonOf, listOf, newest, parsed, refused, several, textOf } from "../answers.ts";
import { keysOf } from "../credentials.ts";
import type { Provider, Reading } from "../types.ts";

const TITLE = "CloudWatch";
const POINTS_MAX = 20;
/** A signature of the engine's own goes to CloudWatch alone, whatever a template says. */
const HOME = /^https:\/\/monitoring\.[a-z0-9-]+\.amazonaws\.com(\.cn)?$/;
/** AWS refuses who asks, and how often, with the same status as a query that cannot be read. */
const WHO = /AccessDenied|UnrecognizedClient|InvalidClientTokenId|ExpiredToken|InvalidSignature|SignatureDoesNotMatch|IncompleteSignature|MissingAuthentication|NotAuthorized|OptInRequired/;
const OFTEN = /Throttl|LimitExceeded|RequestLimit/;

export const cloudwatch: Provider = {
  name: "cloudwatch",
  title: TITLE,
  about: { query: "a JSON list of MetricDataQuery, of which one returns data", takes: "the newest point of the one result, of the last ten intervals", cannot: "several results, logs" },
  form: "lines",
  home: "https://monitoring.{region}.amazonaws.com",
  needs: ["region"],
  keys: [["aws_access_key_id", "aws_secret_access_key"]],
  maybe: ["aws_session_token"],
  own: "aws",
  async request(metric, credentials, nowMs) {
    const { address, region = "", headers = {} } = metric;
    const held = keysOf(cloudwatch, metric, credentials);
    if (!held.ok) return held;
    const url = new URL(address);
    if (metric.secret === undefined && !HOME.test(url.origin)) return { ok: false, field: "spec.provider.address", why: "needs spec.provider.secretRef beside it: what the engine itself may do goes to CloudWatch alone" };
    const { aws_access_key_id: accessKeyId = "", aws_secret_access_key: secretAccessKey = "", aws_session_token: sessionToken } = held.values;
    const MetricDataQueries = parsed(metric.query);
    if (!Array.isArray(MetricDataQueries) || MetricDataQueries.length === 0 || !MetricDataQueries.every(isMap)) return { ok: false, field: "spec.query", why: "is not a JSON list of MetricDataQuery" };
    const EndTime = Math.floor(nowMs / 1000);
    const StartTime = EndTime - Math.ceil((metric.windowMs ?? 600_000) / 1000);
    const body = JSON.stringify({ MetricDataQueries, StartTime, EndTime, ScanBy: "TimestampDescending", MaxDatapoints: POINTS_MAX });
    const plain = { Accept: "application/json", "Content-Type": "application/x-amz-json-1.0", ...headers, "X-Amz-Target": "GraniteServiceVersion20100801.GetMetricData" };
    const datetime = new Date(nowMs).toISOString().replace(/[-:]|\.\d{3}/g, "");
    const signer = new AwsV4Signer({ method: "POST", url: url.toString(), headers: plain, body, accessKeyId, secretAccessKey, sessionToken, service: "monitoring", region, datetime });
    const signed = await signer.sign();
    return { ok: true, request: { method: "POST", url: signed.url.toString(), headers: Object.fromEntries(signed.headers.entries()), body } };
  },
  read(response) {
    const said = (answer: unknown): string => (isMap(answer) ? [textOf(answer.__type).split("#").at(-1) ?? "", textOf(answer.message) || textOf(answer.Message)].filter((text) => text !== "").join(": ") : "");
    const read = jsonOf(TITLE, response, said);
    if (!read.ok) return read.reading.kind === "error" ? sorted(response.status, said(parsed(response.body)), read.reading) : read.reading;
    if (!isMap(read.answer) || !Array.isArray(read.answer.MetricDataResults)) return foreign(TITLE);
    const results = read.answer.MetricDataResults as unknown[];
    if (results.length === 0) return failed("no query returns data; leave ReturnData out of one");
    if (results.length > 1) return several(results.length, "results", "set ReturnData to false for all but one");
    const [only] = results;
    return isMap(only) ? newestOf(only) : foreign(TITLE);
  },
};

function sorted(status: number, said: string, otherwise: Reading): Reading {
  if (status >= 500) return otherwise;
  if (WHO.test(said)) return refused(TITLE, 403, said);
  return OFTEN.test(said) ? refused(TITLE, 429, said) : otherwise;
}

function newestOf({ Timestamps, Values, StatusCode, Messages }: Record<string, unknown>): Reading {
  const said = listOf(Messages).map((message) => (isMap(message) ? `${textOf(message.Code)}: ${textOf(message.Value)}` : "")).join("; ");
  // PartialData has a next page, with older points.
  if (StatusCode !== "Complete" && StatusCode !== "PartialData") return StatusCode === "Forbidden" ? refused(TITLE, 403, said) : StatusCode === "InternalError" ? refused(TITLE, 500, said) : foreign(TITLE);
  const times = listOf(Timestamps);
  const values = listOf(Values);
  if (times.length !== values.length || !times.every((time) => typeof time === "number")) return foreign(TITLE);
  const points = values.map((value, index) => ({ at: Number(times[index]), value })).sort((left, right) => left.at - right.at);
  const reading = newest(points.map(({ value }) => value));
  return reading.kind === "no-data" && said !== "" ? { kind: "no-data", why: `${reading.why} (${said})`.slice(0, 200) } : reading;
}
