// What would the mesh answer, without a socket? Route, pod and behaviour in one pure step, counted as if it had
// happened: for simulated days. It must never differ from the proxy in where a request goes.
import type { Clock, Random } from "../api/types.ts";
import { answer } from "../workloads/behaviour.ts";
import type { Balancer } from "./balancer.ts";
import type { MeshRequest } from "./match.ts";
import type { Upstream } from "./config.ts";
import { pickRoute } from "./pickroute.ts";
import type { Target } from "./pickroute.ts";
import type { Telemetry } from "./telemetry.ts";
import type { MeshView } from "./view.ts";

export interface MeshPorts {
  view: MeshView;
  balancer: Balancer;
  telemetry: Telemetry;
  clock: Clock;
  random: Random;
}

export interface SimulatedAnswer {
  status: number;
  durationMs: number;
  version?: string;
  pod?: string;
}

/** `accepts` says whether a connection to a pod would stand: a pod that left too early costs a retry, or the request. */
export function simulateRequest(request: MeshRequest, ports: MeshPorts, accepts: (uid: string) => boolean): SimulatedAnswer {
  const { view, telemetry, clock, random } = ports;
  const decision = pickRoute(request, view.config(), random);
  const common = { at: clock.now(), method: request.method, host: request.host, path: request.path, target: decision?.target };
  if (decision === undefined) {
    telemetry.record({ ...common, durationMs: 0, status: 404, flags: "NR", mirrored: false });
    return { status: 404, durationMs: 0 };
  }
  const ask = (target: Target, retries: number, mirrored: boolean): SimulatedAnswer => {
    const { upstream, connected } = connect(target, retries, ports, accepts);
    if (upstream === undefined || !connected) {
      telemetry.record({ ...common, target, upstream, durationMs: 0, status: 503, flags: upstream === undefined ? "UH" : "UF", mirrored });
      return { status: 503, durationMs: 0 };
    }
    const reply = answer(upstream.behaviour, upstream, { method: request.method, path: decision.path }, random);
    const late = decision.timeoutMs !== undefined && reply.delayMs > decision.timeoutMs;
    const durationMs = late ? decision.timeoutMs ?? 0 : reply.delayMs;
    const status = late ? 504 : reply.status;
    telemetry.record({ ...common, target, upstream, durationMs, status, flags: late ? "UT" : "-", mirrored });
    return { status, durationMs, version: upstream.version, pod: upstream.pod };
  };
  if (decision.mirror !== undefined) ask(decision.mirror, 0, true);
  return ask(decision.target, decision.retries, false);
}

function connect(target: Target, retries: number, { balancer, view }: MeshPorts, accepts: (uid: string) => boolean) {
  const tried = new Set<string>();
  let upstream: Upstream | undefined;
  for (let attempt = 0; attempt <= retries; attempt += 1) {
    upstream = balancer.pick(target, view.config(), tried);
    if (upstream === undefined || accepts(upstream.uid)) return { upstream, connected: upstream !== undefined };
    tried.add(upstream.uid);
  }
  return { upstream, connected: false };
}
