// What does a person ask of one run? The words of the action annotation. It names the run, so that it means nothing to any other one, and Git never owns it.
import { MARKS } from "./marks.ts";

/** Annotation on a Canary: `VERB run=ID [weight=N] [by=WHO] [reason=everything to the end]`. */
export const ACTION = `${MARKS}action`;

export const VERBS = ["approve", "promote", "abort", "pause", "resume", "retry", "rollback", "set-weight"] as const;
export type Verb = (typeof VERBS)[number];

export interface Action {
  /** As it was written: the same text is executed once. */
  request: string;
  verb: Verb;
  run: string;
  weight?: number;
  by?: string;
  reason?: string;
}

const REQUEST_MAX = 512;

/** @returns a sentence where the text is no action */
export function parseAction(text: string): Action | string {
  const request = text.trim().slice(0, REQUEST_MAX);
  const [head = "", ...tail] = request.split(/(?:^|\s)reason=/);
  const [verb = "", ...words] = head.trim().split(/\s+/);
  const known = VERBS.find((one) => one === verb);
  if (known === undefined) return `"${verb.slice(0, 40)}" is no action; use one of ${VERBS.join(", ")}`;
  const given = new Map(words.map((word) => [word.slice(0, Math.max(word.indexOf("="), 0)), word.slice(word.indexOf("=") + 1)]));
  const odd = [...given.keys()].find((key) => !["run", "weight", "by"].includes(key));
  if (odd !== undefined) return `"${odd}" is not known; write ${known} run=ID${known === "set-weight" ? " weight=N" : ""} by=WHO reason=TEXT`;
  const run = given.get("run") ?? "";
  if (run === "") return `names no run; write ${known} run=ID, with the id from .status.run.id`;
  const weight = Number(given.get("weight"));
  if (known === "set-weight" && !(Number.isInteger(weight) && weight >= 1 && weight <= 100)) return "set-weight needs weight=N, a whole number from 1 to 100";
  const reason = tail.join(" ").trim();
  return { request, verb: known, run, ...(known === "set-weight" ? { weight } : {}), ...(given.has("by") ? { by: given.get("by") } : {}), ...(reason === "" ? {} : { reason }) };
}
