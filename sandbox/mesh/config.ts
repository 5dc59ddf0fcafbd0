// What does the proxy know at one moment? The routes, Services and reachable pods that it was told of, and how host
// names are resolved among them. A snapshot; it must never reach back into the store.
import type { KubeObject } from "../api/types.ts";
import type { Service } from "../workloads/objects.ts";
import type { Behaviour } from "../workloads/behaviour.ts";

export interface StringMatch {
  exact?: string;
  prefix?: string;
  regex?: string;
}

export interface HttpMatch {
  uri?: StringMatch;
  ignoreUriCase?: boolean;
  method?: StringMatch;
  authority?: StringMatch;
  headers?: Record<string, StringMatch>;
  withoutHeaders?: Record<string, StringMatch>;
  queryParams?: Record<string, StringMatch>;
  sourceLabels?: Record<string, string>;
  gateways?: string[];
}

export interface Destination {
  host: string;
  port?: { number?: number };
}

export interface HeaderEdits {
  set?: Record<string, string>;
  add?: Record<string, string>;
  remove?: string[];
}

export interface HttpRoute {
  name?: string;
  match?: HttpMatch[];
  route?: { destination: Destination; weight?: number; headers?: { request?: HeaderEdits; response?: HeaderEdits } }[];
  delegate?: { name?: string; namespace?: string };
  rewrite?: { uri?: string };
  timeout?: string;
  retries?: { attempts?: number };
  mirror?: Destination;
  mirrorPercentage?: { value?: number };
  headers?: { request?: HeaderEdits; response?: HeaderEdits };
}

export interface VirtualService extends KubeObject {
  spec: { hosts?: string[]; gateways?: string[]; http?: HttpRoute[] };
}

/** A pod that takes requests. */
export interface Upstream {
  namespace: string;
  pod: string;
  uid: string;
  /** On loopback. */
  port: number;
  /** Name of the Deployment (or whatever else made the pod). */
  workload: string;
  app: string;
  /** The pod's label; the metrics carry it, so that they grow with what users label and not with every image. */
  versionLabel: string;
  /** The image's tag. */
  version: string;
  behaviour: Behaviour;
}

/** Keys are NAMESPACE/NAME. */
export interface MeshConfig {
  /** What was said in another product's words is among them. Oldest first. */
  virtualServices: readonly VirtualService[];
  gateways: ReadonlySet<string>;
  services: ReadonlyMap<string, Service>;
  /** The ready pods behind each Service. */
  upstreams: ReadonlyMap<string, readonly Upstream[]>;
}

export interface ServiceName {
  namespace: string;
  service: string;
}

const clusterDomain = ".svc.cluster.local";

/** A destination's or VirtualService's host: a short name belongs to the namespace of the object that wrote it. */
export function resolveHost(host: string, namespace: string): ServiceName | undefined {
  const [service = "", owner, ...rest] = host.split(".");
  if (owner === undefined) return { namespace, service };
  return ["", "svc", "svc.cluster.local"].includes(rest.join(".")) ? { namespace: owner, service } : undefined;
}

/** How specifically one of a VirtualService's hosts names the request's host; undefined where it does not. */
export function hostMatch(pattern: string, namespace: string, host: string): number | undefined {
  if (pattern === "*") return 0;
  if (pattern.startsWith("*.")) return host.endsWith(pattern.slice(1)) ? pattern.length : undefined;
  const exact = 1000 + pattern.length;
  if (pattern === host) return exact;
  const dot = host.indexOf(".");
  // Before anything is taken apart, because each request is compared with every host of every route, and few even begin like it.
  if (dot < 0 || !pattern.startsWith(host.slice(0, dot))) return undefined;
  const named = resolveHost(pattern, namespace);
  const asked = resolveHost(host, namespace);
  const full = ({ service, namespace: owner }: ServiceName) => `${service}.${owner}${clusterDomain}`;
  return named !== undefined && asked !== undefined && full(named) === full(asked) ? exact : undefined;
}
