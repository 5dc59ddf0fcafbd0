// The load tester, put together: gates, tasks and the listener. It ends what it runs before it ends itself.
import type { Clock, Log } from "../engine/ports.ts";
import { commandEnvironment } from "./command.ts";
import { loadGates } from "./gates.ts";
import { createSeries } from "./metrics.ts";
import { createPerform } from "./perform.ts";
import { listen } from "./server.ts";
import { createTasks } from "./tasks.ts";
import { createGuard } from "./token.ts";

export interface LoadTesterOptions {
  port: number;
  host?: string;
  /** Bound of every task. */
  timeoutMs: number;
  /** Namespaces whose canaries may ask. */
  namespaces: RegExp;
  /** Bearer tokens, one a line; everybody may ask when absent. */
  tokenFile: string | undefined;
  /** Where gates are kept over a restart; in memory alone when absent. */
  stateDirectory: string | undefined;
  /** Tasks that run at one time. */
  concurrency: number;
  /** Where commands run. */
  directory: string;
  environment: Readonly<Record<string, string | undefined>>;
  version: string;
  /** Series of the process too; they hold timers of their own. */
  processMetrics: boolean;
  clock: Clock;
  log: Log;
  signal: AbortSignal;
  /** Told once, when requests are taken. */
  listening?: (port: number) => void;
}

/** Resolves when the signal was given and all has ended. */
export async function runLoadTester(options: LoadTesterOptions): Promise<void> {
  const { port, host, timeoutMs, namespaces, clock, log, signal } = options;
  const gates = await loadGates(options.stateDirectory, log);
  const tasks = createTasks(options.concurrency, clock);
  const series = createSeries(options.version, () => tasks.running, gates, options.processMetrics);
  const perform = createPerform({
    tasks,
    clock,
    log,
    environment: commandEnvironment(options.environment),
    directory: options.directory,
    timeoutMs,
    ended: series.ended,
    answered: (answer) => series.answered("status" in answer ? String(answer.status) : answer.fault),
  });
  const listener = await listen(port, host, { gates, guard: createGuard(options.tokenFile, log), namespaces, perform, metrics: () => series.registry.metrics(), clock, log });
  log.info({ port: listener.port, version: options.version, gatesKept: options.stateDirectory !== undefined, guarded: options.tokenFile !== undefined }, "started");
  options.listening?.(listener.port);
  if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  log.info({ running: tasks.running }, "ending");
  // Callers who wait hear why their task ended.
  await tasks.stop();
  await listener.close();
}
