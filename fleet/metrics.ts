// Which series does the fleet's /metrics show?
import { Counter, Gauge, Registry, collectDefaultMetrics } from "prom-client";

export interface FleetGauges {
  /** Memory, CPU and event loop of this process too. */
  process: boolean;
  queueDepth: () => number;
  /** Members by what ails them, `Ready` for nothing. */
  members: () => ReadonlyMap<string, number>;
}

export interface FleetRecorder {
  request(verb: string, resource: string, status: number): void;
  leading(leads: boolean): void;
}

export function createFleetRecorder(version: string, gauges: FleetGauges): { recorder: FleetRecorder; registry: Registry } {
  const registry = new Registry();
  const registers = [registry];
  if (gauges.process) collectDefaultMetrics({ register: registry });
  const gauge = (name: string, help: string, labelNames: string[], collect?: (this: Gauge) => void) => new Gauge({ name, help, labelNames, registers, ...(collect === undefined ? {} : { collect }) });
  gauge("kurator_rollout_fleet_build_info", "Version of the program and of Node", ["version", "node"]).set({ version, node: process.version }, 1);
  gauge("kurator_rollout_fleet_workqueue_depth", "Applications and Fleets that wait for a worker", [], function () {
    this.set(gauges.queueDepth());
  });
  gauge("kurator_rollout_fleet_members", "Member clusters by state", ["state"], function () {
    this.reset();
    for (const [state, count] of gauges.members()) this.set({ state }, count);
  });
  const requests = new Counter({ name: "kurator_rollout_fleet_api_requests_total", help: "Requests to the API servers of host and members", labelNames: ["verb", "resource", "code"], registers });
  const leader = gauge("kurator_rollout_fleet_leader", "1 while this process leads", []);
  leader.set(0);
  return { recorder: { request: (verb, resource, status) => requests.inc({ verb, resource, code: String(status) }), leading: (leads) => leader.set(leads ? 1 : 0) }, registry };
}
