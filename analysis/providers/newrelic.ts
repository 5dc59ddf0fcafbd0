// What did New Relic say? One NRQL query of the Insights query API, about one interval; its only result holds the only number.
import { foreign, isMap, jsonOf, numberOf, several, textOf } from "../answers.ts";
import { keysOf } from "../credentials.ts";
import type { Provider } from "../types.ts";

const TITLE = "New Relic";

export const newrelic: Provider = {
  name: "newrelic",
  title: TITLE,
  about: { query: "NRQL, to which SINCE is added", takes: "the one number of the one result", cannot: "FACET, TIMESERIES, several functions in one SELECT" },
  form: "words",
  home: "https://insights-api.newrelic.com",
  needs: ["secretRef"],
  keys: [["newrelic_account_id", "newrelic_query_key"]],
  request(metric, credentials) {
    const held = keysOf(newrelic, metric, credentials);
    if (!held.ok) return held;
    const { newrelic_account_id: account = "", newrelic_query_key: key = "" } = held.values;
    const url = new URL(metric.address);
    url.pathname = `${url.pathname.replace(/\/$/, "")}/v1/accounts/${encodeURIComponent(account)}/query`;
    const since = `SINCE ${Math.ceil((metric.intervalMs ?? 60_000) / 1000)} seconds ago`;
    url.search = new URLSearchParams({ nrql: `${metric.query} ${since}` }).toString();
    return { ok: true, request: { method: "GET", url: url.toString(), headers: { Accept: "application/json", ...metric.headers, "X-Query-Key": key } } };
  },
  read(response) {
    const read = jsonOf(TITLE, response, (answer) => (isMap(answer) ? answer.error : ""));
    if (!read.ok) return read.reading;
    const { answer } = read;
    if (!isMap(answer) || !Array.isArray(answer.results)) return isMap(answer) && (answer.facets !== undefined || answer.timeSeries !== undefined) ? several(2, "results or more", "leave FACET and TIMESERIES out") : foreign(TITLE);
    const results = answer.results as unknown[];
    if (results.length === 0) return { kind: "no-data", why: "the query has no result" };
    if (results.length > 1) return several(results.length, "results", "select one");
    const [only] = results;
    if (!isMap(only)) return foreign(TITLE);
    // Named after the function: "result" of percentage(), "average", "count", "score"; percentile() has a map with one entry.
    const found = Object.values(only).flatMap((value) => (isMap(value) ? Object.values(value) : [value]));
    if (found.length === 0) return { kind: "no-data", why: "the result is empty" };
    return found.length > 1 && Object.hasOwn(only, "result") ? numberOf(only.result) : found.length > 1 ? several(found.length, "numbers", `select one (${Object.keys(only).map(textOf).slice(0, 4).join(", ")})`) : numberOf(found[0]);
  },
};
