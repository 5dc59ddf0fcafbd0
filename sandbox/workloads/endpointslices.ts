// Which pods stand behind a Service? One EndpointSlice per Service with a selector, rewritten when they change.
// A terminating pod must never be listed as ready, whatever its readiness says.
import type { KubeObject, SandboxStore } from "../api/types.ts";
import { contentHash } from "./naming.ts";
import { endpointSlices, getAs, isPodReady, isTerminating, labelsMatch, listAs, ownerReference, pods, services, splitKey } from "./objects.ts";
import type { Pod, Service } from "./objects.ts";
import { updated } from "./write.ts";

export interface Endpoint {
  addresses: string[];
  conditions: { ready: boolean; serving: boolean; terminating: boolean };
  nodeName?: string;
  targetRef: { kind: "Pod"; namespace?: string; name: string; uid?: string };
}

export interface EndpointSlice extends KubeObject {
  addressType: "IPv4";
  endpoints: Endpoint[];
  ports: { name: string; port?: number; protocol: string; appProtocol?: string }[];
}

export const serviceNameLabel = "kubernetes.io/service-name";

export function syncEndpointSlice(key: string, store: SandboxStore): void {
  const [namespace, name] = splitKey(key);
  const service = getAs<Service>(store, services, namespace, name);
  if (service === undefined || isTerminating(service)) return;
  const existing = getAs<EndpointSlice>(store, endpointSlices, namespace, sliceName(service));
  const selector = service.spec.selector;
  if (selector === undefined || Object.keys(selector).length === 0) {
    if (existing !== undefined) store.delete(endpointSlices, namespace, existing.metadata.name);
    return;
  }
  const members = listAs<Pod>(store, pods, namespace).filter((pod) => labelsMatch(selector, pod.metadata.labels) && pod.status?.podIP !== undefined);
  const content = {
    endpoints: members.map((pod) => endpointOf(pod, service.spec.publishNotReadyAddresses === true)),
    ports: portsOf(service, members[0]),
  };
  if (existing === undefined) store.create(endpointSlices, sliceOf(service, content));
  else updated(store, endpointSlices, existing, { ...existing, ...content });
}

function sliceOf(service: Service, content: Pick<EndpointSlice, "endpoints" | "ports">): EndpointSlice {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: sliceName(service),
      namespace: service.metadata.namespace,
      labels: {
        ...service.metadata.labels,
        [serviceNameLabel]: service.metadata.name,
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
      },
      ownerReferences: [ownerReference(service)],
    },
    addressType: "IPv4",
    ...content,
  };
}

function sliceName(service: Service): string {
  return `${service.metadata.name}-${contentHash(service.metadata.uid ?? "", 5)}`;
}

function endpointOf(pod: Pod, always: boolean): Endpoint {
  const terminating = isTerminating(pod);
  const serving = isPodReady(pod);
  return {
    addresses: [pod.status?.podIP ?? ""],
    conditions: { ready: always || (serving && !terminating), serving, terminating },
    ...(pod.spec.nodeName === undefined ? {} : { nodeName: pod.spec.nodeName }),
    targetRef: { kind: "Pod", namespace: pod.metadata.namespace, name: pod.metadata.name, uid: pod.metadata.uid },
  };
}

/** As in a cluster the slice names the container's port; the port on this machine is in the pod's annotation. */
function portsOf({ spec }: Service, pod: Pod | undefined): EndpointSlice["ports"] {
  return (spec.ports ?? []).map(({ name = "", port, targetPort = port, protocol = "TCP", appProtocol }) => {
    const named = pod?.spec.containers.flatMap((container) => container.ports ?? []).find((each) => each.name === targetPort);
    const number = typeof targetPort === "number" ? targetPort : named?.containerPort;
    return { name, ...(number === undefined ? {} : { port: number }), protocol, ...(appProtocol === undefined ? {} : { appProtocol }) };
  });
}
