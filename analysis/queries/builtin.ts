// Which metrics need no query of the user, and in which unit are they?
import type { Reporter } from "../../crds/status.ts";

export const BUILTIN_UNITS = { "request-success-rate": "%", "request-duration": "ms" } as const;

export type BuiltinName = keyof typeof BUILTIN_UNITS;

export interface BuiltinScope {
  namespace: string;
  target: string;
  /** The target is a Service: what is asked of is its copy, whatever workload stands behind it. */
  service?: boolean;
  /** PromQL duration, for example "1m". */
  interval: string;
  /** Whose metrics are read, where a mesh has several who count the same requests. */
  reporter: Reporter;
  /** The statuses of gRPC tell whether a request failed, beside those of HTTP. */
  grpc: boolean;
}

type Query = (scope: BuiltinScope) => string;

/** `request-count`: how many requests the window holds; asked for by analysis.minRequests and never by name. */
export interface BuiltinQueries extends Readonly<Record<BuiltinName | "request-count", Query>> {
  /** How many requests of the app, primary included, the reporter saw. Absent where there are no reporters to choose from. */
  readonly "reported-count"?: Query;
}

export function isBuiltin(name: string): name is BuiltinName {
  return Object.hasOwn(BUILTIN_UNITS, name);
}
