// What did Prometheus say? One instant query and exactly one reading, whatever comes back. No text of an answer longer than 200 characters goes anywhere.
import { QueryResult, ResponseType } from "prometheus-query";
import type { Credentials, Provider, Reading } from "../types.ts";

const TEXT_MAX = 200;

export const prometheus: Provider = {
  name: "prometheus",
  request({ address, query, headers, secret }, credentials) {
    const authorization = authorizationOf(credentials);
    if (credentials !== undefined && authorization === undefined) {
      return { ok: false, why: `Secret ${secret?.namespace}/${secret?.name} needs the key token, or the keys username and password` };
    }
    const url = new URL(address);
    url.pathname = `${url.pathname.replace(/\/$/, "")}/api/v1/query`;
    url.search = new URLSearchParams({ query: query.replace(/\s+/g, " ").trim() }).toString();
    const authorized: Record<string, string> = authorization === undefined ? {} : { Authorization: authorization };
    return { ok: true, request: { method: "GET", url: url.toString(), headers: { Accept: "application/json", ...headers, ...authorized } } };
  },
  read({ status, body }) {
    const answer = parsed(body);
    if (status >= 400 || answer?.status === "error") return refused(status, answer);
    if (answer?.status !== "success" || !isMap(answer.data)) return error("Prometheus answered something that is not its API; check the address");
    return valueOf(answer.data);
  },
};

function authorizationOf({ token, username, password }: Credentials = {}): string | undefined {
  if (token !== undefined && token !== "") return `Bearer ${token.trim()}`;
  if (username === undefined || password === undefined) return undefined;
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function valueOf(data: Record<string, unknown>): Reading {
  const { resultType, result } = data;
  if (resultType === "scalar") return Array.isArray(result) ? number(result[1]) : error("the scalar has no value");
  if (resultType !== "vector") return error(`the query gives a ${String(resultType).slice(0, 20)}, and one number is wanted; wrap it in sum() or last_over_time()`);
  if (!Array.isArray(result)) return error("the vector has no series");
  if (result.length === 0) return { kind: "no-data", why: "the query found no series" };
  // Which of several is meant nobody can know: Flagger silently takes the last.
  if (result.length > 1) return error(`the query gives ${result.length} series, and one number is wanted; wrap it in sum() or avg()`);
  const [series] = result as unknown[];
  if (!isMap(series) || !Array.isArray(series.value) || series.value.length !== 2) return error("the series has no value");
  if (typeof series.value[1] !== "string") return error("the value is not a number");
  const read = QueryResult.fromJSON({ resultType: ResponseType.VECTOR, result: [{ metric: {}, value: series.value }] });
  const [first] = read.result as { value?: { value?: unknown } }[];
  // The package reads "+Inf" as no number at all.
  return number(/^[+-]Inf$/.test(series.value[1]) ? series.value[1] : first?.value?.value);
}

function number(value: unknown): Reading {
  const amount = typeof value === "number" ? value : typeof value === "string" ? special(value) : Number.NaN;
  if (typeof value !== "number" && typeof value !== "string") return error("the value is not a number");
  if (Number.isNaN(amount)) return { kind: "no-data", why: "the value is NaN, as a rate of no requests is" };
  if (!Number.isFinite(amount)) return { kind: "no-data", why: "the value is infinite, as a division by nothing is" };
  return { kind: "value", value: amount };
}

function special(text: string): number {
  return text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : text.trim() === "" ? Number.NaN : Number(text);
}

function refused(status: number, answer: Record<string, unknown> | undefined): Reading {
  const said = answer === undefined ? "" : `: ${String(answer.errorType ?? "error")}: ${String(answer.error ?? "")}`;
  return error(`Prometheus answered ${status}${said}`);
}

function parsed(body: string): Record<string, unknown> | undefined {
  try {
    const answer: unknown = JSON.parse(body);
    return isMap(answer) ? answer : undefined;
  } catch {
    return undefined;
  }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function error(why: string): Reading {
  return { kind: "error", why: why.slice(0, TEXT_MAX) };
}
