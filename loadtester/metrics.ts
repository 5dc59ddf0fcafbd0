// Which series does the load tester show? Its tasks and how they ended, the requests that it sent, and its gates.
import { collectDefaultMetrics, Counter, Gauge, Registry } from "prom-client";
import { KINDS, type Gates } from "./gates.ts";

export interface Series {
  registry: Registry;
  ended: (type: string, how: string) => void;
  answered: (code: string) => void;
}

export function createSeries(version: string, running: () => number, gates: Pick<Gates, "count">, ofProcess: boolean): Series {
  const registry = new Registry();
  const registers = [registry];
  if (ofProcess) collectDefaultMetrics({ register: registry });
  new Gauge({ name: "kurator_loadtester_build_info", help: "Version of the load tester and of Node", labelNames: ["version", "node"], registers }).set({ version, node: process.version }, 1);
  new Gauge({
    name: "kurator_loadtester_tasks_running",
    help: "Tasks that run",
    registers,
    collect() {
      this.set(running());
    },
  });
  new Gauge({
    name: "kurator_loadtester_open",
    help: "Gates and rollbacks that are open",
    labelNames: ["kind"],
    registers,
    collect() {
      for (const kind of KINDS) this.set({ kind }, gates.count(kind));
    },
  });
  const tasks = new Counter({ name: "kurator_loadtester_tasks_total", help: "Tasks that ended, by type and how", labelNames: ["type", "how"], registers });
  const requests = new Counter({ name: "kurator_loadtester_requests_total", help: "Requests of the load generator, by status or by what kept an answer away", labelNames: ["code"], registers });
  return {
    registry,
    ended: (type, how) => tasks.inc({ type, how }),
    answered: (code) => requests.inc({ code }),
  };
}
