// Known bugs, planted around the machine and never in it: the demo must notice each of them and end with 1.
import { next } from "../../engine/machine/next.ts";
import type { Transition } from "../../engine/machine/types.ts";
import type { CanaryStatus } from "../../crds/status.ts";

type Machine = typeof next;

export const SABOTAGES: Readonly<Record<string, { about: string; machine: Machine }>> = {
  "scale-before-route": {
    about: "pods of the canary go while the route still leads to them",
    machine: (canary, settings, seen) => {
      const decided = next(canary, settings, seen);
      const before = canary.status;
      const ends = decided.status.phase === "Failed" && before.phase === "Progressing";
      if (!ends || before.route === undefined) return decided;
      // The verdict is written with the old route, and the target is gone at once.
      return { ...decided, status: { ...decided.status, route: before.route, ...scaled(decided.status) } };
    },
  },
  "ignore-failed-checks": {
    about: "a check that failed counts as passed",
    machine: (canary, settings, seen) => {
      const answers = new Map([...seen.answers].map(([id, answer]) => [id, { ...answer, verdict: "pass" as const }]));
      return next(canary, settings, { ...seen, answers });
    },
  },
  "take-over-before-ready": {
    about: "the target goes to zero before the primary has a pod",
    machine: (canary, settings, seen) => {
      const decided: Transition = next(canary, settings, seen);
      if (decided.status.phase !== "Initializing" || decided.status.target === undefined) return decided;
      return { ...decided, status: { ...decided.status, ...scaled(decided.status) } };
    },
  },
};

function scaled(status: CanaryStatus): Pick<CanaryStatus, "target"> {
  return status.target === undefined ? {} : { target: { ...status.target, scale: "Zero", paused: false } };
}
