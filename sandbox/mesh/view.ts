// What has the proxy heard so far? Follows the store as a mesh follows its control plane: each change arrives after the
// propagation delay, in order. It must never show a change early, which is what makes careless ordering visible.
import type { Clock, KubeObject, SandboxStore, StoreEvent } from "../api/types.ts";
import { behaviourOf, imageParts, type Behaviour } from "../workloads/behaviour.ts";
import type { EndpointSlice } from "../workloads/endpointslices.ts";
import { serviceNameLabel } from "../workloads/endpointslices.ts";
import { behaviourAnnotation, controllerOf, endpointSlices, hashLabel, keyOf, pods, portAnnotation, services } from "../workloads/objects.ts";
import type { Pod, Service } from "../workloads/objects.ts";
import type { MeshConfig, Upstream, VirtualService } from "./config.ts";
import { ingresses, routesOfIngresses } from "./ingresses.ts";
import { meshRoutes, routesOfMesh } from "./meshroutes.ts";

export const virtualServices = "virtualservices.networking.istio.io";
export const gateways = "gateways.networking.istio.io";

const followed = [virtualServices, ingresses, meshRoutes, gateways, services, endpointSlices, pods];

export interface MeshView {
  config(): MeshConfig;
  /** Milliseconds from a change of an object until the proxy acts by it. */
  propagationDelayMs: number;
  onPodGone(listener: (namespace: string, pod: string) => void): void;
  stop(): void;
}

export function followMesh(store: SandboxStore, clock: Clock, propagationDelayMs = 50): MeshView {
  const known = new Map(followed.map((resource) => [resource, new Map<string, KubeObject>()]));
  for (const [resource, objects] of known) for (const object of store.list(resource)) objects.set(keyOf(object), object);
  const pending: { event: StoreEvent; dueAt: number }[] = [];
  const goneListeners: ((namespace: string, pod: string) => void)[] = [];
  let config: MeshConfig | undefined;
  let cancel: (() => void) | undefined;

  const apply = ({ type, resource, object }: StoreEvent) => {
    const objects = known.get(resource);
    if (type === "DELETED") objects?.delete(keyOf(object));
    else objects?.set(keyOf(object), object);
    config = undefined;
    if (type === "DELETED" && resource === pods) for (const tell of goneListeners) tell(object.metadata.namespace ?? "", object.metadata.name);
  };
  const deliver = () => {
    cancel = undefined;
    for (let next = pending[0]; next !== undefined && next.dueAt <= clock.now(); next = pending[0]) {
      pending.shift();
      apply(next.event);
    }
    schedule();
  };
  const schedule = () => {
    const next = pending[0];
    if (next !== undefined) cancel ??= clock.after(Math.max(0, next.dueAt - clock.now()), deliver);
  };
  const view: MeshView = {
    propagationDelayMs,
    config: () => (config ??= configOf(known)),
    onPodGone: (listener) => void goneListeners.push(listener),
    stop() {
      unsubscribe();
      cancel?.();
      pending.length = 0;
    },
  };
  const unsubscribe = store.subscribe((event) => {
    if (!known.has(event.resource)) return;
    pending.push({ event, dueAt: Math.max(clock.now() + view.propagationDelayMs, pending.at(-1)?.dueAt ?? 0) });
    schedule();
  });
  return view;
}

function configOf(known: ReadonlyMap<string, ReadonlyMap<string, KubeObject>>): MeshConfig {
  const all = <T extends KubeObject>(resource: string) => [...(known.get(resource)?.values() ?? [])] as T[];
  const upstreams = new Map<string, Upstream[]>();
  for (const slice of all<EndpointSlice>(endpointSlices)) {
    const key = `${slice.metadata.namespace ?? ""}/${slice.metadata.labels?.[serviceNameLabel] ?? ""}`;
    const ready = (slice.endpoints ?? []).filter((endpoint) => endpoint.conditions.ready).flatMap(({ targetRef }) => {
      const pod = known.get(pods)?.get(`${targetRef.namespace ?? ""}/${targetRef.name}`) as Pod | undefined;
      const upstream = pod?.metadata.uid === targetRef.uid && pod !== undefined ? upstreamOf(pod) : undefined;
      return upstream === undefined ? [] : [upstream];
    });
    upstreams.set(key, [...(upstreams.get(key) ?? []), ...ready]);
  }
  return {
    virtualServices: [...all<VirtualService>(virtualServices), ...routesOfIngresses(all(ingresses)), ...routesOfMesh(all(meshRoutes))].sort(byAge),
    gateways: new Set(all(gateways).map(keyOf)),
    services: new Map(all<Service>(services).map((service) => [keyOf(service), service])),
    upstreams,
  };
}

function upstreamOf(pod: Pod): Upstream | undefined {
  const { namespace = "", name, uid = "", labels, annotations } = pod.metadata;
  const port = Number(annotations?.[portAnnotation]);
  if (!Number.isInteger(port)) return undefined;
  return {
    namespace,
    pod: name,
    uid,
    port,
    workload: workloadOf(pod),
    app: labels?.app ?? "unknown",
    versionLabel: labels?.version ?? "unknown",
    version: imageParts(pod.spec.containers[0]?.image ?? "").tag,
    behaviour: annotations?.[behaviourAnnotation] === undefined ? behaviourOf(pod.spec) : (JSON.parse(annotations[behaviourAnnotation]) as Behaviour),
  };
}

/** The Deployment's name is its ReplicaSet's without the hash. */
function workloadOf(pod: Pod): string {
  const owner = controllerOf(pod)?.name ?? pod.metadata.name;
  const hash = pod.metadata.labels?.[hashLabel];
  return hash !== undefined && owner.endsWith(`-${hash}`) ? owner.slice(0, -hash.length - 1) : owner;
}

function byAge(a: KubeObject, b: KubeObject): number {
  const born = (object: KubeObject) => object.metadata.creationTimestamp ?? "";
  return born(a) < born(b) ? -1 : born(a) > born(b) ? 1 : keyOf(a) < keyOf(b) ? -1 : 1;
}
