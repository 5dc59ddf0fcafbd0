// Was the measurement good? One reading against its limits, and many measurements in one verdict. Pure and total.
import type { Measurement, Verdict } from "../crds/status.ts";
import type { Judge, Policy, PlannedMetric } from "./types.ts";

/** Worst first: a failure outweighs an outage, which outweighs silence. */
const WORST_FIRST: readonly Verdict[] = ["fail", "error", "inconclusive", "pass"];

export const judge: Judge = (metric, reading, { onNoData, onProviderError }) => {
  const shared = { ...(metric.min === undefined ? {} : { min: metric.min }), ...(metric.max === undefined ? {} : { max: metric.max }), ...(metric.reporter === undefined ? {} : { reporter: metric.reporter }) };
  switch (reading.kind) {
    case "value":
      return { name: metric.name, ...shared, value: shown(reading.value), ...compared(metric, reading.value) };
    case "no-data":
      return { name: metric.name, ...shared, ...unmeasured("inconclusive", metric.onNoData ?? onNoData, `no data: ${reading.why}${reportedBy(metric)}`) };
    case "error":
      return { name: metric.name, ...shared, ...unmeasured("error", metric.onProviderError ?? onProviderError, reading.why) };
  }
};

export function combine(measurements: readonly Pick<Measurement, "verdict">[]): Verdict {
  return WORST_FIRST.find((verdict) => measurements.some((measurement) => measurement.verdict === verdict)) ?? "pass";
}

function compared(metric: PlannedMetric, value: number): Pick<Measurement, "verdict" | "message"> {
  const { min, max, unit, enough } = metric;
  const of = (amount: number): string => `${shown(amount)}${unit === undefined ? "" : ` ${unit}`}`;
  if (min !== undefined && value < min && enough === true) return { verdict: "inconclusive", message: `${of(value)} requests are not enough to judge by: at least ${of(min)} are needed${reportedBy(metric)}` };
  if (min !== undefined && value < min) return { verdict: "fail", message: `${of(value)} is below the minimum ${of(min)}${reportedBy(metric)}` };
  if (max !== undefined && value > max) return { verdict: "fail", message: `${of(value)} is above the maximum ${of(max)}${reportedBy(metric)}` };
  return { verdict: "pass" };
}

function unmeasured(unknown: Verdict, policy: Policy, why: string): Pick<Measurement, "verdict" | "message"> {
  const verdict = policy === "hold" ? unknown : policy;
  return { verdict, message: (policy === "pass" ? `passed without a value, as the manifest has it: ${why}` : why).slice(0, 200) };
}

/** What a gateway saw is not what the pods saw, so whoever reads the verdict is told. */
function reportedBy({ reporter }: PlannedMetric): string {
  return reporter === undefined ? "" : ` (reporter ${reporter})`;
}

/** Six significant digits. */
function shown(value: number): number {
  return Number(value.toPrecision(6));
}
