// What does a failed check of a schema tell the user? One sentence per wrong field, under the path that kubectl would print.
import type { z } from "zod";
import type { Problem } from "./problem.ts";

/** The rest says nothing new, and the status has no room for it. */
const MOST = 20;

export function problemsOf(error: z.ZodError, root: "spec" | "status"): Problem[] {
  return error.issues.slice(0, MOST).map((issue) => ({
    reason: "InvalidSpec",
    path: pathOf(root, issue.path),
    message: root === "status" ? `${sentence(issue)}; something other than the engine wrote it, restore what it was or remove the status` : sentence(issue),
  }));
}

export function pathOf(root: string, keys: readonly PropertyKey[]): string {
  return keys.reduce<string>((path, key) => {
    if (typeof key === "number") return `${path}[${key}]`;
    const name = String(key);
    return /^[A-Za-z][A-Za-z0-9_-]*$/.test(name) ? `${path}.${name}` : `${path}[${name}]`;
  }, root);
}

function sentence(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined && issue.message.endsWith("received undefined") ? `is missing; give ${article(issue.expected)}` : `must be ${article(issue.expected)}`;
    case "invalid_value":
      return issue.values.length === 1 ? `must be ${String(issue.values[0])}` : `must be one of ${issue.values.map((value) => JSON.stringify(value)).join(", ")}`;
    case "too_big":
      return `must be ${measured(issue.origin, "at most", issue.maximum)}`;
    case "too_small":
      return `must be ${measured(issue.origin, "at least", issue.minimum)}`;
    case "invalid_format":
      if (!issue.message.startsWith("Invalid")) return issue.message;
      return issue.pattern === undefined ? `must be a ${issue.format}` : `must match ${issue.pattern}`;
    case "invalid_union":
      return "has the wrong type";
    default:
      return issue.message;
  }
}

function measured(origin: string, bound: string, limit: number | bigint): string {
  if (origin === "string") return `${bound} ${limit} characters long`;
  if (origin === "array") return `${bound} ${limit} entries long`;
  return `${bound} ${limit}`;
}

function article(type: string): string {
  const word = type === "int" ? "whole number" : type === "record" ? "map" : type === "array" ? "list" : type;
  return `${/^[aeiou]/.test(word) ? "an" : "a"} ${word}`;
}
