// What may a MetricTemplate and an AlertProvider of flagger.app say? Only shapes: queries and addresses are read in analysis/.
import { z } from "zod";

export const METRIC_PROVIDERS = [
  "prometheus",
  "influxdb",
  "datadog",
  "externalmetrics",
  "stackdriver",
  "cloudwatch",
  "newrelic",
  "graphite",
  "dynatrace",
  "keptn",
  "splunk",
  "skywalking",
  "web",
] as const;

const secretRef = z.object({ name: z.string() }).describe("Secret of the same namespace with the credentials");

export const metricTemplateSpecSchema = z.object({
  provider: z.object({
    type: z.enum(METRIC_PROVIDERS),
    address: z.string().optional().describe("URL; the provider's own where it has one and this is absent"),
    headers: z.record(z.string(), z.array(z.string())).optional(),
    secretRef: secretRef.optional(),
    region: z.string().optional().describe("Of AWS, for cloudwatch"),
    jsonPath: z.string().max(1024).optional().describe("For web: where in the answer the number stands, for example $.data[0].rate; the whole answer when absent"),
    insecureSkipVerify: z.boolean().optional().describe("Do not verify the certificate"),
  }),
  query: z.string().describe("Query with variables such as {{ namespace }} and {{ target }}"),
});

const condition = z.object({
  type: z.string(),
  status: z.enum(["True", "False", "Unknown"]),
  reason: z.string(),
  message: z.string().optional(),
  lastTransitionTime: z.string().optional().meta({ format: "date-time" }),
  lastUpdateTime: z.string().optional().meta({ format: "date-time" }),
});

/** Nothing writes it; it is there because the kinds have always had it. */
export const templateStatusSchema = z.object({ conditions: z.array(condition).optional() });

export const alertProviderSpecSchema = z
  .object({
    type: z.enum(["slack", "msteams", "discord", "rocket", "gchat", "webhook"]),
    channel: z.string().optional(),
    username: z.string().optional(),
    address: z.string().optional().describe("Address of the webhook; or put it into a Secret"),
    proxy: z.string().optional(),
    secretRef: secretRef.optional(),
  })
  .refine(({ address, secretRef: secret }) => (address === undefined) !== (secret === undefined), "needs either address or secretRef; keep one of them")
  .meta({ oneOf: [{ required: ["type", "address"] }, { required: ["type", "secretRef"] }] });

export type MetricTemplateSpec = z.infer<typeof metricTemplateSpecSchema>;
export type AlertProviderSpec = z.infer<typeof alertProviderSpecSchema>;
