// Which series does /metrics show? Flagger's, under their names, so that dashboards and alerts go on working, and the engine's own beside them.
import { groupOf } from "../../crds/marks.ts";
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";
import type { Canary } from "../../crds/canary.ts";
import { STRATEGIES, type CanaryStatus } from "../../crds/status.ts";
import type { Recorder } from "../controller/recorder.ts";
import { keyText, type Key } from "../controller/key.ts";
import { BEFORE_TAKE_OVER } from "../machine/phases/adopting.ts";
import type { Settings } from "../machine/settings.ts";

export interface Gauges {
  /** Memory, CPU and event loop of this process too. */
  process: boolean;
  queueDepth: () => number;
  asksInFlight: () => number;
  canaries: () => ReadonlyMap<string, number>;
}


interface Series {
  name: string;
  namespace: string;
  metrics: Set<string>;
}

/** Flagger's `name` label is the name of the target, not of the Canary. */
export function createRecorder(version: string, meshProvider: string, gauges: Gauges): { recorder: Recorder; registry: Registry } {
  const registry = new Registry();
  const registers = [registry];
  if (gauges.process) collectDefaultMetrics({ register: registry });
  const gauge = (name: string, help: string, labelNames: string[] = [], collect?: (this: Gauge) => void) => new Gauge({ name, help, labelNames, registers, ...(collect === undefined ? {} : { collect }) });

  gauge("flagger_info", "Version and mesh provider of the engine", ["version", "mesh_provider"]).set({ version, mesh_provider: meshProvider }, 1);
  gauge("kurator_rollout_build_info", "Version of the engine and of Node", ["version", "node"]).set({ version, node: process.version }, 1);
  gauge("flagger_canary_total", "Canaries by namespace", ["namespace"], function () {
    this.reset();
    for (const [namespace, count] of gauges.canaries()) this.set({ namespace }, count);
  });
  gauge("kurator_rollout_workqueue_depth", "Canaries that wait for a worker", [], function () {
    this.set(gauges.queueDepth());
  });
  gauge("kurator_rollout_asks_in_flight", "Metric queries and hooks that are being asked", [], function () {
    this.set(gauges.asksInFlight());
  });
  return { recorder: recording(seriesOf(registry)), registry };
}

type Labelled = ReturnType<typeof seriesOf>;

function seriesOf(registry: Registry) {
  const registers = [registry];
  const gauge = (name: string, help: string, labelNames: string[] = []) => new Gauge({ name, help, labelNames, registers });
  const counter = (name: string, help: string, labelNames: string[]) => new Counter({ name, help, labelNames, registers });
  const status = gauge("flagger_canary_status", "0 running, 2 failed, 1 otherwise", ["name", "namespace"]);
  const weight = gauge("flagger_canary_weight", "Weight of a workload in percent", ["workload", "namespace"]);
  const analysis = gauge("flagger_canary_metric_analysis", "Last value of a metric", ["name", "namespace", "metric"]);
  const limit = gauge("kurator_rollout_metric_threshold", "Bound of a metric", ["name", "namespace", "metric", "bound"]);
  const duration = new Histogram({ name: "flagger_canary_duration_seconds", help: "Seconds from the start of a run to its end", labelNames: ["name", "namespace"], buckets: [10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200], registers });
  const runLabels = ["name", "namespace", "deployment_strategy", "analysis_status"];
  const successes = counter("flagger_canary_successes_total", "Runs that were promoted", runLabels);
  const failures = counter("flagger_canary_failures_total", "Runs that were not promoted", runLabels);
  const rollbacks = counter("kurator_rollout_rollbacks_total", "Runs that ended without promotion, by cause", ["namespace", "reason"]);
  const checks = counter("kurator_rollout_checks_total", "Measurements by verdict", ["namespace", "metric", "verdict"]);
  const repairs = counter("kurator_rollout_drift_repairs_total", "Objects put back as they should be", ["kind"]);
  const requests = counter("kurator_rollout_api_requests_total", "Requests to the API server", ["verb", "resource", "code"]);
  const passes = counter("kurator_rollout_reconcile_total", "Passes by outcome", ["outcome"]);
  for (const outcome of ["again", "wait", "retry", "forget", "bug"]) passes.inc({ outcome }, 0);
  const passSeconds = new Histogram({ name: "kurator_rollout_reconcile_duration_seconds", help: "Seconds that a pass takes", buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5], registers });
  const leader = gauge("kurator_rollout_leader", "1 while this process leads");
  leader.set(0);

  return { status, weight, analysis, limit, duration, successes, failures, rollbacks, checks, repairs, requests, passes, passSeconds, leader };
}

function recording(series: Labelled): Recorder {
  const { status, weight, analysis, limit, duration, successes, failures, rollbacks, checks, repairs, requests, passes, passSeconds, leader } = series;
  const known = new Map<string, Series>();

  function shown(key: Key, settings: Settings, after: CanaryStatus): void {
    const { namespace } = key;
    const labels = { name: settings.target, namespace };
    known.set(keyText(key), { ...labels, metrics: known.get(keyText(key))?.metrics ?? new Set() });
    const running = after.phase === "Progressing" || after.phase === "Promoting" || after.phase === "Finalising";
    status.set(labels, after.phase === "Failed" ? 2 : running ? 0 : 1);
    const canaryWeight = after.route?.canaryWeight ?? 0;
    weight.set({ workload: settings.target, namespace }, canaryWeight);
    weight.set({ workload: settings.primary, namespace }, 100 - canaryWeight);
  }

  function ended(key: Key, settings: Settings, after: CanaryStatus): void {
    const run = after.run;
    if (run?.outcome === undefined || run.reason === BEFORE_TAKE_OVER) return;
    const labels = { name: settings.target, namespace: key.namespace };
    const runOf = { ...labels, deployment_strategy: settings.strategy, analysis_status: settings.skipAnalysis ? "skipped" : "completed" };
    duration.observe(labels, Math.max(Date.parse(after.lastTransitionTime ?? run.startedAt) - Date.parse(run.startedAt), 0) / 1000);
    if (run.outcome === "Promoted") successes.inc(runOf);
    else if (run.outcome !== "Withdrawn") {
      failures.inc(runOf);
      rollbacks.inc({ namespace: key.namespace, reason: run.reason ?? run.outcome });
    }
  }

  return {
    reconciled(outcome, tookMs) {
      passes.inc({ outcome });
      passSeconds.observe(tookMs / 1000);
    },
    seen: shown,
    transition(key, settings, before, after) {
      shown(key, settings, after);
      if (before.run?.outcome !== after.run?.outcome) ended(key, settings, after);
    },
    measured(canary: Canary, measurement, metric) {
      const labels = { name: canary.spec.targetRef.name, namespace: canary.metadata.namespace ?? "", metric: measurement.name };
      checks.inc({ namespace: labels.namespace, metric: labels.metric, verdict: measurement.verdict });
      const group = groupOf(canary.apiVersion);
      known.get(keyText({ group, namespace: labels.namespace, name: canary.metadata.name }))?.metrics.add(labels.metric);
      // Flagger shows durations in seconds.
      if (measurement.value !== undefined) analysis.set(labels, metric?.unit === "ms" ? measurement.value / 1000 : measurement.value);
      if (metric?.min !== undefined) limit.set({ ...labels, bound: "min" }, metric.min);
      if (metric?.max !== undefined) limit.set({ ...labels, bound: "max" }, metric.max);
    },
    drift: (_key, kind) => repairs.inc({ kind }),
    request: (verb, resource, code) => requests.inc({ verb, resource, code: String(code) }),
    leading: (leads) => leader.set(leads ? 1 : 0),
    forget(key) {
      const shownBefore = known.get(keyText(key));
      if (shownBefore === undefined) return;
      const { name, namespace, metrics } = shownBefore;
      status.remove({ name, namespace });
      weight.remove({ workload: name, namespace });
      weight.remove({ workload: `${name}-primary`, namespace });
      for (const metric of metrics) {
        analysis.remove({ name, namespace, metric });
        for (const bound of ["min", "max"]) limit.remove({ name, namespace, metric, bound });
      }
      duration.remove({ name, namespace });
      for (const deployment_strategy of STRATEGIES) {
        for (const analysis_status of ["completed", "skipped"]) {
          successes.remove({ name, namespace, deployment_strategy, analysis_status });
          failures.remove({ name, namespace, deployment_strategy, analysis_status });
        }
      }
      known.delete(keyText(key));
    },
  };
}
