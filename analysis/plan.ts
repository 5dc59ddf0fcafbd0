// What is to be measured? Turns the metrics of a manifest into queries with limits, or into problems that name the field. Nothing is guessed.
import { GROUPS, type CanaryMetric, type CanarySpec } from "../crds/canary.ts";
import { parseDuration } from "../crds/durations.ts";
import type { Problem } from "../crds/problem.ts";
import { BUILTIN_UNITS, isBuiltin } from "./queries/builtin.ts";
import { defined } from "../crds/json.ts";
import { metricTemplateSpecSchema } from "../crds/templates.ts";
import { builtinsFor, providerFor, PROVIDERS } from "./registry.ts";
import { renderQuery } from "./template.ts";
import type { PlannedMetric, Policy } from "./types.ts";

export interface Plan {
  group: string;
  name: string;
  namespace: string;
  spec: CanarySpec;
  /** Default address of Prometheus; spec.metricsServer goes before it. */
  metricsServer: string;
  meshProvider: string;
  /** A MetricTemplate's spec as it is stored; undefined where there is none. */
  template?(namespace: string, name: string): unknown;
  /** How far back a query may look at the most; undefined is as far as the manifest says. */
  lookBackMs?: number;
  /** What silence counts as where the metric does not say; only where it holds may a window be cut short, because elsewhere it would decide the run. */
  onNoData?: Policy;
}

type Planned = { ok: true; metric: PlannedMetric } | { ok: false; problem: Problem };

const DEFAULT_INTERVAL = "1m";

export function planMetrics(plan: Plan): { ok: true; metrics: PlannedMetric[] } | { ok: false; problems: Problem[] } {
  const planned = (plan.spec.analysis?.metrics ?? []).flatMap((metric, index) => parts(metric).map((part) => planned1(plan, part, `spec.analysis.metrics[${index}]`)));
  const count = requestCount(plan);
  if (count !== undefined) planned.push(count);
  const problems = planned.flatMap((one) => (one.ok ? [] : [one.problem]));
  return problems.length > 0 ? { ok: false, problems } : { ok: true, metrics: planned.flatMap((one) => (one.ok ? [one.metric] : [])) };
}

/** How many requests the canary had in the longest window that a metric looks at. */
function requestCount(plan: Plan): Planned | undefined {
  const { metrics, minRequests = 0 } = plan.spec.analysis ?? {};
  if (minRequests === 0) return undefined;
  const path = "spec.analysis.minRequests";
  const builtins = builtinsFor(plan.meshProvider);
  if (builtins === undefined) return no("Unsupported", path, `requests cannot be counted for the provider ${plan.meshProvider}; remove minRequests`);
  const windows = (metrics ?? []).map(({ interval = DEFAULT_INTERVAL }) => interval).sort((left, right) => (parseDuration(right) ?? 0) - (parseDuration(left) ?? 0));
  const interval = windowOf(plan, { interval: windows[0], onNoData: "hold" });
  const query = builtins["request-count"]({ namespace: plan.namespace, target: plan.spec.targetRef.name, interval });
  return { ok: true, metric: { name: "request-count", path, provider: "prometheus", address: plan.spec.metricsServer ?? plan.metricsServer, query, min: minRequests, enough: true } };
}

/** A builtin's name beside a query or a template is both of them, as in Flagger: neither is silently left out. */
function parts(metric: CanaryMetric): CanaryMetric[] {
  const custom = metric.templateRef !== undefined || (metric.query ?? "") !== "";
  if (!isBuiltin(metric.name) || !custom) return [metric];
  return [{ ...metric, query: undefined, templateRef: undefined }, { ...metric, name: `${metric.name} (${metric.templateRef === undefined ? "query" : "template"})` }];
}

function planned1(plan: Plan, metric: CanaryMetric, path: string): Planned {
  const template = templateOf(plan, metric, path);
  if (template !== undefined && "reason" in template) return { ok: false, problem: template };
  const query = template === undefined ? queryOf(plan, metric, path) : written(plan, metric, template.query, template.path);
  if (typeof query !== "string") return { ok: false, problem: query };
  const limits = limitsOf(plan, metric);
  if (limits === undefined) return no("InvalidSpec", `${path}.thresholdRange`, "a metric without a limit would pass whatever it measures; set thresholdRange.min or thresholdRange.max");
  // A template's credentials go where the template's owner, or the operator, says, and never to an address that a Canary names.
  const fallback = template?.access.secret === undefined ? (plan.spec.metricsServer ?? plan.metricsServer) : plan.metricsServer;
  const address = template?.address ?? fallback;
  const addressPath = template === undefined || template.access.secret === undefined ? "spec.metricsServer" : `${path}.templateRef`;
  // It is not repeated: it may hold a password.
  if (!URL.canParse(address)) return no("InvalidSpec", addressPath, `is not a URL such as http://prometheus.istio-system:9090`);
  return {
    ok: true,
    metric: {
      name: metric.name,
      path,
      provider: template?.provider ?? "prometheus",
      address,
      query,
      ...limits,
      ...template?.access,
      ...(isBuiltin(metric.name) ? { unit: BUILTIN_UNITS[metric.name] } : {}),
      onNoData: metric.onNoData,
      onProviderError: metric.onProviderError,
    },
  };
}

interface Template {
  /** Where the query is written. */
  path: string;
  provider: string;
  address: string | undefined;
  query: string;
  access: Pick<PlannedMetric, "headers" | "insecureSkipVerify" | "secret">;
}

function templateOf(plan: Plan, metric: CanaryMetric, path: string): Template | Problem | undefined {
  const ref = metric.templateRef;
  if (ref === undefined) return undefined;
  const namespace = ref.namespace ?? plan.namespace;
  const where = `MetricTemplate ${namespace}/${ref.name}`;
  const found = plan.template?.(namespace, ref.name);
  if (found === undefined) return { reason: "UnknownMetric", path: `${path}.templateRef`, message: `${where} does not exist, or is in a namespace that is not watched; create it or correct the name` };
  const parsed = metricTemplateSpecSchema.safeParse(found);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return { reason: "InvalidSpec", path: `${path}.templateRef`, message: `${where}: spec.${issue?.path.join(".")}: ${issue?.message}` };
  }
  const { provider, query } = parsed.data;
  if (providerFor(provider.type) === undefined) {
    return { reason: "Unsupported", path: `${path}.templateRef`, message: `${where}: there is no provider ${provider.type}; use one of ${PROVIDERS.map(({ name }) => name).join(", ")}` };
  }
  const headers = Object.fromEntries(Object.entries(provider.headers ?? {}).map(([name, values]) => [name, values.join(", ")]));
  return {
    path: `${path}.templateRef`,
    provider: provider.type,
    address: provider.address === undefined || provider.address === "" ? undefined : provider.address,
    query,
    access: defined({
      headers: Object.keys(headers).length === 0 ? undefined : headers,
      insecureSkipVerify: provider.insecureSkipVerify,
      secret: provider.secretRef === undefined ? undefined : { namespace, name: provider.secretRef.name },
    }),
  };
}

function written(plan: Plan, metric: CanaryMetric, query: string, path: string): string | Problem {
  const target = plan.spec.targetRef.name;
  const interval = windowOf(plan, metric);
  const words = { name: plan.name, namespace: plan.namespace, target, service: plan.spec.service?.name ?? target, ingress: target, route: target, interval, variables: metric.templateVariables ?? {} };
  const rendered = renderQuery(query, words, path);
  return rendered.ok ? rendered.text : rendered.problem;
}

function queryOf(plan: Plan, metric: CanaryMetric, path: string): string | Problem {
  if (metric.query !== undefined && metric.query !== "") return written(plan, metric, metric.query, `${path}.query`);
  if (!isBuiltin(metric.name)) {
    return { reason: "UnknownMetric", path: `${path}.name`, message: `"${metric.name}" is not a builtin metric (${Object.keys(BUILTIN_UNITS).join(", ")}) and has neither query nor templateRef; correct the name or add one of them` };
  }
  const builtins = builtinsFor(plan.meshProvider);
  if (builtins === undefined) return { reason: "UnknownMetric", path: `${path}.name`, message: `there is no builtin ${metric.name} for the provider ${plan.meshProvider}; write a query` };
  return builtins[metric.name]({ namespace: plan.namespace, target: plan.spec.targetRef.name, interval: windowOf(plan, metric) });
}

/**
 * A window that reaches back before the first weight of a run measures the revision before: with two releases in a minute, the bad one would be
 * promoted on what the good one did. Cut to whole seconds; too short a window finds no data, and no data holds.
 */
function windowOf(plan: Plan, { interval = DEFAULT_INTERVAL, onNoData = plan.onNoData ?? "hold" }: Pick<CanaryMetric, "interval" | "onNoData">): string {
  const { lookBackMs } = plan;
  const asked = parseDuration(interval);
  if (onNoData !== "hold" || lookBackMs === undefined || asked === undefined || asked <= lookBackMs) return interval;
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
