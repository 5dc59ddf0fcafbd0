// Which clusters make up a fleet, and how are they reached? Kurator's Fleet, AttachedCluster and Cluster, as far as they are read here.
import { z } from "zod";
import { isMap, map, text } from "./json.ts";

export const FLEET = { group: "fleet.kurator.dev", version: "v1alpha1" } as const;
export const CLUSTER = { group: "cluster.kurator.dev", version: "v1alpha1" } as const;

const instant = z.string().meta({ format: "date-time" });
const conditions = z
  .array(z.object({ type: z.string(), status: z.enum(["True", "False", "Unknown"]), reason: z.string(), message: z.string().optional(), observedGeneration: z.int().optional(), lastTransitionTime: instant.optional() }))
  .max(8)
  .optional();

const chart = z.object({ repository: z.string().optional(), name: z.string().optional(), version: z.string().optional() });

const plugin = z.object({
  trafficRoutingProvider: z.enum(["istio", "kuma", "nginx"]).describe("Decides the namespace that the engine is installed into, its router and where it looks for Prometheus"),
  publicTestloader: z.boolean().optional().describe("Install a load tester for the whole cluster too"),
  chart: chart.optional().describe("Where the engine's chart is"),
  extraArgs: z.looseObject({}).optional().describe("Values of the engine's chart"),
  config: z.looseObject({}).optional().describe("Kurator's way to install the traffic provider; not acted on"),
});

export const fleetSpecSchema = z.object({
  clusters: z.array(z.looseObject({ kind: z.string().optional().describe("AttachedCluster, or Cluster, which it is when absent"), name: z.string().min(1).max(253) })).max(1000).optional().describe("Members, in this namespace"),
  plugin: z
    .looseObject({ flagger: plugin.optional().describe("Put the engine of this project into each member"), rollout: plugin.optional().describe("The same as flagger") })
    .optional(),
});

export const fleetStatusSchema = z.object({
  phase: z.string().optional(),
  readyClusters: z.int().optional(),
  unReadyClusters: z.int().optional(),
  conditions,
});

export const attachedClusterSpecSchema = z.object({
  kubeconfig: z
    .object({ name: z.string().max(253).describe("Secret of this namespace"), key: z.string().max(253).optional().describe("Key in it; value when absent") })
    .describe("Where the kubeconfig is"),
});

export const attachedClusterStatusSchema = z.object({ ready: z.boolean().optional(), conditions });

export type FleetSpec = z.infer<typeof fleetSpecSchema>;
export type FleetStatus = z.infer<typeof fleetStatusSchema>;
export type RolloutPlugin = z.infer<typeof plugin>;

export type Read<T> = { ok: true; value: T } | { ok: false; message: string };

export function parseFleetSpec(spec: unknown): Read<FleetSpec> {
  return read(fleetSpecSchema, spec ?? {});
}

export interface SecretKey {
  name: string;
  key: string;
}

/** Where a member's kubeconfig is: of an AttachedCluster by name and key, of a Cluster under the fixed key `value`. */
export function kubeconfigRef(kind: string, spec: unknown): Read<SecretKey> {
  if (kind === "AttachedCluster") {
    const parsed = read(attachedClusterSpecSchema, spec ?? {});
    return parsed.ok ? { ok: true, value: { name: parsed.value.kubeconfig.name, key: parsed.value.kubeconfig.key ?? "value" } } : parsed;
  }
  const name = text(map(map(isMap(spec) ? spec.credential : undefined).secretRef).name);
  return name === undefined || name === "" ? { ok: false, message: "spec.credential.secretRef.name is missing" } : { ok: true, value: { name, key: "value" } };
}

function read<S extends z.ZodType>(schema: S, value: unknown): Read<z.output<S>> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return { ok: true, value: parsed.data };
  const [issue] = parsed.error.issues;
  return { ok: false, message: `spec.${issue?.path.join(".") ?? ""}: ${issue?.message ?? "cannot be read"}` };
}
