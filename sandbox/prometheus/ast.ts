// What does a PromQL query consist of, as far as the sandbox evaluates it? Shapes only.

export interface Matcher {
  label: string;
  op: "=" | "!=" | "=~" | "!~";
  value: string;
}

export interface Selector {
  type: "selector";
  matchers: readonly Matcher[];
  /** As it was so long before. */
  offsetMs?: number;
}

export type Aggregation = "sum" | "avg" | "min" | "max" | "count";

export type BinaryOperator =
  | "+" | "-" | "*" | "/" | "%" | "^"
  | "==" | "!=" | ">" | "<" | ">=" | "<="
  | "and" | "or" | "unless";

export interface Matching {
  on: boolean;
  labels: readonly string[];
}

export type Expr =
  | { type: "number"; value: number }
  | { type: "string"; value: string }
  | Selector
  | { type: "range"; selector: Selector; rangeMs: number }
  | { type: "call"; name: string; args: readonly Expr[] }
  | { type: "aggregate"; op: Aggregation; grouping: { by: boolean; labels: readonly string[] }; expr: Expr }
  | { type: "binary"; op: BinaryOperator; bool: boolean; matching: Matching; left: Expr; right: Expr }
  | { type: "negate"; expr: Expr };

/** A query that is refused (bad_data) or that cannot be computed on this data (execution). */
export class QueryError extends Error {
  readonly type: "bad_data" | "execution";

  constructor(message: string, type: "bad_data" | "execution" = "bad_data") {
    super(message);
    this.name = "QueryError";
    this.type = type;
  }
}
