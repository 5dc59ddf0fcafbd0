// Which life is it? Draws from the seed what a life consists of: the strategy, what may go wrong and what people do. Each of them is often absent, so that
// lives differ in kind and not only in detail.
import type { Random } from "../api/types.ts";
import type { PrometheusMood } from "./scene.ts";
import { QUIET, type NetworkFaults } from "./transport.ts";

export const ACTS = [
  "replicas", "selector", "route", "rule", "settings", "spec", "suspend", "pause", "abort", "cluster-freeze", "silence",
  "kill", "freeze", "clock", "prometheus", "gates", "unreadable",
] as const;
export type Act = (typeof ACTS)[number];

/** `broken` and not `errors`: rate() does not see the failure that a series begins with, and of two pods with a few requests each that may be all there are. */
export const KINDS = ["good", "good", "broken", "slow", "crash", "unready"] as const;
export type Kind = (typeof KINDS)[number];

export interface Plan {
  strategy: "steps" | "ladder" | "slow-promotion" | "ab-testing" | "blue-green";
  /** Of the Canary, beside what every life has. */
  spec: Record<string, unknown>;
  analysis: Record<string, unknown>;
  /** Share of requests that come from testers. */
  testers: number;
  engines: 1 | 2;
  acts: readonly Act[];
  moods: readonly PrometheusMood[];
  faults: NetworkFaults;
  rounds: number;
  /** What a release is, in order of the rounds. */
  releases: readonly Kind[];
  deletes: boolean;
}

const MOODS: readonly PrometheusMood[] = ["down", "empty", "nan", "garbage", "broken", "late", "blind"];
const STRATEGIES: readonly Plan["strategy"][] = ["steps", "steps", "ladder", "slow-promotion", "ab-testing", "blue-green"];

export function draw(random: Random): Plan {
  const one = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T;
  const some = <T>(of: readonly T[]): T[] => of.filter(() => random() < 0.5);
  const maybe = (share: number): number => (random() < 0.5 ? 0 : random() * share);
  const strategy = one(STRATEGIES);
  const rounds = 3 + Math.floor(random() * 3);
  const gated = random() < 0.3;
  return {
    strategy,
    spec: { ...(random() < 0.3 ? { rollbackWindow: { duration: "10s" } } : {}), drainSeconds: one([1, 2, 3]) },
    analysis: { ...ANALYSES[strategy], interval: one(["2s", "3s", "4s"]), threshold: one([1, 2, 3]), ...(gated ? { webhooks: [{ name: "gate", type: one(["confirm-rollout", "confirm-traffic-increase", "confirm-promotion"]), url: "http://gates.test" }] } : {}) },
    testers: strategy === "ab-testing" ? 0.4 : 0,
    engines: one([1, 2]),
    // A tool that leads the route to the apex Service and the apex Service to a target at zero takes the app away itself.
    acts: some(ACTS).filter((act, _, all) => act !== "selector" || !all.includes("route")),
    moods: some(MOODS),
    faults: {
      ...QUIET,
      refused: maybe(0.1), replyLost: maybe(0.1), throttled: maybe(0.05), conflicts: maybe(0.1), delayMs: maybe(300), watchCut: maybe(0.05), watchLagMs: maybe(500), stuck: maybe(0.02), gone: maybe(0.5),
    },
    rounds,
    releases: Array.from({ length: rounds }, () => one(KINDS)),
    deletes: random() < 0.25,
  };
}

const ANALYSES: Readonly<Record<Plan["strategy"], object>> = {
  steps: { stepWeight: 20, maxWeight: 60 },
  ladder: { stepWeights: [10, 50] },
  "slow-promotion": { stepWeight: 25, maxWeight: 50, stepWeightPromotion: 50 },
  "ab-testing": { iterations: 3, match: [{ headers: { "x-user": { exact: "tester" } } }] },
  // Nobody asks a blue/green canary before its switch, so it is judged by copies.
  "blue-green": { iterations: 3, mirror: true },
};
