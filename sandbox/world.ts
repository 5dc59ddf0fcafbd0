// What surrounds the sandbox's Kubernetes API? Controllers and pods, the mesh and Prometheus, started together on one
// store, one clock and one source of chance. After stop it must hold no socket, no timer and no process.
import type { Clock, Random } from "./api/types.ts";
import { roundRobin } from "./mesh/balancer.ts";
import { installMeshDefinitions } from "./mesh/definitions.ts";
import type { MeshRequest } from "./mesh/match.ts";
import { startProxy } from "./mesh/proxy.ts";
import { simulateRequest } from "./mesh/simulated.ts";
import type { MeshPorts, SimulatedAnswer } from "./mesh/simulated.ts";
import { telemetry } from "./mesh/telemetry.ts";
import type { Reporter, RequestCounts, RequestRecord } from "./mesh/telemetry.ts";
import { followMesh } from "./mesh/view.ts";
import type { MeshView } from "./mesh/view.ts";
import type { PrometheusFaults } from "./prometheus/api.ts";
import { evaluateQuery } from "./prometheus/evaluate.ts";
import { scrapeRegularly, startPrometheus } from "./prometheus/start.ts";
import type { Value } from "./prometheus/values.ts";
import type { PodStore } from "./workloads/objects.ts";
import { httpRuntime } from "./workloads/podserver.ts";
import { pretendedRuntime } from "./workloads/runtime.ts";
import { startWorkloads } from "./workloads/start.ts";

export interface WorldPorts {
  store: PodStore;
  clock: Clock;
  random: Random;
  /** "auto" prefers a real Prometheus from the PATH. */
  prometheus?: "auto" | "builtin";
  propagationDelayMs?: number;
  scrapeMs?: number;
  /** False while a simulated Prometheus collects nothing. */
  collects?: () => boolean;
  /** Who counts requests in Istio's metrics; the gateway and the sidecars when absent. */
  reporters?: readonly Reporter[];
  onFault?(key: string, fault: unknown): void;
}

/** What went through the mesh since the start, or since the last reset. */
export interface Requests {
  counts(): RequestCounts;
  reset(): void;
  subscribe(listener: (record: RequestRecord) => void): () => void;
}

export interface World {
  gatewayUrl: string;
  prometheusUrl: string;
  prometheusKind: "builtin" | "prometheus";
  requests: Requests;
  faults: { prometheus: PrometheusFaults };
  /** Its propagation delay may be changed at any time. */
  mesh: MeshView;
  stop(): Promise<void>;
}

export async function startWorld(ports: WorldPorts): Promise<World> {
  const { clock, random, store } = ports;
  const runtime = httpRuntime(clock, random);
  const mesh = meshOf(ports);
  const faults = { prometheus: {} };
  const proxy = await startProxy(mesh);
  const prometheus = await startPrometheus({
    series: mesh.telemetry.series, clock, faults: faults.prometheus, use: ports.prometheus ?? "auto", scrapeMs: ports.scrapeMs,
  });
  const workloads = startWorkloads({ store, clock, random, runtime, onFault: ports.onFault });
  return {
    gatewayUrl: proxy.url,
    prometheusUrl: prometheus.url,
    prometheusKind: prometheus.kind,
    requests: mesh.telemetry,
    faults,
    mesh: mesh.view,
    async stop() {
      workloads.stop();
      mesh.view.stop();
      await Promise.all([proxy.stop(), prometheus.stop(), runtime.close()]);
    },
  };
}

export interface SimulatedWorld {
  /** Sends a request through the mesh; it counts at once, whatever its duration. */
  send(request: Pick<MeshRequest, "host"> & Partial<MeshRequest>): SimulatedAnswer;
  /** @throws QueryError */
  query(promql: string, at?: number): Value;
  requests: Requests;
  mesh: MeshView;
  stop(): void;
}

/** The same world without sockets, for a virtual clock: it moves only when the clock does. */
export function simulateWorld(ports: WorldPorts): SimulatedWorld {
  const { clock, random, store } = ports;
  const runtime = pretendedRuntime(clock);
  const mesh = meshOf(ports);
  const { samples, stop } = scrapeRegularly(mesh.telemetry.series, clock, ports.scrapeMs, ports.collects);
  const workloads = startWorkloads({ store, clock, random, runtime, onFault: ports.onFault });
  return {
    send: (request) => simulateRequest({ method: "GET", path: "/", headers: {}, ...request }, mesh, runtime.accepts),
    query: (promql, at = clock.now()) => evaluateQuery(promql, samples, at),
    requests: mesh.telemetry,
    mesh: mesh.view,
    stop() {
      workloads.stop();
      mesh.view.stop();
      stop();
    },
  };
}

function meshOf({ store, clock, random, propagationDelayMs, reporters }: WorldPorts): MeshPorts {
  installMeshDefinitions(store);
  const view = followMesh(store, clock, propagationDelayMs);
  const counted = telemetry(reporters);
  view.onPodGone((namespace, pod) => counted.forgetPod(namespace, pod));
  return { view, balancer: roundRobin(), telemetry: counted, clock, random };
}
