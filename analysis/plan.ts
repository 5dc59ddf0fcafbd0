// What is to be measured? Turns the metrics of a manifest into queries with limits, or into problems that name the field. Nothing is guessed.
import { REPORTERS } from "../crds/analysis.ts";
import { GROUPS, type CanaryMetric, type CanarySpec } from "../crds/canary.ts";
import { parseDuration } from "../crds/durations.ts";
import type { Problem } from "../crds/problem.ts";
import type { Reporter } from "../crds/status.ts";
import { BUILTIN_UNITS, isBuiltin, type BuiltinName, type BuiltinScope } from "./queries/builtin.ts";
import { defined } from "../crds/json.ts";
import { metricTemplateSpecSchema } from "../crds/templates.ts";
import { keysText } from "./credentials.ts";
import { builtinsFor, providerFor, PROVIDERS } from "./registry.ts";
import { renderQuery } from "./template.ts";
import type { PlannedMetric, Policy, Provider } from "./types.ts";

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
  /** What the platform calls the revision under analysis, where it keeps revisions by itself; then queries know it as the route. */
  revision?: string;
  /** Who was found to count the app's requests; undefined until somebody looked. */
  reporter?: Reporter;
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
  // Whoever is asked for the rate is asked for the count: that the gateway saw many says nothing about what the pods have seen.
  const judged = metrics?.find(({ name }) => name === "request-success-rate") ?? metrics?.find(({ name }) => isBuiltin(name));
  const built = builtin(plan, "request-count", { interval: longestWindow(plan), onNoData: "hold", reporter: judged?.reporter });
  if (built === undefined) return no("Unsupported", path, `requests cannot be counted for the provider ${plan.meshProvider}; remove minRequests`);
  return { ok: true, metric: { name: "request-count", path, provider: "prometheus", address: plan.spec.metricsServer ?? plan.metricsServer, ...built, min: minRequests, enough: true } };
}

/**
 * How many requests of the app each reporter saw, in the order in which they are believed: the first that saw one speaks for all metrics of this check that
 * name none. Empty where there is nothing to find out.
 */
export function reporterQuestions(plan: Plan): (PlannedMetric & { reporter: Reporter })[] {
  const planned = planMetrics(plan);
  const reported = builtinsFor(plan.meshProvider)?.["reported-count"];
  if (!planned.ok || reported === undefined || !planned.metrics.some((metric) => metric.reporterUnknown === true)) return [];
  const address = plan.spec.metricsServer ?? plan.metricsServer;
  return REPORTERS.map((reporter) => ({ name: "reported-count", path: "spec.analysis.metrics", provider: "prometheus", address, reporter, query: reported(scopeOf(plan, { interval: longestWindow(plan) }, reporter)) }));
}

function longestWindow({ spec }: Plan): string {
  const windows = (spec.analysis?.metrics ?? []).map(({ interval = DEFAULT_INTERVAL }) => interval);
  return windows.sort((left, right) => (parseDuration(right) ?? 0) - (parseDuration(left) ?? 0))[0] ?? DEFAULT_INTERVAL;
}

type Built = Pick<PlannedMetric, "query" | "reporter" | "reporterUnknown">;

function builtin(plan: Plan, name: BuiltinName | "request-count", metric: Pick<CanaryMetric, "interval" | "onNoData" | "reporter">): Built | undefined {
  const { reporter: chosen, interval: asked = DEFAULT_INTERVAL } = metric;
  const interval = windowOf(plan, metric);
  const builtins = builtinsFor(plan.meshProvider, chosen);
  const reporter = chosen ?? plan.reporter;
  const query = builtins?.[name](scopeOf(plan, { interval, young: interval !== asked }, reporter ?? REPORTERS[0]));
  if (builtins === undefined || query === undefined) return undefined;
  if (builtins["reported-count"] === undefined) return { query };
  return reporter === undefined ? { query, reporterUnknown: true } : { query, reporter };
}

function scopeOf({ group, namespace, spec, revision }: Plan, window: Pick<BuiltinScope, "interval" | "young">, reporter: Reporter): BuiltinScope {
  const { appProtocol = "", portName = "" } = spec.service ?? {};
  // Flagger's rate knows statuses of HTTP only, and its manifests have their thresholds set for that.
  const grpc = group !== GROUPS.flagger.group && [appProtocol, portName].some((protocol) => /^grpc(-|$)/i.test(protocol));
  const target = spec.targetRef.name;
  return { namespace, target, apex: spec.service?.name ?? target, ingress: spec.ingressRef?.name ?? target, route: revision ?? spec.routeRef?.name ?? target, ...window, reporter, grpc, ...(spec.targetRef.kind === "Service" ? { service: true } : {}) };
}

/** A builtin's name beside a query or a template is both of them, as in Flagger: neither is silently left out. */
function parts(metric: CanaryMetric): CanaryMetric[] {
  const custom = metric.templateRef !== undefined || (metric.query ?? "") !== "";
  if (!isBuiltin(metric.name) || !custom) return [metric];
  return [{ ...metric, query: undefined, templateRef: undefined }, { ...metric, name: `${metric.name} (${metric.templateRef === undefined ? "query" : "template"})` }];
}

function planned1(plan: Plan, metric: CanaryMetric, path: string): Planned {
  // Flagger's pattern is open at its end, and the rest of it would go on as a query of its own, with a template's credentials.
  if (metric.interval !== undefined && parseDuration(metric.interval) === undefined) return no("InvalidSpec", `${path}.interval`, "is no duration; write one such as 30s, 1m or 1m30s");
  const template = templateOf(plan, metric, path);
  if (template !== undefined && "reason" in template) return { ok: false, problem: template };
  const built = template === undefined ? queryOf(plan, metric, path) : written(plan, metric, template.query, template.path, template.provider);
  if ("reason" in built) return { ok: false, problem: built };
  const limits = limitsOf(plan, metric);
  if (limits === undefined) return no("InvalidSpec", `${path}.thresholdRange`, "a metric without a limit would pass whatever it measures; set thresholdRange.min or thresholdRange.max");
  const address = addressOf(plan, template);
  const addressPath = template === undefined || (template.address === undefined && template.access.secret === undefined) ? "spec.metricsServer" : `${path}.templateRef`;
  // It is not repeated: it may hold a password.
  if (address !== "" && !isWeb(address)) return no("InvalidSpec", addressPath, `${template?.address === undefined ? "" : `${template.where}: spec.provider.address: `}is not a URL such as http://prometheus.istio-system:9090`);
  return {
    ok: true,
    metric: {
      name: metric.name,
      path,
      provider: template?.provider.name ?? "prometheus",
      address,
      ...built,
      ...limits,
      ...template?.access,
      ...spansOf(plan, metric),
      ...(isBuiltin(metric.name) ? { unit: BUILTIN_UNITS[metric.name] } : {}),
      onNoData: metric.onNoData,
      onProviderError: metric.onProviderError,
    },
  };
}

/** "prometheus:9090" is a URL too, of a scheme that nobody speaks. */
function isWeb(address: string): boolean {
  return URL.canParse(address) && /^https?:$/.test(new URL(address).protocol);
}

interface Template {
  /** Where the query is written. */
  path: string;
  where: string;
  provider: Provider;
  address: string | undefined;
  query: string;
  access: Pick<PlannedMetric, "template" | "headers" | "insecureSkipVerify" | "secret" | "region" | "jsonPath">;
}

/** A template's credentials go where the template's owner, the operator or the provider says, and never to an address that a Canary names. */
function addressOf(plan: Plan, template: Template | undefined): string {
  const home = template?.provider.home ?? "metricsServer";
  if (template?.address !== undefined) return template.address;
  if (home === "cluster") return "";
  if (home !== "metricsServer") return home.replace("{region}", template?.access.region ?? "");
  return template?.access.secret === undefined ? (plan.spec.metricsServer ?? plan.metricsServer) : plan.metricsServer;
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
  const asked = providerFor(provider.type);
  if (asked === undefined) {
    return { reason: "Unsupported", path: `${path}.templateRef`, message: `${where}: there is no provider ${provider.type}; use one of ${PROVIDERS.map(({ name }) => name).join(", ")}` };
  }
  const lacking = asked.needs.find((field) => provider[field] === undefined || provider[field] === "");
  if (lacking !== undefined) {
    const words = { address: `${asked.title} has no address of its own`, region: `${asked.title} is asked in one region`, secretRef: `${asked.title} needs a Secret with ${keysText(asked.keys)}` }[lacking];
    return { reason: "InvalidSpec", path: `${path}.templateRef`, message: `${where}: spec.provider.${lacking}: is missing: ${words}` };
  }
  // It becomes a part of a host's name.
  if (provider.region !== undefined && !/^[a-z0-9-]*$/.test(provider.region)) return { reason: "InvalidSpec", path: `${path}.templateRef`, message: `${where}: spec.provider.region: is not a region such as eu-central-1` };
  const headers = Object.fromEntries(Object.entries(provider.headers ?? {}).map(([name, values]) => [name, values.join(", ")]));
  const bad = Object.entries(headers).find(([name, value]) => !/^[\w!#$%&'*+.^`|~-]+$/.test(name) || !/^[\t\x20-\x7e]*$/.test(value));
  if (bad !== undefined) return { reason: "InvalidSpec", path: `${path}.templateRef`, message: `${where}: spec.provider.headers: ${JSON.stringify(bad[0].slice(0, 60))} has a name or a value that no header may have` };
  return {
    path: `${path}.templateRef`,
    where,
    provider: asked,
    address: provider.address === undefined || provider.address === "" ? undefined : provider.address,
    query,
    access: defined({
      template: `${namespace}/${ref.name}`,
      region: provider.region,
      jsonPath: provider.jsonPath,
      headers: Object.keys(headers).length === 0 ? undefined : headers,
      insecureSkipVerify: provider.insecureSkipVerify,
      secret: provider.secretRef === undefined ? undefined : { namespace, name: provider.secretRef.name },
    }),
  };
}

function written(plan: Plan, metric: CanaryMetric, query: string, path: string, provider?: Provider): Built | Problem {
  const target = plan.spec.targetRef.name;
  const interval = windowOf(plan, metric);
  const words = { name: plan.name, namespace: plan.namespace, target, service: plan.spec.service?.name ?? target, ingress: plan.spec.ingressRef?.name ?? target, route: plan.revision ?? plan.spec.routeRef?.name ?? target, interval, variables: metric.templateVariables ?? {} };
  const rendered = renderQuery(query, words, path, provider?.form);
  return rendered.ok ? { query: rendered.text } : rendered.problem;
}

function queryOf(plan: Plan, metric: CanaryMetric, path: string): Built | Problem {
  if (metric.query !== undefined && metric.query !== "") return written(plan, metric, metric.query, `${path}.query`);
  if (!isBuiltin(metric.name)) {
    return { reason: "UnknownMetric", path: `${path}.name`, message: `"${metric.name}" is not a builtin metric (${Object.keys(BUILTIN_UNITS).join(", ")}) and has neither query nor templateRef; correct the name or add one of them` };
  }
  const missing: Problem = { reason: "UnknownMetric", path: `${path}.name`, message: `there is no builtin ${metric.name} for the provider ${plan.meshProvider}; write a query` };
  return builtin(plan, metric.name, metric) ?? missing;
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

/** Providers whose data arrives late are asked for ten intervals, as Flagger asks them, of which the newest point counts; the cut is the same. */
function spansOf(plan: Plan, metric: CanaryMetric): { intervalMs: number; windowMs: number } {
  const { interval = DEFAULT_INTERVAL, onNoData = plan.onNoData ?? "hold" } = metric;
  const intervalMs = parseDuration(windowOf(plan, metric)) ?? 60_000;
  const tenfold = 10 * (parseDuration(interval) ?? 60_000);
  return { intervalMs, windowMs: onNoData !== "hold" || plan.lookBackMs === undefined ? tenfold : Math.max(Math.min(tenfold, plan.lookBackMs), 1000) };
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
