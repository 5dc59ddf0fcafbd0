// Every status that a run can leave behind, met by every way in which the world can look: `next` is total, deterministic, changes nothing it was given,
// and breaks no promise.
import { describe, expect, test } from "@jest/globals";
import type { CanaryStatus } from "../../../crds/status.ts";
import { canaryStatusSchema } from "../../../crds/status.ts";
import { broken } from "../../../engine/machine/invariants.ts";
import { next } from "../../../engine/machine/next.ts";
import { settingsOf, type Settings } from "../../../engine/machine/settings.ts";
import type { Answer, CanaryView, Observation, PrimarySeen, TargetSeen, TrafficSeen } from "../../../engine/machine/types.ts";
import { down, fail, initialized, noData, pass, SECOND, SimulatedWorld, spec, T0 } from "./simulated.ts";

const unweighted = { stepWeight: undefined, maxWeight: undefined };
const webhooks = ["confirm-rollout", "confirm-traffic-increase", "confirm-promotion", "rollback"].map((type) => ({ name: type, type, url: "http://gate" }));
const STRATEGIES = [
  { ...unweighted, iterations: 2, match: [{ headers: { "x-user": { exact: "tester" } } }] },
  { ...unweighted, iterations: 2, mirror: true, webhooks },
  { stepWeight: 25, mirror: true, webhooks },
];

interface Left {
  status: CanaryStatus;
  nowMs: number;
  target: TargetSeen | undefined;
  primary: PrimarySeen | undefined;
}

/** The statuses of whole lives: good, bad, silent, restarted, reverted, blocked, never ready. */
function lives(): Left[] {
  const kept = new Map<string, Left>();
  const watch = (world: SimulatedWorld): SimulatedWorld => {
    const keep = (): void => {
      const key = JSON.stringify([world.status.phase, world.status.route?.canaryWeight, world.status.route?.appliedAt !== undefined, world.status.target?.scale, world.status.target?.paused, world.status.run?.outcome, world.status.failedChecks, world.status.iterations, world.status.route?.matched, world.status.route?.mirror, world.status.run?.passed, world.status.run?.haltedBy]);
      if (!kept.has(key)) kept.set(key, { status: world.status, nowMs: world.nowMs, target: world.target, primary: world.primary });
    };
    keep();
    world.onCommit = keep;
    return world.run(1500);
  };
  const fresh = new SimulatedWorld();
  fresh.primaryStarts = false;
  watch(fresh);
  watch(initialized());
  const good = initialized(spec({}, { stepWeight: 25, stepWeightPromotion: 20 }));
  good.push("v2");
  watch(good);
  const bad = initialized();
  bad.answer = () => fail;
  bad.push("v2");
  watch(bad);
  const silent = initialized();
  silent.answer = () => noData;
  silent.push("v2");
  watch(silent);
  const restarted = initialized();
  restarted.push("v2");
  restarted.at(200, () => restarted.push("v3"));
  watch(restarted);
  const reverted = initialized();
  reverted.push("v2");
  reverted.at(200, () => reverted.push("v1", "app:1"));
  watch(reverted);
  const blocked = initialized(spec({ progressDeadlineSeconds: 100 }));
  blocked.push("v2");
  blocked.at(480, () => (blocked.primaryStarts = false));
  watch(blocked);
  for (const analysis of STRATEGIES) {
    const world = initialized(spec({}, analysis));
    world.answer = (ask) => (ask.kind === "gate" ? (ask.type === "rollback" || world.nowMs < T0 + (ask.type === "confirm-promotion" ? 5000 : 1200) * SECOND ? fail : pass) : pass);
    world.push("v2");
    watch(world);
    world.run(9000);
  }
  return [{ status: {}, nowMs: fresh.nowMs, target: fresh.target, primary: undefined }, ...kept.values()];
}

const ready = { ready: true } as const;
const notReady = { ready: false, why: "1 of 2 pods", deadlineExceeded: false } as const;

function targets(left: Left): (TargetSeen | undefined)[] {
  const base: TargetSeen = { uid: "t", generation: 9, hash: left.status.run?.revision ?? "v1", images: ["app"], replicas: 2, paused: false, availableReplicas: 2, readiness: ready, restarts: 0, pods: 2, configs: undefined, sameTemplate: false };
  return [
    left.target,
    undefined,
    base,
    { ...base, readiness: notReady },
    { ...base, readiness: { ...notReady, deadlineExceeded: true } },
    { ...base, availableReplicas: 0, readiness: notReady },
    { ...base, restarts: 3 },
    { ...base, hash: "v9" },
    { ...base, hash: left.status.lastPromotedSpec ?? "v1" },
    { ...base, replicas: 0, availableReplicas: 0, readiness: notReady },
    { ...base, uid: "another" },
  ];
}

function primaries(left: Left): (PrimarySeen | undefined)[] {
  const base: PrimarySeen = { undersized: undefined, revision: left.status.primary?.revision, images: [], replicas: 2, availableReplicas: 2, readiness: ready };
  return [left.primary, undefined, base, { ...base, readiness: notReady }, { ...base, availableReplicas: 0, readiness: notReady }, { ...base, revision: "v0" }];
}

const TRAFFIC: TrafficSeen[] = [{ kind: "applied" }, { kind: "differs", why: "edited" }, { kind: "unknown", why: "mangled" }];
const ANSWERS: (Answer | undefined)[] = [undefined, pass, fail, noData, down];
const LATER_MS = [0, 3600 * SECOND];
const MANIFESTS = [spec(), spec({ suspend: true }), spec({ skipAnalysis: true }), spec({}, { threshold: 1, maxWeight: 20 }), ...STRATEGIES.map((analysis) => spec({}, analysis))];

describe("every status against every look of the world", () => {
  const all = lives();

  test("there are enough of them", () => {
    expect(new Set(all.map((left) => left.status.phase))).toEqual(new Set([undefined, "Initializing", "Initialized", "Waiting", "Progressing", "WaitingPromotion", "Promoting", "Finalising", "Succeeded", "Failed"]));
    expect(all.length).toBeGreaterThan(30);
  });

  test.each([...MANIFESTS.entries()])("manifest %i", (index, manifest) => {
    const offset = index % 3;
    const settings = settingsOf("rollout.kurator.dev", manifest);
    const wrong = new Set<string>();
    let cases = 0;
    for (const left of all) {
      for (const target of targets(left)) {
        for (const primary of primaries(left)) {
          for (const traffic of TRAFFIC) {
            for (const laterMs of LATER_MS) {
              for (const answer of ANSWERS) {
                cases += 1;
                // One of three, in a stride that meets every value of every list.
                if (cases % 3 !== offset) continue;
                const seen: Observation = {
                  nowMs: left.nowMs + laterMs, problems: [], trouble: undefined, target, primary, previous: undefined, traffic, stale: cases % 5 === 0 ? "old" : undefined, frozen: cases % 7 === 0 ? "incident" : undefined, window: undefined,
                  stored: new Set(["v1", "v2"]), answers: new Map(), sentUpTo: 0, deleting: false,
                };
                for (const rule of decide(left.status, manifest, settings, seen, answer)) wrong.add(`${rule}: ${left.status.phase} ${left.status.route?.canaryWeight}`);
              }
            }
          }
        }
      }
    }
    expect([...wrong]).toEqual([]);
    expect(cases).toBeGreaterThan(40_000);
  });
});

let looks = 0;

function decide(status: CanaryStatus, manifest: ReturnType<typeof spec>, settings: Settings, looked: Observation, answer: Answer | undefined): string[] {
  const view: CanaryView = { kind: { group: "rollout.kurator.dev", name: "Canary" }, metadata: { name: "backend", namespace: "webapp", generation: 1 }, spec: manifest, status };
  let seen = looked;
  let decided = next(view, settings, seen);
  if (answer !== undefined) {
    if (decided.asks.length === 0) return [];
    seen = { ...looked, answers: new Map(decided.asks.map((ask) => [ask.id, answer])) };
    decided = next(view, settings, seen);
  }
  const rules = broken(status, seen, settings, decided);
  looks += 1;
  // The costly ones on every eleventh case: a prime, so that no row of the product is always passed over.
  if (looks % 11 !== 0) return rules;
  const text = JSON.stringify(decided);
  if (JSON.stringify(next(view, settings, seen)) !== text) rules.push("P6 the same question has one answer");
  if (!canaryStatusSchema.safeParse(decided.status).success) rules.push("P11 the status fits its schema");
  if (text.length > 16_384) rules.push("the status stays below 16 KiB");
  return rules;
}
