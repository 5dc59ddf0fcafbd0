// How does Prometheus' HTTP API answer? Paths and parameters to status and JSON, pure over the samples and the clock.
// It must never answer a query that it could not fully evaluate with a success.
import { QueryError } from "./ast.ts";
import { evaluateQuery } from "./evaluate.ts";
import type { SampleStore } from "./samples.ts";
import type { Value } from "./values.ts";

export interface ApiAnswer {
  status: number;
  contentType: "application/json" | "text/plain";
  body: string;
}

/** How the API may lie, for tests; every field may be set and cleared while it runs. */
export interface PrometheusFaults {
  /** Connections are cut without an answer. */
  down?: boolean;
  /** Queries succeed with no series. */
  empty?: boolean;
  /** Queries succeed with one series whose value is NaN. */
  nan?: boolean;
  /** Answers come this late. */
  slowMs?: number;
  /** Every request gets this status and a page that is no JSON. */
  status?: number;
}

export function apiAnswer(path: string, parameters: URLSearchParams, samples: SampleStore, now: number, faults: PrometheusFaults): ApiAnswer {
  if (faults.status !== undefined) return text(faults.status, `<html><body>fault ${faults.status}</body></html>\n`);
  switch (path) {
    case "/-/ready": return text(200, "Prometheus Server is Ready.\n");
    case "/-/healthy": return text(200, "Prometheus Server is Healthy.\n");
    case "/api/v1/status/buildinfo":
      return success({ version: "3.0.0", revision: "sandbox", branch: "sandbox", buildUser: "", buildDate: "", goVersion: "" });
    case "/api/v1/query": return query(parameters, samples, now, faults);
    default: return text(404, "404 page not found\n");
  }
}

function query(parameters: URLSearchParams, samples: SampleStore, now: number, faults: PrometheusFaults): ApiAnswer {
  try {
    const at = instantOf(parameters.get("time"), now);
    const value = evaluateQuery(parameters.get("query") ?? "", samples, at);
    if (faults.empty === true) return success({ resultType: "vector", result: [] });
    if (faults.nan === true) return success({ resultType: "vector", result: [{ metric: {}, value: [at / 1000, "NaN"] }] });
    return success(rendered(value, at));
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    return json(error.type === "bad_data" ? 400 : 422, { status: "error", errorType: error.type, error: error.message });
  }
}

/** @throws QueryError */
function instantOf(time: string | null, now: number): number {
  if (time === null || time === "") return now;
  const at = /^-?\d+(\.\d+)?$/.test(time) ? Number(time) * 1000 : Date.parse(time);
  if (Number.isNaN(at)) throw new QueryError(`invalid parameter "time": cannot parse ${JSON.stringify(time)} to a valid timestamp`);
  return at;
}

function rendered(value: Value, at: number): object {
  const stamp = at / 1000;
  switch (value.type) {
    case "scalar": return { resultType: "scalar", result: [stamp, formatNumber(value.value)] };
    case "string": return { resultType: "string", result: [stamp, value.value] };
    case "vector": return {
      resultType: "vector",
      result: value.samples.map(({ labels, value: number }) => ({ metric: labels, value: [stamp, formatNumber(number)] })),
    };
    case "matrix": return {
      resultType: "matrix",
      result: value.series.map(({ labels, points }) => ({ metric: labels, values: points.map((point) => [point.at / 1000, formatNumber(point.value)]) })),
    };
  }
}

/** As Go prints floats with the format "f": the shortest digits that read back the same, and never an exponent. */
export function formatNumber(value: number): string {
  if (value === Infinity) return "+Inf";
  if (Object.is(value, -0)) return "-0";
  const text = String(value);
  const parts = /^(-?)(\d+)(?:\.(\d+))?e([+-]\d+)$/.exec(text);
  if (parts === null) return text.replace("Infinity", "Inf");
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = parts;
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  if (point <= 0) return `${sign}0.${"0".repeat(-point)}${digits}`;
  return sign + digits.padEnd(point, "0");
}

function success(data: object): ApiAnswer {
  return json(200, { status: "success", data });
}

function json(status: number, body: object): ApiAnswer {
  return { status, contentType: "application/json", body: JSON.stringify(body) };
}

function text(status: number, body: string): ApiAnswer {
  return { status, contentType: "text/plain", body };
}
