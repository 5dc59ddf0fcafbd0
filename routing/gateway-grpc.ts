// How are the same words said in a GRPCRoute? It knows services and methods in place of paths, and neither rewriting nor time-outs.
import type { CanarySpec } from "../crds/canary.ts";
import { defined, list, map, text, type Json } from "../crds/json.ts";
import type { Problem } from "../crds/problem.ts";
import { filtersOf, GROUP, headersOf, unsaid, unsayable, type RouteKind } from "./gateway-rules.ts";

const SAYABLE = new Set(["uri", "headers", "name"]);
/** "/package.Service/Method", or less of it. */
const PATH = /^\/(?:(?<service>[\w.]+)(?:\/(?<method>\w+)?)?)?$/;

export const GRPC_ROUTE: RouteKind = {
  resource: { group: GROUP, version: "v1", plural: "grpcroutes", kind: "GRPCRoute" },
  ruleOf: ({ service }) => defined({ matches: matchesOf(list(service?.match).map(map)), ...filters({ service }) }),
  unsayableChoice: ({ analysis }) => list(analysis?.match).flatMap((match, index) => conditions(map(match), `spec.analysis.match[${index}]`)),
  unsayableService,
};

function filters({ service }: Pick<CanarySpec, "service">): Json {
  const said = filtersOf({ headers: service?.headers, mirror: service?.mirror });
  return said.length === 0 ? {} : { filters: said };
}

/** Undefined for all requests. */
function matchesOf(conditions: readonly Json[]): Json[] | undefined {
  return conditions.length === 0 ? undefined : conditions.map((one) => defined({ method: methodOf(map(one.uri)), headers: headersOf(one.headers) }));
}

function methodOf(uri: Json): Json | undefined {
  const { service, method } = PATH.exec(text(uri.exact) ?? text(uri.prefix) ?? "/")?.groups ?? {};
  return service === undefined ? undefined : defined({ type: "Exact", service, method });
}

function unsayableService({ service }: CanarySpec): Problem[] {
  const words = (["rewrite", "timeout", "backendTimeout", "corsPolicy"] as const).filter((word) => service?.[word] !== undefined);
  return [
    ...list(service?.match).flatMap((match, index) => conditions(map(match), `spec.service.match[${index}]`)),
    ...words.map((word) => unsaid(`spec.service.${word}`, `A GRPCRoute knows no ${word}. Remove it, or service.appProtocol: an HTTPRoute carries gRPC too.`)),
  ];
}

function conditions(match: Json, path: string): Problem[] {
  const problems = unsayable(match, path, { kind: "GRPCRoute", words: SAYABLE });
  const [exact, prefix] = [text(map(match.uri).exact), text(map(match.uri).prefix)];
  const whole = exact !== undefined && PATH.exec(exact)?.groups?.method !== undefined;
  // A prefix that ends within a name would match more than the name.
  const part = prefix !== undefined && PATH.test(prefix) && prefix.endsWith("/");
  if (match.uri === undefined || whole || part) return problems;
  return [...problems, unsaid(`${path}.uri`, `A GRPCRoute matches services and methods. Write exact "/package.Service/Method" or prefix "/package.Service/".`)];
}
