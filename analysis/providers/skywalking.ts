// What did Apache SkyWalking say? One GraphQL document with one execExpression (MQE), which alone of its queries tells 0 from silence.
import { failed, foreign, isMap, jsonOf, listOf, numeralOf, several, textOf } from "../answers.ts";
import { basic, keysOf } from "../credentials.ts";
import type { Provider, Reading } from "../types.ts";

const TITLE = "SkyWalking";
const MINUTE_MS = 60_000;

export const skywalking: Provider = {
  name: "skywalking",
  title: TITLE,
  about: { query: "a GraphQL document with one execExpression, given $duration", takes: "the one value, or the newest point of the one series", cannot: "several series, readMetricsValues and other queries that answer 0 where nothing is known" },
  form: "lines",
  needs: ["address"],
  keys: [["username", "password"]],
  request(metric, credentials, nowMs) {
    const held = keysOf(skywalking, metric, credentials, "elsewhere");
    if (!held.ok) return held;
    if (!metric.query.includes("execExpression")) return { ok: false, field: "spec.query", why: "has no execExpression, which alone tells 0 from no data" };
    const { username, password } = held.values;
    const url = new URL(metric.address);
    url.pathname = `${url.pathname.replace(/\/$/, "").replace(/\/graphql$/, "")}/graphql`;
    const duration = { start: minute(nowMs - (metric.intervalMs ?? MINUTE_MS)), end: minute(nowMs), step: "MINUTE" };
    const authorized: Record<string, string> = username === undefined || password === undefined ? {} : { Authorization: basic(username, password) };
    const headers = { Accept: "application/json", "Content-Type": "application/json", ...metric.headers, ...authorized };
    return { ok: true, request: { method: "POST", url: url.toString(), headers, body: JSON.stringify({ query: metric.query, variables: { duration } }) } };
  },
  read(response) {
    const messages = (answer: unknown): string => (isMap(answer) ? listOf(answer.errors).map((one) => (isMap(one) ? textOf(one.message) : "")).join("; ") : "");
    const read = jsonOf(TITLE, response, messages);
    if (!read.ok) return read.reading;
    if (messages(read.answer) !== "") return failed(`${TITLE}: ${messages(read.answer)}`);
    if (!isMap(read.answer) || !isMap(read.answer.data)) return foreign(TITLE);
    const results = Object.values(read.answer.data);
    if (results.length !== 1) return results.length === 0 ? foreign(TITLE) : several(results.length, "results", "ask for one");
    const [result] = results;
    if (!isMap(result) || (!Array.isArray(result.results) && textOf(result.error) === "")) return foreign(TITLE);
    // An expression that cannot be read is answered with 200.
    return textOf(result.error) === "" ? valueOf(listOf(result.results)) : failed(`${TITLE}: ${textOf(result.error)}`);
  },
};

function valueOf(series: readonly unknown[]): Reading {
  if (series.length === 0) return { kind: "no-data", why: "the expression found no series" };
  if (series.length > 1) return several(series.length, "series", "choose one of its labels, or aggregate them");
  const [only] = series;
  if (!isMap(only) || !Array.isArray(only.values)) return foreign(TITLE);
  const values = (only.values as unknown[]).map((one) => (isMap(one) ? numeralOf(one.value) : foreign(TITLE)));
  return values.find(({ kind }) => kind === "error") ?? values.findLast(({ kind }) => kind === "value") ?? { kind: "no-data", why: "no point has a value" };
}

/** As SkyWalking writes minutes: "2024-01-01 1159", in UTC, which its containers have. */
function minute(atMs: number): string {
  const [day = "", time = ""] = new Date(atMs).toISOString().split("T");
  return `${day} ${time.slice(0, 2)}${time.slice(3, 5)}`;
}
