// What did Datadog say? One query of time series; the newest point of the only series counts. Flagger takes the oldest, which is ten intervals old and speaks of
// the revision before.
import { foreign, isMap, jsonOf, listOf, failed, newest, several, textOf } from "../answers.ts";
import { keysOf } from "../credentials.ts";
import type { Provider } from "../types.ts";

const TITLE = "Datadog";

export const datadog: Provider = {
  name: "datadog",
  title: TITLE,
  about: { query: "a metric query", takes: "the newest point of the one series, of the last ten intervals", cannot: "several series, logs, formulas of the v2 API" },
  form: "words",
  home: "https://api.datadoghq.com",
  needs: ["secretRef"],
  keys: [["datadog_api_key", "datadog_application_key"]],
  request(metric, credentials, nowMs) {
    const held = keysOf(datadog, metric, credentials);
    if (!held.ok) return held;
    const to = Math.floor(nowMs / 1000);
    const url = new URL(metric.address);
    url.pathname = `${url.pathname.replace(/\/$/, "")}/api/v1/query`;
    url.search = new URLSearchParams({ from: String(to - Math.ceil((metric.windowMs ?? 600_000) / 1000)), to: String(to), query: metric.query }).toString();
    const { datadog_api_key: key = "", datadog_application_key: application = "" } = held.values;
    return { ok: true, request: { method: "GET", url: url.toString(), headers: { Accept: "application/json", ...metric.headers, "DD-API-KEY": key, "DD-APPLICATION-KEY": application } } };
  },
  read(response) {
    const read = jsonOf(TITLE, response, (answer) => (isMap(answer) ? (textOf(answer.error) || listOf(answer.errors).map(textOf).join("; ")) : ""));
    if (!read.ok) return read.reading;
    const { answer } = read;
    if (!isMap(answer)) return foreign(TITLE);
    // A query that cannot be read is answered with 200.
    if (answer.status === "error" || textOf(answer.error) !== "") return failed(`${TITLE}: ${textOf(answer.error)}`);
    if (answer.status !== "ok" || !Array.isArray(answer.series)) return foreign(TITLE);
    const series = answer.series as unknown[];
    if (series.length === 0) return { kind: "no-data", why: "the query found no series" };
    if (series.length > 1) return several(series.length, "series", "aggregate them, without by {...}");
    const [only] = series;
    if (!isMap(only) || !Array.isArray(only.pointlist)) return foreign(TITLE);
    const points = only.pointlist as unknown[];
    return points.every((point) => Array.isArray(point) && point.length === 2) ? newest(points.map((point) => (point as unknown[])[1])) : foreign(TITLE);
  },
};
