// How are Istio's words for conditions said in an HTTPProxy, all of which have to hold at a time, and which of them cannot be?
import { isMap, map, text, type Json } from "../crds/json.ts";
import type { Problem } from "../crds/problem.ts";

const PATHS = ["exact", "prefix", "regex"] as const;
const VALUES = ["exact", "regex", "prefix", "suffix"] as const;
const SAYABLE = { choice: ["headers", "queryParams"], route: ["uri", "headers", "queryParams", "name"] } as const;

/** In the order of their names, so that the same manifest always gives the same route. Flagger looks for a beginning or an end anywhere in a header. */
export function conditionsOf({ uri, headers, queryParams }: Json, flaggers: boolean): Json[] {
  const path = PATHS.flatMap((form) => (typeof map(uri)[form] === "string" ? [{ [form]: map(uri)[form] }] : [])).slice(-1);
  const header = ([name, form, value]: Said): Json => {
    if (form === "exact" || form === "regex") return { header: { name, [form]: value } };
    if (flaggers) return { header: { name, contains: value } };
    return { header: { name, regex: form === "prefix" ? `${literal(value)}.*` : `.*${literal(value)}` } };
  };
  return [...path, ...said(headers).map(header), ...said(queryParams).map(([name, form, value]) => ({ queryParameter: { name, [form]: value } }))];
}

/** Conditions of both lists; where both name a header the second's counts, because two exact values of one are refused. */
export function joined(before: readonly Json[], added: readonly Json[]): Json[] {
  const names = new Set(added.map(named));
  return [...before.filter((condition) => named(condition) === undefined || !names.has(named(condition))), ...added];
}

function named({ header, queryParameter }: Json): string | undefined {
  const [headerName, parameter] = [text(map(header).name), text(map(queryParameter).name)];
  return headerName === undefined ? (parameter === undefined ? undefined : `?${parameter}`) : headerName.toLowerCase();
}

type Said = [name: string, form: (typeof VALUES)[number], value: string];

function said(conditions: unknown): Said[] {
  return Object.entries(map(conditions))
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .flatMap(([name, condition]) => VALUES.flatMap((form): Said[] => (typeof map(condition)[form] === "string" ? [[name, form, String(map(condition)[form])]] : [])));
}

function literal(value: string): string {
  return value.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

export function unsayable(match: Json, path: string, where: keyof typeof SAYABLE): Problem[] {
  const words: readonly string[] = SAYABLE[where];
  const unsaid = (at: string, message: string): Problem => ({ reason: "Unsupported", path: at, message });
  const known = (condition: unknown): boolean => isMap(condition) && VALUES.some((form) => typeof condition[form] === "string");
  const problems = Object.keys(match).filter((word) => !words.includes(word)).map((word) => unsaid(`${path}.${word}`, `An HTTPProxy knows no ${word} as a condition. Remove it.`));
  if (match.uri !== undefined && !PATHS.some((form) => typeof map(match.uri)[form] === "string")) problems.push(unsaid(`${path}.uri`, "An HTTPProxy matches a path by exact, prefix or regex. Use one of them."));
  for (const word of ["headers", "queryParams"]) {
    for (const [name, condition] of Object.entries(map(match[word]))) if (!known(condition)) problems.push(unsaid(`${path}.${word}.${name}`, "An HTTPProxy matches by exact, prefix, suffix or regex. Use one of them."));
  }
  return problems;
}
