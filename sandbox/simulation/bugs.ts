// Known bugs, each planted around the part that it belongs to and never in it: what the machine is told, what it decided, or what reaches the API server.
// The simulation must notice every one of them, or it would not notice the like in the engine either.
import type { CanaryStatus, Verdict } from "../../crds/status.ts";
import type { Transport, TransportRequest } from "../../engine/adapters/transport.ts";
import type { next as machine } from "../../engine/machine/next.ts";
import type { CanaryView, Observation, Transition } from "../../engine/machine/types.ts";
import type { Settings } from "../../engine/machine/settings.ts";
import type { Planted } from "./life.ts";

type Machine = typeof machine;

export interface Bug extends Planted {
  about: string;
}

/** The machine is told something else than what was seen. */
function told(lie: (seen: Observation, canary: CanaryView) => Observation): Pick<Bug, "next"> {
  return { next: (plain): Machine => (canary, settings, seen) => plain(canary, settings, lie(seen, canary)) };
}

/** Something else is made of what it decided; the status before comes back unchanged where nothing was to be written. */
function made(change: (decided: CanaryStatus, before: CanaryStatus, settings: Settings) => CanaryStatus): Pick<Bug, "next"> {
  return {
    next: (plain): Machine => (canary, settings, seen): Transition => {
      const decided = plain(canary, settings, seen);
      return decided.status === canary.status ? decided : { ...decided, status: change(decided.status, canary.status, settings) };
    },
  };
}

function taken(from: Verdict, to: Verdict): Pick<Bug, "next"> {
  return told((seen) => ({ ...seen, answers: new Map([...seen.answers].map(([id, answer]) => [id, answer.verdict === from ? { ...answer, verdict: to } : answer])) }));
}

const atRest = ({ phase }: CanaryStatus): boolean => phase === "Succeeded" || phase === "Failed";
const scaled = (status: CanaryStatus, scale: "Up" | "Zero"): CanaryStatus => (status.target === undefined ? status : { ...status, target: { ...status.target, scale, paused: false } });
const weighed = (status: CanaryStatus, canaryWeight: number, primaryWeight = 100 - canaryWeight): CanaryStatus => (status.route === undefined ? status : { ...status, route: { ...status.route, canaryWeight, primaryWeight } });
const rose = (after: CanaryStatus, before: CanaryStatus): boolean => (after.route?.canaryWeight ?? 0) > (before.route?.canaryWeight ?? 0);

/** What goes to the API server is changed on its way. */
function sent(change: (request: TransportRequest) => TransportRequest): Pick<Bug, "transport"> {
  return { transport: (plain): Transport => ({ ...plain, request: (request) => plain.request(change(request)) }) };
}

const isStatus = ({ method, path }: TransportRequest): boolean => method === "PATCH" && path.includes("/canaries/") && path.endsWith("/status");

/** Says that a status was written, every third time, and keeps it to itself: what follows is then done without being remembered. */
function forgetful(plain: Transport): Transport {
  let count = 0;
  return {
    ...plain,
    async request(request) {
      if (!isStatus(request)) return plain.request(request);
      count += 1;
      if (count % 3 !== 0) return plain.request(request);
      const found = await plain.request({ ...request, method: "GET", path: request.path.replace(/\/status$/, ""), body: undefined });
      if (found.status !== 200) return found;
      const object = JSON.parse(found.body) as { status?: object };
      const { status } = JSON.parse(request.body ?? "{}") as { status?: object };
      return { ...found, body: JSON.stringify({ ...object, status: { ...object.status, ...status } }) };
    },
  };
}

export const BUGS: Readonly<Record<string, Bug>> = {
  "ignore-failed-check": { about: "a check that failed counts as passed", ...taken("fail", "pass") },
  "count-an-outage": { about: "a provider that does not answer counts as a failed check", ...taken("error", "fail") },
  "silence-passes": { about: "no data counts as a passed check", ...taken("inconclusive", "pass") },
  "outage-passes": { about: "a provider that does not answer counts as a passed check", ...taken("error", "pass") },
  "skip-readiness": { about: "a target that is not ready counts as ready", ...told((seen) => (seen.target === undefined ? seen : { ...seen, target: { ...seen.target, readiness: { ready: true } } })) },
  "trust-a-lagging-cache": { about: "what may be old counts as fresh", ...told((seen) => ({ ...seen, stale: undefined })) },
  "trust-an-unread-route": { about: "a route counts as applied before it was read back", ...told((seen) => ({ ...seen, traffic: { kind: "applied" } })) },
  "ignore-the-freeze": { about: "rollouts go on while the cluster is frozen", ...told((seen) => ({ ...seen, frozen: undefined })) },
  "ignore-a-new-revision": {
    about: "a newer revision does not restart the run",
    ...told((seen, { status }) => (status.phase === "Progressing" && seen.target !== undefined && status.run !== undefined ? { ...seen, target: { ...seen.target, hash: status.run.revision } } : seen)),
  },
  "ignore-the-suspension": { about: "a suspended Canary goes on", next: (plain) => (canary, settings, seen) => plain(canary, { ...settings, suspended: false }, seen) },
  "stop-at-the-first-rung": { about: "the first rung is taken for the last", next: (plain) => (canary, settings, seen) => plain(canary, { ...settings, rungs: settings.rungs.slice(0, 1) }, seen) },
  "restart-at-rest": {
    about: "a promoted revision counts as new",
    next: (plain) => (canary, settings, seen) => {
      const { status } = canary;
      if (status.phase !== "Succeeded" || status.target === undefined) return plain(canary, settings, seen);
      return plain({ ...canary, status: { ...status, lastAppliedSpec: "", lastPromotedSpec: "", target: { ...status.target, generation: status.target.generation - 1 } } }, settings, seen);
    },
  },
  "scale-before-route": {
    about: "pods of the canary go while the route still leads to them",
    ...made((after, before) => (after.phase === "Failed" && before.phase === "Progressing" && before.route !== undefined ? { ...scaled(after, "Zero"), route: before.route } : after)),
  },
  "take-over-before-ready": { about: "the target goes to zero before the primary has a pod", ...made((after) => (after.phase === "Initializing" ? scaled(after, "Zero") : after)) },
  "no-drain": { about: "pods go at the instant at which the route leads away from them", ...made((after) => (after.route?.drainUntil === undefined ? after : { ...after, route: { ...after.route, drainUntil: after.route.appliedAt } })) },
  "overshoot": { about: "the weight goes above the maximum", ...made((after, before) => (rose(after, before) ? weighed(after, Math.min((after.route?.canaryWeight ?? 0) + 15, 100)) : after)) },
  "weights-without-a-sum": { about: "weights do not sum to 100", ...made((after, before) => (rose(after, before) ? weighed(after, after.route?.canaryWeight ?? 0, 100) : after)) },
  "never-roll-back": { about: "a run that failed goes on", ...made((after, before) => (after.phase === "Failed" && before.phase === "Progressing" ? before : after)) },
  "forget-failed-checks": { about: "failed checks are not remembered", ...made((after) => (after.phase === "Progressing" ? { ...after, failedChecks: 0 } : after)) },
  "count-twice": { about: "a failed check counts twice", ...made((after, before) => ((after.failedChecks ?? 0) > (before.failedChecks ?? 0) ? { ...after, failedChecks: (after.failedChecks ?? 0) + 1 } : after)) },
  "forget-an-announcement": { about: "what is to be announced is dropped when a run ends", ...made((after, before) => (atRest(after) && !atRest(before) ? { ...after, outbox: before.outbox } : after)) },
  "roll-under-weight": { about: "the target is not paused while it carries weight", ...made((after) => ((after.route?.canaryWeight ?? 0) > 0 && after.target !== undefined ? { ...after, target: { ...after.target, paused: false } } : after)) },
  "leave-the-target-up": { about: "the target never goes to rest after a run", ...made((after) => (atRest(after) ? scaled(after, "Up") : after)) },
  "write-at-rest": {
    about: "the status is written although nothing happened",
    next: (plain) => (canary, settings, seen) => {
      const decided = plain(canary, settings, seen);
      return atRest(decided.status) && decided.status === canary.status ? { ...decided, wake: { atMs: seen.nowMs + 1_000 }, status: { ...decided.status, iterations: 1 - (decided.status.iterations ?? 0) } } : decided;
    },
  },
  "change-what-was-given": {
    about: "a decision changes the status that it was given",
    next: (plain) => (canary, settings, seen) => {
      const decided = plain(canary, settings, seen);
      if (decided.status !== canary.status) Object.assign(canary.status, { iterations: (canary.status.iterations ?? 0) + 1 });
      return decided;
    },
  },
  "decide-by-chance": {
    about: "the same is not decided of the same",
    next: (plain) => {
      let count = 0;
      return (canary, settings, seen) => ({ ...plain(canary, settings, seen), why: `decision ${(count += 1)}` });
    },
  },
  "act-before-the-commit": { about: "the world is changed although the status was not written", transport: forgetful },
  "skip-the-epoch": {
    about: "objects do not say under which leadership they were written",
    ...sent((request) => (request.body === undefined || request.path.includes("/leases/") ? request : { ...request, body: request.body.replace(/"rollout\.kurator\.dev\/epoch":"[^"]*",?/g, "") })),
  },
  "lead-without-a-lease": {
    about: "every engine believes that it leads",
    transport: (plain) => {
      let kept: string | undefined;
      return {
        ...plain,
        request(request) {
          if (!request.path.includes("/leases")) return plain.request(request);
          if (request.method === "GET") return Promise.resolve(kept === undefined ? { status: 404, headers: {}, body: "{}" } : { status: 200, headers: {}, body: kept });
          const body = JSON.parse(request.body ?? "{}") as { metadata?: object; spec?: object };
          const before = JSON.parse(kept ?? "{}") as { spec?: object };
          kept = JSON.stringify({ apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { ...body.metadata, name: "kurator-rollout", uid: "own", resourceVersion: "1" }, spec: { ...before.spec, ...body.spec } });
          return Promise.resolve({ status: request.method === "POST" ? 201 : 200, headers: {}, body: kept });
        },
      };
    },
  },
  "skip-the-fence": {
    about: "writes do not say which version they were computed from",
    ...sent((request) => {
      if (request.method !== "PATCH" || request.body === undefined || request.path.includes("/leases/")) return request;
      const body = JSON.parse(request.body) as { metadata?: Record<string, unknown> };
      const { resourceVersion: _, uid: __, ...metadata } = body.metadata ?? {};
      return { ...request, body: JSON.stringify({ ...body, metadata }) };
    }),
  },
};
