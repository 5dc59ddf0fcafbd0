// What does the manifest ask for, with every default applied? The only place where defaults of the analysis live.
import { GROUPS, type CanarySpec } from "../../crds/canary.ts";
import { groupOf } from "../../crds/marks.ts";
import { parseDuration } from "../../crds/durations.ts";
import { GATES, type Gate, type Strategy } from "../../crds/status.ts";
import { ladder } from "./ladder.ts";

export type Policy = "hold" | "fail" | "pass";

export interface Settings {
  /** Of the target: Deployment, DaemonSet or Service, and its API group. */
  kind: string;
  group: string;
  /** The target has an autoscaler, so the primary has one too. */
  autoscaled: boolean;
  /** Names: the workload of the user, the engine's copy, and the base of the three Services. */
  target: string;
  primary: string;
  apex: string;
  intervalMs: number;
  /** Failed checks that roll back. */
  threshold: number;
  strategy: Strategy;
  /** Checks of an A/B run, or of a blue/green run before its switch; 0 for a weighted canary. */
  iterations: number;
  /** Weights speak only of the users whom the manifest matches. */
  matched: boolean;
  /** Begin with a copy of the traffic. */
  mirror: boolean;
  /** The router can send users to the canary at all. Where it cannot, blue/green ends with the rehearsal. */
  routed: boolean;
  /** Gates that the manifest has a webhook for. */
  gates: ReadonlySet<Gate>;
  /** A webhook may ask for a rollback at any time. */
  rollbackHook: boolean;
  /** Canary weights in rising order; the last one is the last before promotion. Empty with skipAnalysis. */
  rungs: readonly number[];
  /** Percent by which traffic returns to the primary per interval while promoting; 0 is all at once. */
  promotionStep: number;
  deadlineMs: number;
  /** How long pods live on after the route that led to them was seen to be gone. */
  drainMs: number;
  /** How long checks without a verdict may hold a run before it is decided. */
  maxHoldMs: number;
  onNoData: Policy;
  onProviderError: Policy;
  skipAnalysis: boolean;
  suspended: boolean;
  /** No run starts before a person, or another controller, approves it. */
  confirmStart: boolean;
  /** Outside of its windows a run holds what users get. */
  holdOutside: boolean;
  /** After a promotion the previous revision stays at hand for this long; undefined where it does not. */
  window: { durationMs: number; keepPods: boolean; checks: boolean } | undefined;
  revertOnDeletion: boolean;
  primaryReadyPercent: number;
  canaryReadyPercent: number;
}

const SECOND = 1000;
const FLAGGER_INTERVAL_FLOOR_MS = 10 * SECOND;
const INTERVAL_FLOOR_MS = SECOND;
const FLAGGER_REHEARSALS = 10;
/** Ten years. */
const LONGEST_MS = 3650 * 24 * 3600 * SECOND;
const DEFAULT_DRAIN_SECONDS = 10;
const DEFAULT_MAX_HOLD_MS = 10 * 60 * SECOND;

/** @param routes what the Canary's router can do; everything when it is not known */
export function settingsOf(group: string, spec: CanarySpec, routes: { weights: boolean } = { weights: true }): Settings {
  const flagger = group === GROUPS.flagger.group;
  const analysis = spec.analysis;
  const target = spec.targetRef.name;
  const skipAnalysis = spec.skipAnalysis === true || analysis === undefined;
  const intervalMs = bounded(parseDuration(analysis?.interval ?? "60s") ?? 60 * SECOND, flagger ? FLAGGER_INTERVAL_FLOOR_MS : INTERVAL_FLOOR_MS);
  // Flagger has one answer to silence and to an outage: a failed check. Its manifests keep it.
  const policy: Policy = flagger ? "fail" : "hold";
  const hooks = new Set(analysis?.webhooks?.map((webhook) => webhook.type));
  // Flagger rehearses ten times where nothing can be weighted; manifests of its group keep that.
  const iterations = analysis?.iterations ?? 0;
  const matched = routes.weights && (analysis?.match?.length ?? 0) > 0;
  const rehearsals = iterations > 0 ? iterations : flagger && !routes.weights ? FLAGGER_REHEARSALS : 0;
  return {
    kind: spec.targetRef.kind,
    group: groupOf(spec.targetRef.apiVersion),
    autoscaled: spec.autoscalerRef !== undefined,
    target,
    primary: `${target}-primary`,
    apex: spec.service?.name ?? target,
    intervalMs,
    threshold: analysis?.threshold !== undefined && analysis.threshold > 0 ? analysis.threshold : 1,
    strategy: rehearsals === 0 ? "canary" : matched ? "ab-testing" : "blue-green",
    matched,
    iterations: rehearsals,
    mirror: analysis?.mirror === true && routes.weights,
    routed: routes.weights,
    gates: new Set(GATES.filter((gate) => hooks.has(gate))),
    rollbackHook: hooks.has("rollback"),
    rungs: skipAnalysis ? [] : ladder(analysis ?? {}),
    promotionStep: analysis?.stepWeightPromotion ?? 0,
    deadlineMs: bounded((spec.progressDeadlineSeconds ?? 600) * SECOND, 0),
    drainMs: (spec.drainSeconds ?? DEFAULT_DRAIN_SECONDS) * SECOND,
    maxHoldMs: bounded(parseDuration(analysis?.maxHold ?? "") ?? Math.max(DEFAULT_MAX_HOLD_MS, 10 * intervalMs), 0),
    onNoData: analysis?.onNoData ?? policy,
    onProviderError: analysis?.onProviderError ?? policy,
    skipAnalysis,
    holdOutside: spec.outsideWindows === "hold",
    suspended: spec.suspend === true,
    confirmStart: spec.confirmStart === true,
    window: windowOf(spec),
    revertOnDeletion: spec.revertOnDeletion ?? !flagger,
    primaryReadyPercent: analysis?.primaryReadyThreshold ?? 100,
    canaryReadyPercent: analysis?.canaryReadyThreshold ?? 100,
  };
}

/** Flagger's schema lets any number through, and no calendar has a date that is 1e300 seconds away. */
function bounded(ms: number, leastMs: number): number {
  return Math.min(Math.max(ms, leastMs), LONGEST_MS);
}

function windowOf({ rollbackWindow: window, analysis }: CanarySpec): Settings["window"] {
  const durationMs = parseDuration(window?.duration ?? "");
  if (window === undefined || durationMs === undefined) return undefined;
  return { durationMs, keepPods: window.keepPods !== false, checks: window.checks !== false && (analysis?.metrics?.length ?? 0) > 0 };
}
