// Which pod of a Service takes the next request? Round robin over the ready ones, and on a further try another than
// those that failed. It must never send a request to a port that the Service does not have.
import type { MeshConfig, Upstream } from "./config.ts";
import type { Target } from "./pickroute.ts";

export interface Balancer {
  /** Undefined: no healthy upstream. */
  pick(target: Target, config: MeshConfig, tried: ReadonlySet<string>): Upstream | undefined;
}

export function roundRobin(): Balancer {
  const turns = new Map<string, number>();
  return {
    pick({ namespace, service, port }, config, tried) {
      const key = `${namespace}/${service}`;
      const ports = config.services.get(key)?.spec.ports ?? [];
      if (!config.services.has(key) || (port !== undefined && !ports.some((each) => each.port === port))) return undefined;
      const ready = config.upstreams.get(key) ?? [];
      const untried = ready.filter((upstream) => !tried.has(upstream.uid));
      const choices = untried.length > 0 ? untried : ready;
      const turn = turns.get(key) ?? 0;
      turns.set(key, turn + 1);
      return choices[turn % choices.length];
    },
  };
}
