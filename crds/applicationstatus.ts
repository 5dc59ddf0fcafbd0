// What is known of an Application: Kurator's status, to the letter, and beside it conditions, clusters and waves.
import { z } from "zod";

const instant = z.string().meta({ format: "date-time" });

const condition = z.object({
  type: z.string(),
  status: z.enum(["True", "False", "Unknown"]),
  reason: z.string(),
  message: z.string().optional(),
  observedGeneration: z.int().optional(),
  lastTransitionTime: instant.optional(),
});

/** The status of an object of somebody else, copied whole. */
const copied = z.looseObject({});

export const WAVE_PHASES = ["Waiting", "Running", "Baking", "Done", "Held", "Stopped"] as const;

export const applicationStatusSchema = z.object({
  sourceStatus: z.object({ gitRepoStatus: copied.optional(), helmRepoStatus: copied.optional(), ociRepoStatus: copied.optional() }).optional(),
  syncStatus: z
    .array(
      z.object({
        name: z.string().optional(),
        kustomizationStatus: copied.optional(),
        HelmReleaseStatus: copied.optional(),
        rolloutStatus: z
          .object({
            clusterName: z.string().optional(),
            rolloutNameInCluster: z.string().optional(),
            rolloutStatusInCluster: copied.optional().describe("Status of the Canary in that cluster"),
          })
          .optional(),
      }),
    )
    .optional()
    .describe("One for each policy and cluster"),
  conditions: z.array(condition).max(8).optional(),
  observedGeneration: z.int().optional(),
  summary: z.string().optional().describe("Rollouts by phase, for people"),
  clusters: z
    .array(z.object({ name: z.string(), kind: z.string(), namespace: z.string().optional(), state: z.enum(["Ready", "Unreachable", "Problem", "Leaving"]), message: z.string().optional(), rollouts: z.array(z.string()).optional().describe("Workloads whose rollout was made there, as KIND/NAMESPACE/NAME") }))
    .optional()
    .describe("Where something was made, and whether it can be worked in"),
  waves: z.array(z.object({ policy: z.string(), name: z.string(), phase: z.enum(WAVE_PHASES), message: z.string().optional(), clusters: z.array(z.string()) })).optional(),
});

export type ApplicationStatus = z.infer<typeof applicationStatusSchema>;
export type ApplicationCondition = z.infer<typeof condition>;
export type ClusterState = NonNullable<ApplicationStatus["clusters"]>[number];
export type SyncEntry = NonNullable<ApplicationStatus["syncStatus"]>[number];

/** Nothing where it cannot be read: all of it is made anew by each pass, but for `clusters`, which only ever costs a visit. */
export function parseApplicationStatus(status: unknown): ApplicationStatus {
  const parsed = applicationStatusSchema.safeParse(status ?? {});
  return parsed.success ? parsed.data : {};
}
