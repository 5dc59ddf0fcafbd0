// The seed's app: podinfo as `backend`, reached through the gateway by a VirtualService of the user's own, and its Canary with the interval shortened.
import { CANARIES, apply, cluster, DEPLOYMENTS, eventually, get, kubectl, sleep } from "./cluster.ts";
import type { CanaryStatus } from "../../../crds/status.ts";
import type { KubeObject } from "../../../engine/ports.ts";

export const IMAGE = "ghcr.io/stefanprodan/podinfo";

/**
 * The quantile of request-duration depends on the bounds of a histogram's buckets, and a Prometheus that writes the bound 1 as "1.0" while its relabelling
 * looks for "1" leaves seconds among milliseconds. The mean needs no bounds, so a slow version is told by it on any cluster.
 */
const MEAN_DURATION = {
  name: "mean-duration",
  interval: "20s",
  // A busy machine makes tenths of a second of what takes some milliseconds; those who ask slowly make nearly half a second of it.
  thresholdRange: { max: 250 },
  query: `1000 * sum(rate(http_request_duration_seconds_sum{reporter="destination",destination_workload_namespace="{{ namespace }}",destination_workload="{{ target }}"}[{{ interval }}]))
    / sum(rate(istio_request_duration_milliseconds_count{reporter="destination",destination_workload_namespace="{{ namespace }}",destination_workload="{{ target }}"}[{{ interval }}]))`,
};

/** podinfo then fails one request in three, and its probe's too: three of those in a row are soon found, and the pod would be unready instead of wrong. */
export const RANDOM_ERROR = "--random-error";
export const STEADY = 20;

export interface AppOptions {
  namespace: string;
  name?: string;
  version?: string;
  replicas?: number;
  args?: string[];
  /** How long a pod that is stopped goes on serving, in seconds. */
  pause?: number;
}

export function deployment({ namespace, name = "backend", version = "6.0.0", replicas = 2, args = [], pause = 3 }: AppOptions): object {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace, labels: { app: name } },
    spec: {
      replicas,
      minReadySeconds: 1,
      progressDeadlineSeconds: 60,
      strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name }, annotations: { "prometheus.io/scrape": "true", "prometheus.io/port": "9797" } },
        spec: {
          terminationGracePeriodSeconds: pause + 7,
          containers: [
            {
              name: "backend",
              image: `${IMAGE}:${version}`,
              imagePullPolicy: "IfNotPresent",
              ports: [{ name: "http", containerPort: 9898, protocol: "TCP" }, { name: "http-metrics", containerPort: 9797, protocol: "TCP" }],
              command: ["./podinfo", "--port=9898", "--port-metrics=9797", "--level=error", ...args],
              readinessProbe: { httpGet: { path: "/readyz", port: 9898 }, periodSeconds: 1, failureThreshold: args.includes(RANDOM_ERROR) ? STEADY : 3 },
              // Kubernetes takes a pod out of its Services and stops it at the same time; the pause lets the proxies hear of it first.
              lifecycle: { preStop: { exec: { command: ["sleep", `${pause}`] } } },
            },
          ],
        },
      },
    },
  };
}

export function service({ namespace, name = "backend" }: AppOptions): object {
  return { apiVersion: "v1", kind: "Service", metadata: { name, namespace }, spec: { selector: { app: name }, ports: [{ name: "http", port: 9898, targetPort: "http", protocol: "TCP" }] } };
}

export function hostOf({ namespace, name = "backend" }: AppOptions): string {
  return `${name}.${namespace}`;
}

export function virtualService({ namespace, name = "backend" }: AppOptions): object {
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: { name, namespace },
    spec: { hosts: [hostOf({ namespace, name })], gateways: ["istio-system/public-gateway"], http: [{ route: [{ destination: { host: name, port: { number: 9898 } } }] }] },
  };
}

export function canary({ namespace, name = "backend" }: AppOptions, spec: object = {}, analysis: object = {}): object {
  return {
    apiVersion: "rollout.kurator.dev/v1alpha1",
    kind: "Canary",
    metadata: { name, namespace },
    spec: {
      targetRef: { apiVersion: "apps/v1", kind: "Deployment", name },
      drainSeconds: 4,
      progressDeadlineSeconds: 60,
      service: { port: 9898, gateways: ["istio-system/public-gateway"], hosts: [hostOf({ namespace, name })] },
      analysis: {
        interval: "5s",
        threshold: 2,
        maxWeight: 50,
        stepWeight: 10,
        metrics: [
          { name: "request-success-rate", interval: "20s", thresholdRange: { min: 99 } },
          { name: "request-duration", interval: "20s", thresholdRange: { max: 500 } },
          MEAN_DURATION,
        ],
        ...analysis,
      },
      ...spec,
    },
  };
}

export async function deploy(options: AppOptions): Promise<void> {
  await apply(deployment(options), service(options), virtualService(options));
  await kubectl("-n", options.namespace, "rollout", "status", `deployment/${options.name ?? "backend"}`, "--timeout=120s");
}

export async function bump({ namespace, name = "backend" }: AppOptions, version: string): Promise<void> {
  await noticed(namespace, name, () => kubectl("-n", namespace, "set", "image", `deployment/${name}`, `backend=${IMAGE}:${version}`));
}

/** Another command line is a new revision as well: this is how podinfo is told to fail or to be slow. */
export async function release(options: AppOptions): Promise<void> {
  await noticed(options.namespace, options.name ?? "backend", () => apply(deployment(options)));
}

const NOTICED_MS = 15_000;

/** What is waited for next must not be found in the status of the run before. Where nobody notices, because nothing is rolled out yet or the engine is off, it is not waited for. */
async function noticed(namespace: string, name: string, change: () => Promise<unknown>): Promise<void> {
  const look = async (): Promise<string> => {
    const { phase: now, run, lastAppliedSpec } = await statusOf(namespace, name);
    return JSON.stringify([now, run?.id, run?.outcome, lastAppliedSpec]);
  };
  const before = await look();
  await change();
  if (before === "[null,null,null,null]") return;
  for (const end = Date.now() + NOTICED_MS; Date.now() < end && (await look()) === before; ) await sleep(100);
}

export async function statusOf(namespace: string, name = "backend"): Promise<CanaryStatus> {
  return ((await get(CANARIES, namespace, name))?.status ?? {}) as CanaryStatus;
}

export async function phase(namespace: string, wanted: string, seconds = 120, name = "backend", since?: string): Promise<CanaryStatus> {
  let last: CanaryStatus = {};
  return eventually(
    `${namespace}/${name} ${wanted}`,
    seconds,
    async () => {
      last = await statusOf(namespace, name);
      return last.phase === wanted && (since === undefined || last.run?.revision !== since) ? last : undefined;
    },
    () => ({ phase: last.phase, weight: last.canaryWeight, failedChecks: last.failedChecks, conditions: last.conditions?.map((condition) => `${condition.type}=${condition.status} ${condition.reason} ${condition.message ?? ""}`), run: last.run }),
  );
}

export async function weight(namespace: string, wanted: number, seconds = 120, name = "backend"): Promise<CanaryStatus> {
  let last: CanaryStatus = {};
  return eventually(
    `${namespace}/${name} at weight ${wanted}`,
    seconds,
    async () => {
      last = await statusOf(namespace, name);
      return last.route?.canaryWeight === wanted && last.route.appliedAt !== undefined ? last : undefined;
    },
    () => ({ phase: last.phase, route: last.route, failedChecks: last.failedChecks, run: last.run }),
  );
}

export async function replicasOf(namespace: string, name: string): Promise<number | undefined> {
  const found = await get(DEPLOYMENTS, namespace, name);
  return (found?.spec as { replicas?: number } | undefined)?.replicas;
}

/** Kubernetes events of the Canary; they are written after the status, so a test waits for them. */
export async function eventsOf(namespace: string, wanted: readonly string[]): Promise<void> {
  let seen: string[] = [];
  await eventually(
    `events of ${namespace}`,
    20,
    async () => {
      seen = (await kubectl("-n", namespace, "get", "events", "--field-selector", "involvedObject.kind=Canary", "-o", "jsonpath={.items[*].reason}")).split(" ");
      return wanted.every((reason) => seen.includes(reason)) ? true : undefined;
    },
    () => seen,
  );
}

/** Follows the Canary as `kubectl get -w` does: one line for each change of phase or weight. */
export class Timeline {
  readonly lines: string[] = [];
  readonly atMs: number[] = [];
  private readonly abort = new AbortController();

  static async of(namespace: string, name = "backend"): Promise<Timeline> {
    const timeline = new Timeline();
    const { transport } = await cluster();
    const path = `/apis/rollout.kurator.dev/v1alpha1/namespaces/${namespace}/canaries`;
    const stream = await transport.stream({ path, query: { watch: "true", fieldSelector: `metadata.name=${name}` }, signal: timeline.abort.signal });
    void timeline.follow(stream.lines).catch(() => undefined);
    return timeline;
  }

  stop(): string[] {
    this.abort.abort();
    return this.lines;
  }

  /** Waits until the watch has brought `last` too: a read of the Canary may be ahead of it. */
  async until(last: string): Promise<string[]> {
    await eventually(`the watch shows ${last}`, 20, () => Promise.resolve(this.lines.at(-1) === last ? true : undefined), () => this.lines);
    return this.stop();
  }

  private async follow(lines: AsyncIterable<string>): Promise<void> {
    for await (const line of lines) {
      if (line === "") continue;
      const { object } = JSON.parse(line) as { object: KubeObject };
      const status = (object.status ?? {}) as CanaryStatus;
      const text = `${status.phase} ${status.canaryWeight}`;
      if (status.phase === undefined || this.lines.at(-1) === text) continue;
      this.lines.push(text);
      this.atMs.push(Date.now());
    }
  }
}
