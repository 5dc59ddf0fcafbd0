// Initialized, Succeeded and Failed: bring pods to rest behind the last route, tell the post-rollout hooks, and wait for a new revision.
import type { CanaryStatus } from "../../../crds/status.ts";
import { gated, rollbackWanted } from "../gates.ts";
import { confirmRoute, instant, iso, judged, move, named, normal, routeTo, startRun, stay, warning } from "../moves.ts";
import type { Move, Situation, TargetSeen, Wake } from "../types.ts";
import { isNewRevision } from "../revisions.ts";
import { returning, watched } from "./previous.ts";
import { rollBack } from "./rollback.ts";

const TELLING_MS = 5_000;

export function idle(at: Situation): Move {
  return hooks(at) ?? settled(at);
}

function settled(at: Situation): Move {
  return returning(at) ?? (blocked(at) ? blockedPromotion(at) : resting(at));
}

/** A promotion whose primary never became ready: the analysed revision serves from the target. */
function blocked(at: Situation): boolean {
  return at.status.phase === "Failed" && at.status.run?.outcome === "PromotionBlocked" && (at.status.route?.canaryWeight ?? 0) > 0;
}

function blockedPromotion(at: Situation): Move {
  const { status, seen, settings } = at;
  const unconfirmed = confirmRoute(at, false);
  if (unconfirmed !== undefined) return unconfirmed;
  const primary = seen.primary;
  const ready = primary !== undefined && primary.revision === status.primary?.revision && primary.readiness.ready;
  const promoted = status.lastPromotedSpec ?? "";
  if ((seen.target?.availableReplicas ?? 0) === 0 && (primary?.availableReplicas ?? 0) > 0) {
    return move(at, { canaryWeight: 0, route: routeTo(0) }, "target has no available pod: traffic goes to the primary");
  }
  if (status.primary?.revision === status.run?.revision) {
    if (ready) {
      const notice = normal("Promoting", `${named(at, settings.primary)} became ready after all: routing all traffic to primary`);
      return move(at, { phase: "Finalising", canaryWeight: 0, route: routeTo(0) }, "blocked promotion goes on", notice);
    }
    if (seen.target !== undefined && isNewRevision(status, seen.target) && seen.stored.has(promoted)) {
      const images = status.history?.find((run) => run.revision === promoted)?.images ?? [];
      return move(at, { primary: { revision: promoted, images } }, "a new revision came: the primary goes back to the promoted one first");
    }
    return stay(at, `promotion blocked: ${primary === undefined || primary.readiness.ready ? "primary missing" : primary.readiness.why}`);
  }
  if (!ready) return stay(at, `waiting for ${settings.primary} to be back at revision ${promoted}`);
  return move(at, { canaryWeight: 0, route: routeTo(0) }, "the primary is back: traffic returns to it");
}

function resting(at: Situation): Move {
  const { status, seen, settings } = at;
  const target = seen.target;
  // Pods may go only when the route that led to them is seen to be gone; a target that is already at rest needs no such proof.
  if (status.target?.scale !== "Zero" || status.target.paused) {
    const unconfirmed = confirmRoute(at, true);
    if (unconfirmed !== undefined) return unconfirmed;
    if (target === undefined) return gone(at);
    return move(at, { target: judged(at, target, { ...known(at), scale: "Zero", paused: false }) }, "drained: target scaled to zero");
  }
  if (target === undefined) return gone(at);
  if (isNewRevision(status, target)) return begin(at, target);
  if (status.phase === "Waiting") return approvedNothing(at, target);
  if (target.hash === status.lastPromotedSpec && status.lastAppliedSpec !== status.lastPromotedSpec) {
    const notice = normal("Reverted", `${named(at, settings.target)} is back at the promoted revision ${target.hash}`);
    return move(at, { phase: "Succeeded", lastAppliedSpec: target.hash, target: judged(at, target) }, "target reverted to the promoted revision", notice);
  }
  const unconfirmed = confirmRoute(at, false);
  if (unconfirmed !== undefined) return unconfirmed;
  const edited = status.target.generation !== target.generation || status.target.uid !== target.uid;
  // What is still to be announced is written down in a moment, and this with it.
  if (edited && tellsSoon(at)) return stay(at, "target edited, same revision", { atMs: instant(status.lastTransitionTime) + TELLING_MS });
  return edited ? move(at, { target: judged(at, target) }, "target edited, same revision") : (watched(at) ?? stay(at, "idle"));
}

function tellsSoon({ status, seen }: Situation): boolean {
  const last = status.outbox?.at(-1);
  return last !== undefined && last.id > seen.sentUpTo && seen.nowMs < instant(status.lastTransitionTime) + TELLING_MS;
}

/** What was judged before stays judged: coming to rest must not hide a revision that arrived meanwhile. */
function known(at: Situation) {
  const { uid, generation, revision, images } = at.status.target ?? {};
  return uid === undefined || generation === undefined || revision === undefined || images === undefined ? {} : { uid, generation, revision, images };
}

function gone(at: Situation): Move {
  const message = `${at.settings.kind} ${named(at, at.settings.target)} does not exist; ${at.settings.primary} goes on serving. Create it again or delete the Canary`;
  return { ...stay(at, message), problem: { reason: "TargetMissing", path: "spec.targetRef.name", message } };
}

/** The id that the run of a revision that waits for its approval will have. */
export function waitingRun(status: CanaryStatus, target: TargetSeen): string {
  return `${target.hash}-${(status.counters?.runs ?? 0) + 1}`;
}

function begin(at: Situation, target: TargetSeen): Move {
  const { status, seen, settings } = at;
  const place = waitingRun(status, target);
  const shut = seen.window?.open === false ? seen.window : undefined;
  if (seen.frozen !== undefined) return frozen(at, place, seen.frozen);
  if (shut !== undefined) return outside(at, place, shut.changesAtMs);
  const wanted = rollbackWanted(at, place);
  if (status.phase === "Waiting" && wanted.why !== undefined) return refuse(at, target, wanted.why);
  const gate = gated(at, place, settings.gates.has("confirm-rollout") ? ["confirm-rollout"] : []);
  const asks = status.phase === "Waiting" ? [...gate.asks, ...wanted.asks] : gate.asks;
  if (settings.confirmStart) {
    if (status.phase === "Waiting") return stay(at, "waiting for the action approve", "on-change", asks);
    const notice = warning("WaitingForApproval", `Halt ${named(at, at.canary.metadata.name)} advancement waiting for approval of run ${place}`);
    return { ...move(at, { phase: "Waiting", canaryWeight: 0 }, "waiting for the action approve", notice), asks };
  }
  if (!gate.open) {
    if (gate.closed === undefined || status.phase === "Waiting") return stay(at, "waiting for confirm-rollout", "on-change", asks);
    const notice = warning("WaitingForApproval", `Halt ${named(at, at.canary.metadata.name)} advancement waiting for approval of run ${place}: ${gate.closed.message}`);
    return { ...move(at, { phase: "Waiting", canaryWeight: 0 }, `confirm-rollout is closed: ${gate.closed.message}`, notice), asks };
  }
  return startNow(at, target);
}

function frozen(at: Situation, place: string, why: string): Move {
  if (at.status.phase === "Waiting") return stay(at, `frozen: ${why}`);
  const notice = normal("WaitingForThaw", `Run ${place} of ${named(at, at.canary.metadata.name)} waits: all rollouts are frozen: ${why}`);
  return move(at, { phase: "Waiting", canaryWeight: 0 }, `frozen: ${why}`, notice);
}

/** Nothing starts outside of the windows, but what a person approves. */
function outside(at: Situation, place: string, opensAtMs: number | undefined): Move {
  const opens = opensAtMs === undefined ? "none ever opens" : `the next one opens at ${iso(opensAtMs)}`;
  const wake: Wake = opensAtMs === undefined ? "on-change" : { atMs: opensAtMs };
  if (at.status.phase === "Waiting") return stay(at, `outside of the rollout windows: ${opens}`, wake);
  const notice = normal("WaitingForWindow", `Run ${place} of ${named(at, at.canary.metadata.name)} waits for a rollout window: ${opens}`);
  return { ...move(at, { phase: "Waiting", canaryWeight: 0 }, `outside of the rollout windows: ${opens}`, notice), wake };
}

/** A run of what the target is now, whether anybody was asked or not. */
export function startNow(at: Situation, target: TargetSeen): Move {
  const { settings } = at;
  const started = startRun(at, target);
  return move(
    at,
    { phase: "Progressing", ...started, target: judged(at, target, { scale: "Up", paused: false }) },
    `new revision ${target.hash}`,
    normal("Progressing", `New revision detected! Scaling up ${named(at, settings.target)}`),
  );
}

/** A revision that is turned away before it got a pod; it is not tried again by itself. */
function refuse(at: Situation, target: TargetSeen, why: string): Move {
  const begun = { ...at, status: { ...at.status, ...startRun(at, target), target: judged(at, target) } };
  return rollBack(begun, "RolledBack", "RollbackHook", why);
}

/** Nothing is left to approve: the target was put back to a revision whose verdict is known. */
function approvedNothing(at: Situation, target: TargetSeen): Move {
  const { status, settings } = at;
  const promoted = target.hash === status.lastPromotedSpec;
  const phase = !promoted ? "Failed" : (status.history ?? []).length === 0 ? "Initialized" : "Succeeded";
  const notice = normal("Withdrawn", `${named(at, settings.target)} is back at revision ${target.hash}: nothing waits for approval any more`);
  return move(at, { phase, lastAppliedSpec: target.hash, target: judged(at, target) }, "nothing to approve any more", notice);
}

function hooks(at: Situation): Move | undefined {
  const { status, seen } = at;
  const run = status.run;
  if (run?.postRollout !== "Pending") return undefined;
  const ask = { id: `${run.id}/post-rollout`, kind: "hooks" as const, type: "post-rollout" as const };
  const answer = seen.answers.get(ask.id);
  // The verdict of a run does not wait for its post-rollout hooks, so resting goes on beside them.
  if (answer === undefined) {
    const beside = settled(at);
    return { ...beside, asks: [...beside.asks, ask] };
  }
  const notice =
    answer.verdict === "pass"
      ? normal("PostRollout", "Post-rollout check passed")
      : { type: "Warning" as const, reason: "PostRolloutFailed", message: `Post-rollout check failed: ${answer.message}` };
  return move(at, { run: { ...run, postRollout: "Done" } }, `post-rollout hooks answered at ${iso(seen.nowMs)}`, notice);
}
