// What does the text of a query mean? Prometheus' own grammar finds the structure, this reads it into the tree that is
// evaluated. It must never read an unknown construct as something similar: what is not supported is refused.
import { parser } from "@prometheus-io/lezer-promql";
import { QueryError } from "./ast.ts";
import type { Aggregation, BinaryOperator, Expr, Matcher, Matching, Selector } from "./ast.ts";

type SyntaxNode = ReturnType<typeof parser.parse>["topNode"];

const aggregations: readonly string[] = ["sum", "avg", "min", "max", "count"] satisfies Aggregation[];
const binaryOperators: readonly string[] = [
  "+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<=", "and", "or", "unless",
] satisfies BinaryOperator[];

/** @throws QueryError */
export function parseQuery(text: string): Expr {
  const tree = parser.parse(text);
  tree.iterate({
    enter(node) {
      if (!node.type.isError) return;
      const found = node.from === node.to ? text.slice(node.from, node.from + 1) || "end of input" : text.slice(node.from, node.to);
      throw new QueryError(`${position(text, node.from)}: parse error: unexpected ${JSON.stringify(found)}`);
    },
  });
  const root = children(tree.topNode).find(({ name }) => name !== "LineComment");
  if (root === undefined) throw new QueryError("1:1: parse error: no expression found in input");
  return read(root, text);
}

function read(node: SyntaxNode, text: string): Expr {
  switch (node.name) {
    case "NumberDurationLiteral": return { type: "number", value: readNumber(source(node, text)) };
    case "StringLiteral": return { type: "string", value: unquoted(node, text) };
    case "ParenExpr": return read(only(node, text), text);
    case "VectorSelector": return readSelector(node, text);
    case "MatrixSelector": return readRange(node, text);
    case "OffsetExpr": return readOffset(node, text);
    case "UnaryExpr": {
      const [sign, operand] = children(node);
      if (sign === undefined || operand === undefined) throw unsupported(node, text);
      const expr = read(operand, text);
      return source(sign, text) === "-" ? { type: "negate", expr } : expr;
    }
    case "FunctionCall": {
      const [name, body] = children(node);
      if (name === undefined) throw unsupported(node, text);
      return { type: "call", name: source(name, text), args: children(body).map((arg) => read(arg, text)) };
    }
    case "AggregateExpr": return readAggregate(node, text);
    case "BinaryExpr": return readBinary(node, text);
    default: throw unsupported(node, text);
  }
}

function readSelector(node: SyntaxNode, text: string): Selector {
  const matchers: Matcher[] = [];
  for (const part of children(node)) {
    if (part.name === "Identifier") matchers.push({ label: "__name__", op: "=", value: source(part, text) });
    else if (part.name === "LabelMatchers") matchers.push(...children(part).map((matcher) => readMatcher(matcher, text)));
    else throw unsupported(part, text);
  }
  if (!matchers.some((matcher) => !acceptsEmpty(matcher))) {
    throw new QueryError(`${position(text, node.from)}: parse error: vector selector must contain at least one non-empty matcher`);
  }
  return { type: "selector", matchers };
}

function readMatcher(node: SyntaxNode, text: string): Matcher {
  const [label, op, value] = children(node);
  const operator = op === undefined ? "" : source(op, text);
  if (node.name !== "UnquotedLabelMatcher" || label === undefined || value === undefined) throw unsupported(node, text);
  if (operator !== "=" && operator !== "!=" && operator !== "=~" && operator !== "!~") throw unsupported(node, text);
  const matcher: Matcher = { label: source(label, text), op: operator, value: unquoted(value, text) };
  if (operator.endsWith("~")) anchored(matcher.value);
  return matcher;
}

/** Prometheus' regular expressions match the whole value. @throws QueryError */
export function anchored(pattern: string): RegExp {
  try {
    return new RegExp(`^(?:${pattern})$`, "su");
  } catch {
    throw new QueryError(`parse error: error parsing regexp: ${JSON.stringify(pattern)}`);
  }
}

function acceptsEmpty({ op, value }: Matcher): boolean {
  switch (op) {
    case "=": return value === "";
    case "!=": return value !== "";
    case "=~": return anchored(value).test("");
    case "!~": return !anchored(value).test("");
  }
}

function readRange(node: SyntaxNode, text: string): Expr {
  const [selector, duration] = children(node);
  const literal = children(duration)[0];
  if (selector?.name !== "VectorSelector" || literal === undefined || children(duration).length !== 1) throw unsupported(node, text);
  const rangeMs = readNumber(source(literal, text)) * 1000;
  if (!(rangeMs > 0)) throw new QueryError(`${position(text, literal.from)}: parse error: duration must be greater than 0`);
  return { type: "range", selector: readSelector(selector, text), rangeMs };
}

/** Of an instant alone: `x offset 5m`. */
function readOffset(node: SyntaxNode, text: string): Expr {
  const [selector, , duration, ...more] = children(node);
  if (selector?.name !== "VectorSelector" || duration === undefined || more.length > 0) throw unsupported(node, text);
  return { ...readSelector(selector, text), offsetMs: readNumber(source(duration, text)) * 1000 };
}

function readAggregate(node: SyntaxNode, text: string): Expr {
  const parts = children(node);
  const op = parts.find(({ name }) => name === "AggregateOp");
  const modifier = parts.find(({ name }) => name === "AggregateModifier");
  const args = children(parts.find(({ name }) => name === "FunctionCallBody"));
  const name = op === undefined ? "" : source(op, text).toLowerCase();
  const [arg] = args;
  if (!isAggregation(name)) throw unsupported(node, text);
  if (arg === undefined || args.length !== 1) throw new QueryError(`${position(text, node.from)}: parse error: wrong number of arguments for aggregate expression`);
  const [keyword, labels] = children(modifier);
  const by = keyword === undefined || keyword.name === "By";
  return { type: "aggregate", op: name, grouping: { by, labels: children(labels).map((label) => source(label, text)) }, expr: read(arg, text) };
}

function readBinary(node: SyntaxNode, text: string): Expr {
  const parts = children(node);
  const [left, operator, ...rest] = parts;
  const right = rest.at(-1);
  if (left === undefined || operator === undefined || right === undefined) throw unsupported(node, text);
  const op = source(operator, text).toLowerCase();
  if (!isBinaryOperator(op)) throw unsupported(operator, text);
  let bool = false;
  let matching: Matching = { on: false, labels: [] };
  for (const modifier of rest.slice(0, -1)) {
    if (modifier.name === "BoolModifier") bool = true;
    else if (modifier.name === "MatchingModifierClause") matching = readMatching(modifier, text);
    else throw unsupported(modifier, text);
  }
  const expr = (base: Expr): Expr => ({ type: "binary", op, bool, matching, left: base, right: read(right, text) });
  // The grammar reads -2 as one literal, but a power binds tighter than its sign: -2^2 is -4.
  const base = source(left, text);
  if (op === "^" && left.name === "NumberDurationLiteral" && base.startsWith("-")) {
    return { type: "negate", expr: expr({ type: "number", value: readNumber(base.slice(1)) }) };
  }
  return expr(read(left, text));
}

function readMatching(node: SyntaxNode, text: string): Matching {
  const [keyword, labels, ...grouping] = children(node);
  if (keyword === undefined || grouping.length > 0) throw unsupported(node, text);
  return { on: keyword.name === "On", labels: children(labels).map((label) => source(label, text)) };
}

const units: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800, y: 31_536_000 };

/** A number, or a duration in seconds. */
function readNumber(text: string): number {
  if (/^[+-]?inf$/i.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  if (/^nan$/i.test(text)) return NaN;
  const number = Number(text.replaceAll("_", ""));
  if (!Number.isNaN(number)) return number;
  let seconds = 0;
  for (const [, amount, unit = ""] of text.matchAll(/(\d+)(ms|[smhdwy])/g)) seconds += Number(amount) * (units[unit] ?? NaN);
  return seconds;
}

const escapes: Record<string, string> = { n: "\n", t: "\t", r: "\r", a: "\x07", b: "\b", f: "\f", v: "\v" };

function unquoted(node: SyntaxNode, text: string): string {
  const quoted = source(node, text);
  const inner = quoted.slice(1, -1);
  if (quoted.startsWith("`")) return inner;
  return inner.replace(/\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([\s\S]))/g, (_all, byte?: string, unit?: string, char?: string) => {
    if (char === undefined) return String.fromCodePoint(Number.parseInt(byte ?? unit ?? "0", 16));
    const escaped = escapes[char] ?? (/[\\'"]/.test(char) ? char : undefined);
    if (escaped === undefined) throw new QueryError(`${position(text, node.from)}: parse error: unknown escape sequence U+${char.codePointAt(0)?.toString(16)}`);
    return escaped;
  });
}

function children(node: SyntaxNode | undefined): SyntaxNode[] {
  const found: SyntaxNode[] = [];
  for (let child = node?.firstChild ?? null; child !== null; child = child.nextSibling) if (child.name !== "LineComment") found.push(child);
  return found;
}

function only(node: SyntaxNode, text: string): SyntaxNode {
  const [child] = children(node);
  if (child === undefined) throw unsupported(node, text);
  return child;
}

const source = (node: SyntaxNode, text: string): string => text.slice(node.from, node.to);

const isAggregation = (name: string): name is Aggregation => aggregations.includes(name);

const isBinaryOperator = (name: string): name is BinaryOperator => binaryOperators.includes(name);

function unsupported(node: SyntaxNode, text: string): QueryError {
  return new QueryError(`${position(text, node.from)}: not supported by the sandbox: ${source(node, text)}`);
}

function position(text: string, offset: number): string {
  const lines = text.slice(0, offset).split("\n");
  return `${lines.length}:${(lines.at(-1)?.length ?? 0) + 1}`;
}
