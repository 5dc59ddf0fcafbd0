// Where does ingress-nginx send the requests for a host? Its Ingresses, each with the one beside it whose annotations lead a share of the requests, or those of some
// users, elsewhere, in the words of a VirtualService. An Ingress of another class is somebody else's.
import { list, map, number, text, type Json } from "../../crds/json.ts";
import type { KubeObject } from "../api/types.ts";
import type { Destination, HttpMatch, HttpRoute, StringMatch, VirtualService } from "./config.ts";

export const ingresses = "ingresses.networking.k8s.io";

const prefix = "nginx.ingress.kubernetes.io/canary";

export function routesOfIngresses(objects: readonly KubeObject[]): VirtualService[] {
  const own = objects.filter(({ spec, metadata }) => (text(map(spec).ingressClassName) ?? metadata.annotations?.["kubernetes.io/ingress.class"]) === "nginx");
  const canaries = own.filter(isCanary);
  return own.filter((object) => !isCanary(object)).flatMap((object) =>
    list(map(object.spec).rules).map(map).map((rule): VirtualService => {
      const { namespace } = object.metadata;
      const host = text(rule.host) ?? "*";
      const http = pathsOf(rule).flatMap((path) => routesOf(path, canaries.filter((one) => one.metadata.namespace === namespace).flatMap((one) => beside(one, host, path))));
      return { apiVersion: "networking.istio.io/v1", kind: "VirtualService", metadata: object.metadata, spec: { hosts: [host], http } };
    }),
  );
}

function isCanary({ metadata }: KubeObject): boolean {
  return metadata.annotations?.[prefix] === "true";
}

/** The most specific first, as in nginx. */
function pathsOf(rule: Json): Json[] {
  const rank = ({ path, pathType }: Json): number => (pathType === "Exact" ? 10_000 : 0) + (text(path) ?? "").length;
  return list(map(rule.http).paths).map(map).sort((left, right) => rank(right) - rank(left));
}

interface Beside {
  annotations: Record<string, string>;
  destination: Destination;
}

/** Of the Ingress that is beside it, the backend for the very same host and path. */
function beside({ metadata, spec }: KubeObject, host: string, path: Json): Beside[] {
  const same = list(map(spec).rules).map(map).filter((rule) => (text(rule.host) ?? "*") === host).flatMap(pathsOf).find((one) => one.path === path.path);
  const destination = same === undefined ? undefined : destinationOf(same);
  return destination === undefined ? [] : [{ annotations: metadata.annotations ?? {}, destination }];
}

/** A header goes before a cookie, and both before the weight. */
function routesOf(path: Json, [canary]: readonly Beside[]): HttpRoute[] {
  const main = destinationOf(path);
  if (main === undefined) return [];
  const matches = matchesOf(path);
  if (canary === undefined) return [{ match: matches, route: [{ destination: main }] }];
  const { annotations, destination } = canary;
  const to = (match: StringMatch, header: string, where: Destination): HttpRoute => ({ match: matches.map((one) => ({ ...one, headers: { [header]: match } })), route: [{ destination: where }] });
  const { [`${prefix}-by-header`]: header, [`${prefix}-by-header-value`]: value, [`${prefix}-by-header-pattern`]: pattern, [`${prefix}-by-cookie`]: cookie } = annotations;
  const byHeader = ((): HttpRoute[] => {
    if (header === undefined) return [];
    if (value !== undefined) return [to({ exact: value }, header, destination)];
    if (pattern !== undefined) return [to({ regex: `.*(?:${pattern}).*` }, header, destination)];
    return [to({ exact: "always" }, header, destination), to({ exact: "never" }, header, main)];
  })();
  const said = (word: string): StringMatch => ({ regex: `(.*;\\s*)?${(cookie ?? "").replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}=${word}(;.*)?` });
  const byCookie = cookie === undefined ? [] : [to(said("always"), "cookie", destination), to(said("never"), "cookie", main)];
  const weight = Number(annotations[`${prefix}-weight`] ?? "0");
  return [...byHeader, ...byCookie, { match: matches, route: [{ destination: main, weight: 100 - weight }, { destination, weight }] }];
}

function matchesOf({ path, pathType }: Json): HttpMatch[] {
  const uri = text(path) ?? "/";
  if (pathType === "Exact") return [{ uri: { exact: uri } }];
  // Whole segments: /api is not /apis.
  if (pathType === "Prefix" && uri !== "/") return [{ uri: { exact: uri } }, { uri: { prefix: uri.endsWith("/") ? uri : `${uri}/` } }];
  return [{ uri: { prefix: uri } }];
}

function destinationOf(path: Json): Destination | undefined {
  const service = map(map(path.backend).service);
  const host = text(service.name);
  const port = number(map(service.port).number);
  return host === undefined ? undefined : { host, ...(port === undefined ? {} : { port: { number: port } }) };
}
