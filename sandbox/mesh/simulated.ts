// What would the mesh answer, without a socket? Route, pod and behaviour in one pure step, counted as if it had
// happened: for simulated days. It must never differ from the proxy in where a request goes.
import type { Clock, Random } from "../api/types.ts";
import { answer } from "../workloads/behaviour.ts";
import type { Balancer } from "./balancer.ts";
import type { MeshRequest } from "./match.ts";
import { pickRoute } from "./pickroute.ts";
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

export function simulateRequest(request: MeshRequest, { view, balancer, telemetry, clock, random }: MeshPorts): SimulatedAnswer {
  const config = view.config();
  const decision = pickRoute(request, config, random);
  const common = { at: clock.now(), method: request.method, host: request.host, path: request.path, target: decision?.target };
  if (decision === undefined) {
    telemetry.record({ ...common, durationMs: 0, status: 404, flags: "NR", mirrored: false });
    return { status: 404, durationMs: 0 };
  }
  const ask = (target: typeof decision.target, mirrored: boolean): SimulatedAnswer => {
    const upstream = balancer.pick(target, config, new Set());
    if (upstream === undefined) {
      telemetry.record({ ...common, target, durationMs: 0, status: 503, flags: "UH", mirrored });
      return { status: 503, durationMs: 0 };
    }
    const reply = answer(upstream.behaviour, upstream, { method: request.method, path: decision.path }, random);
    const late = decision.timeoutMs !== undefined && reply.delayMs > decision.timeoutMs;
    const durationMs = late ? decision.timeoutMs ?? 0 : reply.delayMs;
    const status = late ? 504 : reply.status;
    telemetry.record({ ...common, target, upstream, durationMs, status, flags: late ? "UT" : "-", mirrored });
    return { status, durationMs, version: upstream.version, pod: upstream.pod };
  };
  if (decision.mirror !== undefined) ask(decision.mirror, true);
  return ask(decision.target, false);
}
