// What load does a command line of the program hey ask for? Its simple form in the words of our own generator, so that manifests which were written for it
// work where it is not installed. What is not understood is refused: a load that is not the one asked for would measure something else.
import { splitWords } from "./words.ts";

export type HeyLoad = { ok: true; fields: Record<string, string> } | { ok: false; why: string };

/** hey's own defaults. */
const REQUESTS = "200";
const WORKERS = "50";
const TIMEOUT_SECONDS = "20";

const VALUES = ["z", "q", "c", "n", "m", "d", "t", "T", "A", "a", "host"] as const;
type Value = (typeof VALUES)[number];
const KNOWN = `-${[...VALUES, "H", "disable-keepalive"].join(", -")}`;

interface Line {
  values: Partial<Record<Value, string>>;
  headers: string[];
  keepAlive: boolean;
  url: string;
}

export function isHey(command: string): boolean {
  return /^\s*hey(\s|$)/.test(command);
}

export function heyLoad(command: string): HeyLoad {
  const split = splitWords(command);
  if (!split.ok) return split;
  if (!split.plain) return { ok: false, why: "only a single command without variables, pipes and lists is understood; quote an address that has an &" };
  const line = readLine(split.words.slice(1));
  if (typeof line === "string") return { ok: false, why: line };
  return fieldsOf(line);
}

/** A text says what is wrong. Flags are those of Go: one dash or two, the value behind a blank or an equals sign. */
function readLine(words: readonly string[]): Line | string {
  const line: Line = { values: {}, headers: [], keepAlive: true, url: "" };
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? "";
    const flag = /^--?([^-=][^=]*)(?:=([\s\S]*))?$/.exec(word);
    if (flag === null) {
      // Go stops reading flags at the first word that is none.
      if (at < words.length - 1) return `the address must be the last word, and more follow it`;
      line.url = word;
      continue;
    }
    const [, name = "", given] = flag;
    if (name === "disable-keepalive") {
      line.keepAlive = given === "false";
      continue;
    }
    const known = VALUES.find((one) => one === name);
    if (known === undefined && name !== "H") return `-${name} is not understood; known are ${KNOWN}`;
    const value = given ?? words[(at += 1)];
    if (value === undefined) return `-${name} has no value`;
    if (known === undefined) line.headers.push(value);
    else line.values[known] = value;
  }
  return line.url === "" ? "an address is missing" : line;
}

function fieldsOf({ values, headers, keepAlive, url }: Line): HeyLoad {
  const workers = Number(values.c ?? WORKERS);
  const each = Number(values.q ?? "0");
  const timeout = Number(values.t ?? TIMEOUT_SECONDS);
  if (!Number.isInteger(workers) || workers < 1) return { ok: false, why: "-c must be a whole number of at least 1" };
  if (!(each >= 0)) return { ok: false, why: "-q must be a number" };
  if (!Number.isInteger(timeout) || timeout < 1) return { ok: false, why: "-t must be a whole number of seconds" };
  const lines = [...headers];
  if (values.host !== undefined) lines.push(`Host: ${values.host}`);
  if (values.T !== undefined) lines.push(`Content-Type: ${values.T}`);
  if (values.A !== undefined) lines.push(`Accept: ${values.A}`);
  if (values.a !== undefined) lines.push(`Authorization: Basic ${Buffer.from(values.a).toString("base64")}`);
  const fields: Record<string, string> = {
    url,
    // Its rate is that of one worker.
    rate: each === 0 ? "unlimited" : String(each * workers),
    concurrency: String(workers),
    method: values.m ?? "GET",
    timeout: `${timeout}s`,
    keepAlive: String(keepAlive),
  };
  if (values.z !== undefined) fields.duration = values.z;
  else fields.requests = values.n ?? REQUESTS;
  if (values.d !== undefined) fields.body = values.d;
  if (lines.length > 0) fields.headers = lines.join("\n");
  return { ok: true, fields };
}
