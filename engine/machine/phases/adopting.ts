// A primary is there and the status does not know it: another engine has worked here, or the status was lost. What the primary runs is the promoted revision, and
// nothing begins by taking over but what changed while nobody looked.
import { IMAGES_MAX, judged, move, named, normal, routeTo, startRun } from "../moves.ts";
import type { CanaryStatus } from "../../../crds/status.ts";
import type { Move, PrimarySeen, Situation, TargetSeen } from "../types.ts";

/** `status.run.reason` of a run that another engine failed. */
export const BEFORE_TAKE_OVER = "BeforeTakeOver";

export function adopt(at: Situation, target: TargetSeen, primary: PrimarySeen, revision: string): Move {
  const { status } = at;
  const promoted = { primary: { revision, images: primary.images.slice(0, IMAGES_MAX) }, lastAppliedSpec: revision, lastPromotedSpec: revision };
  const notice = normal("Adopted", `${named(at, at.settings.primary)} already runs revision ${revision}: it stays the promoted one`);
  const why = "adopting the primary that is already there";
  if (!rests(status)) return move(at, { ...promoted, phase: "Initializing", target: judged(at, target, { revision, generation: 0 }) }, why, notice);
  const route = routeTo(0);
  if (target.hash === revision) return move(at, { ...promoted, phase: status.phase === "Failed" ? "Succeeded" : status.phase, route, target: judged(at, target) }, why, notice);
  if (status.phase !== "Failed") return move(at, { ...promoted, route, target: judged(at, target, { revision, generation: 0 }) }, why, notice);
  // The verdict on it was given. What the other engine called this revision cannot be compared, so it is taken to be the one that the target is at.
  const { run, ...begun } = startRun(at, target);
  const ended = run === undefined ? {} : { run: { ...run, startedAt: status.lastTransitionTime ?? run.startedAt, deadlineAt: undefined, outcome: "RolledBack" as const, reason: BEFORE_TAKE_OVER } };
  return move(at, { ...promoted, ...begun, ...ended, route, target: judged(at, target) }, why, notice);
}

/** All traffic is with the primary already, and the target has none. */
function rests({ phase, canaryWeight }: CanaryStatus): boolean {
  return (phase === "Initialized" || phase === "Succeeded" || phase === "Failed") && (canaryWeight ?? 0) === 0;
}
