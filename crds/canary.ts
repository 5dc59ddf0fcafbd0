// What may a Canary say, in either API group? Shapes and types; the defaults of absent fields are in engine/machine/settings.ts.
// `parseCanary` is for what arrives anyway, past an older CRD: total, and it never repairs a wrong value by guessing.
import { groupOf } from "./marks.ts";
import { z } from "zod";
import type { KubeMeta } from "../engine/ports.ts";
import { analysisSchema } from "./analysis.ts";
import { type Dialect, ownDuration, type Rule, ruled, strictly, texts, whole } from "./dialect.ts";
import { APEX_LENGTH, ruledService } from "./service.ts";
import { pathOf, problemsOf } from "./issues.ts";
import { isMap } from "./json.ts";
import type { Problem } from "./problem.ts";
import { canaryStatusSchema, type CanaryStatus } from "./status.ts";

export const GROUPS = {
  own: { group: "rollout.kurator.dev", version: "v1alpha1" },
  flagger: { group: "flagger.app", version: "v1beta1" },
} as const;

export const PROVIDERS = [
  "apisix",
  "appmesh",
  "appmesh:v1beta2",
  "contour",
  "gatewayapi:v1",
  "gatewayapi:v1beta1",
  "gloo",
  "istio",
  "knative",
  "kubernetes",
  "kuma",
  "linkerd",
  "nginx",
  "osm",
  "skipper",
  "smi:v1alpha1",
  "smi:v1alpha2",
  "smi:v1alpha3",
  "traefik",
] as const;

function reference<K extends readonly [string, ...string[]]>(kinds: K) {
  return z.object({ apiVersion: z.string().max(253), kind: z.enum(kinds), name: z.string().max(253) });
}

function targetRef(dialect: Dialect) {
  return strictly(dialect, reference(["DaemonSet", "Deployment", "Service"]), {
    cel: "self == oldSelf",
    message: "cannot be changed, because the primary is a copy of this target; make a new Canary for another target",
  });
}

function autoscalerRef(dialect: Dialect) {
  const replicas = dialect === "own" ? z.int().min(1) : z.number().min(1);
  return reference(["HorizontalPodAutoscaler", "ScaledObject"]).extend({
    primaryScalerQueries: texts.optional(),
    primaryScalerReplicas: z.object({ minReplicas: replicas.optional(), maxReplicas: replicas.optional() }).optional(),
  });
}

function specShape(dialect: Dialect) {
  return z.object({
    provider: z.enum(PROVIDERS).optional().describe("What routes the traffic; the controller's default when absent"),
    metricsServer: z.string().optional().describe("Address of the Prometheus that this Canary's checks ask"),
    targetRef: targetRef(dialect).describe("The workload that is rolled out"),
    autoscalerRef: autoscalerRef(dialect).optional().describe("The target's autoscaler, copied for the primary"),
    ingressRef: reference(["Ingress"]).optional().describe("Ingress of nginx or skipper"),
    routeRef: reference(["ApisixRoute"]).optional(),
    upstreamRef: reference(["Upstream"]).extend({ namespace: z.string().optional() }).optional().describe("Upstream of Gloo"),
    service: ruledService(dialect).optional().describe("The Services and how traffic gets to them"),
    analysis: analysisSchema(dialect).optional().describe("How a run goes up, and by what it is judged"),
    progressDeadlineSeconds: whole(dialect, 1).optional().describe("Seconds that the workload has to become ready before the run is rolled back"),
    skipAnalysis: z.boolean().optional().describe("Promote each revision without a check"),
    revertOnDeletion: z.boolean().optional().describe("Give everything back as it was found when the Canary is deleted"),
    suspend: z.boolean().optional().describe("Leave everything as it is"),
    confirmStart: z.boolean().optional().describe("A run waits in phase Waiting until the action approve names it"),
    windows: z
      .array(
        z.object({
          schedule: z.string().max(100).describe("When it opens, as a cron expression of five fields"),
          duration: ownDuration("1m").describe("How long it stays open"),
          timeZone: z.string().max(64).optional().describe("Time zone of the schedule, such as Europe/Berlin; UTC when absent"),
        }),
      )
      .max(16)
      .optional()
      .describe("When runs may start; always when absent"),
    outsideWindows: z.enum(["finish", "hold"]).optional().describe("A run that is under way when the last window closes goes on, or holds what users get until one opens"),
    rollbackWindow: z
      .object({
        duration: ownDuration("1s").describe("How long after a promotion the previous revision stays at hand"),
        keepPods: z.boolean().optional().describe("Its pods run on, as TARGET-previous, so that going back to it is a change of the route; true when absent"),
        checks: z.boolean().optional().describe("The metrics of the analysis are asked about the primary at every interval, and as many failures as the threshold go back; true when absent"),
      })
      .optional()
      .describe("After a promotion: the way back without an analysis"),
    drainSeconds: z.int().min(0).max(600).optional().describe("Seconds that proxies get to hear of a change: that pods live on after the last traffic was led away from them, and that Services exist before the first traffic is led to them"),
  });
}

type Shape = z.output<ReturnType<typeof specShape>>;

const ownRules: Rule<Shape>[] = [
  {
    cel: "has(self.analysis) || (has(self.skipAnalysis) && self.skipAnalysis)",
    message: "analysis is missing; add it, or set skipAnalysis: true to promote without a check",
    ok: ({ analysis, skipAnalysis }) => analysis !== undefined || skipAnalysis === true,
  },
  {
    cel: "!has(self.analysis) || (has(self.skipAnalysis) && self.skipAnalysis) || has(self.analysis.iterations) || has(self.analysis.stepWeight) || has(self.analysis.stepWeights)",
    message: "analysis names no steps; add one of analysis.stepWeight, analysis.stepWeights and analysis.iterations, or set skipAnalysis: true",
    ok: ({ analysis, skipAnalysis }) =>
      analysis === undefined || skipAnalysis === true || [analysis.iterations, analysis.stepWeight, analysis.stepWeights].some((one) => one !== undefined),
  },
  {
    cel: "has(self.service) || self.targetRef.apiVersion.startsWith('serving.knative.dev/')",
    message: "service is missing; add service.port, the port that clients call",
    ok: ({ service, targetRef: target }) => service !== undefined || target.apiVersion.startsWith("serving.knative.dev/"),
  },
  {
    cel: `(has(self.service) && has(self.service.name)) || size(self.targetRef.name) <= ${APEX_LENGTH}`,
    message: `targetRef.name is too long to name the Services after it; set service.name, with at most ${APEX_LENGTH} characters`,
    ok: ({ service, targetRef: target }) => service?.name !== undefined || target.name.length <= APEX_LENGTH,
  },
];

export function specSchema(dialect: Dialect) {
  const shape = specShape(dialect);
  return dialect === "own" ? ruled(shape, ...ownRules) : shape;
}

export const canarySpecSchema = specSchema("own");
export const flaggerSpecSchema = specSchema("flagger");

export type CanarySpec = z.infer<typeof canarySpecSchema>;
export type CanaryService = NonNullable<CanarySpec["service"]>;
export type CanaryAnalysis = NonNullable<CanarySpec["analysis"]>;
export type CanaryMetric = NonNullable<CanaryAnalysis["metrics"]>[number];
export type CanaryWebhook = NonNullable<CanaryAnalysis["webhooks"]>[number];
export type CanaryAlert = NonNullable<CanaryAnalysis["alerts"]>[number];

export interface Canary {
  apiVersion: string;
  kind: "Canary";
  metadata: KubeMeta;
  spec: CanarySpec;
  status?: CanaryStatus;
}

export type Parsed = { ok: true; canary: Canary } | { ok: false; problems: Problem[] };

/**
 * Fields that no schema knows are left out, and so is null, which the API server too takes for an absent field.
 *
 * @param known what this very spec was read as before; it is not read again
 */
export function parseCanary(object: unknown, known?: CanarySpec): Parsed {
  if (!isMap(object)) return wrong("", "not an object; give a Canary");
  const { apiVersion, kind, metadata } = object;
  const served = Object.values(GROUPS).map(({ group, version }) => `${group}/${version}`);
  if (typeof apiVersion !== "string" || !served.includes(apiVersion)) return wrong("apiVersion", `must be ${served.join(" or ")}`);
  if (kind !== "Canary") return wrong("kind", "must be Canary");
  if (!isMap(metadata) || typeof metadata.name !== "string" || metadata.name === "") return wrong("metadata.name", "is missing; give the Canary a name");

  const deep = tooDeep(object.spec);
  if (deep !== undefined) return wrong(pathOf("spec", deep), `is nested deeper than ${DEEPEST} levels; make it flatter`);

  const schema = groupOf(apiVersion) === GROUPS.own.group ? canarySpecSchema : flaggerSpecSchema;
  const spec = known === undefined ? schema.safeParse(withoutNulls(object.spec)) : { success: true as const, data: known };
  const status = canaryStatusSchema.optional().safeParse(withoutEmptyPhase(object.status));
  const problems = [...(spec.success ? [] : problemsOf(spec.error, "spec")), ...(status.success ? [] : problemsOf(status.error, "status"))];
  if (!spec.success || !status.success) return { ok: false, problems };
  const canary: Canary = { apiVersion, kind, metadata: { ...metadata, name: metadata.name }, spec: spec.data };
  return { ok: true, canary: status.data === undefined ? canary : { ...canary, status: status.data } };
}

function wrong(path: string, message: string): Parsed {
  return { ok: false, problems: [{ reason: "InvalidSpec", path, message }] };
}

/** Where the mesh decides what a field holds, nothing else bounds its depth, and whatever looks at all of it would run out of stack. The deepest that a mesh has is 12. */
const DEEPEST = 64;
const PATH_MOST = 3;

/** The first keys on the way to what is nested too deeply. It keeps a list of its own in place of the stack. */
function tooDeep(spec: unknown): string[] | undefined {
  const left: { value: unknown; depth: number; path: string[] }[] = [{ value: spec, depth: 0, path: [] }];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { value, depth, path } = next;
    if (typeof value !== "object" || value === null) continue;
    if (depth > DEEPEST) return path;
    for (const [key, member] of Object.entries(value)) if (typeof member === "object") left.push({ value: member, depth: depth + 1, path: depth < PATH_MOST ? [...path, key] : path });
  }
  return undefined;
}

/** Flagger writes an empty phase before its first one. */
function withoutEmptyPhase(status: unknown): unknown {
  const plain = withoutNulls(status);
  if (!isMap(plain) || plain.phase !== "") return plain;
  return Object.fromEntries(Object.entries(plain).filter(([key]) => key !== "phase"));
}

function withoutNulls(value: unknown): unknown {
  if (value === null) return undefined;
  if (Array.isArray(value)) return value.map((item: unknown) => (item === null ? null : withoutNulls(item)));
  if (!isMap(value)) return value;
  const kept = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(kept.map(([key, member]) => [key, withoutNulls(member)]));
}
