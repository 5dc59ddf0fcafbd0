// What did InfluxDB say? One Flux query, answered as annotated CSV, of which the only row has the only number. No row is silence, and never 0 as in Flagger.
import { failed, foreign, isMap, numeralOf, parsed, refused, several, textOf } from "../answers.ts";
import { keysOf } from "../credentials.ts";
import type { Provider, Reading } from "../types.ts";

const TITLE = "InfluxDB";
const NUMBERS: ReadonlySet<string> = new Set(["double", "long", "unsignedLong"]);

export const influxdb: Provider = {
  name: "influxdb",
  title: TITLE,
  about: { query: "Flux", takes: "_value of the one row of the one table", cannot: "several rows or tables (add last() or mean()), InfluxQL, SQL" },
  form: "lines",
  needs: ["address"],
  keys: [["token", "org"]],
  // Flux is interpreted, and a first query after a while reads from disk.
  timeoutMs: 15_000,
  request(metric, credentials) {
    const held = keysOf(influxdb, metric, credentials);
    if (!held.ok) return held;
    const { token, org } = held.values;
    const url = new URL(metric.address);
    url.pathname = `${url.pathname.replace(/\/$/, "")}/api/v2/query`;
    if (org !== undefined) url.searchParams.set("org", org);
    const authorized: Record<string, string> = token === undefined ? {} : { Authorization: `Token ${token}` };
    const body = JSON.stringify({ query: metric.query, type: "flux", dialect: { header: true, annotations: ["datatype", "group", "default"], delimiter: "," } });
    return { ok: true, request: { method: "POST", url: url.toString(), headers: { Accept: "application/csv", "Content-Type": "application/json", ...metric.headers, ...authorized }, body } };
  },
  read({ status, body }) {
    const answer = parsed(body);
    if (status < 200 || status >= 300) return refused(TITLE, status, isMap(answer) ? textOf(answer.message) : "");
    // An answer without rows is still a line end; a row without one may have lost the end of its number.
    if (!body.endsWith("\n") || answer !== undefined) return foreign(TITLE);
    const rows = rowsOf(body);
    return rows === undefined ? foreign(TITLE) : valueOf(rows);
  },
};

/** Annotations, header and records of all tables, without the empty lines between them; undefined where a quote is left open. */
function rowsOf(body: string): string[][] | undefined {
  const cells = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y;
  const rows: string[][] = [[]];
  while (cells.lastIndex < body.length) {
    const [, quoted, plain = "", end] = cells.exec(body) ?? [];
    if (end === undefined) return undefined;
    rows.at(-1)?.push(quoted?.replaceAll('""', '"') ?? plain);
    if (end !== ",") rows.push([]);
  }
  return rows.filter((row) => row.some((cell) => cell !== ""));
}

function valueOf(rows: readonly string[][]): Reading {
  if (rows.length === 0) return { kind: "no-data", why: "the query found no rows" };
  let types: readonly string[] = [];
  let defaults: readonly string[] = [];
  let header: readonly string[] | undefined;
  const found: Reading[] = [];
  for (const row of rows) {
    const [annotation] = row;
    if (annotation?.startsWith("#") === true) {
      if (annotation === "#datatype") types = row;
      if (annotation === "#default") defaults = row;
      header = undefined;
    } else if (header === undefined) {
      header = row;
    } else {
      found.push(recordOf(row, header, types, defaults));
    }
  }
  if (found.length === 0) return header !== undefined && header.includes("_value") ? { kind: "no-data", why: "the query found no rows" } : foreign(TITLE);
  return found.length > 1 && found.every(({ kind }) => kind !== "error") ? several(found.length, "rows", "add |> last() or |> mean(), and group()") : (found.find(({ kind }) => kind === "error") ?? (found[0] as Reading));
}

function recordOf(row: readonly string[], header: readonly string[], types: readonly string[], defaults: readonly string[]): Reading {
  // What goes wrong after the first bytes were sent is a table too.
  const error = header.indexOf("error");
  if (error >= 0 && header.includes("reference")) return failed(`${TITLE}: ${row[error] ?? ""}`);
  const place = header.indexOf("_value");
  if (types.length === 0 || row.length !== header.length) return foreign(TITLE);
  if (place < 0) return failed("the rows have no _value; rename the column that counts");
  if (!NUMBERS.has(types[place] ?? "")) return failed(`_value is a ${(types[place] ?? "").slice(0, 20)}, and a number is wanted`);
  const text = row[place] === "" ? (defaults[place] ?? "") : (row[place] ?? "");
  if (text === "") return { kind: "no-data", why: "the row has no value" };
  if (/^(nan|[+-]?inf)$/i.test(text)) return { kind: "no-data", why: `the value is ${text}, as a division by nothing is` };
  return numeralOf(text);
}
