// Which verdict does a pipeline wait for? Pure: from what it asked for and what the cluster says, the exit code or nothing yet.
import type { CanaryStatus, RunOutcome } from "../crds/status.ts";

/** Exit codes of `wait`; documented and frozen (docs/ci.md). */
export const EXIT = { promoted: 0, error: 1, rolledBack: 2, human: 3, timeout: 4, inconclusive: 5, superseded: 6, notFound: 7 } as const;

/** What is waited for: an image, a revision, or neither, which means the revision that the target had when the waiting began. */
export interface Wish {
  image?: string;
  revision?: string;
}

export interface Snapshot {
  nowMs: number;
  status: CanaryStatus;
  suspended: boolean;
  /** The live target; undefined when it does not exist. */
  target: { uid: string; generation: number; revision: string; images: string[] } | undefined;
}

/** What has been seen so far. */
export interface Seen {
  /** The target was seen with the wished revision, first at this generation of this object. */
  since?: { uid: string; generation: number };
  /** Since when the Canary is stalled. */
  stalledSinceMs?: number;
}

export interface Verdict {
  code: number;
  text: string;
}

/** A manifest error that lasts longer needs a person; shorter ones come and go while objects are applied one after the other. */
const STALLED_GRACE_MS = 10_000;

export function judgeWait(wish: Wish, seen: Seen, at: Snapshot): { seen: Seen; verdict?: Verdict } {
  const { status, target } = at;
  const wished = (revision: string, images: readonly string[]): boolean => (wish.image === undefined ? revision === wish.revision : images.includes(wish.image));
  const stalled = stalledFor(status);
  const known: Seen = { ...seen, stalledSinceMs: stalled === undefined ? undefined : (seen.stalledSinceMs ?? at.nowMs) };
  const there = target !== undefined && wished(target.revision, target.images);
  if (there && (known.since === undefined || known.since.uid !== target.uid)) known.since = { uid: target.uid, generation: target.generation };

  const run = status.run;
  const judged = known.since !== undefined && status.target?.uid === known.since.uid && status.target.generation >= known.since.generation;
  if (run !== undefined && run.outcome === undefined && wished(run.revision, run.images)) return { seen: known, verdict: waiting(at, known, stalled) };
  if (judged) {
    // Only now is what the status says of this revision about this change of the target, and not about an earlier one.
    if (run?.outcome !== undefined && wished(run.revision, run.images)) return { seen: known, verdict: ended(run.outcome, run.revision, run.reason) };
    const past = status.history?.find((entry) => wished(entry.revision, entry.images));
    if (past !== undefined) return { seen: known, verdict: ended(past.outcome, past.revision, past.reason) };
    const rest = status.phase === "Initialized" || status.phase === "Succeeded";
    if (rest && status.primary !== undefined && wished(status.primary.revision, status.primary.images)) return { seen: known, verdict: ended("Promoted", status.primary.revision, "already serving") };
  }
  if (known.since !== undefined && target !== undefined && !there) {
    return { seen: known, verdict: { code: EXIT.superseded, text: `superseded: the target is at revision ${target.revision} by now` } };
  }
  return { seen: known, verdict: waiting(at, known, stalled) };
}

/** What to say when the time is over. */
export function timedOut(status: CanaryStatus): Verdict {
  if (status.run?.holdingSince !== undefined && status.run.outcome === undefined) {
    return { code: EXIT.inconclusive, text: `inconclusive: checks give no verdict since ${status.run.holdingSince}` };
  }
  return { code: EXIT.timeout, text: `timeout in phase ${status.phase ?? "unknown"} at weight ${status.canaryWeight ?? 0}` };
}

function waiting(at: Snapshot, seen: Seen, stalled: string | undefined): Verdict | undefined {
  const { status } = at;
  if (at.suspended) return { code: EXIT.human, text: "waiting for a human: the Canary is suspended" };
  if (status.phase === "Waiting" || status.phase === "WaitingPromotion") return { code: EXIT.human, text: `waiting for a human: ${status.phase}` };
  if (stalled !== undefined && at.nowMs - (seen.stalledSinceMs ?? at.nowMs) >= STALLED_GRACE_MS) return { code: EXIT.human, text: `waiting for a human: ${stalled}` };
  return undefined;
}

/** A failed run is stalled as well, but it has its own verdict. */
function stalledFor(status: CanaryStatus): string | undefined {
  const stalled = status.conditions?.find((condition) => condition.type === "Stalled" && condition.status === "True");
  if (stalled === undefined || stalled.reason === "RolledBack" || stalled.reason === "PromotionBlocked") return undefined;
  return `${stalled.reason}: ${stalled.message ?? ""}`;
}

function ended(outcome: RunOutcome, revision: string, reason: string | undefined): Verdict {
  const why = reason === undefined ? "" : ` (${reason})`;
  switch (outcome) {
    case "Promoted":
      return { code: EXIT.promoted, text: `promoted: revision ${revision}${why}` };
    case "RolledBack":
    case "PromotionBlocked":
    case "Undone":
      return { code: EXIT.rolledBack, text: `rolled back: revision ${revision}${why}` };
    case "Inconclusive":
      return { code: EXIT.inconclusive, text: `inconclusive: revision ${revision}${why}` };
    case "Superseded":
    case "Withdrawn":
      return { code: EXIT.superseded, text: `superseded: revision ${revision}${why}` };
  }
}
