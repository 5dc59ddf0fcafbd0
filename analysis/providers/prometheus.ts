// What did Prometheus say? One instant query and exactly one reading, whatever comes back. No text of an answer longer than 200 characters goes anywhere.
import { QueryResult, ResponseType } from "prometheus-query";
import { failed, foreign, isMap, parsed, refused } from "../answers.ts";
import { basic, keysOf, unfit } from "../credentials.ts";
import type { Credentials, Provider, Reading } from "../types.ts";

const TITLE = "Prometheus";

export const prometheus: Provider = {
  name: "prometheus",
  title: TITLE,
  about: { query: "PromQL", takes: "the one series, or the scalar, of an instant query", cannot: "several series, ranges, text" },
  form: "words",
  home: "metricsServer",
  needs: [],
  keys: [["token"], ["username", "password"]],
  request(metric, credentials) {
    const { address, query, headers } = metric;
    const held = keysOf(prometheus, metric, credentials, "elsewhere");
    if (!held.ok) return held;
    const authorization = authorizationOf(held.values);
    const bad = authorization?.startsWith("Bearer ") === true ? unfit(held.values, metric) : undefined;
    if (bad !== undefined) return bad;
    const url = new URL(address);
    url.pathname = `${url.pathname.replace(/\/$/, "")}/api/v1/query`;
    url.search = new URLSearchParams({ query: query.replace(/\s+/g, " ").trim() }).toString();
    const authorized: Record<string, string> = authorization === undefined ? {} : { Authorization: authorization };
    return { ok: true, request: { method: "GET", url: url.toString(), headers: { Accept: "application/json", ...headers, ...authorized } } };
  },
  read({ status, body }) {
    const found = parsed(body);
    const answer = isMap(found) ? found : undefined;
    if (status >= 400 || answer?.status === "error") return unwilling(status, answer);
    if (answer?.status !== "success" || !isMap(answer.data)) return foreign(TITLE);
    return valueOf(answer.data);
  },
};

function authorizationOf({ token, username, password }: Credentials): string | undefined {
  if (token !== undefined) return `Bearer ${token}`;
  return username === undefined || password === undefined ? undefined : basic(username, password);
}

function valueOf(data: Record<string, unknown>): Reading {
  const { resultType, result } = data;
  if (resultType === "scalar") return Array.isArray(result) ? number(result[1]) : failed("the scalar has no value");
  if (resultType !== "vector") return failed(`the query gives a ${String(resultType).slice(0, 20)}, and one number is wanted; wrap it in sum() or last_over_time()`);
  if (!Array.isArray(result)) return failed("the vector has no series");
  if (result.length === 0) return { kind: "no-data", why: "the query found no series" };
  // Which of several is meant nobody can know: Flagger silently takes the last.
  if (result.length > 1) return failed(`the query gives ${result.length} series, and one number is wanted; wrap it in sum() or avg()`);
  const [series] = result as unknown[];
  if (!isMap(series) || !Array.isArray(series.value) || series.value.length !== 2) return failed("the series has no value");
  if (typeof series.value[1] !== "string") return failed("the value is not a number");
  // The package reads "12 apples" as 12.
  if (!/^([+-]?Inf|NaN|[+-]?[\d.]+(e[+-]?\d+)?)$/i.test(series.value[1])) return failed("the value is not a number");
  const read = QueryResult.fromJSON({ resultType: ResponseType.VECTOR, result: [{ metric: {}, value: series.value }] });
  const [first] = read.result as { value?: { value?: unknown } }[];
  // The package reads "+Inf" as no number at all.
  return number(/^[+-]Inf$/.test(series.value[1]) ? series.value[1] : first?.value?.value);
}

function number(value: unknown): Reading {
  const amount = typeof value === "number" ? value : typeof value === "string" ? special(value) : Number.NaN;
  if (typeof value !== "number" && typeof value !== "string") return failed("the value is not a number");
  if (Number.isNaN(amount)) return { kind: "no-data", why: "the value is NaN, as a rate of no requests is" };
  if (!Number.isFinite(amount)) return { kind: "no-data", why: "the value is infinite, as a division by nothing is" };
  return { kind: "value", value: amount };
}

function special(text: string): number {
  return text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : text.trim() === "" ? Number.NaN : Number(text);
}

function unwilling(status: number, answer: Record<string, unknown> | undefined): Reading {
  const said = answer === undefined ? "" : `${String(answer.errorType ?? "error")}: ${String(answer.error ?? "")}`;
  return status >= 400 ? refused(TITLE, status, said) : failed(`${TITLE} answered ${status}: ${said}`);
}
