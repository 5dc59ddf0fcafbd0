// From a running app to a primary that serves in its place. The target keeps running until the primary has the traffic and the old route has drained.
import { adopt } from "./adopting.ts";
import { confirmRoute, IMAGES_MAX, iso, judged, move, named, normal, routeTo, stay } from "../moves.ts";
import type { Move, PrimarySeen, Situation, TargetSeen } from "../types.ts";

const STALE_LOOK_MS = 1_000;

export function initializing(at: Situation): Move {
  const { status, seen, settings } = at;
  const target = seen.target;
  if (target === undefined) return missing(at);
  // What is not known of the cluster may forbid to begin.
  if (seen.stale !== undefined && status.route === undefined) return stay(at, seen.stale, { atMs: seen.nowMs + STALE_LOOK_MS });
  const chosen = choosePrimary(at, target);
  if (chosen !== undefined) return chosen;

  const primary = seen.primary;
  if (status.primary === undefined || primary === undefined || primary.revision !== status.primary.revision) return stay(at, `waiting for ${settings.primary} to be created`);
  if (status.route === undefined) {
    if (primary.readiness.ready) {
      const atMs = unheardOf(at, primary);
      if (atMs !== undefined) return stay(at, `${settings.primary} is ready, and its Service so new that proxies may not know it`, { atMs });
      return move(at, { route: routeTo(0) }, `${settings.primary} is ready: traffic moves to it`);
    }
    const waiting = stay(at, primary.readiness.why);
    return primary.readiness.deadlineExceeded ? { ...waiting, problem: primaryNeverReady(at, primary.readiness.why) } : waiting;
  }
  const unconfirmed = confirmRoute(at, true);
  if (unconfirmed !== undefined) return unconfirmed;

  const promoted = status.primary.revision;
  return move(
    at,
    {
      phase: "Initialized",
      canaryWeight: 0,
      iterations: 0,
      lastAppliedSpec: promoted,
      lastPromotedSpec: promoted,
      // A revision that came while the first one was taken over is still to be seen as new.
      target: judged(at, target, { scale: "Zero", ...(target.hash === promoted ? {} : { revision: promoted, generation: 0 }) }),
    },
    "primary serves, target scaled to zero",
    normal("Initialized", `Initialization done! ${named(at, at.canary.metadata.name)}`),
  );
}

/**
 * Until when proxies that lag may not know a Service that was just made, while a route to it reaches them first: those answer with 503. They get as long as they
 * get to hear that a route is gone. Undefined when that is over, or where the API server's clock is so far from ours that its age is not known.
 */
function unheardOf({ seen, settings }: Situation, { createdMs = Number.NaN }: PrimarySeen): number | undefined {
  const ageMs = seen.nowMs - createdMs;
  return Math.abs(ageMs) < settings.drainMs ? createdMs + settings.drainMs : undefined;
}

function missing(at: Situation): Move {
  const { settings } = at;
  const problem = {
    reason: "TargetMissing" as const,
    path: "spec.targetRef.name",
    message: `${settings.kind} ${named(at, settings.target)} does not exist; create it or correct spec.targetRef.name`,
  };
  return { ...stay(at, problem.message), problem };
}

/** Until traffic moves, the primary follows the target; a primary that is already there (status lost, Canary made anew) is adopted instead. */
function choosePrimary(at: Situation, target: TargetSeen): Move | undefined {
  const { status, seen } = at;
  if (status.primary === undefined && seen.primary?.revision !== undefined) return adopt(at, target, seen.primary, seen.primary.revision);
  const adopted = status.lastPromotedSpec !== undefined && status.lastPromotedSpec !== "";
  if (adopted || status.route !== undefined) return undefined;
  if (status.primary?.revision === target.hash) {
    const known = status.target;
    if (known?.generation === target.generation && (target.replicas === 0 || known.replicas === target.replicas)) return undefined;
    return move(at, { target: judged(at, target) }, "target edited while initializing");
  }
  return move(
    at,
    { phase: "Initializing", primary: { revision: target.hash, images: target.images.slice(0, IMAGES_MAX) }, target: judged(at, target, { scale: "AsFound", paused: false }) },
    `creating ${at.settings.primary} from revision ${target.hash}`,
    normal("Initializing", `New ${at.settings.kind} detected, creating ${named(at, at.settings.primary)} as of ${iso(seen.nowMs)}`),
  );
}

function primaryNeverReady(at: Situation, why: string) {
  return {
    reason: "PrimaryUnavailable" as const,
    path: "spec.targetRef.name",
    message: `${named(at, at.settings.primary)} does not become ready (${why}); the target still serves. Fix the pod template of ${named(at, at.settings.target)}`,
  };
}
