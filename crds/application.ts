// What may an Application say? The shape of Kurator's kind, and what this project adds to it: waves. Where the original's comments promise a default
// that nothing sets, fleet/settings.ts sets it. What is passed on to GitOps objects is checked as far as it is needed here, and passed on whole.
import { z } from "zod";
import { headerMatch, ruled, stringMatch, texts } from "./dialect.ts";
import { problemsOf } from "./issues.ts";
import { isMap } from "./json.ts";
import type { KubeMeta } from "../engine/ports.ts";
import type { Problem } from "./problem.ts";
import { METRIC_PROVIDERS } from "./templates.ts";
import type { ApplicationStatus } from "./applicationstatus.ts";

export const APPLICATION = { group: "apps.kurator.dev", version: "v1alpha1" } as const;

const DURATION = /^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$/;
const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const span = z.string().max(40).regex(DURATION, "write a duration such as 0s, 30s, 5m or 1m30s");
const labelled = z.object({ labels: texts.optional(), annotations: texts.optional() });
const selector = z.object({ matchLabels: texts.optional() });

const destination = z.object({
  fleet: z.string().min(1).max(63).describe("Name of a Fleet in this namespace"),
  clusterSelector: selector.optional().describe("Only those clusters of the fleet whose objects have all these labels"),
});

/** Whatever else the kind of that object knows is passed on as it is. */
function passed<S extends z.ZodRawShape>(shape: S, description: string) {
  return z.looseObject(shape).describe(description);
}

const source = z.object({
  gitRepository: passed({ url: z.string().regex(/^(http|https|ssh):\/\/.*$/, "must begin with http://, https:// or ssh://"), interval: span, timeout: span.optional(), gitImplementation: z.enum(["go-git", "libgit2"]).optional().meta({ default: "go-git" }) }, "Spec of the Flux GitRepository that is made").optional(),
  helmRepository: passed({ url: z.string(), interval: span.optional(), timeout: span.optional() }, "Spec of the Flux HelmRepository that is made").optional(),
  ociRepository: passed({ url: z.string().regex(/^oci:\/\/.*$/, "must begin with oci://"), interval: span, timeout: span.optional() }, "Spec of the Flux OCIRepository that is made").optional(),
});

const kustomization = passed(
  {
    interval: span,
    prune: z.boolean(),
    path: z.string().optional(),
    retryInterval: span.optional(),
    timeout: span.optional(),
    force: z.boolean().optional().meta({ default: false }),
    suspend: z.boolean().optional(),
    targetNamespace: z.string().min(1).max(63).optional(),
  },
  "Spec of the Flux Kustomization that is made for each cluster",
);

const helm = passed(
  {
    chart: z.looseObject({ spec: z.looseObject({ chart: z.string(), version: z.string().optional() }) }),
    interval: span,
    releaseName: z.string().min(1).max(53).optional(),
    targetNamespace: z.string().min(1).max(63).optional(),
    suspend: z.boolean().optional(),
  },
  "Spec of the Flux HelmRelease that is made for each cluster",
);

const seconds = z.int().min(0).max(1_000_000);
const weight = z.int().min(0).max(100);

const headers = z.object({ add: texts.optional(), set: texts.optional(), remove: z.array(z.string()).optional() });

const trafficRouting = z.object({
  timeoutSeconds: seconds.optional().describe("Time-out of a request; 0 is none. Istio only, as gateways, hosts, retries, headers and corsPolicy are"),
  gateways: z.array(z.string()).optional().describe("Istio gateways"),
  hosts: z.array(z.string()).optional(),
  retries: z.object({ attempts: z.int().min(0).optional(), perTryTimeout: z.string().optional(), retryOn: z.string().optional() }).optional(),
  headers: z.object({ request: headers.optional(), response: headers.optional() }).optional(),
  corsPolicy: z
    .object({
      allowOrigin: z.array(z.string()).optional(),
      allowOrigins: z.array(headerMatch).optional(),
      allowMethods: z.array(z.string()).optional(),
      allowHeaders: z.array(z.string()).optional(),
      exposeHeaders: z.array(z.string()).optional(),
      maxAge: z.string().optional(),
      allowCredentials: z.boolean().optional(),
    })
    .optional(),
  host: z.string().optional().describe("Host of the Ingress that is made; nginx only, which needs it"),
  protocol: z.string().optional().describe("What the app speaks: http, http2 or grpc; http when absent. Kuma only"),
  canaryStrategy: z
    .object({
      maxWeight: weight.optional(),
      stepWeight: weight.optional(),
      stepWeights: z.array(weight).max(100).optional(),
      stepWeightPromotion: weight.optional(),
    })
    .optional()
    .describe("The share of the traffic that the new version gets, step by step"),
  analysisTimes: z.int().min(0).max(10_000).optional().describe("Checks of A/B testing (with match) or blue/green (without)"),
  match: z
    .array(
      z.object({
        name: z.string().optional(),
        uri: stringMatch.optional(),
        scheme: stringMatch.optional(),
        method: stringMatch.optional(),
        authority: stringMatch.optional(),
        headers: z.record(z.string(), headerMatch).optional(),
        queryParams: z.record(z.string(), stringMatch).optional(),
        withoutHeaders: z.record(z.string(), stringMatch).optional(),
        ignoreUriCase: z.boolean().optional(),
        port: z.int().optional(),
        gateways: z.array(z.string()).optional(),
        sourceLabels: texts.optional(),
        sourceNamespace: z.string().optional(),
      }),
    )
    .max(32)
    .optional()
    .describe("Whose requests get the new version; with nginx one header, and one cookie whose exact is its name"),
});

const metric = z.object({
  name: z.string().min(1).max(253).describe("request-success-rate, request-duration, or a name of your own with customMetric"),
  intervalSeconds: z.int().min(1).max(1_000_000).optional().describe("How far back the query looks; checkIntervalSeconds when absent"),
  thresholdRange: z.object({ min: z.number().optional(), max: z.number().optional() }).optional().describe("The values that pass, bounds included; without it the metric is not asked"),
  customMetric: z
    .object({
      provider: z
        .object({
          type: z.enum(METRIC_PROVIDERS).optional(),
          address: z.string().optional(),
          region: z.string().optional(),
          insecureSkipVerify: z.boolean().optional(),
          secretRef: z.object({ name: z.string() }).optional(),
        })
        .optional(),
      query: z.string().optional(),
    })
    .optional()
    .describe("Becomes a MetricTemplate in each cluster"),
});

const trafficAnalysis = z.object({
  checkIntervalSeconds: z.int().min(0).max(1_000_000).optional().describe("Time between checks; 60 when absent"),
  checkFailedTimes: z.int().min(0).max(10_000).optional().describe("Failed checks that bring the old version back; 1 when absent"),
  metrics: z.array(metric).max(32).optional(),
  webhooks: z
    .object({ timeoutSeconds: seconds.optional().describe("60 when absent"), command: z.array(z.string().max(4096)).max(32).optional().describe("Command lines that the load tester runs at each check") })
    .optional(),
  sessionAffinity: z.object({ cookieName: z.string().max(256).optional(), maxAge: z.int().min(0).optional() }).optional(),
});

const wave = z.object({
  name: z.string().min(1).max(63).regex(NAME, "must be lower-case letters, digits and dashes"),
  clusterSelector: selector.optional().describe("Clusters of this wave, by the labels of their objects; a cluster belongs to the first wave that fits"),
  maxParallel: z.int().min(1).max(10_000).optional().describe("Clusters that are under way at one time; all when absent"),
  bakeSeconds: seconds.optional().describe("Time that a release is in use in all clusters of this wave before the next one begins"),
  onFailure: z.enum(["stop", "rollback"]).optional().describe("When a cluster of this wave fails: stop leaves the others of the wave as they are, rollback brings them back too; the next waves do not begin in either case"),
});

const rolloutPolicy = z.object({
  rolloutTimeoutSeconds: z.int().min(1).max(1_000_000).optional().describe("Seconds that a workload has to become ready; 600 when absent"),
  skipTrafficAnalysis: z.boolean().optional(),
  revertOnDeletion: z.boolean().optional().describe("Give the app back to its own workload when the rollout goes; true when absent"),
  suspend: z.boolean().optional(),
  trafficRouting: trafficRouting.optional(),
  trafficAnalysis: trafficAnalysis.optional(),
  waves: ruled(z.array(wave).max(20), {
    cel: "self.all(one, self.exists_one(other, other.name == one.name))",
    message: "has two waves of one name; give each its own",
    ok: (waves) => new Set(waves.map(({ name }) => name)).size === waves.length,
  })
    .optional()
    .describe("Groups of clusters that get a release one after the other; clusters that fit none come last. All at once when absent"),
});

const rollout = z.object({
  testLoader: z.boolean().optional().describe("Make a load tester beside the workload; the fleet's public one is used otherwise"),
  trafficRoutingProvider: z.enum(["istio", "kuma", "nginx"]),
  workload: z.object({
    apiVersion: z.string().max(253).optional().describe("apps/v1 when absent"),
    kind: z.enum(["Deployment", "DaemonSet"]).optional().describe("Deployment when absent"),
    name: z.string().min(1).max(253),
    namespace: z.string().min(1).max(63).optional().describe("The Application's when absent"),
  }),
  serviceName: z.string().min(1).max(63).describe("Service that clients call"),
  port: z.int().min(1).max(65_535).meta({ format: "int32" }),
  primary: labelled.optional().describe("Labels and annotations of the Service SERVICE-primary"),
  preview: labelled.optional().describe("Labels and annotations of the Service SERVICE-canary"),
  rolloutPolicy,
  canarySpec: z.looseObject({}).optional().describe("Fields of the Canary's spec that the others here have no words for, such as alerts, windows, autoscalerRef or gates; they win"),
});

const syncPolicy = z.object({
  name: z.string().min(1).max(253).optional().describe("APPLICATION-INDEX when absent"),
  destination: destination.optional().describe("In place of spec.destination, as a whole"),
  kustomization: kustomization.optional(),
  helm: helm.optional(),
  rollout: rollout.optional(),
});

export const applicationSpecSchema = z.object({
  source: source.describe("Where manifests come from; with several the first of gitRepository, helmRepository, ociRepository"),
  syncPolicies: z.array(syncPolicy).max(64),
  destination: destination.optional().describe("Where to; the cluster of this object when there is none here and in the policy"),
});

export type ApplicationSpec = z.infer<typeof applicationSpecSchema>;
export type SyncPolicy = ApplicationSpec["syncPolicies"][number];
export type Rollout = NonNullable<SyncPolicy["rollout"]>;
export type Wave = NonNullable<Rollout["rolloutPolicy"]["waves"]>[number];

export interface Application {
  apiVersion: string;
  kind: "Application";
  metadata: KubeMeta;
  spec: ApplicationSpec;
  status: ApplicationStatus;
}

export type ParsedSpec = { ok: true; spec: ApplicationSpec } | { ok: false; problems: Problem[] };

/** For what an older CRD, or Kurator's, let pass. */
export function parseApplicationSpec(spec: unknown): ParsedSpec {
  if (!isMap(spec)) return { ok: false, problems: [{ reason: "InvalidSpec", path: "spec", message: "is missing; give it source and syncPolicies" }] };
  const parsed = applicationSpecSchema.safeParse(spec);
  return parsed.success ? { ok: true, spec: parsed.data } : { ok: false, problems: problemsOf(parsed.error, "spec") };
}
