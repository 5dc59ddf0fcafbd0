// What did Splunk Observability Cloud (SignalFx) say? One SignalFlow program about the past, answered as server-sent events that end by themselves; the newest point of the
// only time series counts. Flagger speaks the same API over a WebSocket.
import { failed, foreign, isMap, listOf, newest, numberOf, parsed, refused, several, textOf } from "../answers.ts";
import { keysOf } from "../credentials.ts";
import type { Provider, Reading } from "../types.ts";

const TITLE = "Splunk";

export const splunk: Provider = {
  name: "splunk",
  title: TITLE,
  about: { query: "a SignalFlow program that publishes one stream", takes: "the newest point of the one time series, of the last ten intervals", cannot: "several time series, detectors, searches of Splunk Enterprise" },
  form: "lines",
  needs: ["address", "secretRef"],
  keys: [["sf_token_key"]],
  request(metric, credentials, nowMs) {
    const held = keysOf(splunk, metric, credentials);
    if (!held.ok) return held;
    const url = new URL(metric.address);
    // People know the API's address; programs run beside it.
    url.hostname = url.hostname.replace(/^api\./, "stream.");
    url.pathname = `${url.pathname.replace(/\/$/, "").replace(/\/v2\/signalflow$/, "")}/v2/signalflow/execute`;
    url.search = new URLSearchParams({ start: String(nowMs - (metric.windowMs ?? 600_000)), stop: String(nowMs), immediate: "true" }).toString();
    const headers = { Accept: "text/event-stream", "Content-Type": "text/plain", ...metric.headers, "X-SF-Token": held.values.sf_token_key ?? "" };
    return { ok: true, request: { method: "POST", url: url.toString(), headers, body: metric.query } };
  },
  read({ status, body }) {
    const said = parsed(body);
    if (status < 200 || status >= 300) return refused(TITLE, status, isMap(said) ? textOf(said.message) : "");
    const events = eventsOf(body);
    return events === undefined ? foreign(TITLE) : valueOf(events);
  },
};

interface Event {
  type: string;
  data: Record<string, unknown>;
}

/** Blocks that an empty line ends; undefined where one is none of them. */
function eventsOf(body: string): Event[] | undefined {
  const blocks = body.replace(/\r\n?/g, "\n").split(/\n{2,}/).filter((block) => block.trim() !== "");
  const events: Event[] = [];
  for (const block of blocks) {
    const fields = block.split("\n").filter((line) => line !== "" && !line.startsWith(":")).map((line) => /^(\w+): ?(.*)$/.exec(line));
    if (fields.some((field) => field === null)) return undefined;
    const of = (name: string): string[] => fields.flatMap((field) => (field?.[1] === name ? [field[2] ?? ""] : []));
    const data = parsed(of("data").join("\n"));
    // A comment alone keeps the connection open.
    if (fields.length === 0) continue;
    if (!isMap(data)) return undefined;
    events.push({ type: of("event").join(""), data });
  }
  return events;
}

function valueOf(events: readonly Event[]): Reading {
  const control = (name: string): Event | undefined => events.find(({ type, data }) => type === "control-message" && data.event === name);
  const error = events.find(({ type }) => type === "error");
  if (error !== undefined) return failed(`${TITLE}: ${textOf(error.data.message) || listOf(error.data.errors).map((one) => (isMap(one) ? (textOf(one.message) || textOf(one.code)) : "")).join("; ")}`);
  const aborted = control("CHANNEL_ABORT");
  if (aborted !== undefined) return failed(`${TITLE} stopped the program: ${isMap(aborted.data.abortInfo) ? textOf(aborted.data.abortInfo.sf_job_abortReason) : ""}`);
  // Without its end, what is the newest nobody knows.
  if (control("END_OF_CHANNEL") === undefined) return events.length === 0 ? foreign(TITLE) : failed(`the answer of ${TITLE} has no end`, "spec.provider.address");
  const messages = events.filter(({ type }) => type === "data").map(({ data }) => ({ at: Number(data.logicalTimestampMs), points: listOf(data.data) }));
  const points = messages.flatMap(({ at, points }) => points.map((point) => (isMap(point) ? { at, series: textOf(point.tsId), value: point.value } : undefined)));
  if (points.some((point) => point === undefined || Number.isNaN(point.at))) return foreign(TITLE);
  const known = points.flatMap((point) => (point === undefined || numberOf(point.value).kind === "no-data" ? [] : [point]));
  const series = new Set(known.map(({ series }) => series));
  if (series.size > 1) return several(series.size, "time series", "aggregate them, as sum() or mean() do");
  return newest(known.sort((left, right) => left.at - right.at).map(({ value }) => value));
}
