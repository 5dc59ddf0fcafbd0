// Does a release go from wave to wave in order, and does a failure, or a cluster out of reach, keep it from whoever comes later and from nobody else?
import { describe, expect, test } from "@jest/globals";
import type { CanaryStatus } from "../../../crds/status.ts";
import { nextOfWaves, type Wave, type WaveCluster } from "../../../fleet/waves.ts";

const T0 = Date.UTC(2030, 0, 1);
const at = (ms: number): string => new Date(ms).toISOString();

function serving(image: string, finishedAt = T0): CanaryStatus {
  const history = [{ id: "r-1", revision: "r", images: [image], outcome: "Promoted" as const, finishedAt: at(finishedAt) }];
  return { phase: "Succeeded", primary: { revision: "r", images: [image] }, history, run: { id: "r-1", revision: "r", images: [image], startedAt: at(T0), step: 1, attempt: 0, outcome: "Promoted" } };
}
const waiting = (image: string, run = "r-2"): CanaryStatus => ({ ...serving("app:1"), phase: "Waiting", waiting: { run, revision: "r2", images: [image] } });
const running = (image: string): CanaryStatus => ({ ...serving("app:1"), phase: "Progressing", run: { id: "r-2", revision: "r2", images: [image], startedAt: at(T0), step: 1, attempt: 0 } });
const failed = (image: string): CanaryStatus => ({ ...running(image), phase: "Failed" });

function cluster(name: string, canary: CanaryStatus | undefined, reachable = true): WaveCluster {
  return { name, canary, reachable };
}

function wave(name: string, clusters: WaveCluster[], more: Partial<Wave> = {}): Wave {
  return { name, clusters, maxParallel: 10, bakeMs: 0, onFailure: "stop", ...more };
}

const said = (waves: Wave[], nowMs = T0 + 1000): string[] => nextOfWaves(waves, nowMs).decisions.map(({ verb, cluster: name, run }) => `${verb} ${name} ${run}`);
const phases = (waves: Wave[], nowMs = T0 + 1000): string[] => nextOfWaves(waves, nowMs).states.map(({ name, phase }) => `${name} ${phase}`);

describe("the order", () => {
  test("the first wave begins, the second waits for it", () => {
    const waves = [wave("pilot", [cluster("a", waiting("app:2"))]), wave("rest", [cluster("b", waiting("app:2")), cluster("c", waiting("app:2"))])];
    expect(said(waves)).toEqual(["approve a r-2"]);
    expect(nextOfWaves(waves, T0).states[1]).toMatchObject({ phase: "Held", message: "a of wave pilot is not through yet" });
  });

  test("a cluster that has not been given the release yet holds those behind it, though it is at rest", () => {
    const waves = [wave("pilot", [cluster("a", serving("app:1"))]), wave("rest", [cluster("b", waiting("app:2"))])];
    expect(said(waves)).toEqual([]);
    expect(nextOfWaves(waves, T0).states[1]?.message).toContain("has not been given app:2");
  });

  test("the second begins when the first has promoted that release", () => {
    expect(said([wave("pilot", [cluster("a", serving("app:2"))]), wave("rest", [cluster("b", waiting("app:2")), cluster("c", serving("app:1"))])])).toEqual(["approve b r-2"]);
  });

  test("no more than maxParallel are under way", () => {
    const clusters = [cluster("a", running("app:2")), cluster("b", waiting("app:2")), cluster("c", waiting("app:2")), cluster("d", serving("app:2"))];
    expect(said([wave("all", clusters, { maxParallel: 2 })])).toEqual(["approve b r-2"]);
    expect(said([wave("all", clusters, { maxParallel: 1 })])).toEqual([]);
  });

  test("the bake time holds the next wave, and says until when", () => {
    const waves = [wave("pilot", [cluster("a", serving("app:2", T0))], { bakeMs: 60_000 }), wave("rest", [cluster("b", waiting("app:2"))])];
    expect(said(waves, T0 + 59_000)).toEqual([]);
    expect(nextOfWaves(waves, T0 + 59_000)).toMatchObject({ wakeAtMs: T0 + 60_000, states: [{ phase: "Baking" }, { phase: "Held", message: "wave pilot bakes" }] });
    expect(said(waves, T0 + 60_000)).toEqual(["approve b r-2"]);
  });

  test("order of images and of clusters is of no matter", () => {
    const two: CanaryStatus = { ...waiting("x"), waiting: { run: "r-2", revision: "r2", images: ["b:2", "a:2"] } };
    const done: CanaryStatus = { ...serving("x"), primary: { revision: "r", images: ["a:2", "b:2"] } };
    expect(said([wave("one", [cluster("a", done)]), wave("two", [cluster("b", two)])])).toEqual(["approve b r-2"]);
  });
});

describe("failures", () => {
  test("stop their wave and every later one, which stays untouched", () => {
    const waves = [wave("pilot", [cluster("a", failed("app:2")), cluster("b", waiting("app:2"))]), wave("rest", [cluster("c", waiting("app:2"))])];
    expect(said(waves)).toEqual([]);
    expect(phases(waves)).toEqual(["pilot Stopped", "rest Held"]);
  });

  test("by policy bring their wave back: who has it, and who is on the way", () => {
    const clusters = [cluster("a", failed("app:2")), cluster("b", serving("app:2")), cluster("c", running("app:2")), cluster("d", serving("app:1"))];
    expect(said([wave("pilot", clusters, { onFailure: "rollback" })])).toEqual(["rollback b r-1", "abort c r-2"]);
    expect(said([wave("pilot", clusters)])).toEqual([]);
  });

  test("a newer revision is another train", () => {
    expect(said([wave("pilot", [cluster("a", waiting("app:3", "r-3"))]), wave("rest", [cluster("b", waiting("app:3"))])])).toEqual(["approve a r-3"]);
  });
});

describe("what is not known", () => {
  test("a cluster out of reach holds its wave for those behind, and nobody beside it", () => {
    const waves = [wave("pilot", [cluster("a", serving("app:2"), false), cluster("b", waiting("app:2"))]), wave("rest", [cluster("c", waiting("app:2"))])];
    expect(said(waves)).toEqual(["approve b r-2"]);
    expect(nextOfWaves(waves, T0).states[1]?.message).toBe("a of wave pilot is out of reach");
  });

  test("a rollout that is not there yet is waited for", () => {
    expect(phases([wave("pilot", [cluster("a", undefined)]), wave("rest", [cluster("b", waiting("app:2"))])])).toEqual(["pilot Waiting", "rest Held"]);
  });

  test("a waiting run without a name is not approved", () => {
    expect(said([wave("pilot", [cluster("a", { phase: "Waiting" })])])).toEqual([]);
  });

  test("no waves, or empty ones, are no trouble", () => {
    expect(nextOfWaves([], T0)).toEqual({ decisions: [], states: [], wakeAtMs: undefined });
    expect(phases([wave("empty", [], { bakeMs: 1000 }), wave("rest", [cluster("b", waiting("app:2"))])])).toEqual(["empty Done", "rest Running"]);
  });
});
