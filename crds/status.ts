// What the engine remembers of a Canary: the shape of its status, in both API groups.
// Flagger's fields keep their names and meaning; the rest is this engine's memory. It must stay below 16 KiB, so every list is bounded.
import { z } from "zod";
import { REPORTERS } from "./analysis.ts";

export const PHASES = [
  "Initializing",
  "Initialized",
  "Waiting",
  "Progressing",
  "WaitingPromotion",
  "Promoting",
  "Finalising",
  "Succeeded",
  "Failed",
  "Terminating",
  "Terminated",
] as const;

const instant = z.string().meta({ format: "date-time" });
const percent = z.int().min(0).max(100);
const images = z.array(z.string()).max(32);

const condition = z.object({
  type: z.string(),
  status: z.enum(["True", "False", "Unknown"]),
  reason: z.string(),
  message: z.string().optional(),
  observedGeneration: z.int().optional(),
  lastTransitionTime: instant.optional(),
  lastUpdateTime: instant.optional(),
});

const measurement = z.object({
  name: z.string(),
  verdict: z.enum(["pass", "fail", "inconclusive", "error"]),
  /** In the metric's own unit: percent for request-success-rate, milliseconds for request-duration. */
  value: z.number().optional(),
  min: z.number().optional(),
  max: z.number().optional(),
  message: z.string().optional(),
  reporter: z.enum(REPORTERS).optional().describe("The proxies whose Istio metrics were read"),
});

const outcome = z.enum(["Promoted", "RolledBack", "Inconclusive", "PromotionBlocked", "Superseded", "Withdrawn", "Undone"]);

/** How a run reaches users: by weight, all of the users that match, or all at once after a rehearsal. */
export const STRATEGIES = ["canary", "ab-testing", "blue-green"] as const;
/** Webhooks that hold a rollout for as long as they do not answer 2xx. */
export const GATES = ["confirm-rollout", "confirm-traffic-increase", "confirm-promotion"] as const;

export const canaryStatusSchema = z.object({
  phase: z.enum(PHASES).optional(),
  canaryWeight: percent.optional().describe("Percent of the traffic that the canary gets; 0 from Promoting on, as Flagger shows it"),
  failedChecks: z.int().optional(),
  iterations: z.int().optional(),
  lastAppliedSpec: z.string().optional().describe("Revision of the target that the last run was about"),
  lastPromotedSpec: z.string().optional().describe("Revision that was promoted last"),
  previousPromotedSpec: z.string().optional().describe("Revision that was promoted before that one, to which the action rollback returns"),
  lastTransitionTime: instant.optional(),
  trackedConfigs: z.record(z.string(), z.string()).optional().describe("Checksums of the ConfigMaps and Secrets that the target reads"),
  sessionAffinityCookie: z.string().optional(),
  primarySessionAffinityCookie: z.string().optional(),
  previousSessionAffinityCookie: z.string().optional(),
  conditions: z.array(condition).max(8).optional(),
  observedGeneration: z.int().optional(),

  route: z
    .object({
      primaryWeight: percent,
      canaryWeight: percent,
      matched: z.boolean().optional().describe("The weights speak of the users whom spec.analysis.match chooses; all others get the primary"),
      mirror: z.boolean().optional().describe("The canary gets a copy of the primary's traffic"),
      appliedAt: instant.optional().describe("When these weights were read back from the routing objects; absent until then"),
      drainUntil: instant.optional().describe("Before this instant no pod that carried traffic under the last route may go"),
    })
    .optional()
    .describe("The weights that the routing objects should have; absent before the primary serves"),

  target: z
    .object({
      uid: z.string(),
      generation: z.int(),
      revision: z.string(),
      images,
      replicas: z.int().min(1).describe("How many replicas the target gets when it runs: the last number its owner set"),
      scale: z.enum(["AsFound", "Up", "Zero"]),
      paused: z.boolean(),
      configs: z.string().optional().describe("Digest of trackedConfigs as the target was last judged; absent where they are not tracked"),
    })
    .optional()
    .describe("The target as it was last judged, and how it should be"),

  primary: z
    .object({ revision: z.string(), images })
    .optional()
    .describe("The stored revision that the primary should run"),

  run: z
    .object({
      id: z.string(),
      revision: z.string(),
      images,
      startedAt: instant,
      strategy: z.enum(STRATEGIES).optional(),
      step: z.int().min(0).describe("Rungs or iterations begun; 0 before the first"),
      attempt: z.int().min(0).describe("Checks asked for at this rung"),
      nextCheckAt: instant.optional(),
      weightedAt: instant.optional().describe("When the run got its first weight: no measurement may look further back"),
      deadlineAt: instant.optional().describe("When the workload that is waited for must be ready"),
      holdingSince: instant.optional().describe("Since when checks gave no verdict"),
      passed: z.boolean().optional().describe("The last check of this rung passed; only gates are waited for"),
      primaryFloor: z.int().min(0).optional().describe("With an autoscaler: the primary gets no fewer replicas, because it is to carry all traffic again"),
      fresh: z.boolean().optional().describe("The target goes to zero before this run: its pods read contents that have changed since, and nothing else would make new ones"),
      haltedBy: z.enum(GATES).optional().describe("The closed gate that was announced last"),
      paused: z.boolean().optional().describe("A person asked for it: no check and no step until it is resumed; what is unsafe still comes back"),
      preRollout: z.enum(["Passed"]).optional(),
      postRollout: z.enum(["Pending", "Done"]).optional(),
      outcome: outcome.optional(),
      reason: z.string().optional(),
      measurements: z.array(measurement).max(32).optional().describe("The last check"),
    })
    .optional(),

  waiting: z
    .object({ run: z.string(), revision: z.string(), images })
    .optional()
    .describe("In phase Waiting: the run that begins as soon as it may, by the id that approves it"),

  rollbackWindow: z
    .object({
      revision: z.string().describe("The one that was promoted before"),
      since: instant,
      until: instant,
      attempt: z.int().min(0),
      nextCheckAt: instant.optional(),
      failedChecks: z.int().min(0),
      serving: z.boolean().optional().describe("The pods that were kept serve in the primary's place, until it runs their revision again"),
    })
    .optional()
    .describe("The revision before the promoted one is at hand"),

  history: z
    .array(z.object({ id: z.string(), revision: z.string(), images, outcome, reason: z.string().optional(), finishedAt: instant }))
    .max(5)
    .optional()
    .describe("The last runs that ended, newest first"),

  actions: z
    .array(
      z.object({
        request: z.string(),
        verb: z.string(),
        run: z.string().optional(),
        by: z.string().optional(),
        reason: z.string().optional(),
        at: instant,
        result: z.enum(["Done", "Refused"]),
        message: z.string().optional(),
      }),
    )
    .max(10)
    .optional()
    .describe("What people asked of runs and what became of it, newest first"),

  outbox: z
    .array(z.object({ id: z.int(), at: instant, type: z.enum(["Normal", "Warning"]), reason: z.string(), message: z.string() }))
    .max(16)
    .optional()
    .describe("Announcements committed and not yet known to be sent"),

  counters: z
    .object({ runs: z.int(), announcements: z.int() })
    .optional()
    .describe("Sources of ids that must not repeat"),
});

export type CanaryStatus = z.infer<typeof canaryStatusSchema>;
export type Strategy = (typeof STRATEGIES)[number];
export type Gate = (typeof GATES)[number];
export type Phase = (typeof PHASES)[number];
export type Condition = z.infer<typeof condition>;
export type Measurement = z.infer<typeof measurement>;
export type Reporter = (typeof REPORTERS)[number];
export type Verdict = Measurement["verdict"];
export type RunOutcome = z.infer<typeof outcome>;
export type Run = NonNullable<CanaryStatus["run"]>;
export type Announcement = NonNullable<CanaryStatus["outbox"]>[number];
