// Which metrics need no query of the user, and in which unit are they?
export const BUILTIN_UNITS = { "request-success-rate": "%", "request-duration": "ms" } as const;

export type BuiltinName = keyof typeof BUILTIN_UNITS;

export interface BuiltinScope {
  namespace: string;
  target: string;
  /** PromQL duration, for example "1m". */
  interval: string;
}

/** `request-count`: how many requests the window holds; asked for by analysis.minRequests and never by name. */
export type BuiltinQueries = Readonly<Record<BuiltinName | "request-count", (scope: BuiltinScope) => string>>;

export function isBuiltin(name: string): name is BuiltinName {
  return Object.hasOwn(BUILTIN_UNITS, name);
}
