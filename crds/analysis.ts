// What may spec.analysis say: how a run goes up, and by what it is judged.
// No defaults here but those that the contract puts into the schema; the engine's are in engine/machine/settings.ts.
import { z } from "zod";
import { duration, headerMatch, listOf, namedList, ownDuration, ruled, stringMatch, strictly, texts, whole, type Dialect, type Rule } from "./dialect.ts";

const policy = z.enum(["hold", "fail", "pass"]);
const onNoData = policy.optional().describe("What a check counts as when the provider has no value: hold keeps the weight and counts nothing");
const onProviderError = policy.optional().describe("What a check counts as when the provider does not answer: hold keeps the weight and counts nothing");

/** More would not fit into the status beside the other memories of a run. */
const MOST_METRICS = 32;

export const BUILTIN_METRICS = ["request-success-rate", "request-duration"] as const;
const BUILTIN: readonly string[] = BUILTIN_METRICS;

/** The proxies that may have counted a request in Istio's metrics. The order is that in which they are believed: the workload's own, its waypoint, whoever called it. */
export const REPORTERS = ["destination", "waypoint", "source"] as const;

function thresholdRange(dialect: Dialect) {
  return strictly(
    dialect,
    z.object({ min: z.number().optional(), max: z.number().optional() }),
    { cel: "has(self.min) || has(self.max)", message: "is empty; give min, max or both", ok: ({ min, max }) => min !== undefined || max !== undefined },
    {
      cel: "!has(self.min) || !has(self.max) || self.min <= self.max",
      message: "min is greater than max, so no value could pass; swap the two",
      ok: ({ min, max }) => min === undefined || max === undefined || min <= max,
    },
  );
}

function metricShape(dialect: Dialect) {
  const shape = z.object({
    name: z.string().max(253).describe("request-success-rate, request-duration, or a name of your own"),
    interval: duration(dialect, "1s").optional().describe("How far back the query looks"),
    threshold: z.number().optional().describe("Deprecated: use thresholdRange"),
    thresholdRange: thresholdRange(dialect).optional().describe("The values that pass, bounds included"),
    query: z.string().optional().describe("PromQL; deprecated: use templateRef"),
    templateRef: z.object({ name: z.string().min(1).max(253), namespace: z.string().max(63).optional() }).optional().describe("MetricTemplate with the query"),
    templateVariables: texts.optional().describe("Values for the template's variables"),
    onNoData,
    onProviderError,
    reporter: z.enum(REPORTERS).optional().describe("The proxies whose Istio metrics a builtin metric reads; the first of these that saw requests when absent"),
  });
  // In Flagger's group it is never there, so that the type may be the same.
  return dialect === "own" ? shape : (shape.omit({ reporter: true }) as typeof shape);
}

function metricSchema(dialect: Dialect) {
  const builtin = BUILTIN_METRICS.map((name) => `'${name}'`).join(", ");
  return strictly(
    dialect,
    metricShape(dialect),
    {
      cel: `self.name in [${builtin}] || has(self.query) || has(self.templateRef)`,
      message: "nothing to ask for: add templateRef or query, or name it request-success-rate or request-duration",
      ok: ({ name, query, templateRef }) => BUILTIN.includes(name) || query !== undefined || templateRef !== undefined,
    },
    {
      cel: "!has(self.query) || !has(self.templateRef)",
      message: "query and templateRef exclude each other; remove query",
      ok: ({ query, templateRef }) => query === undefined || templateRef === undefined,
    },
    {
      cel: "!has(self.threshold) || !has(self.thresholdRange)",
      message: "threshold and thresholdRange exclude each other; remove threshold",
      ok: ({ threshold, thresholdRange: range }) => threshold === undefined || range === undefined,
    },
    {
      cel: "has(self.threshold) || has(self.thresholdRange)",
      message: "no bound is given, so no value could fail; add thresholdRange",
      ok: ({ threshold, thresholdRange: range }) => threshold !== undefined || range !== undefined,
    },
    {
      cel: `!has(self.reporter) || self.name in [${builtin}]`,
      message: "reporter chooses among the metrics of Istio, which only request-success-rate and request-duration read; write the reporter into the query instead",
      ok: ({ name, reporter }) => reporter === undefined || BUILTIN.includes(name),
    },
  );
}

const HOOK_TYPES = [
  "",
  "confirm-rollout",
  "pre-rollout",
  "rollout",
  "confirm-promotion",
  "post-rollout",
  "event",
  "rollback",
  "confirm-traffic-increase",
] as const;

function urlSchema(dialect: Dialect) {
  if (dialect === "flagger") return z.string();
  return ruled(z.string().max(2048), {
    cel: "self.startsWith('http://') || self.startsWith('https://')",
    message: "must begin with http:// or https://; write the whole address",
    ok: (url) => url.startsWith("http://") || url.startsWith("https://"),
  });
}

/** HTTP's own business, or such that a request breaks with another value. */
const RESERVED_HEADERS = ["host", "content-length", "content-type", "transfer-encoding", "connection", "upgrade", "te", "trailer"];

/** Names are checked when the Canary is read: no rule of a CRD can look at the keys of a map at a bounded cost. */
const hookHeaders = z
  .record(z.string(), z.string().max(1024).regex(/^[^\r\n]*$/, "has several lines; a header is one line"))
  .refine((headers) => Object.keys(headers).every((name) => /^[A-Za-z0-9-]{1,128}$/.test(name)), "has a name that no header can have; use letters, digits and dashes")
  .refine((headers) => Object.keys(headers).every((name) => !RESERVED_HEADERS.includes(name.toLowerCase())), `sets a header that the request sets itself (${RESERVED_HEADERS.join(", ")}); remove it`)
  .meta({ maxProperties: 16 });

function webhookSchema(dialect: Dialect) {
  const shape = z.object({
    name: z.string().max(253),
    url: urlSchema(dialect),
    type: z.enum(HOOK_TYPES).optional().describe("When it is called; rollout when absent"),
    timeout: duration(dialect, "1ms").optional(),
    retries: whole(dialect, 0, 10).optional(),
    disableTLS: z.boolean().optional().describe("Do not verify the certificate"),
    muteAlert: z.boolean().optional().describe("Send no alert when this gate is closed"),
    metadata: texts.optional().describe("Sent along in the payload"),
    headers: hookHeaders.optional().describe("Sent along with the request; for what is no secret"),
    secretRef: z
      .object({ name: z.string().max(253) })
      .optional()
      .describe("Secret beside the Canary with what the hook asks for: token, username and password, headers, ca.crt, tls.crt and tls.key"),
  });
  return dialect === "own" ? shape : (shape.omit({ headers: true, secretRef: true }) as typeof shape);
}

const alertSchema = z.object({
  name: z.string().max(253),
  severity: z.enum(["", "info", "warn", "error"]).optional(),
  providerRef: z.object({ name: z.string(), namespace: z.string().optional() }),
});

function sessionAffinity(dialect: Dialect) {
  const shape = z.object({
    cookieName: z.string().max(256),
    primaryCookieName: z.string().max(256).optional(),
    domain: z.string().optional(),
    httpOnly: z.boolean().optional(),
    maxAge: whole(dialect, 0).optional().meta({ default: 86_400 }),
    partitioned: z.boolean().optional(),
    path: z.string().optional(),
    sameSite: z.enum(["Strict", "Lax", "None"]).optional(),
    secure: z.boolean().optional(),
  });
  return strictly(dialect, shape, {
    cel: "!has(self.primaryCookieName) || self.primaryCookieName != self.cookieName",
    message: "primaryCookieName is the same as cookieName; choose another one",
    ok: ({ cookieName, primaryCookieName }) => primaryCookieName !== cookieName,
  });
}

function stepWeights(dialect: Dialect) {
  return strictly(dialect, listOf(dialect, whole(dialect, 1, 100), 100), {
    // isSorted allows equal neighbours, so each value has to be alone as well.
    cel: "size(self) > 0 && self.isSorted() && self.all(x, self.exists_one(y, y == x))",
    message: "must name at least one weight, each greater than the one before; sort them and remove repeats",
    ok: (weights) => weights.length > 0 && weights.every((weight, index) => index === 0 || weight > (weights[index - 1] ?? 0)),
  });
}

function analysisShape(dialect: Dialect) {
  return z.object({
    interval: duration(dialect, "1s").optional().describe("Time from one check to the next"),
    threshold: whole(dialect, 1).optional().describe("Failed checks that roll back"),
    iterations: whole(dialect, 1).optional().describe("Checks of a blue/green or A/B run"),
    maxWeight: whole(dialect, 1, 100).optional().describe("Percent of the traffic after which the canary is promoted"),
    stepWeight: whole(dialect, 1, 100).optional().describe("Percent by which the canary's traffic rises"),
    stepWeights: stepWeights(dialect).optional().describe("Percents of the traffic that the canary gets one after another"),
    stepWeightPromotion: whole(dialect, 0, 100).optional().describe("Percent by which traffic returns to the primary; all at once when absent"),
    mirror: z.boolean().optional().describe("Begin with a copy of the traffic"),
    mirrorWeight: whole(dialect, 1, 100).optional().describe("Percent of the traffic that is copied; Istio only"),
    primaryReadyThreshold: whole(dialect, 0, 100).optional().describe("Percent of the primary's pods that must be available"),
    canaryReadyThreshold: whole(dialect, 0, 100).optional().describe("Percent of the canary's pods that must be available"),
    match: listOf(
      dialect,
      z.object({
        headers: z.record(z.string(), headerMatch).optional(),
        queryParams: z.record(z.string(), stringMatch).optional(),
        sourceLabels: texts.optional(),
      }),
      32,
    )
      .optional()
      .describe("Users who get the canary in an A/B run"),
    metrics: namedList(dialect, metricSchema(dialect), MOST_METRICS).optional(),
    alerts: namedList(dialect, alertSchema, 16).optional(),
    webhooks: namedList(dialect, webhookSchema(dialect), 32).optional(),
    sessionAffinity: sessionAffinity(dialect).optional().describe("Keep a user on the version seen first, by a cookie"),
    onNoData,
    onProviderError,
    maxHold: ownDuration("1s").optional().describe("How long checks without a verdict may hold a run before it is decided"),
    minRequests: z.int().min(0).optional().describe("Requests that a check needs before it may pass"),
  });
}

type Shape = z.output<ReturnType<typeof analysisShape>>;

const oneLadder: Rule<Shape> = {
  cel: "(has(self.iterations) ? 1 : 0) + (has(self.stepWeight) ? 1 : 0) + (has(self.stepWeights) ? 1 : 0) <= 1",
  message: "iterations, stepWeight and stepWeights exclude each other; keep one of them",
  ok: ({ iterations, stepWeight, stepWeights: steps }) => [iterations, stepWeight, steps].filter((one) => one !== undefined).length <= 1,
};

/** `skipAnalysis` beside it makes an analysis without steps legal, so that one is a rule of the spec. */
const ownRules: Rule<Shape>[] = [
  {
    cel: "!has(self.stepWeight) || !has(self.maxWeight) || self.stepWeight <= self.maxWeight",
    message: "stepWeight is greater than maxWeight; lower stepWeight or raise maxWeight",
    ok: ({ stepWeight, maxWeight }) => stepWeight === undefined || maxWeight === undefined || stepWeight <= maxWeight,
  },
  {
    cel: "!has(self.match) || size(self.match) == 0 || has(self.iterations)",
    message: "match chooses the users of an A/B run, which is counted in iterations; add iterations and remove the weights, or remove match",
    ok: ({ match, iterations }) => (match?.length ?? 0) === 0 || iterations !== undefined,
  },
  {
    cel: "!has(self.mirror) || !self.mirror || !has(self.match) || size(self.match) == 0",
    message: "mirror has no effect on an A/B run; remove mirror or match",
    ok: ({ mirror, match }) => mirror !== true || (match?.length ?? 0) === 0,
  },
  {
    cel: "!has(self.mirrorWeight) || (has(self.mirror) && self.mirror)",
    message: "mirrorWeight has no effect without mirror; set mirror: true or remove mirrorWeight",
    ok: ({ mirror, mirrorWeight }) => mirrorWeight === undefined || mirror === true,
  },
];

export function analysisSchema(dialect: Dialect) {
  if (dialect === "own") return ruled(analysisShape(dialect), oneLadder, ...ownRules);
  return analysisShape(dialect).refine(oneLadder.ok ?? (() => true), oneLadder.message).meta({
    oneOf: ["iterations", "stepWeight", "stepWeights"].map((steps) => ({ required: ["interval", "threshold", steps] })),
  });
}
