// What is recorded of each provider: a MetricTemplate with its Secret, the request that it becomes, and answers with what they are read as.
import { generateKeyPairSync } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { parse, parseAllDocuments } from "yaml";
import { planMetrics } from "../../../analysis/plan.ts";
import type { Credentials, PlannedMetric, Reading } from "../../../analysis/types.ts";
import type { MetricTemplateSpec } from "../../../crds/templates.ts";
import type { CanarySpec } from "../../../crds/canary.ts";

/** 2024-01-01T12:00:00Z */
export const NOW = 1_704_110_400_000;

/** Made anew each time: a key in a repository is a key that somebody uses. */
export const RSA = generateKeyPairSync("rsa", { modulusLength: 2048, publicKeyEncoding: { type: "spki", format: "pem" }, privateKeyEncoding: { type: "pkcs8", format: "pem" } });

export interface Case {
  name: string;
  status?: number;
  /** Text as it is, anything else as JSON. */
  body: unknown;
  kind: Reading["kind"];
  value?: number;
  says?: string;
  field?: string;
}

export interface Golden {
  template: { metadata: { name: string; namespace: string }; spec: MetricTemplateSpec };
  credentials: Credentials | undefined;
  request: unknown;
  cases: Case[];
}

export function golden(provider: string): Golden {
  const folder = new URL(`./providers/${provider}/`, import.meta.url);
  const read = (file: string): string => readFileSync(new URL(file, folder), "utf8");
  const documents = parseAllDocuments(read("metric.yaml").replace("PRIVATE_KEY", JSON.stringify(RSA.privateKey).slice(1, -1))).map((document) => document.toJS() as { kind: string; stringData?: Credentials });
  return {
    template: documents.find(({ kind }) => kind === "MetricTemplate") as unknown as Golden["template"],
    credentials: documents.find(({ kind }) => kind === "Secret")?.stringData,
    request: existsSync(new URL("request.json", folder)) ? (JSON.parse(read("request.json")) as unknown) : undefined,
    cases: parse(read("cases.yaml")) as Case[],
  };
}

export function bodyOf({ body }: Pick<Case, "body">): string {
  return typeof body === "string" ? body : JSON.stringify(body);
}

/** The metric of a Canary that refers to the template and looks back one minute. */
export function planned({ metadata, spec }: Golden["template"], more: { lookBackMs?: number; onNoData?: "hold" | "fail" } = {}): PlannedMetric {
  const metric = { name: "measured", interval: "1m", thresholdRange: { max: 100 }, templateRef: { name: metadata.name, namespace: metadata.namespace }, templateVariables: { zone: "eu & us" } };
  const canary = { targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "backend" }, service: { port: 80 }, analysis: { metrics: [metric] } } as CanarySpec;
  const plan = planMetrics({ group: "rollout.kurator.dev", name: "backend", namespace: "webapp", spec: canary, metricsServer: "http://prometheus:9090", meshProvider: "istio", template: () => spec, ...more });
  if (!plan.ok || plan.metrics[0] === undefined) throw new Error(JSON.stringify(plan));
  return plan.metrics[0];
}
