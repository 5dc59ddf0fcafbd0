// What did the proxy see? Counts every request the way Istio's and an instrumented app's metrics do, and keeps the
// sums that a demo shows. It must never influence a request.
import { seriesRegistry } from "./series.ts";
import type { SeriesRegistry } from "./series.ts";
import type { Upstream } from "./config.ts";
import type { Target } from "./pickroute.ts";

export interface RequestRecord {
  /** Milliseconds since the epoch, at the end of the request. */
  at: number;
  durationMs: number;
  method: string;
  host: string;
  path: string;
  /** 0: the client went away before the answer. */
  status: number;
  /** Envoy's: "-", "NR" no route, "UH" no healthy upstream, "UF" connection failure, "UT" timeout, "DC" the client left. */
  flags: string;
  target?: Target;
  upstream?: Upstream;
  /** A copy sent by a mirror: nobody waits for its answer. */
  mirrored: boolean;
}

export interface RequestCounts {
  total: number;
  /** Answered with 5xx. */
  failed: number;
  /** Version (the image's tag; "none" where no pod answered) to status to count. Mirrored copies are left out. */
  byVersion: Record<string, Record<number, number>>;
}

export interface Telemetry {
  record(record: RequestRecord): void;
  counts(): RequestCounts;
  reset(): void;
  subscribe(listener: (record: RequestRecord) => void): () => void;
  readonly series: SeriesRegistry;
  forgetPod(namespace: string, pod: string): void;
}

const istioBoundsMs = [0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000];
const appBoundsSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Who counts: a mesh with sidecars has both source and destination, one with none but its gateway the source alone. */
export type Reporter = "source" | "waypoint" | "destination";

export function telemetry(reporters: readonly Reporter[] = ["source", "destination"]): Telemetry {
  const series = seriesRegistry();
  const listeners = new Set<(record: RequestRecord) => void>();
  let counts = noCounts();
  return {
    series,
    record(record) {
      countIstio(series, record, reporters);
      countApp(series, record);
      if (!record.mirrored) addTo(counts, record);
      for (const tell of [...listeners]) tell(record);
    },
    counts: () => structuredClone(counts),
    reset: () => void (counts = noCounts()),
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    forgetPod(namespace, pod) {
      series.drop({ kubernetes_namespace: namespace, kubernetes_pod_name: pod });
      series.drop(podLabels(namespace, pod));
    },
  };
}

/** As Prometheus names the pod that it scrapes. */
const podLabels = (namespace: string, pod: string) => ({ namespace, pod });

const noCounts = (): RequestCounts => ({ total: 0, failed: 0, byVersion: {} });

function addTo(counts: RequestCounts, { status, upstream }: RequestRecord): void {
  counts.total += 1;
  if (status >= 500) counts.failed += 1;
  const byStatus = (counts.byVersion[upstream?.version ?? "none"] ??= {});
  byStatus[status] = (byStatus[status] ?? 0) + 1;
}

/** The source reports all; the others only what reached a pod. */
function countIstio(series: SeriesRegistry, record: RequestRecord, reporters: readonly Reporter[]): void {
  const labels = istioLabels(record);
  const { durationMs, upstream } = record;
  for (const reporter of reporters) {
    if (reporter !== "source" && upstream === undefined) continue;
    // The destination's proxy lives and dies with its pod, and so do its series: one that outlived the pods would mix old answers into the quantiles of
    // new ones, because extrapolation treats a bucket that has counted before unlike one that has not.
    const scraped = reporter === "destination" && upstream !== undefined ? podLabels(upstream.namespace, upstream.pod) : {};
    const reported = { reporter, ...labels, ...scraped };
    series.count("istio_requests_total", reported);
    series.observe("istio_request_duration_milliseconds", reported, istioBoundsMs, durationMs);
  }
}

function istioLabels({ status, flags, target, upstream }: RequestRecord): Record<string, string> {
  const service = target?.service ?? "unknown";
  const namespace = target?.namespace ?? "unknown";
  return {
    source_workload: "istio-ingressgateway",
    source_workload_namespace: "istio-system",
    destination_workload: upstream?.workload ?? "unknown",
    destination_workload_namespace: upstream?.namespace ?? "unknown",
    destination_app: upstream?.app ?? "unknown",
    destination_version: upstream?.versionLabel ?? "unknown",
    destination_service: target === undefined ? "unknown" : `${service}.${namespace}.svc.cluster.local`,
    destination_service_name: service,
    destination_service_namespace: namespace,
    request_protocol: "http",
    response_code: String(status),
    response_flags: flags,
  };
}

/** What an app with an HTTP histogram of its own would export, with the labels that a Prometheus in a cluster adds. */
function countApp(series: SeriesRegistry, { durationMs, method, status, upstream }: RequestRecord): void {
  if (upstream === undefined || status === 0) return;
  const labels = { kubernetes_namespace: upstream.namespace, kubernetes_pod_name: upstream.pod, app: upstream.app, method, status: String(status) };
  series.observe("http_request_duration_seconds", labels, appBoundsSeconds, durationMs / 1000);
}
