// Which weight comes next? The rungs of a weighted canary, and the step from any weight to the next rung.

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
    const max = maxWeight > 0 ? Math.min(maxWeight, 100) : 100;
    const rungs: number[] = [];
    for (let weight = stepWeight; weight < max; weight += stepWeight) rungs.push(weight);
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
