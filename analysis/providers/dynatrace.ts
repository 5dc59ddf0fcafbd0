// What did Dynatrace say? One query of the metrics API v2 with the resolution Inf, which is one point for the whole window.
import { foreign, isMap, jsonOf, listOf, newest, several, textOf } from "../answers.ts";
import { keysOf } from "../credentials.ts";
import type { Provider } from "../types.ts";

const TITLE = "Dynatrace";

export const dynatrace: Provider = {
  name: "dynatrace",
  title: TITLE,
  about: { query: "a metric selector", takes: "the one point of the last ten intervals", cannot: "several metrics or dimensions, DQL" },
  form: "words",
  needs: ["address", "secretRef"],
  keys: [["dynatrace_token"]],
  request(metric, credentials, nowMs) {
    const held = keysOf(dynatrace, metric, credentials);
    if (!held.ok) return held;
    const url = new URL(metric.address);
    url.pathname = `${url.pathname.replace(/\/$/, "")}/api/v2/metrics/query`;
    url.search = new URLSearchParams({ metricSelector: metric.query, resolution: "Inf", from: String(nowMs - (metric.windowMs ?? 600_000)), to: String(nowMs) }).toString();
    return { ok: true, request: { method: "GET", url: url.toString(), headers: { Accept: "application/json", ...metric.headers, Authorization: `Api-Token ${held.values.dynatrace_token ?? ""}` } } };
  },
  read(response) {
    const read = jsonOf(TITLE, response, (answer) => {
      const error = isMap(answer) && isMap(answer.error) ? answer.error : {};
      return [error.message, ...listOf(error.constraintViolations).map((one) => (isMap(one) ? one.message : ""))].map(textOf).filter((text) => text !== "").join("; ");
    });
    if (!read.ok) return read.reading;
    if (!isMap(read.answer) || !Array.isArray(read.answer.result)) return foreign(TITLE);
    const metrics = read.answer.result as unknown[];
    if (metrics.length > 1) return several(metrics.length, "metrics", "leave one");
    const [only] = metrics;
    if (only === undefined) return { kind: "no-data", why: "the query found no metric" };
    if (!isMap(only) || !Array.isArray(only.data)) return foreign(TITLE);
    const series = only.data as unknown[];
    if (series.length === 0) return { kind: "no-data", why: "the query found no series" };
    if (series.length > 1) return several(series.length, "series", "add :splitBy()");
    const [first] = series;
    return isMap(first) && Array.isArray(first.values) ? newest(first.values as unknown[]) : foreign(TITLE);
  },
};
