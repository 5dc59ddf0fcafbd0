// One point of the tables: so many Canaries beside so many foreign Deployments in so many namespaces, through start, initialisation, rest, rollouts and rollbacks.
import type { CanaryStatus } from "../crds/status.ts";
import type { KubeObject } from "../engine/ports.ts";
import { answering } from "./prometheus.ts";
import { Program } from "./program.ts";
import { Audit, CANARIES, CONFIG_MAPS, create, DEPLOYMENTS, each, follow, GATEWAYS, NAMESPACES, patch, SERVICES, tally, VIRTUAL_SERVICES, type Target } from "./target.ts";

export interface Size {
  canaries: number;
  foreign: number;
  namespaces: number;
}

export interface Figures extends Size {
  startSeconds: number;
  initialising: Work;
  idleRequests: number;
  idleCpuPercent: number;
  rollout: Work & { firstWeightMs: Spread; latenessMs: Spread };
  rollback: { reactionMs: Spread };
  memoryMiB: { atStart: number; idle: number; peak: number };
}

export interface Work {
  requestsEach: number;
  seconds: number;
  cpuSecondsEach: number;
  /** Looks at the Canary. */
  passesEach: number;
  byKind: Record<string, number>;
}

export interface Spread {
  median: number;
  p99: number;
  most: number;
}

const IDLE_SECONDS = 60;
const INTERVAL_SECONDS = 10;
const STEPS = 6;
const IMAGE = "ghcr.io/stefanprodan/podinfo";

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((left, right) => left - right);
  const at = (share: number): number => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN);
  return { median: at(0.5), p99: at(0.99), most: at(1) };
}

interface App {
  namespace: string;
  name: string;
}

const keyOf = ({ namespace, name }: App): string => `${namespace}/${name}`;

/** What the watches have seen of one app since `forget`. */
class Seen {
  readonly statuses = new Map<string, CanaryStatus>();
  /** When each weight was first seen. */
  readonly weights = new Map<string, Map<number, number>>();
  readonly readyAt = new Map<string, number>();
  readonly appliedAt = new Map<string, Map<number, number>>();
  readonly zeroAt = new Map<string, number>();

  forget(): void {
    for (const map of [this.weights, this.readyAt, this.appliedAt, this.zeroAt]) map.clear();
  }

  canary(object: KubeObject, atMs: number): void {
    const key = `${object.metadata.namespace}/${object.metadata.name}`;
    const status = (object.status ?? {}) as CanaryStatus;
    this.statuses.set(key, status);
    const weight = status.route?.canaryWeight ?? 0;
    if (weight === 0 || status.phase !== "Progressing") return;
    remember(this.weights, key, weight, atMs);
    if (status.route?.appliedAt !== undefined) remember(this.appliedAt, key, weight, atMs);
  }

  deployment(object: KubeObject, atMs: number): void {
    const key = `${object.metadata.namespace}/${object.metadata.name}`;
    const { observedGeneration = 0, updatedReplicas = 0, availableReplicas = 0 } = (object.status ?? {}) as { observedGeneration?: number; updatedReplicas?: number; availableReplicas?: number };
    const { replicas = 0 } = object.spec as { replicas?: number };
    if (replicas > 0 && observedGeneration >= (object.metadata.generation ?? 0) && updatedReplicas === replicas && availableReplicas === replicas && !this.readyAt.has(key)) this.readyAt.set(key, atMs);
  }

  route(object: KubeObject, atMs: number): void {
    const { http = [] } = object.spec as { http?: { route?: { destination?: { host?: string }; weight?: number }[] }[] };
    const canary = http.flatMap(({ route = [] }) => route).find(({ destination }) => destination?.host?.includes("-canary"));
    if ((canary?.weight ?? 0) === 0) this.zeroAt.set(`${object.metadata.namespace}/${object.metadata.name}`, atMs);
  }
}

function remember(into: Map<string, Map<number, number>>, key: string, weight: number, atMs: number): void {
  const times = into.get(key) ?? new Map<number, number>();
  into.set(key, times);
  if (!times.has(weight)) times.set(weight, atMs);
}

export class Scenario {
  private readonly seen = new Seen();
  private readonly watching = new AbortController();
  private readonly apps: App[];
  private readonly namespaces: string[];

  constructor(private readonly target: Target, private readonly size: Size, private readonly say: (line: string) => void, private readonly how: { profile?: string; heap?: number } = {}) {
    this.namespaces = Array.from({ length: size.namespaces }, (_, index) => `bench-${index}`);
    this.apps = Array.from({ length: size.canaries }, (_, index) => ({ namespace: this.namespaces[index % size.namespaces] ?? "", name: `app-${index}` }));
  }

  async run(): Promise<Figures> {
    await this.furnish();
    const prometheus = await answering();
    const audit = new Audit();
    let engine = new Program(prometheus.url, this.how);
    try {
      await follow(this.target, CANARIES, this.watching.signal, (object, atMs) => this.seen.canary(object, atMs));
      await follow(this.target, DEPLOYMENTS, this.watching.signal, (object, atMs) => this.seen.deployment(object, atMs));
      await follow(this.target, VIRTUAL_SERVICES, this.watching.signal, (object, atMs) => this.seen.route(object, atMs));
      await engine.ready();
      const atStart = engine.memory().now;
      audit.take();
      const initialising = await this.work("initialising", engine, audit, () => this.initialise());
      await sleep(15_000);
      audit.take();
      const idleCpu = engine.cpuSeconds();
      await sleep(IDLE_SECONDS * 1000);
      const idleRequests = audit.take().length;
      const idleCpuPercent = ((engine.cpuSeconds() - idleCpu) / IDLE_SECONDS) * 100;
      const idle = engine.memory().now;
      this.say(`idle: ${idleRequests} requests in ${IDLE_SECONDS} s, ${idle} MiB`);
      const rollout = await this.work("rollouts", engine, audit, () => this.rollOut("6.0.1", "Succeeded"));
      const figures = { firstWeightMs: this.firstWeights(), latenessMs: this.lateness() };
      prometheus.rate = 50;
      await this.rollOut("6.0.2", "Failed");
      const reactionMs = spread(this.apps.map((app) => (this.seen.zeroAt.get(keyOf(app)) ?? Number.NaN) - (prometheus.refusedAtMs.get(keyOf(app)) ?? Number.NaN)));
      const { peak } = engine.memory();
      // With everything there, as after an upgrade.
      await engine.stop();
      engine = new Program(prometheus.url, { heap: this.how.heap });
      const startSeconds = (await engine.ready()) / 1000;
      return { ...this.size, startSeconds, initialising, idleRequests, idleCpuPercent, rollout: { ...rollout, ...figures }, rollback: { reactionMs }, memoryMiB: { atStart, idle, peak } };
    } finally {
      this.watching.abort();
      prometheus.close();
      audit.close();
      await engine.stop();
    }
  }

  private async work(what: string, engine: Program, audit: Audit, doing: () => Promise<void>): Promise<Work> {
    const cpu = engine.cpuSeconds();
    const passes = await engine.passes();
    const begunMs = Date.now();
    await doing();
    const seconds = (Date.now() - begunMs) / 1000;
    // Events and the last writes come behind the status.
    await sleep(5_000);
    const asked = audit.take();
    const figures = { requestsEach: asked.length / this.apps.length, seconds, cpuSecondsEach: (engine.cpuSeconds() - cpu) / this.apps.length, passesEach: ((await engine.passes()) - passes) / this.apps.length, byKind: tally(asked) };
    this.say(`${what}: ${figures.requestsEach.toFixed(1)} requests each, ${seconds.toFixed(1)} s, ${figures.cpuSecondsEach.toFixed(3)} CPU-seconds each, ${figures.passesEach.toFixed(0)} passes each, ${JSON.stringify(figures.byKind)}`);
    return figures;
  }

  /** From the instant at which the new pods were available to the first weight, as the API server has them. */
  private firstWeights(): Spread {
    return spread(this.apps.map((app) => Math.min(...(this.seen.weights.get(keyOf(app))?.values() ?? [])) - (this.seen.readyAt.get(keyOf(app)) ?? Number.NaN)));
  }

  /** How much later than an interval after its route was read back each next weight came. */
  private lateness(): Spread {
    const late: number[] = [];
    for (const app of this.apps) {
      const applied = this.seen.appliedAt.get(keyOf(app));
      const weights = this.seen.weights.get(keyOf(app));
      for (let step = 1; step < STEPS; step += 1) {
        const [from, to] = [applied?.get(step * 10), weights?.get((step + 1) * 10)];
        late.push((to ?? Number.NaN) - (from ?? Number.NaN) - INTERVAL_SECONDS * 1000);
      }
    }
    return spread(late);
  }

  private async initialise(): Promise<void> {
    await each(this.apps, ({ namespace, name }) =>
      create(this.target, CANARIES, {
        apiVersion: "rollout.kurator.dev/v1alpha1",
        kind: "Canary",
        metadata: { name, namespace },
        spec: {
          targetRef: { apiVersion: "apps/v1", kind: "Deployment", name },
          drainSeconds: 2,
          service: { port: 9898, gateways: ["istio-system/public-gateway"], hosts: [`${name}.example`] },
          analysis: {
            interval: `${INTERVAL_SECONDS}s`, threshold: 2, maxWeight: STEPS * 10, stepWeight: 10,
            metrics: [{ name: "request-success-rate", interval: "1m", thresholdRange: { min: 99 } }, { name: "request-duration", interval: "1m", thresholdRange: { max: 500 } }],
          },
        },
      }));
    await this.all("Initialized", 600);
  }

  private async rollOut(version: string, end: "Succeeded" | "Failed"): Promise<void> {
    this.seen.forget();
    await each(this.apps, ({ namespace, name }) => patch(this.target, DEPLOYMENTS, namespace, name, { spec: { template: { spec: template(name, version) } } }));
    await this.all(end, 900, `${IMAGE}:${version}`);
  }

  private async all(phase: string, seconds: number, image?: string): Promise<void> {
    const there = (app: App): boolean => {
      const status = this.seen.statuses.get(keyOf(app));
      return status?.phase === phase && (image === undefined || status.run?.images[0] === image) && status.target?.scale === "Zero";
    };
    for (const end = Date.now() + seconds * 1000; ; await sleep(50)) {
      const left = this.apps.filter((app) => !there(app));
      if (left.length === 0) return;
      if (Date.now() > end) throw new Error(`not ${phase} within ${seconds} s: ${left.length} of ${this.apps.length}, for example ${JSON.stringify(this.seen.statuses.get(keyOf(left[0] ?? { namespace: "", name: "" })))}`);
    }
  }

  private async furnish(): Promise<void> {
    const { target, size } = this;
    await create(target, NAMESPACES, { apiVersion: "v1", kind: "Namespace", metadata: { name: "istio-system" } });
    await create(target, GATEWAYS, { apiVersion: "networking.istio.io/v1", kind: "Gateway", metadata: { name: "public-gateway", namespace: "istio-system" }, spec: { selector: { istio: "ingressgateway" }, servers: [{ port: { number: 8080, name: "http", protocol: "HTTP" }, hosts: ["*"] }] } });
    await each(this.namespaces, (name) => create(target, NAMESPACES, { apiVersion: "v1", kind: "Namespace", metadata: { name } }));
    const foreign = Array.from({ length: size.foreign }, (_, index) => ({ namespace: this.namespaces[index % size.namespaces] ?? "", name: `foreign-${index}` }));
    await each(foreign, ({ namespace, name }) => create(target, DEPLOYMENTS, deployment(namespace, name, 0)));
    await each(this.apps, async ({ namespace, name }) => {
      await create(target, CONFIG_MAPS, { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data: { COLOR: "blue" } });
      await create(target, DEPLOYMENTS, deployment(namespace, name, 1));
      await create(target, SERVICES, { apiVersion: "v1", kind: "Service", metadata: { name, namespace }, spec: { selector: { app: name }, ports: [{ name: "http", port: 9898, targetPort: 9898 }] } });
    });
    this.say(`furnished: ${size.canaries} apps, ${size.foreign} foreign Deployments, ${size.namespaces} namespaces`);
    await sleep(5_000);
  }
}

function template(name: string, version: string): object {
  return {
    containers: [
      { name: "app", image: `${IMAGE}:${version}`, ports: [{ containerPort: 9898 }], envFrom: [{ configMapRef: { name } }], resources: { requests: { cpu: "1m", memory: "1Mi" } } },
    ],
  };
}

function deployment(namespace: string, name: string, replicas: number): KubeObject {
  return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name, namespace, labels: { app: name } }, spec: { replicas, selector: { matchLabels: { app: name } }, template: { metadata: { labels: { app: name } }, spec: template(name, "6.0.0") } } };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
