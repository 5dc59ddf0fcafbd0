// What is to be measured? Turns the metrics of a manifest into queries with limits, or into problems that name the field. Nothing is guessed.
import { GROUPS, type CanaryMetric, type CanarySpec } from "../crds/canary.ts";
import { parseDuration } from "../crds/durations.ts";
import type { Problem } from "../crds/problem.ts";
import { BUILTIN_UNITS, isBuiltin } from "./queries/builtin.ts";
import { builtinsFor } from "./registry.ts";
import { renderQuery } from "./template.ts";
import type { PlannedMetric } from "./types.ts";

export interface Plan {
  group: string;
  name: string;
  namespace: string;
  spec: CanarySpec;
  /** Default address of Prometheus; spec.metricsServer goes before it. */
  metricsServer: string;
  meshProvider: string;
  /** How far back a query may look at the most; undefined is as far as the manifest says. */
  lookBackMs?: number;
}

type Planned = { ok: true; metric: PlannedMetric } | { ok: false; problem: Problem };

const DEFAULT_INTERVAL = "1m";

export function planMetrics(plan: Plan): { ok: true; metrics: PlannedMetric[] } | { ok: false; problems: Problem[] } {
  const planned = (plan.spec.analysis?.metrics ?? []).map((metric, index) => planned1(plan, metric, `spec.analysis.metrics[${index}]`));
  const problems = planned.flatMap((one) => (one.ok ? [] : [one.problem]));
  return problems.length > 0 ? { ok: false, problems } : { ok: true, metrics: planned.flatMap((one) => (one.ok ? [one.metric] : [])) };
}

function planned1(plan: Plan, metric: CanaryMetric, path: string): Planned {
  if (metric.templateRef !== undefined) return no("Unsupported", `${path}.templateRef`, "MetricTemplates are not read yet; put the query into the metric itself");
  const query = queryOf(plan, metric, path);
  if (typeof query !== "string") return { ok: false, problem: query };
  const limits = limitsOf(plan, metric);
  if (limits === undefined) return no("InvalidSpec", `${path}.thresholdRange`, "a metric without a limit would pass whatever it measures; set thresholdRange.min or thresholdRange.max");
  const address = plan.spec.metricsServer ?? plan.metricsServer;
  if (!URL.canParse(address)) return no("InvalidSpec", "spec.metricsServer", `"${address.slice(0, 100)}" is not a URL such as http://prometheus.istio-system:9090`);
  return {
    ok: true,
    metric: {
      name: metric.name,
      path,
      provider: "prometheus",
      address,
      query,
      ...limits,
      ...(isBuiltin(metric.name) ? { unit: BUILTIN_UNITS[metric.name] } : {}),
      onNoData: metric.onNoData,
      onProviderError: metric.onProviderError,
    },
  };
}

function queryOf(plan: Plan, metric: CanaryMetric, path: string): string | Problem {
  const target = plan.spec.targetRef.name;
  const interval = windowOf(metric.interval ?? DEFAULT_INTERVAL, plan.lookBackMs);
  if (metric.query !== undefined && metric.query !== "" && !isBuiltin(metric.name)) {
    const words = { name: plan.name, namespace: plan.namespace, target, service: plan.spec.service?.name ?? target, ingress: target, route: target, interval, variables: metric.templateVariables ?? {} };
    const rendered = renderQuery(metric.query, words, `${path}.query`);
    return rendered.ok ? rendered.text : rendered.problem;
  }
  if (!isBuiltin(metric.name)) {
    return { reason: "UnknownMetric", path: `${path}.name`, message: `"${metric.name}" is not a builtin metric (${Object.keys(BUILTIN_UNITS).join(", ")}) and has no query; correct the name or add a query` };
  }
  const builtins = builtinsFor(plan.meshProvider);
  if (builtins === undefined) return { reason: "UnknownMetric", path: `${path}.name`, message: `there is no builtin ${metric.name} for the provider ${plan.meshProvider}; write a query` };
  return builtins[metric.name]({ namespace: plan.namespace, target, interval });
}

/**
 * A window that reaches back before the first weight of a run measures the revision before: with two releases in a minute, the bad one would be
 * promoted on what the good one did. Cut to whole seconds; too short a window finds no data, and no data holds.
 */
function windowOf(interval: string, lookBackMs: number | undefined): string {
  const asked = parseDuration(interval);
  if (lookBackMs === undefined || asked === undefined || asked <= lookBackMs) return interval;
  return `${Math.max(Math.floor(lookBackMs / 1000), 1)}s`;
}

/** Undefined where there is none, which only Flagger's manifests may have. */
function limitsOf(plan: Plan, { name, threshold, thresholdRange }: CanaryMetric): { min?: number; max?: number } | undefined {
  if (thresholdRange?.min !== undefined || thresholdRange?.max !== undefined) return { min: thresholdRange.min, max: thresholdRange.max };
  const rate = name === "request-success-rate";
  if (threshold !== undefined) return rate ? { min: threshold } : { max: threshold };
  if (plan.group !== GROUPS.flagger.group) return undefined;
  return rate ? {} : { max: 0 };
}

function no(reason: Problem["reason"], path: string, message: string): Planned {
  return { ok: false, problem: { reason, path, message } };
}
