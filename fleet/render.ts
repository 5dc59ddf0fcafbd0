// Which objects does a rollout of an Application need in one member? Pure: Kurator's fields to a Canary, MetricTemplates, a load tester and an Ingress. What comes out is
// read by the same schema that the engine reads Canaries with, so whatever that would refuse is refused here, under the Application's own path.
import { BUILTIN_METRICS } from "../crds/analysis.ts";
import { parseCanary, GROUPS } from "../crds/canary.ts";
import type { Rollout } from "../crds/application.ts";
import { defined, isMap, map, type Json } from "../crds/json.ts";
import type { Problem } from "../crds/problem.ts";
import type { KubeObject } from "../engine/ports.ts";
import { labelsOf, POLICY, type AppName } from "./marks.ts";
import { loadTester, loadTesterUrl } from "./loadtester.ts";
import { loadTesterName, NAME_MAX } from "./names.ts";
import { canaryAnnotations, canaryWords, ingress, serviceWords, unfitForProvider } from "./providers.ts";

/** Kurator's comments promise it. */
const CHECK_SECONDS = 60;
const BUILTIN: readonly string[] = BUILTIN_METRICS;

export interface RenderInput {
  app: AppName;
  policy: string;
  /** Of the policy in `spec.syncPolicies`. */
  index: number;
  rollout: Rollout;
  /** API group that the member's engine serves. */
  group: keyof typeof GROUPS;
  /** As the apex Service has it for the port; undefined where it names none. */
  targetPort: number | string | undefined;
  loadTesterImage: string;
}

export interface Rendered {
  canary: KubeObject;
  /** What the Canary refers to, so it is there before it and goes after it. */
  supporting: KubeObject[];
}

export type RenderResult = { ok: true; rendered: Rendered } | { ok: false; problems: Problem[] };

export function placeOf(app: AppName, { workload }: Rollout): { namespace: string; name: string } {
  return { namespace: workload.namespace ?? app.namespace, name: workload.name };
}

export function renderRollout(input: RenderInput): RenderResult {
  const { app, policy, rollout, group, loadTesterImage, index } = input;
  const { namespace, name } = placeOf(app, rollout);
  const problems = [...unfit(input), ...customMetrics(rollout, index)];
  const { group: apiGroup, version } = GROUPS[group];
  const apiVersion = `${apiGroup}/${version}`;
  const marked = (object: KubeObject): KubeObject => ({
    ...object,
    metadata: { ...object.metadata, labels: { ...object.metadata.labels, ...labelsOf(app) }, annotations: { ...object.metadata.annotations, [POLICY]: policy } },
  });
  const canary = marked({ apiVersion, kind: "Canary", metadata: defined({ name, namespace, annotations: canaryAnnotations(rollout) }), spec: merged(canarySpec(input), rollout.canarySpec ?? {}) });
  const parsed = parseCanary(canary);
  if (!parsed.ok) problems.push(...parsed.problems.map((problem) => ({ ...problem, path: applicationPath(problem.path, index) })));
  if (problems.length > 0) return { ok: false, problems: onePerPath(problems) };
  const templates = metricsOf(rollout).flatMap(({ name: metric, customMetric }): KubeObject[] =>
    customMetric === undefined ? [] : [{ apiVersion, kind: "MetricTemplate", metadata: { name: metric, namespace }, spec: { query: customMetric.query ?? "", provider: defined({ ...customMetric.provider, type: customMetric.provider?.type ?? "prometheus" }) } }],
  );
  const tester = rollout.testLoader === true ? loadTester(name, namespace, loadTesterImage) : [];
  return { ok: true, rendered: { canary, supporting: [...templates, ...tester, ...ingress(rollout, { namespace, name })].map(marked) } };
}

function canarySpec({ app, rollout, group, targetPort }: RenderInput): Json {
  const { workload, rolloutPolicy: policy } = rollout;
  return defined({
    provider: rollout.trafficRoutingProvider,
    ...canaryWords(rollout, placeOf(app, rollout)),
    targetRef: { apiVersion: workload.apiVersion ?? "apps/v1", kind: workload.kind ?? "Deployment", name: workload.name },
    progressDeadlineSeconds: policy.rolloutTimeoutSeconds ?? 600,
    skipAnalysis: policy.skipTrafficAnalysis,
    revertOnDeletion: policy.revertOnDeletion ?? true,
    suspend: policy.suspend,
    // The group of Flagger has no word for it; whoever decides looks for that.
    confirmStart: policy.waves !== undefined && group === "own" ? true : undefined,
    service: service(rollout, targetPort),
    analysis: analysis(app, rollout),
  });
}

function service(rollout: Rollout, targetPort: number | string | undefined): Json {
  return defined({ name: rollout.serviceName, port: rollout.port, targetPort, ...serviceWords(rollout) });
}

function analysis(app: AppName, rollout: Rollout): Json {
  const { trafficRouting: routing = {}, trafficAnalysis = {} } = rollout.rolloutPolicy;
  const seconds = trafficAnalysis.checkIntervalSeconds === undefined || trafficAnalysis.checkIntervalSeconds === 0 ? CHECK_SECONDS : trafficAnalysis.checkIntervalSeconds;
  const iterations = routing.analysisTimes === undefined || routing.analysisTimes === 0 ? undefined : routing.analysisTimes;
  // Iterations and weights exclude each other, and the iterations decide.
  const { maxWeight, stepWeight, stepWeights, stepWeightPromotion } = iterations === undefined ? (routing.canaryStrategy ?? {}) : {};
  const { sessionAffinity } = trafficAnalysis;
  return defined({
    interval: `${seconds}s`,
    threshold: Math.max(trafficAnalysis.checkFailedTimes ?? 1, 1),
    iterations,
    match: iterations === undefined ? undefined : routing.match,
    maxWeight: positive(maxWeight),
    stepWeight: positive(stepWeight),
    stepWeights: stepWeights?.length === 0 ? undefined : stepWeights,
    stepWeightPromotion: positive(stepWeightPromotion),
    sessionAffinity: sessionAffinity === undefined ? undefined : defined({ ...sessionAffinity, maxAge: positive(sessionAffinity.maxAge) }),
    metrics: metricsOf(rollout).map((metric) =>
      defined({
        name: metric.name,
        interval: `${metric.intervalSeconds ?? seconds}s`,
        thresholdRange: metric.thresholdRange,
        templateRef: BUILTIN.includes(metric.name) ? undefined : { name: metric.name, namespace: placeOf(app, rollout).namespace },
      }),
    ),
    webhooks: hooks(app, rollout),
  });
}

/** Those that a value could fail: one without bounds lets every check pass, and is not asked at all. */
function metricsOf({ rolloutPolicy: { trafficAnalysis } }: Rollout) {
  return (trafficAnalysis?.metrics ?? []).filter(({ thresholdRange: range }) => range?.min !== undefined || range?.max !== undefined);
}

function hooks(app: AppName, rollout: Rollout): Json[] | undefined {
  const { webhooks } = rollout.rolloutPolicy.trafficAnalysis ?? {};
  const commands = webhooks?.command ?? [];
  if (commands.length === 0) return undefined;
  const place = placeOf(app, rollout);
  const url = loadTesterUrl(rollout.testLoader === true, { workload: place.name, namespace: place.namespace, provider: rollout.trafficRoutingProvider });
  return commands.map((cmd, index) => ({ name: `generated-testload-${index}`, url, timeout: `${positive(webhooks?.timeoutSeconds) ?? CHECK_SECONDS}s`, metadata: { type: "cmd", cmd } }));
}

function unfit({ app, index, rollout }: RenderInput): Problem[] {
  const problems: Problem[] = [];
  if (app.name.length > NAME_MAX) problems.push({ reason: "InvalidSpec", path: "metadata.name", message: `has ${app.name.length} characters, and labels in members take ${NAME_MAX}; make it shorter` });
  const tester = loadTesterName(rollout.workload.name);
  if (rollout.testLoader === true && tester.length > NAME_MAX) {
    problems.push({ reason: "InvalidSpec", path: `${at(index)}.workload.name`, message: `is too long for a load tester of its own, whose Service would be ${tester}; set testLoader: false, or rename the workload` });
  }
  const { trafficRouting: routing = {}, skipTrafficAnalysis } = rollout.rolloutPolicy;
  const { stepWeight, stepWeights = [] } = routing.canaryStrategy ?? {};
  const steps = `${at(index)}.rolloutPolicy.trafficRouting.canaryStrategy`;
  const weighted = positive(routing.analysisTimes) === undefined && rollout.canarySpec?.analysis === undefined;
  if (weighted && positive(stepWeight) === undefined && stepWeights.length === 0 && skipTrafficAnalysis !== true) {
    problems.push({ reason: "InvalidSpec", path: steps, message: "names no steps; give it stepWeight or stepWeights, or set analysisTimes beside it, or skipTrafficAnalysis: true" });
  }
  if (weighted && positive(stepWeight) !== undefined && stepWeights.length > 0) {
    problems.push({ reason: "InvalidSpec", path: steps, message: "has stepWeight and stepWeights, which exclude each other; remove one of them" });
  }
  problems.push(...unfitForProvider(rollout, at(index)));
  return problems;
}

/** What is said in the Application's own words comes first, and the Canary's says nothing new. */
function onePerPath(problems: readonly Problem[]): Problem[] {
  const under = (path: string): string => (path.endsWith(".rolloutPolicy") ? `${path}.trafficRouting.canaryStrategy` : path);
  return problems.filter((problem, index) => problems.findIndex((other) => under(other.path) === under(problem.path)) === index);
}

function customMetrics(rollout: Rollout, index: number): Problem[] {
  const problems: Problem[] = [];
  (rollout.rolloutPolicy.trafficAnalysis?.metrics ?? []).forEach(({ name, customMetric }, at_) => {
    if (customMetric === undefined) return;
    const path = `${at(index)}.rolloutPolicy.trafficAnalysis.metrics[${at_}]`;
    if (BUILTIN.includes(name)) problems.push({ reason: "InvalidSpec", path: `${path}.name`, message: `${name} is built in, so customMetric would not be asked; give the metric another name` });
    else if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name)) problems.push({ reason: "InvalidSpec", path: `${path}.name`, message: "becomes the name of a MetricTemplate: use lower-case letters, digits and dashes" });
    if (customMetric.query === undefined || customMetric.query === "") problems.push({ reason: "InvalidSpec", path: `${path}.customMetric.query`, message: "is missing; give the query that the metric asks" });
  });
  return problems;
}

function at(index: number): string {
  return `spec.syncPolicies[${index}].rollout`;
}

/** Where the user wrote what the engine would refuse; the longest that fits. */
const PATHS: readonly (readonly [canary: string, application: string])[] = [
  ["spec.analysis.metrics", "rolloutPolicy.trafficAnalysis.metrics"],
  ["spec.analysis.webhooks", "rolloutPolicy.trafficAnalysis.webhooks.command"],
  ["spec.analysis.sessionAffinity", "rolloutPolicy.trafficAnalysis.sessionAffinity"],
  ["spec.analysis.interval", "rolloutPolicy.trafficAnalysis.checkIntervalSeconds"],
  ["spec.analysis.threshold", "rolloutPolicy.trafficAnalysis.checkFailedTimes"],
  ["spec.analysis.iterations", "rolloutPolicy.trafficRouting.analysisTimes"],
  ["spec.analysis.match", "rolloutPolicy.trafficRouting.match"],
  ["spec.analysis", "rolloutPolicy.trafficRouting.canaryStrategy"],
  ["spec.service.name", "serviceName"],
  ["spec.service.port", "port"],
  ["spec.service.primary", "primary"],
  ["spec.service.canary", "preview"],
  ["spec.service", "rolloutPolicy.trafficRouting"],
  ["spec.targetRef", "workload"],
  ["spec.ingressRef", "canarySpec.ingressRef"],
  ["spec.progressDeadlineSeconds", "rolloutPolicy.rolloutTimeoutSeconds"],
  ["metadata.name", "workload.name"],
  ["spec", "rolloutPolicy"],
];

function applicationPath(path: string, index: number): string {
  const known = PATHS.find(([canary]) => path === canary || path.startsWith(`${canary}.`) || path.startsWith(`${canary}[`));
  return known === undefined ? `${at(index)} (${path} of the Canary)` : `${at(index)}.${known[1]}${path.slice(known[0].length)}`;
}

function positive(value: number | undefined): number | undefined {
  return value === undefined || value === 0 ? undefined : value;
}

/** Maps are merged, everything else is replaced. */
function merged(base: Json, over: Json): Json {
  const out = { ...base };
  for (const [key, value] of Object.entries(over)) out[key] = isMap(value) && isMap(out[key]) ? merged(map(out[key]), value) : value;
  return out;
}
