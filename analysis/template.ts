// What does a query say once its words are filled in? The words that Flagger's templates know; any other is a problem with its name, never an empty string.
import type { Problem } from "../crds/problem.ts";
import type { QueryForm } from "./types.ts";

export interface Words {
  name: string;
  namespace: string;
  target: string;
  service: string;
  ingress: string;
  route: string;
  interval: string;
  variables: Readonly<Record<string, string>>;
}

export type Rendered = { ok: true; text: string } | { ok: false; problem: Problem };

const EXPRESSION = /(\s*)\{\{(-?)\s*(.*?)\s*(-?)\}\}(\s*)/gs;
/** What could end a string literal of a query language and go on as a query of its own. */
const UNSAFE = /["'`\\\n\r{}]/;

/** Values go into a URL encoded, so that a Canary fills in a word of its template's query and adds no parameter to it. */
export function renderQuery(template: string, words: Words, path: string, form: QueryForm = "words"): Rendered {
  let problem: Problem | undefined;
  const text = template.replace(EXPRESSION, (_whole, before: string, trimLeft: string, expression: string, trimRight: string, after: string) => {
    const value = lookup(expression, words);
    if (value === undefined) problem ??= unknown(expression, path);
    else if (UNSAFE.test(value)) problem ??= { reason: "InvalidSpec", path, message: `the value of {{ ${expression} }} holds quotes, braces, a backslash or a line end, and could change the meaning of the query; remove them` };
    else if (form === "url" && /^\.{1,2}$/.test(value)) problem ??= { reason: "InvalidSpec", path, message: `the value of {{ ${expression} }} would lead to another path` };
    return `${trimLeft === "" ? before : ""}${value === undefined ? "" : form === "url" ? encodeURIComponent(value) : value}${trimRight === "" ? after : ""}`;
  });
  if (problem !== undefined) return { ok: false, problem };
  // JSON and GraphQL close many braces at once; elsewhere two of them are a word that was not opened.
  if (text.includes("{{") || (form !== "lines" && text.includes("}}"))) return { ok: false, problem: { reason: "InvalidSpec", path, message: "a {{ or }} of the query has no partner; close it" } };
  return { ok: true, text: form === "lines" ? text.trim() : text.replace(/\s+/g, " ").trim() };
}

function lookup(expression: string, words: Words): string | undefined {
  if (expression.startsWith("variables.")) {
    const key = expression.slice("variables.".length);
    return Object.hasOwn(words.variables, key) ? words.variables[key] : undefined;
  }
  switch (expression) {
    case "name":
    case "namespace":
    case "target":
    case "service":
    case "ingress":
    case "route":
    case "interval":
      return words[expression];
    default:
      return undefined;
  }
}

function unknown(expression: string, path: string): Problem {
  const known = "name, namespace, target, service, ingress, route, interval and variables.KEY";
  return { reason: "InvalidSpec", path, message: `{{ ${expression.slice(0, 60)} }} is not known; use one of ${known}` };
}
