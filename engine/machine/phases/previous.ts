// After a promotion: the previous revision stays at hand for a while, metrics are asked about the primary, and going back is a change of the route where its
// pods are kept. The pods that serve meanwhile are never taken away before the primary serves in their place again.
import type { CanaryStatus } from "../../../crds/status.ts";
import { confirmRoute, endRun, instant, iso, move, named, normal, routeTo, stay, warning } from "../moves.ts";
import type { Answer, Ask, Move, Situation } from "../types.ts";

type Window = NonNullable<CanaryStatus["rollbackWindow"]>;

/** Opened by the promotion of a revision over another one. */
export function openWindow({ settings, seen, status }: Situation): Pick<CanaryStatus, "rollbackWindow"> {
  const { window } = settings;
  const before = status.lastPromotedSpec;
  if (window === undefined || before === undefined || before === status.run?.revision || !seen.stored.has(before)) return { rollbackWindow: undefined };
  const nextCheckAt = window.checks ? iso(seen.nowMs + settings.intervalMs) : undefined;
  return { rollbackWindow: { revision: before, since: iso(seen.nowMs), until: iso(seen.nowMs + window.durationMs), attempt: 0, failedChecks: 0, nextCheckAt } };
}

/** Undefined when there is no window, or nothing to do about it that comes before everything else. */
export function returning(at: Situation): Move | undefined {
  const { status, seen, settings } = at;
  const window = status.rollbackWindow;
  if (status.phase !== "Failed" || window === undefined) return undefined;
  const unconfirmed = confirmRoute(at, true);
  if (unconfirmed !== undefined) return unconfirmed;
  if (window.serving !== true) return move(at, { rollbackWindow: undefined }, "drained: the kept pods go");
  if (status.primary?.revision !== window.revision) {
    return move(at, { primary: { revision: window.revision, images: imagesOf(at, window.revision) } }, `the kept pods serve: ${settings.primary} returns to revision ${window.revision}`);
  }
  const primary = seen.primary;
  if (primary === undefined || primary.revision !== window.revision || !primary.readiness.ready) {
    const why = primary === undefined || primary.readiness.ready ? "it is not updated yet" : primary.readiness.why;
    return stay(at, `waiting for ${settings.primary} to be back at revision ${window.revision}: ${why}`);
  }
  return move(at, { rollbackWindow: { ...window, serving: undefined }, route: routeTo(0) }, `${settings.primary} is back: it serves again`);
}

/** In Succeeded, where nothing else is to be done: closes in time, and looks at the primary until then. */
export function watched(at: Situation): Move | undefined {
  const { status, seen, settings } = at;
  const window = status.rollbackWindow;
  if (status.phase !== "Succeeded" || window === undefined || status.run === undefined) return undefined;
  const until = instant(window.until);
  if (settings.window === undefined || !(seen.nowMs < until)) {
    return move(at, { rollbackWindow: undefined }, "rollback window closed", normal("RollbackWindowClosed", `${named(at, at.canary.metadata.name)}: revision ${window.revision} is not kept any longer`));
  }
  const due = instant(window.nextCheckAt);
  if (!settings.window.checks || Number.isNaN(due)) return stay(at, "rollback window open", { atMs: until });
  if (seen.nowMs < due) return stay(at, "rollback window open", { atMs: Math.min(due, until) });
  const ask: Ask = { id: `${status.run.id}/window/${window.attempt}`, kind: "check", of: "primary" };
  const answer = seen.answers.get(ask.id);
  return answer === undefined ? stay(at, "checking the primary", { atMs: until }, [ask]) : checked(at, window, answer);
}

/** Only a failure counts: silence and outages say nothing about a revision that serves everybody already. */
function checked(at: Situation, window: Window, answer: Answer): Move {
  const { seen, settings } = at;
  const failedChecks = window.failedChecks + (answer.verdict === "fail" ? 1 : 0);
  const looked: Window = { ...window, attempt: window.attempt + 1, failedChecks, nextCheckAt: iso(seen.nowMs + settings.intervalMs) };
  if (answer.verdict !== "fail") return move(at, { rollbackWindow: looked }, "the primary was checked");
  if (failedChecks >= settings.threshold) return goBack({ ...at, status: { ...at.status, rollbackWindow: looked } }, window.revision, "LimitBroken", `${failedChecks} failed checks after the promotion: ${answer.message}`);
  const notice = warning("CheckFailed", `${named(at, settings.primary)} after its promotion: check failed (${failedChecks} of ${settings.threshold}): ${answer.message}`);
  return move(at, { rollbackWindow: looked }, `check failed (${failedChecks} of ${settings.threshold}): ${answer.message}`, notice);
}

/** At once and without an analysis: that revision was analysed when its turn was. By the route where its pods are kept and ready, else by a rolling update. */
export function goBack(at: Situation, revision: string, reason: string, message: string): Move {
  const { status, seen, settings } = at;
  const window = status.rollbackWindow;
  const warm = window?.revision === revision && seen.previous?.revision === revision && seen.previous.readiness.ready;
  const serving = warm && window !== undefined ? { rollbackWindow: { ...window, serving: true, nextCheckAt: undefined }, route: routeTo(0) } : { rollbackWindow: undefined, primary: { revision, images: imagesOf(at, revision) } };
  const how = warm ? "the pods that were kept of it serve" : `${named(at, settings.primary)} returns to it`;
  return move(
    at,
    { phase: "Failed", canaryWeight: 0, lastPromotedSpec: revision, lastAppliedSpec: status.run?.revision, previousPromotedSpec: undefined, ...serving, ...endRun(at, "Undone", reason) },
    `back to revision ${revision}: ${message}`,
    warning("RollingBack", `Rolling back ${named(at, at.canary.metadata.name)} to revision ${revision} (${how}): ${message}`),
  );
}

function imagesOf({ status }: Situation, revision: string): string[] {
  return status.history?.find((past) => past.revision === revision)?.images ?? [];
}
