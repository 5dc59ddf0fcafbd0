// Where does Kuma send who calls a MeshService? The rules of MeshHTTPRoutes, in the words of a VirtualService for the Service of that name.
import { list, map, number, text, type Json } from "../../crds/json.ts";
import type { KubeObject } from "../api/types.ts";
import type { Destination, HttpMatch, HttpRoute, StringMatch, VirtualService } from "./config.ts";

export const meshRoutes = "meshhttproutes.kuma.io";

const domain = "svc.cluster.local";

export function routesOfMesh(objects: readonly KubeObject[]): VirtualService[] {
  return objects.flatMap((object) =>
    list(map(object.spec).to).map(map).flatMap((entry): VirtualService[] => {
      const { namespace = "" } = object.metadata;
      const target = map(entry.targetRef);
      if (target.kind !== "MeshService") return [];
      const host = `${text(target.name) ?? ""}.${text(target.namespace) ?? namespace}.${domain}`;
      return [{ apiVersion: "networking.istio.io/v1", kind: "VirtualService", metadata: object.metadata, spec: { hosts: [host], gateways: ["mesh"], http: list(entry.rules).map(map).map((rule) => routeOf(rule, namespace)) } }];
    }),
  );
}

function routeOf({ matches, default: told }: Json, namespace: string): HttpRoute {
  const { backendRefs, filters } = map(told);
  const mirrored = list(filters).map(map).find(({ type }) => type === "RequestMirror")?.requestMirror;
  return {
    match: list(matches).map(map).map(matchOf),
    route: list(backendRefs).map(map).map((ref) => ({ destination: destinationOf(ref, namespace), weight: number(ref.weight) ?? 1 })),
    ...(mirrored === undefined ? {} : { mirror: destinationOf(map(map(mirrored).backendRef), namespace) }),
  };
}

function matchOf({ path, method, headers, queryParams }: Json): HttpMatch {
  const named = (conditions: unknown): Record<string, StringMatch> => Object.fromEntries(list(conditions).map(map).map((one) => [text(one.name) ?? "", valueOf(one)]));
  return { ...(path === undefined ? {} : { uri: valueOf(map(path)) }), ...(text(method) === undefined ? {} : { method: { exact: text(method) } }), headers: named(headers), queryParams: named(queryParams) };
}

function valueOf({ type, value }: Json): StringMatch {
  const said = text(value) ?? "";
  if (type === "PathPrefix") return { prefix: said };
  return type === "RegularExpression" ? { regex: said } : { exact: said };
}

function destinationOf({ name, namespace, port }: Json, own: string): Destination {
  const wanted = number(port);
  return { host: `${text(name) ?? ""}.${text(namespace) ?? own}.${domain}`, ...(wanted === undefined ? {} : { port: { number: wanted } }) };
}
