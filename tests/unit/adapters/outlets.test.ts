// What does the engine show of itself: log lines without secrets, series that begin and end with their Canary, and the three pages of its listener?
import { describe, expect, test } from "@jest/globals";
import { createLog } from "../../../engine/adapters/logger.ts";
import { createRecorder } from "../../../engine/adapters/metrics.ts";
import { listen } from "../../../engine/adapters/server.ts";
import type { Canary } from "../../../crds/canary.ts";
import type { CanaryStatus, Measurement } from "../../../crds/status.ts";
import { settingsOf } from "../../../engine/machine/settings.ts";

describe("the log", () => {
  function logged(level: "debug" | "info", write: (log: ReturnType<typeof createLog>) => void): Record<string, unknown>[] {
    const lines: string[] = [];
    write(createLog(level, { write: (line: string) => void lines.push(line) }));
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  test("lines are JSON with a level by name and the fields beside the message", () => {
    const [line] = logged("info", (log) => log.info({ canary: "test/podinfo", weight: 5 }, "weight raised"));
    expect(line).toMatchObject({ level: "info", canary: "test/podinfo", weight: 5, msg: "weight raised" });
  });

  test("what is below the level is not written", () => {
    expect(logged("info", (log) => log.debug({}, "detail"))).toEqual([]);
    expect(logged("debug", (log) => log.debug({}, "detail"))).toHaveLength(1);
  });

  test("fields that are called like secrets are hidden, two levels down as well", () => {
    const secrets = { password: "s3cret", token: "s3cret", apiKey: "s3cret", headers: { "X-Key": "s3cret" }, Authorization: "s3cret" };
    const lines = logged("info", (log) => log.info({ ...secrets, request: { ...secrets, user: secrets } }, "asked"));
    expect(lines).toHaveLength(1);
    expect(JSON.stringify(lines)).not.toContain("s3cret");
  });
});

describe("the series", () => {
  const key = { group: "rollout.kurator.dev", namespace: "test", name: "canary-of-podinfo" };
  const canary: Canary = {
    apiVersion: "rollout.kurator.dev/v1alpha1", kind: "Canary", metadata: { name: key.name, namespace: "test" },
    spec: { targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "podinfo" }, service: { port: 80 }, analysis: { interval: "10s", threshold: 2, maxWeight: 50, stepWeight: 10 } },
  } as Canary;
  const settings = settingsOf(key.group, canary.spec);
  const at = (phase: string, canaryWeight: number, more: object = {}): CanaryStatus => ({ phase, route: { canaryWeight }, ...more }) as CanaryStatus;
  const begin = () => createRecorder("1.2.3", "istio", { process: false, queueDepth: () => 3, asksInFlight: () => 4, canaries: () => new Map([["test", 2]]) });

  test("Flagger's names, by the name of the target", async () => {
    const { recorder, registry } = begin();
    recorder.transition(key, settings, at("Initialized", 0), at("Progressing", 20));
    recorder.measured(canary, { name: "request-duration", verdict: "pass", value: 120 } as Measurement, { unit: "ms", max: 500 } as Parameters<typeof recorder.measured>[2]);
    const lines = (await registry.metrics()).split("\n");
    expect(lines).toEqual(expect.arrayContaining([
      'flagger_info{version="1.2.3",mesh_provider="istio"} 1',
      'flagger_canary_total{namespace="test"} 2',
      'flagger_canary_status{name="podinfo",namespace="test"} 0',
      'flagger_canary_weight{workload="podinfo",namespace="test"} 20',
      'flagger_canary_weight{workload="podinfo-primary",namespace="test"} 80',
      'flagger_canary_metric_analysis{name="podinfo",namespace="test",metric="request-duration"} 0.12',
      'kurator_rollout_checks_total{namespace="test",metric="request-duration",verdict="pass"} 1',
      "kurator_rollout_workqueue_depth 3",
      "kurator_rollout_asks_in_flight 4",
    ]));
  });

  test.each([["Progressing", 0], ["Promoting", 0], ["Finalising", 0], ["Failed", 2], ["Succeeded", 1], ["Initialized", 1]])("status while %s is %i", async (phase, shown) => {
    const { recorder, registry } = begin();
    recorder.seen(key, settings, at(phase, 0));
    expect(await registry.metrics()).toContain(`flagger_canary_status{name="podinfo",namespace="test"} ${shown}`);
  });

  test("a run counts once, when it ends", async () => {
    const { recorder, registry } = begin();
    const run = { startedAt: "2026-01-01T00:00:00Z" };
    const failed = at("Failed", 0, { run: { ...run, outcome: "RolledBack", reason: "ChecksFailed" }, lastTransitionTime: "2026-01-01T00:01:00Z" });
    recorder.transition(key, settings, at("Progressing", 10, { run }), failed);
    recorder.transition(key, settings, failed, { ...failed, failedChecks: 0 });
    const text = await registry.metrics();
    expect(text).toContain('flagger_canary_failures_total{name="podinfo",namespace="test",deployment_strategy="canary",analysis_status="completed"} 1');
    expect(text).toContain('kurator_rollout_rollbacks_total{namespace="test",reason="ChecksFailed"} 1');
    expect(text).toContain('flagger_canary_duration_seconds_sum{name="podinfo",namespace="test"} 60');
  });

  test("series that count begin at zero, so that silence and zero differ", async () => {
    const text = await begin().registry.metrics();
    expect(text).toContain('kurator_rollout_reconcile_total{outcome="bug"} 0');
    expect(text).toContain("kurator_rollout_leader 0");
  });

  test("no series outlives its Canary", async () => {
    const { recorder, registry } = begin();
    const run = { startedAt: "2026-01-01T00:00:00Z" };
    recorder.seen(key, settings, at("Progressing", 10, { run }));
    recorder.measured(canary, { name: "request-success-rate", verdict: "fail", value: 90 } as Measurement, { min: 99 } as Parameters<typeof recorder.measured>[2]);
    for (const outcome of ["Promoted", "RolledBack"]) recorder.transition(key, settings, at("Progressing", 10, { run }), at("Succeeded", 0, { run: { ...run, outcome } }));
    expect(await registry.metrics()).toContain("podinfo");
    recorder.forget(key);
    expect(await registry.metrics()).not.toContain("podinfo");
  });
});

describe("the listener", () => {
  test("liveness, readiness, metrics, and nothing else", async () => {
    let ready = false;
    const server = await listen(0, { metrics: () => Promise.resolve("a_metric 1\n"), ready: () => ready });
    const get = async (path: string, method = "GET"): Promise<[number, string]> => {
      const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method });
      return [response.status, await response.text()];
    };
    try {
      expect(await get("/healthz")).toEqual([200, "OK\n"]);
      expect((await get("/readyz"))[0]).toBe(503);
      ready = true;
      expect((await get("/readyz"))[0]).toBe(200);
      expect(await get("/metrics?name[]=a")).toEqual([200, "a_metric 1\n"]);
      expect((await get("/"))[0]).toBe(404);
      expect((await get("/metrics", "POST"))[0]).toBe(405);
    } finally {
      await server.close();
    }
    await expect(get("/healthz")).rejects.toThrow();
  });

  test("a port that is taken is an error, not a silence", async () => {
    const first = await listen(0, { metrics: () => Promise.resolve(""), ready: () => true });
    await expect(listen(first.port, { metrics: () => Promise.resolve(""), ready: () => true })).rejects.toMatchObject({ code: "EADDRINUSE" });
    await first.close();
  });
});
