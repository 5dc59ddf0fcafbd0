// The words of the state machine: what a pass has seen, what it asks for, and what it decided. No behaviour.
import type { CanarySpec } from "../../crds/canary.ts";
import type { Problem } from "../../crds/problem.ts";
import type { CanaryStatus, Gate, Measurement, Verdict } from "../../crds/status.ts";
import type { KubeMeta } from "../ports.ts";
import type { Settings } from "./settings.ts";

/** `unobserved`: its controller has not seen the last change yet, so nothing is known. */
export type Readiness = { ready: true } | { ready: false; why: string; deadlineExceeded: boolean; unobserved?: true };

/** The target, as its cached object reads. */
export interface TargetSeen {
  uid: string;
  generation: number;
  /** Canonical hash of the pod template and of the contents it reads: the revision's name. */
  hash: string;
  images: string[];
  /** spec.replicas */
  replicas: number;
  paused: boolean;
  /** Pods that exist, whatever they run. */
  pods: number;
  availableReplicas: number;
  /** Ready at the number of replicas that it was given; never for 0. */
  readiness: Readiness;
  /** Highest restart count of one pod of the revision under analysis; 0 while pods are not watched. */
  restarts: number;
  /** Checksums of the ConfigMaps and Secrets that it reads, and one word for all of them; undefined where they are not tracked. */
  configs: { digest: string; checksums: Readonly<Record<string, string>> } | undefined;
  /** Its pod template is that of the run under way, as far as known: what differs, if anything, is what it reads. */
  sameTemplate: boolean;
}

export interface PrimarySeen {
  /** Why it is too small yet for the traffic that it is about to take; undefined when it is not. */
  undersized: string | undefined;
  /** The revision it was rendered from; undefined when it does not say. */
  revision: string | undefined;
  images: string[];
  replicas: number;
  availableReplicas: number;
  readiness: Readiness;
  /** When it was made, and its Services with it; NaN or undefined where that is not known or nothing was made. */
  createdMs?: number;
}

/** Pods of the revision before the promoted one, where they are kept. */
export interface PreviousSeen {
  revision: string | undefined;
  availableReplicas: number;
  readiness: Readiness;
}

/** Whether routing objects and apex Service are what the status asks for, as read back; `unknown` raises nothing. */
export type TrafficSeen = { kind: "applied" } | { kind: "differs"; why: string } | { kind: "unknown"; why: string };

/** Rollout windows at this instant; `changesAtMs` is when the last open one closes or the next one opens, absent where none ever does. */
export interface WindowSeen {
  open: boolean;
  changesAtMs?: number;
}

/** Everything one pass knows. Undefined `target` or `primary` means that the object does not exist. */
export interface Observation {
  nowMs: number;
  /** What forbids work, as only the engine can see it; empty when nothing does. */
  problems: readonly Problem[];
  /** What goes wrong with the engine's own writes (refused, or undone again and again): shown, but it holds no run. */
  trouble: Problem | undefined;
  target: TargetSeen | undefined;
  primary: PrimarySeen | undefined;
  previous: PreviousSeen | undefined;
  traffic: TrafficSeen;
  /** Why what is known of the cluster may be old; nothing is raised and nothing promoted on it. */
  stale: string | undefined;
  /** Why all rollouts of the cluster are frozen: nothing starts, rises or is promoted; checks and rollbacks go on. */
  frozen: string | undefined;
  /** Undefined without windows: runs may start at any time. */
  window: WindowSeen | undefined;
  /** Revisions that are stored, by hash. */
  stored: ReadonlySet<string>;
  /** Answers that arrived, by the id of what was asked. */
  answers: ReadonlyMap<string, Answer>;
  /** Announcements up to this id are known to be sent. */
  sentUpTo: number;
  /** The Canary is being deleted and somebody else's finalizer still holds it. */
  deleting: boolean;
}

export type HookType = "pre-rollout" | "post-rollout";

/**
 * Something to be asked of the outside while no pass waits for it. Asking twice with one id is asking once. A `gate` is asked again every `everyMs` for
 * as long as it is not answered with a pass: of a gate that means open, of the rollback hook that it wants the run rolled back.
 */
export type Ask = { id: string; kind: "check"; of?: "primary" } | { id: string; kind: "hooks"; type: HookType } | { id: string; kind: "gate"; type: Gate | "rollback"; everyMs: number };

export interface Answer {
  verdict: Verdict;
  /** Why, in words; empty for a plain pass. */
  message: string;
  measurements: Measurement[];
}

/** When the key must be looked at again at the latest; changes and answers wake it earlier. */
export type Wake = { atMs: number } | "on-change";

export interface CanaryView {
  kind: { group: string; name: string };
  metadata: KubeMeta;
  spec: CanarySpec;
  status: CanaryStatus;
}

export interface Situation {
  canary: CanaryView;
  status: CanaryStatus;
  settings: Settings;
  seen: Observation;
}

export interface Notice {
  type: "Normal" | "Warning";
  reason: string;
  message: string;
}

/** What one phase decided, before conditions and counters are filled in. */
export interface Move {
  status: CanaryStatus;
  notices: Notice[];
  asks: Ask[];
  wake: Wake;
  /** Why nothing or something happened, for the log. */
  why: string;
  /** A reason for Stalled that the phase found by itself. */
  problem?: Problem;
}

export interface Transition {
  status: CanaryStatus;
  asks: Ask[];
  wake: Wake;
  why: string;
}
