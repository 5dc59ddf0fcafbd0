// What does a traffic provider need beside the fields that all of them have? Pure: words of the Canary that are one provider's own, the Ingress of nginx, the marks on
// a namespace that give its pods a proxy, and what each of them cannot do.
import type { Rollout } from "../crds/application.ts";
import { defined, map, text, type Json } from "../crds/json.ts";
import type { Problem } from "../crds/problem.ts";
import type { KubeObject } from "../engine/ports.ts";

type Place = { namespace: string; name: string };

const INGRESS_VERSION = "networking.k8s.io/v1";
/** Those of Kuma that are made of requests; others have nothing to split. */
const KUMA_PROTOCOLS = ["http", "http2", "grpc"];
const KUMA_MESH = "kuma.io/mesh";

/** Fields of `spec.service`. Of those that an Ingress or Kuma has no word for nothing is said, as Kurator does. */
export function serviceWords(rollout: Rollout): Json {
  const { trafficRouting: routing = {} } = rollout.rolloutPolicy;
  const { primary, preview } = rollout;
  if (rollout.trafficRoutingProvider === "istio") {
    const { timeoutSeconds = 0, gateways, hosts, retries, headers, corsPolicy } = routing;
    return defined({ timeout: timeoutSeconds === 0 ? undefined : `${timeoutSeconds}s`, gateways, hosts, retries, headers, corsPolicy, primary, canary: preview });
  }
  if (rollout.trafficRoutingProvider === "nginx") return defined({ primary, canary: preview });
  const protocol = kumaProtocol(rollout);
  const told = { [`${rollout.port}.service.kuma.io/protocol`]: protocol };
  const annotated = (more: Rollout["primary"]): Json => defined({ ...more, annotations: { ...told, ...more?.annotations } });
  // Older ones read the annotation; MeshServices know what the port says, and nothing else.
  return { appProtocol: protocol, apex: { annotations: told }, primary: annotated(primary), canary: annotated(preview) };
}

/** Fields of the Canary's spec, beside its service. */
export function canaryWords(rollout: Rollout, place: Place): Json {
  return makesIngress(rollout) ? { ingressRef: { apiVersion: INGRESS_VERSION, kind: "Ingress", name: place.name } } : {};
}

export function canaryAnnotations({ trafficRoutingProvider, canarySpec }: Rollout): Record<string, string> | undefined {
  if (trafficRoutingProvider !== "kuma") return undefined;
  return { [KUMA_MESH]: text(map(map(map(canarySpec?.service).apex).labels)[KUMA_MESH]) ?? "default" };
}

/** One for each rollout: it leads to the app, and the engine makes another one beside it, which a shared one could have for one app alone. */
export function ingress(rollout: Rollout, { namespace, name }: Place): KubeObject[] {
  if (!makesIngress(rollout)) return [];
  const backend = { service: { name: rollout.serviceName, port: { number: rollout.port } } };
  const { host } = rollout.rolloutPolicy.trafficRouting ?? {};
  return [
    {
      apiVersion: INGRESS_VERSION,
      kind: "Ingress",
      metadata: { name, namespace, labels: { app: rollout.serviceName } },
      spec: { ingressClassName: "nginx", rules: [{ host, http: { paths: [{ path: "/", pathType: "Prefix", backend }] } }] },
    },
  ];
}

/** Whoever names an Ingress has one. */
function makesIngress({ trafficRoutingProvider, canarySpec }: Rollout): boolean {
  return trafficRoutingProvider === "nginx" && canarySpec?.ingressRef === undefined;
}

/** @param path of the rollout */
export function unfitForProvider(rollout: Rollout, path: string): Problem[] {
  const { trafficRouting: routing = {}, trafficAnalysis } = rollout.rolloutPolicy;
  const problems: Problem[] = [];
  const { host = "" } = routing;
  if (makesIngress(rollout)) {
    const where = `${path}.rolloutPolicy.trafficRouting.host`;
    if (host === "") problems.push({ reason: "InvalidSpec", path: where, message: "is missing; give the host that users of the nginx Ingress ask, or name an Ingress of your own in canarySpec.ingressRef" });
    else if (!isHost(host)) problems.push({ reason: "InvalidSpec", path: where, message: `${host} is no host; write a name in lower case such as app.example.com or *.example.com, without scheme, port and path` });
  }
  if (rollout.trafficRoutingProvider === "kuma" && !KUMA_PROTOCOLS.includes(kumaProtocol(rollout))) {
    problems.push({ reason: "Unsupported", path: `${path}.rolloutPolicy.trafficRouting.protocol`, message: `${kumaProtocol(rollout)} has no requests that Kuma could split; write ${KUMA_PROTOCOLS.join(", ")}, or nothing for http` });
  }
  if (rollout.trafficRoutingProvider !== "istio" && trafficAnalysis?.sessionAffinity !== undefined) {
    problems.push({ reason: "Unsupported", path: `${path}.rolloutPolicy.trafficAnalysis.sessionAffinity`, message: `${rollout.trafficRoutingProvider} cannot keep users at a version; remove it, or use istio` });
  }
  return problems;
}

function isHost(host: string): boolean {
  return host.length <= 253 && /^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(host);
}

function kumaProtocol({ rolloutPolicy: { trafficRouting } }: Rollout): string {
  const { protocol = "" } = trafficRouting ?? {};
  return protocol === "" ? "http" : protocol;
}

/** What of a namespace gives its pods a proxy. */
export interface Injection {
  /** Label of the namespace. */
  key: string;
  value: string;
  /** Other values that say the same. */
  alike: readonly string[];
  /** Another label in whose presence nothing has to be said. */
  instead?: string;
  /** The same as an annotation too, which older versions read. */
  annotated: boolean;
}

/** Undefined where traffic is led by no proxies beside the pods. */
export function injectionOf({ trafficRoutingProvider }: Rollout): Injection | undefined {
  switch (trafficRoutingProvider) {
    case "istio":
      return { key: "istio-injection", value: "enabled", alike: [], instead: "istio.io/rev", annotated: false };
    case "kuma":
      return { key: "kuma.io/sidecar-injection", value: "enabled", alike: ["true"], annotated: true };
    case "nginx":
      return undefined;
  }
}
