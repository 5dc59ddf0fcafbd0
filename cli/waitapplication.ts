// Waits for the verdict on one release in all clusters of an Application, by its status on the host alone: a pipeline needs no way into the members.
import { APPLICATION } from "../crds/application.ts";
import { parseApplicationStatus, type ApplicationStatus } from "../crds/applicationstatus.ts";
import type { CanaryStatus } from "../crds/status.ts";
import type { Clock, KubeApi } from "../engine/ports.ts";
import { EXIT, type Verdict } from "./verdict.ts";
import { finish, sleep, type WaitRequest } from "./wait.ts";

/** With neither the wait is for rest: whatever is under way ends. */
export interface ReleaseWish {
  image?: string;
  revision?: string;
}

const APPLICATIONS = { ...APPLICATION, plural: "applications", kind: "Application" };
const POLL_MS = 1_000;
/** A manifest error that lasts longer needs a person. */
const STALLED_GRACE_MS = 10_000;

/** @returns the exit code */
export async function waitApplication(request: Omit<WaitRequest, "group">, api: KubeApi, clock: Clock, print: (line: string) => void): Promise<number> {
  const deadlineMs = clock.now() + request.timeoutMs;
  let stalledSinceMs: number | undefined;
  let shown = "";
  for (;;) {
    const found = await api.get({ resource: APPLICATIONS, namespace: request.namespace, name: request.name });
    if (!found.ok) {
      const { class: kind, message } = found.fault;
      if (kind === "not-found" || kind === "forbidden") return finish(request, print, { code: EXIT.notFound, text: message });
      if (kind === "invalid") return finish(request, print, { code: EXIT.error, text: message });
      if (clock.now() >= deadlineMs) return finish(request, print, { code: EXIT.timeout, text: `timeout: ${message}` });
      await sleep(clock, POLL_MS);
      continue;
    }
    const status = parseApplicationStatus(found.value.status);
    const current = (status.observedGeneration ?? 0) >= (found.value.metadata.generation ?? 0);
    const lines = progressOf(status);
    const text = lines.join("\n");
    if (text !== shown) for (const line of lines) print(request.json ? JSON.stringify({ time: new Date(clock.now()).toISOString(), cluster: line.split(" ")[0], state: line }) : line);
    shown = text;
    const stalled = stalledOf(status);
    stalledSinceMs = stalled === undefined ? undefined : (stalledSinceMs ?? clock.now());
    const verdict = current ? judgeApplication(request, status) : undefined;
    if (verdict !== undefined) return finish(request, print, verdict);
    if (stalled !== undefined && clock.now() - (stalledSinceMs ?? clock.now()) >= STALLED_GRACE_MS) return finish(request, print, { code: EXIT.human, text: `waiting for a human: ${stalled}` });
    if (clock.now() >= deadlineMs) return finish(request, print, { code: EXIT.timeout, text: `timeout: ${lines.join("; ")}` });
    await sleep(clock, Math.min(POLL_MS, Math.max(deadlineMs - clock.now(), 1)));
  }
}

/** Undefined while there is none. One cluster that went back is the verdict, because behind it nothing goes on. */
export function judgeApplication(wish: ReleaseWish, status: ApplicationStatus): Verdict | undefined {
  const parts = rolloutsOf(status).map(({ cluster, canary }) => ({ cluster, stage: stageOf(wish, canary) }));
  const named = (stage: Stage): string => [...new Set(parts.filter((part) => part.stage === stage).map(({ cluster }) => cluster))].join(", ");
  for (const [stage, code, text] of ENDINGS) if (named(stage) !== "") return { code, text: `${text} in ${named(stage)}` };
  if (parts.length > 0 && parts.every(({ stage }) => stage === "promoted")) return { code: EXIT.promoted, text: `promoted in ${named("promoted")}` };
  const stopped = (status.waves ?? []).find(({ phase }) => phase === "Stopped");
  if (stopped !== undefined) return { code: EXIT.rolledBack, text: `wave ${stopped.name} stopped: ${stopped.message ?? ""}` };
  return undefined;
}

type Stage = "pending" | "promoted" | "rolledBack" | "inconclusive" | "superseded" | "human";

const ENDINGS = [
  ["rolledBack", EXIT.rolledBack, "rolled back"],
  ["inconclusive", EXIT.inconclusive, "inconclusive"],
  ["superseded", EXIT.superseded, "superseded"],
  ["human", EXIT.human, "waiting for a human"],
] as const;

function stageOf(wish: ReleaseWish, canary: CanaryStatus | undefined): Stage {
  if (canary?.phase === undefined) return "pending";
  const any = wish.image === undefined && wish.revision === undefined;
  const wished = (what: { revision: string; images: readonly string[] } | undefined): boolean => what !== undefined && (any || (wish.image === undefined ? what.revision === wish.revision : what.images.includes(wish.image)));
  const { phase, run, primary } = canary;
  if (run !== undefined && wished(run)) {
    switch (run.outcome) {
      case undefined:
        return phase === "WaitingPromotion" ? "human" : "pending";
      case "Promoted":
        break;
      case "Inconclusive":
        return "inconclusive";
      case "Superseded":
      case "Withdrawn":
        return any ? "pending" : "superseded";
      default:
        return phase === "Failed" ? "rolledBack" : "pending";
    }
  }
  const rest = phase === "Initialized" || phase === "Succeeded";
  return rest && wished(primary) ? "promoted" : "pending";
}

function rolloutsOf({ syncStatus = [] }: ApplicationStatus): { cluster: string; canary: CanaryStatus | undefined }[] {
  return syncStatus.flatMap(({ rolloutStatus }) => (rolloutStatus === undefined ? [] : [{ cluster: rolloutStatus.clusterName ?? "", canary: rolloutStatus.rolloutStatusInCluster as CanaryStatus | undefined }]));
}

function progressOf(status: ApplicationStatus): string[] {
  return rolloutsOf(status).map(({ cluster, canary }) => `${cluster} ${canary?.phase ?? "Pending"} weight ${canary?.canaryWeight ?? 0} failed checks ${canary?.failedChecks ?? 0}`);
}

/** A run that failed is stalled as well, but it has its own verdict. */
function stalledOf({ conditions = [] }: ApplicationStatus): string | undefined {
  const stalled = conditions.find(({ type, status }) => type === "Stalled" && status === "True");
  return stalled === undefined || stalled.reason === "RolledBack" ? undefined : `${stalled.reason}: ${stalled.message ?? ""}`;
}
