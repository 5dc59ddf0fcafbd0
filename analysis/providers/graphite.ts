// What did Graphite say? One render as JSON; the newest point of the only series that has a value counts.
import { foreign, isMap, jsonOf, newest, several } from "../answers.ts";
import { basic, keysOf } from "../credentials.ts";
import type { Provider } from "../types.ts";

const TITLE = "Graphite";

export const graphite: Provider = {
  name: "graphite",
  title: TITLE,
  about: { query: "parameters of /render: target=...&from=-{{ interval }}", takes: "the newest point with a value of the one series", cannot: "several targets, pictures; format is always json" },
  form: "url",
  needs: ["address"],
  keys: [["username", "password"]],
  request(metric, credentials) {
    const held = keysOf(graphite, metric, credentials, "elsewhere");
    if (!held.ok) return held;
    const { username, password } = held.values;
    const parameters = metric.query.replace(/^\??(\/?render\/?\?)?/, "").split("&").filter((part) => part !== "" && !part.startsWith("format="));
    if (!parameters.some((part) => part.startsWith("target="))) return { ok: false, field: "spec.query", why: "has no target=...; it is what follows /render?" };
    const url = new URL(metric.address);
    url.pathname = `${url.pathname.replace(/\/$/, "")}/render`;
    url.search = [...parameters, "format=json"].join("&");
    const authorized: Record<string, string> = username === undefined || password === undefined ? {} : { Authorization: basic(username, password) };
    return { ok: true, request: { method: "GET", url: url.toString(), headers: { Accept: "application/json", ...metric.headers, ...authorized } } };
  },
  read(response) {
    // Its refusals are pages of a web framework, of which nothing is worth showing.
    const read = jsonOf(TITLE, response, () => "");
    if (!read.ok) return read.reading;
    if (!Array.isArray(read.answer)) return foreign(TITLE);
    const series = read.answer as unknown[];
    if (series.length === 0) return { kind: "no-data", why: "the query found no series" };
    if (series.length > 1) return several(series.length, "series", "wrap the target in sumSeries() or averageSeries()");
    const [only] = series;
    if (!isMap(only) || !Array.isArray(only.datapoints)) return foreign(TITLE);
    const points = only.datapoints as unknown[];
    return points.every((point) => Array.isArray(point) && point.length === 2) ? newest(points.map((point) => (point as unknown[])[0])) : foreign(TITLE);
  },
};
