// Where does a run go next? The rungs of a weighted canary, the iterations of A/B and blue/green, and the step from wherever a run is to its next stage.
import type { Settings } from "./settings.ts";

export interface Ladder {
  stepWeight?: number;
  stepWeights?: number[];
  maxWeight?: number;
}

/**
 * The rungs in rising order. `stepWeight: 30, maxWeight: 50` gives 30, 50: the last rung is clamped, where Flagger goes on to 60
 * (docs/differences.md). The last of `stepWeights` is the maximum, as in Flagger. Empty when the manifest names no step.
 */
export function ladder({ stepWeight = 0, stepWeights = [], maxWeight = 0 }: Ladder): number[] {
  if (stepWeight > 0) {
    const max = maxWeight > 0 ? Math.min(Math.max(Math.trunc(maxWeight), 1), 100) : 100;
    const rungs: number[] = [];
    // Flagger's schema lets fractions through.
    const step = Math.max(Math.trunc(stepWeight), 1);
    for (let weight = step; weight < max; weight += step) rungs.push(weight);
    return [...rungs, max];
  }
  const rungs: number[] = [];
  for (const weight of stepWeights) {
    const whole = Math.min(Math.max(Math.trunc(weight), 0), 100);
    if (whole > (rungs.at(-1) ?? 0)) rungs.push(whole);
  }
  return rungs;
}

/**
 * The first rung above `weight`, or undefined at the top. Looked up by weight and not by index, so that an edit of the steps in the middle of a
 * run goes on from where the traffic is (Flagger jumps to 100 when the weight is no longer in the list).
 */
export function nextRung(rungs: readonly number[], weight: number): number | undefined {
  return rungs.find((rung) => rung > weight);
}

/** What users get during one stage of a run. */
export interface Stage {
  canaryWeight: number;
  /** The weight speaks of the users whom the manifest matches. */
  matched: boolean;
  mirror: boolean;
  /** A/B and blue/green: checks begun, this one included; 0 otherwise. */
  iterations: number;
}

/**
 * The stage after `from`, or undefined when only promotion is left. Blue/green with two iterations: rehearsal 1, rehearsal 2, all traffic, promotion;
 * A/B with two: matched users, matched users, promotion; stepWeight 50 with mirror: mirrored, 50, 100, promotion.
 */
export function nextStage({ strategy, iterations, matched, mirror, routed, rungs }: Settings, from: Stage): Stage | undefined {
  const stage = { canaryWeight: 0, matched: false, mirror: false, iterations: 0 };
  if (strategy === "canary") {
    if (mirror && !from.mirror && from.canaryWeight === 0) return { ...stage, mirror: true };
    const rung = nextRung(rungs, from.canaryWeight);
    return rung === undefined ? undefined : { ...stage, matched, canaryWeight: rung };
  }
  const begun = from.iterations + 1;
  if (begun <= iterations) return strategy === "ab-testing" ? { ...stage, canaryWeight: 100, matched, iterations: begun } : { ...stage, mirror, iterations: begun };
  return strategy === "blue-green" && routed && from.canaryWeight === 0 ? { ...stage, canaryWeight: 100, iterations: from.iterations } : undefined;
}
