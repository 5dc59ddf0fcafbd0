// Which ports do the Services of an app have? The one the Canary names, those found on its containers if asked, and those of an adopted Service.
// The order is that of the manifests, so that rendering twice gives the same.
import type { CanarySpec } from "../../crds/canary.ts";
import { defined, list, map, number, text, type Json } from "../../crds/json.ts";

type Service = NonNullable<CanarySpec["service"]>;

/** Containers that meshes inject: their ports are none of the app's. */
const SIDECARS = new Set(["istio-proxy", "envoy"]);
const MAX_PORT_NAME = 63;

export interface PortSources {
  service: Service;
  /** Pod template of the target, for `portDiscovery`. */
  template: Json;
  /** Ports as they are on the live Service. */
  found: readonly Json[];
  /** Ports that an adopted Service had before; those that nothing rendered replaces stay, so that no client is cut off. */
  original: readonly Json[];
}

export function servicePorts(sources: PortSources): Json[] {
  const { service, template, original } = sources;
  const ports: Json[] = [namedPort(service)];
  if (service.portDiscovery === true) {
    for (const port of discovered(service, template)) addPort(ports, port);
  }
  for (const port of original) {
    if (!ports.some((taken) => replaces(taken, port))) addPort(ports, port);
  }
  return ports.map((port) => withAllocated(port, sources));
}

function namedPort(service: Service): Json {
  return defined({
    name: service.portName ?? "http",
    protocol: "TCP",
    port: service.port,
    targetPort: targetPort(service),
    appProtocol: service.appProtocol,
  });
}

function targetPort(service: Service): number | string {
  const wanted = service.targetPort;
  return wanted === undefined || String(wanted) === "0" || wanted === "" ? service.port : wanted;
}

function discovered(service: Service, template: Json): Json[] {
  const main = targetPort(service);
  const ports: Json[] = [];
  for (const entry of list(map(template.spec).containers)) {
    const container = map(entry);
    if (SIDECARS.has(text(container.name) ?? "")) continue;
    list(container.ports).forEach((declared, index) => {
      const port = map(declared);
      const containerPort = number(port.containerPort);
      if (containerPort === undefined || containerPort === main || (text(port.name) !== undefined && port.name === main)) return;
      const fallback = `tcp-${text(container.name) ?? ""}-${index}`.slice(0, MAX_PORT_NAME);
      ports.push({ name: text(port.name) ?? fallback, protocol: text(port.protocol) ?? "TCP", port: containerPort, targetPort: containerPort });
    });
  }
  return ports;
}

/** Leaves out what is there already, and gives a free name: a Service with two ports needs two names. */
function addPort(ports: Json[], port: Json): void {
  if (ports.some((taken) => samePort(taken, port))) return;
  const name = text(port.name);
  const free = name !== undefined && !ports.some((taken) => taken.name === name) ? name : `${protocolOf(port).toLowerCase()}-${String(port.port)}`;
  ports.push({ ...port, name: free });
}

/** nodePort stays what the API server gave; on an adopted Service a protocol hint that somebody set stays too. */
function withAllocated(port: Json, { found, original }: PortSources): Json {
  const live = found.find((entry) => entry.name === port.name) ?? found.find((entry) => samePort(entry, port));
  const before = original.find((entry) => replaces(port, entry));
  return defined({ ...port, appProtocol: port.appProtocol ?? before?.appProtocol, nodePort: live?.nodePort });
}

function replaces(rendered: Json, before: Json): boolean {
  return (before.name !== undefined && rendered.name === before.name) || samePort(rendered, before);
}

function samePort(a: Json, b: Json): boolean {
  return a.port === b.port && protocolOf(a) === protocolOf(b);
}

function protocolOf(port: Json): string {
  return text(port.protocol) ?? "TCP";
}
