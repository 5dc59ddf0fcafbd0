// What does the API server add to a Service, and which addresses and ports does it allocate? It must never hand out an
// address that another Service holds.
import { childOf, fallback, copyJson, numberOf, recordOf, recordsOf, textOf } from "./json.ts";
import type { JsonRecord } from "./json.ts";
import type { AdmissionContext } from "./resource-type.ts";
import type { KubeObject } from "./types.ts";

const FIRST_NODE_PORT = 30_000;
/** 10.96.0.1 belongs to the API server's own Service. */
const FIRST_ADDRESS = 2;

export function completeService(object: KubeObject, context: AdmissionContext): void {
  const spec = childOf(object, "spec");
  const before = recordOf(context.old?.spec);
  fallback(spec, "sessionAffinity", "None");
  fallback(spec, "type", "ClusterIP");
  for (const port of recordsOf(spec.ports)) {
    fallback(port, "protocol", "TCP");
    if (port.targetPort === undefined || port.targetPort === "" || port.targetPort === 0) port.targetPort = port.port;
  }
  fallback(object, "status", { loadBalancer: {} });
  if (spec.type === "ExternalName") {
    for (const field of ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"]) delete spec[field];
    return;
  }
  fallback(spec, "internalTrafficPolicy", "Cluster");
  keepAddress(spec, before);
  if (spec.clusterIP === undefined || spec.clusterIP === "") spec.clusterIP = freeAddress(context);
  fallback(spec, "clusterIPs", [spec.clusterIP]);
  fallback(spec, "ipFamilies", ["IPv4"]);
  fallback(spec, "ipFamilyPolicy", "SingleStack");
  const isPublic = spec.type === "NodePort" || spec.type === "LoadBalancer";
  if (isPublic) {
    fallback(spec, "externalTrafficPolicy", "Cluster");
    if (spec.type === "LoadBalancer") fallback(spec, "allocateLoadBalancerNodePorts", true);
    allocateNodePorts(spec, before, context);
  }
}

/** An update that leaves the allocated fields out keeps what was allocated. */
function keepAddress(spec: JsonRecord, before: JsonRecord): void {
  if (before.type === "ExternalName" || before.clusterIP === undefined) return;
  if (spec.clusterIP === undefined || spec.clusterIP === "") {
    spec.clusterIP = before.clusterIP;
    fallback(spec, "clusterIPs", copyJson(before.clusterIPs));
  }
}

function freeAddress(context: AdmissionContext): string {
  const taken = new Set(context.list("services").map((service) => textOf(recordOf(service.spec).clusterIP)));
  for (let host = FIRST_ADDRESS; host < 65_536; host += 1) {
    const address = `10.96.${host >> 8}.${host & 255}`;
    if (!taken.has(address)) return address;
  }
  throw new Error("the service range 10.96.0.0/16 is full");
}

function allocateNodePorts(spec: JsonRecord, before: JsonRecord, context: AdmissionContext): void {
  const taken = new Set(context.list("services").flatMap((service) => recordsOf(recordOf(service.spec).ports).map((port) => numberOf(port.nodePort))));
  const earlier = recordsOf(before.ports);
  let candidate = FIRST_NODE_PORT;
  for (const port of recordsOf(spec.ports)) {
    if (numberOf(port.nodePort) !== undefined && port.nodePort !== 0) continue;
    const kept = earlier.find((other) => other.port === port.port && other.protocol === port.protocol)?.nodePort;
    while (kept === undefined && taken.has(candidate)) candidate += 1;
    port.nodePort = kept ?? candidate;
    taken.add(numberOf(port.nodePort));
  }
}
