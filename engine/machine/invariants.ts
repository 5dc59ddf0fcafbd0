// Which promises did a decision break? Checked by the tests on every enumerated and simulated step (design.md, section 8); none of it decides anything.
import type { CanaryStatus } from "../../crds/status.ts";
import { canaryWeightOf } from "./moves.ts";
import type { Settings } from "./settings.ts";
import type { Observation, Transition } from "./types.ts";

/** The promises, by number, that going from `before` to what was decided breaks; empty when none. */
export function broken(before: CanaryStatus, seen: Observation, settings: Settings, decided: Transition): string[] {
  const after = decided.status;
  const from = canaryWeightOf(before);
  const to = canaryWeightOf(after);
  const raised = to > from;
  const top = settings.rungs.at(-1) ?? 0;
  const promoted = after.phase === "Promoting" && before.phase !== "Promoting";
  const run = before.run;
  const proved = run?.passed === true || seen.answers.get(`${run?.id}/${run?.step}/${run?.attempt}`)?.verdict === "pass";
  // A person may go on without a check; what is not ready or above the maximum is refused to people too.
  const asked = after.actions?.[0]?.request !== before.actions?.[0]?.request;
  const begun = (run?.step ?? 0) > 0;
  const blocked = after.phase === "Failed" && after.run?.outcome === "PromotionBlocked";
  const rules: [string, boolean][] = [
    ["P1 weights are whole percents that sum to 100", after.route === undefined || (sums(after.route) && Number.isInteger(to))],
    ["P2 never above maxWeight before promotion", !raised || blocked || settings.strategy !== "canary" || to <= top],
    ["P2 only those whom the manifest matches", !raised || blocked || settings.strategy !== "ab-testing" || after.route?.matched === true],
    ["P3 no rise without a pass", !raised || !begun || blocked || proved || asked],
    ["P3 no promotion without a pass", !promoted || settings.skipAnalysis || (begun && proved) || asked],
    ["P3 no promotion below the last rung", !promoted || settings.skipAnalysis || settings.strategy !== "canary" || from >= top || asked],
    ["P3 nothing rises and nothing is promoted while it is suspended", !(raised || promoted) || !settings.suspended],
    ["P4 no rise on a target that is not ready", !raised || seen.target?.readiness.ready === true],
    ["P5 no zero replicas under weight", !(to > 0 && after.target?.scale === "Zero")],
    ["P5 pods go only after their route was applied and drained", !goesToZero(before, after) || (to === 0 && restful(after, seen))],
    ["P9 unknown raises nothing", !(raised && from > 0) || seen.traffic.kind === "applied"],
    ["P9 a route counts as applied once it was read back", !newlyApplied(before, after) || seen.traffic.kind === "applied"],
    ["nothing rises and nothing is promoted while all is frozen", !((raised && !blocked) || promoted) || asked || seen.frozen === undefined],
    ["P9 what may be old raises nothing and promotes nothing", !(raised || promoted) || seen.stale === undefined],
    ["P10 only a failure counts", (after.failedChecks ?? 0) <= (before.failedChecks ?? 0) || [...seen.answers.values()].some((answer) => answer.verdict === "fail")],
    ["P15 paused while it carries weight", !raised || blocked || after.target?.paused === true],
    ["P15 a revision under weight is the one under analysis", !raised || blocked || seen.target?.hash === after.run?.revision],
  ];
  return rules.filter(([, holds]) => !holds).map(([rule]) => rule);
}

function sums(route: NonNullable<CanaryStatus["route"]>): boolean {
  return route.primaryWeight + route.canaryWeight === 100 && route.primaryWeight >= 0 && route.canaryWeight >= 0;
}

function newlyApplied({ route: before }: CanaryStatus, { route }: CanaryStatus): boolean {
  return route?.appliedAt !== undefined && (route.appliedAt !== before?.appliedAt || route.canaryWeight !== before.canaryWeight);
}

function goesToZero(before: CanaryStatus, after: CanaryStatus): boolean {
  return after.target?.scale === "Zero" && before.target?.scale !== "Zero";
}

function restful({ route }: CanaryStatus, { nowMs }: Observation): boolean {
  return route?.appliedAt !== undefined && Date.parse(route.drainUntil ?? "") <= nowMs;
}
