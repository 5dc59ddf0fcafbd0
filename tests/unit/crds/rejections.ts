// Which wrong manifests must an API server with our CRDs refuse, and which field must its answer name?
// Data only, so that the unit tests (through parseCanary) and a real cluster (through kubectl create) are held to the same list.

export type Group = "rollout.kurator.dev" | "flagger.app";

export interface Rejection {
  name: string;
  group: Group;
  /** JSON merge patch on VALID[group]. */
  change: object;
  /** Each of these is a part of the answer: of kubectl's, and of "path: message" of parseCanary. */
  expect: string[];
  /** `update`: the valid Canary is created first and the change is made to it. The engine sees no old object, so only the API server can refuse it. */
  on?: "update";
  /** Said by the API server alone. */
  serverOnly?: true;
}

const OWN = "rollout.kurator.dev";
const FLAGGER = "flagger.app";

function valid(apiVersion: string) {
  return {
    apiVersion,
    kind: "Canary",
    metadata: { name: "podinfo" },
    spec: {
      provider: "istio",
      targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "podinfo" },
      progressDeadlineSeconds: 60,
      service: { name: "podinfo", port: 9898, targetPort: "http" },
      analysis: {
        interval: "30s",
        threshold: 5,
        maxWeight: 50,
        stepWeight: 10,
        metrics: [{ name: "request-success-rate", interval: "1m", thresholdRange: { min: 99 } }],
        webhooks: [{ name: "load-test", type: "rollout", url: "http://loadtester.test/", timeout: "5s", metadata: { cmd: "hey" } }],
      },
    },
  };
}

export const VALID: Record<Group, ReturnType<typeof valid>> = {
  [OWN]: valid("rollout.kurator.dev/v1alpha1"),
  [FLAGGER]: valid("flagger.app/v1beta1"),
};

const own = (name: string, spec: object, expect: string[], more: Pick<Rejection, "on" | "serverOnly"> = {}): Rejection => ({
  name,
  group: OWN,
  change: { spec },
  expect,
  ...more,
});

const flagger = (name: string, spec: object, expect: string[], more: Pick<Rejection, "serverOnly"> = {}): Rejection => ({
  name,
  group: FLAGGER,
  change: { spec },
  expect,
  ...more,
});

const metric = (entry: object) => ({ analysis: { metrics: [entry] } });
const webhook = (entry: object) => ({ analysis: { webhooks: [{ name: "hook", url: "http://hook.test/", ...entry }] } });
const SUCCESS_RATE = { name: "request-success-rate", thresholdRange: { min: 99 } };

const SPEC: Rejection[] = [
  own("no target", { targetRef: null }, ["spec.targetRef"]),
  own("a target of an unknown kind", { targetRef: { kind: "StatefulSet" } }, ["spec.targetRef.kind", '"Deployment"']),
  own("a target without a name", { targetRef: { name: null } }, ["spec.targetRef.name"]),
  own("another target", { targetRef: { name: "other" } }, ["spec.targetRef", "cannot be changed"], { on: "update" }),
  own("a target kind changed", { targetRef: { kind: "DaemonSet" } }, ["spec.targetRef", "cannot be changed"], { on: "update" }),
  own("an unknown provider", { provider: "istoi" }, ["spec.provider", '"istio"']),
  own("no analysis", { analysis: null }, ["spec", "set skipAnalysis: true to promote without a check"]),
  own("no service", { service: null }, ["spec", "add service.port"]),
  own("a deadline of zero", { progressDeadlineSeconds: 0 }, ["spec.progressDeadlineSeconds", "1"]),
  own("a deadline that is no whole number", { progressDeadlineSeconds: 1.5 }, ["spec.progressDeadlineSeconds"]),
  own("a deadline in quotes", { progressDeadlineSeconds: "60" }, ["spec.progressDeadlineSeconds"]),
  own("a drain of an hour", { drainSeconds: 3600 }, ["spec.drainSeconds", "600"]),
  own("suspend in quotes", { suspend: "yes" }, ["spec.suspend"]),
  own("an autoscaler of an unknown kind", { autoscalerRef: { apiVersion: "v1", kind: "Autoscaler", name: "x" } }, ["spec.autoscalerRef.kind"]),
  own("a misspelt field", { analysis: { stepWeigth: 10 } }, ["spec.analysis.stepWeigth"], { serverOnly: true }),
  own(
    "a target whose Services would have too long a name",
    { service: { name: null }, targetRef: { name: "p".repeat(56) } },
    ["spec", "set service.name, with at most 55 characters"],
  ),
];

const SERVICE: Rejection[] = [
  own("no port", { service: { port: null } }, ["spec.service.port"]),
  own("port zero", { service: { port: 0 } }, ["spec.service.port", "1"]),
  own("a port above 65535", { service: { port: 65_536 } }, ["spec.service.port", "65535"]),
  own("another service name", { service: { name: "other" } }, ["spec.service.name", "cannot be changed"], { on: "update" }),
  own("a service name removed", { service: { name: null } }, ["spec.service", "can be neither added nor removed"], { on: "update" }),
  own("a service name with a dot", { service: { name: "pod.info" } }, ["spec.service.name", "lower-case letters"]),
  own("a service name of 56 characters", { service: { name: "p".repeat(56) } }, ["spec.service.name", "55"]),
  own("a time-out without a unit", { service: { timeout: "15" } }, ["spec.service.timeout", "write a duration such as 30s"]),
  own("a negative number of retries", { service: { retries: { attempts: -1 } } }, ["spec.service.retries.attempts"]),
  own("two ways to match one header", { service: { match: [{ headers: { who: { exact: "a", regex: "b" } } }] } }, ["spec.service.match[0].headers"]),
  own("a mirror without a port", { service: { mirror: [{ backendRef: { name: "x" } }] } }, ["spec.service.mirror[0].backendRef", "add port"]),
  own("a gateway without a name", { service: { gatewayRefs: [{ namespace: "istio-system" }] } }, ["spec.service.gatewayRefs[0].name"]),
];

const STEPS: Rejection[] = [
  own("no steps", { analysis: { stepWeight: null } }, ["spec", "analysis names no steps"]),
  own("stepWeight beside stepWeights", { analysis: { stepWeights: [1, 2] } }, ["spec.analysis", "exclude each other; keep one of them"]),
  own("stepWeight beside iterations", { analysis: { iterations: 5 } }, ["spec.analysis", "exclude each other; keep one of them"]),
  own("stepWeights that fall", { analysis: { stepWeight: null, stepWeights: [10, 5] } }, ["spec.analysis.stepWeights", "sort them and remove repeats"]),
  own("stepWeights that repeat", { analysis: { stepWeight: null, stepWeights: [10, 10] } }, ["spec.analysis.stepWeights", "sort them and remove repeats"]),
  own("no stepWeights in the list", { analysis: { stepWeight: null, stepWeights: [] } }, ["spec.analysis.stepWeights", "at least one weight"]),
  own("a step above 100", { analysis: { stepWeight: null, stepWeights: [10, 101] } }, ["spec.analysis.stepWeights[1]", "100"]),
  own("a step of zero", { analysis: { stepWeight: 0 } }, ["spec.analysis.stepWeight", "1"]),
  own("a step that is no whole number", { analysis: { stepWeight: 2.5 } }, ["spec.analysis.stepWeight"]),
  own("a step above the maximum", { analysis: { stepWeight: 60 } }, ["spec.analysis", "lower stepWeight or raise maxWeight"]),
  own("a maximum above 100", { analysis: { maxWeight: 101 } }, ["spec.analysis.maxWeight", "100"]),
  own("a threshold of zero", { analysis: { threshold: 0 } }, ["spec.analysis.threshold", "1"]),
  own("an interval without a unit", { analysis: { interval: "30" } }, ["spec.analysis.interval", "write a duration such as 30s"]),
  own("an interval in days", { analysis: { interval: "1d" } }, ["spec.analysis.interval", "write a duration such as 30s"]),
  own("an interval below a second", { analysis: { interval: "500ms" } }, ["spec.analysis.interval", "must be at least 1s"]),
  own("no time to hold", { analysis: { maxHold: "0s" } }, ["spec.analysis.maxHold", "must be at least 1s"]),
  own("a negative number of requests", { analysis: { minRequests: -1 } }, ["spec.analysis.minRequests", "0"]),
  own("match without iterations", { analysis: { match: [{ headers: { who: { exact: "me" } } }] } }, ["spec.analysis", "add iterations and remove the weights"]),
  own(
    "mirror in an A/B run",
    { analysis: { stepWeight: null, iterations: 5, mirror: true, match: [{ headers: { who: { exact: "me" } } }] } },
    ["spec.analysis", "remove mirror or match"],
  ),
  own("mirrorWeight without mirror", { analysis: { mirrorWeight: 50 } }, ["spec.analysis", "set mirror: true or remove mirrorWeight"]),
  own("a policy that does not exist", { analysis: { onNoData: "ignore" } }, ["spec.analysis.onNoData", '"hold"']),
  own(
    "one cookie for both",
    { analysis: { sessionAffinity: { cookieName: "a", primaryCookieName: "a" } } },
    ["spec.analysis.sessionAffinity", "choose another one"],
  ),
  own("affinity without a cookie", { analysis: { sessionAffinity: { maxAge: 60 } } }, ["spec.analysis.sessionAffinity.cookieName"]),
];

const CHECKS: Rejection[] = [
  own("a metric that asks nothing", metric({ name: "errors", thresholdRange: { max: 1 } }), ["spec.analysis.metrics[0]", "add templateRef or query"]),
  own("a metric with two queries", metric({ ...SUCCESS_RATE, query: "up", templateRef: { name: "x" } }), ["spec.analysis.metrics[0]", "remove query"]),
  own("a metric with two bounds", metric({ ...SUCCESS_RATE, threshold: 99 }), ["spec.analysis.metrics[0]", "remove threshold"]),
  own("a metric without a bound", metric({ name: "request-duration" }), ["spec.analysis.metrics[0]", "add thresholdRange"]),
  own("a reporter that Istio does not know", metric({ ...SUCCESS_RATE, reporter: "gateway" }), ["spec.analysis.metrics[0].reporter"]),
  own("a reporter of a query", metric({ name: "errors", query: "up", reporter: "source", thresholdRange: { max: 1 } }), ["spec.analysis.metrics[0]", "into the query"]),
  own("an empty range", metric({ ...SUCCESS_RATE, thresholdRange: {} }), ["spec.analysis.metrics[0].thresholdRange", "give min, max or both"]),
  own("a range that nothing fits", metric({ ...SUCCESS_RATE, thresholdRange: { min: 2, max: 1 } }), ["spec.analysis.metrics[0].thresholdRange", "swap the two"]),
  own("a bound in quotes", metric({ ...SUCCESS_RATE, thresholdRange: { min: "99" } }), ["spec.analysis.metrics[0].thresholdRange.min"]),
  own("two metrics of one name", { analysis: { metrics: [SUCCESS_RATE, SUCCESS_RATE] } }, ["spec.analysis.metrics[1]", "Duplicate value"]),
  own("a metric without a name", metric({ thresholdRange: { min: 99 }, query: "up" }), ["spec.analysis.metrics[0].name"]),
  own("a metric interval in days", metric({ ...SUCCESS_RATE, interval: "1d" }), ["spec.analysis.metrics[0].interval"]),
  own("more metrics than the status can hold", { analysis: { metrics: many(33, SUCCESS_RATE) } }, ["spec.analysis.metrics", "32"]),
  own("a webhook address without http", webhook({ url: "hook.test/" }), ["spec.analysis.webhooks[0].url", "must begin with http:// or https://"]),
  own("a webhook without an address", webhook({ url: null }), ["spec.analysis.webhooks[0].url"]),
  own("a webhook with a header of two lines", webhook({ headers: { "X-A": "a\nb" } }), ["spec.analysis.webhooks[0].headers"]),
  own("a webhook of an unknown type", webhook({ type: "prerollout" }), ["spec.analysis.webhooks[0].type", '"pre-rollout"']),
  own("a webhook that may take no time", webhook({ timeout: "0s" }), ["spec.analysis.webhooks[0].timeout", "must be at least 1ms"]),
  own("a hundred retries", webhook({ retries: 100 }), ["spec.analysis.webhooks[0].retries", "10"]),
  own("metadata that is no text", webhook({ metadata: { count: 5 } }), ["spec.analysis.webhooks[0].metadata.count"]),
  own("an alert of an unknown severity", { analysis: { alerts: [{ name: "a", severity: "fatal", providerRef: { name: "x" } }] } }, ["spec.analysis.alerts[0].severity"]),
];

const FLAGGERS: Rejection[] = [
  flagger("no analysis", { analysis: null }, ["spec.analysis"], { serverOnly: true }),
  flagger("two ladders", { analysis: { iterations: 5 } }, ["spec.analysis"]),
  flagger("no interval", { analysis: { interval: null } }, ["spec.analysis.interval"], { serverOnly: true }),
  flagger("an interval in hours", { analysis: { interval: "1h" } }, ["spec.analysis.interval"]),
  flagger("a target of an unknown kind", { targetRef: { kind: "StatefulSet" } }, ["spec.targetRef.kind"]),
  flagger("a service without a port", { service: { port: null } }, ["spec.service.port"]),
  flagger("a webhook of an unknown type", webhook({ type: "prerollout" }), ["spec.analysis.webhooks[0].type"]),
  flagger("a drain of an hour", { drainSeconds: 3600 }, ["spec.drainSeconds", "600"]),
];

export const REJECTIONS: readonly Rejection[] = [...SPEC, ...SERVICE, ...STEPS, ...CHECKS, ...FLAGGERS];

/** What looks odd and must be let in. */
export const ACCEPTED: readonly Pick<Rejection, "name" | "group" | "change">[] = [
  own("skipAnalysis without an analysis", { analysis: null, skipAnalysis: true }, []),
  own("skipAnalysis with an analysis that names no steps", { analysis: { stepWeight: null }, skipAnalysis: true }, []),
  own("rising stepWeights up to 100", { analysis: { stepWeight: null, stepWeights: [1, 2, 10, 80, 100] } }, []),
  own("a compound interval", { analysis: { interval: "1m30s", maxHold: "1h" } }, []),
  own("an A/B run", { analysis: { stepWeight: null, maxWeight: null, iterations: 5, match: [{ headers: { who: { suffix: "me" } } }] } }, []),
  own("a mirrored blue/green run", { analysis: { stepWeight: null, maxWeight: null, iterations: 5, mirror: true, mirrorWeight: 20 } }, []),
  own("the first weight alone", { analysis: { maxWeight: 10 } }, []),
  own("a named port of the container, or its number", { service: { targetPort: 8080 } }, []),
  own("a policy of one metric", metric({ ...SUCCESS_RATE, onNoData: "pass", onProviderError: "fail" }), []),
  own("a webhook with headers and a Secret", webhook({ headers: { "X-Team": "web" }, secretRef: { name: "hook" } }), []),
  own("a reporter of a builtin metric", metric({ ...SUCCESS_RATE, reporter: "source" }), []),
  own("an inline query", metric({ name: "errors", query: "sum(up)", threshold: 1 }), []),
  own(
    "traffic policy fields that only Istio knows",
    { service: { trafficPolicy: { connectionPool: { tcp: { maxConnections: 5 } }, portLevelSettings: [{ port: { number: 80 } }] } } },
    [],
  ),
  own("the gateway of the Gateway API", { provider: "gatewayapi:v1", service: { gatewayRefs: [{ name: "gateway", namespace: "istio-system" }] } }, []),
  own("no time to drain", { drainSeconds: 0 }, []),
  flagger("a pattern open at its end", { analysis: { interval: "1m30s" } }, []),
  flagger("a threshold of zero", { analysis: { threshold: 0 } }, []),
  flagger("weights that are no whole numbers", { analysis: { stepWeight: 2.5 } }, []),
  flagger("a step above the maximum", { analysis: { stepWeight: 60 } }, []),
  flagger("two metrics of one name and one that asks nothing", { analysis: { metrics: [SUCCESS_RATE, SUCCESS_RATE, { name: "errors" }] } }, []),
  flagger("our additions", { drainSeconds: 5, analysis: { onNoData: "hold", onProviderError: "pass", maxHold: "1h", minRequests: 10 } }, []),
  flagger("metadata on the Services", { service: { apex: { labels: { a: "b" } }, unmanagedMetadata: { labels: ["a"] } } }, []),
];

function many(count: number, entry: object): object[] {
  return Array.from({ length: count }, (_, index) => ({ ...entry, name: `metric-${index}`, query: "up" }));
}

type Fields = Record<string, unknown>;

/** The valid Canary of the group with the change made: what is sent to the API server. */
export function changed({ group, change }: Pick<Rejection, "group" | "change">): Fields {
  return merge(VALID[group], change);
}

function merge(target: object, patch: object): Fields {
  const merged: Fields = { ...target };
  for (const [key, value] of Object.entries(patch) as [string, unknown][]) {
    const before = merged[key];
    if (value === null) delete merged[key];
    else if (isFields(value)) merged[key] = merge(isFields(before) ? before : {}, value);
    else merged[key] = value;
  }
  return merged;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
