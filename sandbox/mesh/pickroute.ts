// Where does a request go? Pure: the request, what the proxy knows, and chance for the weights. It must never guess
// a destination: what no route names is answered with 404.
import type { Random } from "../api/types.ts";
import { hostMatch, resolveHost } from "./config.ts";
import type { Destination, HeaderEdits, HttpMatch, HttpRoute, MeshConfig, ServiceName, VirtualService } from "./config.ts";
import { matchingOf } from "./match.ts";
import type { MeshRequest } from "./match.ts";

export interface Target extends ServiceName {
  port?: number;
}

export interface RouteDecision {
  target: Target;
  mirror?: Target;
  /** With rewrites applied. */
  path: string;
  timeoutMs?: number;
  /** Further tries after a connection that failed. */
  retries: number;
  requestHeaders: readonly HeaderEdits[];
  responseHeaders: readonly HeaderEdits[];
}

const defaultRetries = 2;
const longestDelegation = 2;

/** Undefined: no route, 404. */
export function pickRoute(request: MeshRequest, config: MeshConfig, random: Random): RouteDecision | undefined {
  const host = request.host.replace(/:\d+$/, "").toLowerCase();
  const asked = { ...request, host };
  const named = virtualServicesFor(host, config);
  if (named.length === 0) {
    const service = host.includes(".") ? resolveHost(host, "") : undefined;
    if (service === undefined || !config.services.has(keyOf(service))) return undefined;
    return { target: service, path: request.path, retries: defaultRetries, requestHeaders: [], responseHeaders: [] };
  }
  for (const virtualService of named) {
    const decision = firstRoute(virtualService, asked, config, random, longestDelegation);
    if (decision !== undefined) return decision;
  }
  return undefined;
}

/** All VirtualServices that name the host most specifically and are bound to a gateway that exists, or to the mesh. */
function virtualServicesFor(host: string, config: MeshConfig): VirtualService[] {
  const ranked = config.virtualServices.flatMap((virtualService) => {
    const namespace = virtualService.metadata.namespace ?? "";
    if (!isBound(virtualService, config)) return [];
    const ranks = (virtualService.spec.hosts ?? []).map((pattern) => hostMatch(pattern.toLowerCase(), namespace, host));
    const rank = Math.max(-1, ...ranks.map((each) => each ?? -1));
    return rank < 0 ? [] : [{ virtualService, rank }];
  });
  const best = Math.max(...ranked.map(({ rank }) => rank));
  return ranked.filter(({ rank }) => rank === best).map(({ virtualService }) => virtualService);
}

function isBound({ spec, metadata }: VirtualService, { gateways }: MeshConfig): boolean {
  const names = spec.gateways ?? [];
  return names.length === 0 || names.some((name) => name === "mesh" || gateways.has(name.includes("/") ? name : `${metadata.namespace ?? ""}/${name}`));
}

function firstRoute(virtualService: VirtualService, request: MeshRequest, config: MeshConfig, random: Random, depth: number): RouteDecision | undefined {
  const namespace = virtualService.metadata.namespace ?? "";
  for (const route of virtualService.spec.http ?? []) {
    const match = matchingOf(route, request);
    if (match === undefined) continue;
    if (route.delegate === undefined) return decide(route, match, request, namespace, random);
    const { name, namespace: owner = namespace } = route.delegate;
    const delegate = config.virtualServices.find(({ metadata }) => metadata.name === name && metadata.namespace === owner);
    const decision = delegate === undefined || depth === 0 ? undefined : firstRoute(delegate, request, config, random, depth - 1);
    if (decision !== undefined) return decision;
  }
  return undefined;
}

function decide(route: HttpRoute, match: HttpMatch | "always", request: MeshRequest, namespace: string, random: Random): RouteDecision | undefined {
  const chosen = weighted(route.route ?? [], random);
  const target = chosen === undefined ? undefined : targetOf(chosen.destination, namespace);
  if (chosen === undefined || target === undefined) return undefined;
  const mirrored = route.mirror !== undefined && random() * 100 < (route.mirrorPercentage?.value ?? 100);
  const timeoutMs = durationMs(route.timeout);
  return {
    target,
    ...(mirrored && route.mirror !== undefined ? { mirror: targetOf(route.mirror, namespace) } : {}),
    path: rewritten(request.path, route.rewrite?.uri, match),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    retries: route.retries?.attempts ?? defaultRetries,
    requestHeaders: [route.headers?.request, chosen.headers?.request].filter((edits) => edits !== undefined),
    responseHeaders: [route.headers?.response, chosen.headers?.response].filter((edits) => edits !== undefined),
  };
}

/** A single destination gets everything, whatever its weight says, as in Istio. */
function weighted<T extends { weight?: number }>(choices: readonly T[], random: Random): T | undefined {
  if (choices.length <= 1) return choices[0];
  const total = choices.reduce((sum, { weight = 0 }) => sum + weight, 0);
  let left = random() * total;
  for (const choice of choices) {
    left -= choice.weight ?? 0;
    if (left < 0) return choice;
  }
  return undefined;
}

function targetOf({ host, port }: Destination, namespace: string): Target | undefined {
  const service = resolveHost(host, namespace);
  return service === undefined ? undefined : { ...service, ...(port?.number === undefined ? {} : { port: port.number }) };
}

/** A prefix match gives up the prefix alone, any other the whole path; the query stays. */
function rewritten(path: string, uri: string | undefined, match: HttpMatch | "always"): string {
  if (uri === undefined) return path;
  const [before = "/", ...query] = path.split("?");
  const prefix = match === "always" ? "/" : match.uri?.prefix;
  const after = prefix === undefined ? uri : uri + before.slice(prefix.length);
  return [after.startsWith("/") ? after : `/${after}`, ...query].join("?");
}

const unitMs: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** "1.5s" or "1m30s"; undefined for none, and for 0, which turns a timeout off. */
function durationMs(text: string | undefined): number | undefined {
  let total = 0;
  for (const [, amount, unit = ""] of (text ?? "").matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) total += Number(amount) * (unitMs[unit] ?? 0);
  return total === 0 ? undefined : total;
}

const keyOf = ({ namespace, service }: ServiceName): string => `${namespace}/${service}`;
