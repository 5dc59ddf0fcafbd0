// What runs a pod's container? The port that the kubelet starts, drains and kills through, and the runtime that only
// pretends: no sockets, so that a simulated day costs seconds. It must never know a Kubernetes object.
import type { Clock } from "../api/types.ts";
import type { Behaviour, PodIdentity } from "./behaviour.ts";

export interface PodProcess {
  /** Takes no new request, finishes those in flight, then calls back once. */
  drain(done: () => void): void;
  /** Ends at once; requests in flight are cut off. */
  kill(): void;
}

export interface PodRuntime {
  /** Exactly one of the two callbacks is called, later, unless the process is killed before. */
  start(identity: PodIdentity, behaviour: Behaviour, listening: (port: number) => void, failed: (error: Error) => void): PodProcess;
  /** Resolves when nothing that it started holds a socket. */
  close(): Promise<void>;
}

const firstPretendedPort = 20_000;

export interface PretendedRuntime extends PodRuntime {
  /** Whether a connection to the pod would stand now. */
  accepts(uid: string): boolean;
}

export function pretendedRuntime(clock: Clock): PretendedRuntime {
  const listeners = new Set<string>();
  let port = firstPretendedPort;
  return {
    start({ uid }, _behaviour, listening) {
      port += 1;
      const own = port;
      const cancel = clock.after(0, () => {
        listeners.add(uid);
        listening(own);
      });
      const kill = () => {
        cancel();
        listeners.delete(uid);
      };
      return {
        drain(done) {
          kill();
          clock.after(0, done);
        },
        kill,
      };
    },
    close: () => Promise.resolve(),
    accepts: (uid) => listeners.has(uid),
  };
}
