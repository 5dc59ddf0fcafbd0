// Who works, and for how long? Runs the election, or leads at once where there is none.
import type { Leadership } from "../controller/context.ts";
import type { Clock, KubeApi, Log, Random } from "../ports.ts";
import { Election } from "./lease.ts";
import { aborted } from "./waiting.ts";

export interface Lease {
  namespace: string;
  name: string;
  leaseMs?: number;
  renewDeadlineMs?: number;
  retryMs?: number;
}

export interface Leading {
  api: KubeApi;
  clock: Clock;
  random: Random;
  log: Log;
  signal: AbortSignal;
  identity: string;
  /** Undefined runs without election. */
  lease: Lease | undefined;
  start: (leadership: Leadership) => void;
  /** Resolves when nothing is written any more. */
  stop: () => Promise<void>;
}

/** Returns when `signal` has aborted and `stop` has ended; before that the lease is given back. */
export async function leadOrRun({ api, clock, random, log, signal, identity, lease, start, stop }: Leading): Promise<void> {
  if (lease === undefined) {
    start({ epoch: undefined, mayWrite: () => !signal.aborted, superseded: () => undefined });
    await aborted(signal);
    await stop();
    return;
  }
  let stopping: Promise<void> = Promise.resolve();
  const election: Election = new Election({
    api, clock, random, log, ...lease, identity,
    onStarted: (epoch) => {
      const mine = (): boolean => election.epoch === epoch && election.mayWrite() && !signal.aborted;
      // What the last leadership left running has ended before the next one begins.
      void stopping.then(() => {
        // Lost again meanwhile: whoever started now would never be stopped.
        if (election.epoch === epoch && !signal.aborted) start({ epoch, mayWrite: mine, superseded: () => election.stepDown("a later leader has written") });
      });
    },
    onStopped: (why) => {
      log.warn({ why }, "no longer leading");
      stopping = stop();
    },
  });
  const ended = new AbortController();
  const electing = election.run(ended.signal);
  await aborted(signal);
  // Passes in flight end before the lease is given back, so that the next leader finds nobody writing.
  await stopping;
  await stop();
  ended.abort();
  await electing;
}
