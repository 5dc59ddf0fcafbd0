// Which values does a JSONPath of a printer column name? Fields, indexes, wildcards and equality filters: what CRDs use.
// It must never throw for a path that leads nowhere.
import { isRecord } from "./json.ts";

export class JsonPathError extends Error {}

type Step = (values: readonly unknown[]) => unknown[];

/** @throws JsonPathError for a path that cannot be read; a definition with one is refused */
export function jsonPath(text: string): (root: unknown) => unknown[] {
  const steps = parse(text.startsWith("{") && text.endsWith("}") ? text.slice(1, -1) : text);
  return (root) => steps.reduce<unknown[]>((values, step) => step(values), [root]);
}

const TOKEN = /\.\.|\.?\[\?\(([^)]*)\)\]|\.?\[(?:'([^']*)'|"([^"]*)"|(\*)|(-?\d+))\]|\.((?:\\.|[^.[\]\\])+)/y;

function parse(text: string): Step[] {
  const path = text.startsWith(".") || text.startsWith("[") || text === "" ? text : `.${text}`;
  const steps: Step[] = [];
  let position = 0;
  while (position < path.length) {
    TOKEN.lastIndex = position;
    const token = TOKEN.exec(path);
    if (token === null) throw new JsonPathError(`cannot read the JSONPath "${text}" at ${position}`);
    // Remembered here, because a filter within reads a path of its own with the same expression.
    position = TOKEN.lastIndex;
    position = TOKEN.lastIndex;
    const [whole, filter, single, double, wildcard, index, name] = token;
    if (whole === "..") throw new JsonPathError(`the JSONPath "${text}" descends everywhere, which no column may`);
    const key = single ?? double ?? name?.replaceAll(/\\(.)/g, "$1");
    if (filter !== undefined) steps.push(filterStep(filter));
    else if (wildcard !== undefined || key === "*") steps.push((values) => values.flatMap(children));
    else if (index !== undefined) steps.push((values) => values.flatMap((value) => (Array.isArray(value) ? value.slice(Number(index)).slice(0, 1) : [])));
    else steps.push((values) => values.flatMap((value) => (isRecord(value) && value[key ?? ""] !== undefined ? [value[key ?? ""]] : [])));
  }
  return steps;
}

function children(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  return isRecord(value) ? Object.values(value) : [];
}

const FILTER = /^\s*@\.?([^=!<>\s]*)\s*(?:(==|!=)\s*(?:'([^']*)'|"([^"]*)"|(\S+)))?\s*$/;

function filterStep(text: string): Step {
  const match = FILTER.exec(text);
  if (match === null) throw new JsonPathError(`cannot read the JSONPath filter "${text}"`);
  const [, path = "", operator, single, double, bare] = match;
  const read = jsonPath(path === "" ? "" : `.${path}`);
  const wanted = single ?? double ?? bare;
  return (values) => values.flatMap(children).filter((item) => {
    const [found] = read(item);
    if (operator === undefined) return found !== undefined;
    return (found !== undefined && String(found) === wanted) === (operator === "==");
  });
}
