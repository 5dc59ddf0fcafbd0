// A whole cluster in one process and in virtual time: API, workloads, mesh, Prometheus, traffic, and as many engines as wanted, each of which can be killed.
// Time moves only when everybody waits for it, so that one seed is one run.
import { renderCRDs } from "../../crds/generate.ts";
import { GROUPS } from "../../crds/canary.ts";
import { runEngine, type EngineOptions } from "../../engine/run.ts";
import { CONFIG_KINDS } from "../../crds/marks.ts";
import type { CanaryStatus } from "../../crds/status.ts";
import { next as machine } from "../../engine/machine/next.ts";
import type { Lease } from "../../engine/adapters/leading.ts";
import type { Transport } from "../../engine/adapters/transport.ts";
import type { Http, HttpRequest, Log } from "../../engine/ports.ts";
import { ApiServer } from "../api/server.ts";
import { ApiStore } from "../api/store.ts";
import type { KubeObject, Random } from "../api/types.ts";
import { virtualClock, type VirtualClock } from "../clock.ts";
import { simulateWorld, type SimulatedWorld, type WorldPorts } from "../world.ts";
import { Process } from "./process.ts";
import { Network } from "./transport.ts";

const PROMETHEUS = "http://prometheus.istio-system:9090";
/** Rounds of the event loop that everybody gets before time moves on; a pass takes far fewer. */
const ROUNDS = 12;
const TRAFFIC_MS = 100;
/** Where every announcement is told, when the scene listens. */
const EVENTS = "http://events.test";
const LATE_MS = 6_000;
/** The same in every scene, and a fleet has a hundred. */
const CRDS = [GROUPS.own.group, GROUPS.flagger.group].flatMap((group) => renderCRDs(group));
/** What a bad version answers is its own fault. */
export const BAD = /-(errors|broken|slow|crash|unready)$/;

export interface Lost {
  atMs: number;
  status: number;
  version: string | undefined;
}

/** What Prometheus does to queries: `blind` answers with what it knew when it stopped looking, `late` after seconds. */
export type PrometheusMood = "up" | "down" | "empty" | "nan" | "garbage" | "broken" | "late" | "blind";

/** For a scene that is more than a plain one. */
export interface SceneOptions {
  /** For a scene that is one of several. */
  clock?: VirtualClock;
  /** In the machine's place, and around it. */
  next?: typeof machine;
  /** In the place of each engine's way to the API. */
  transport?: (transport: Transport, engine: string) => Transport;
  lease?: Partial<Lease>;
  trafficMs?: number;
  /** Told what each webhook of type event was sent. */
  announced?: (body: string) => void;
}

export class Scene {
  readonly random: Random;
  readonly store: ApiStore;
  readonly world: SimulatedWorld;
  readonly network: Network;
  prometheus: PrometheusMood = "up";
  /** What webhooks answer. */
  hooks = 200;
  /** The share of webhooks that are answered with 500 all the same. */
  hookFlaps = 0;
  /** The share of requests that come from a tester, who says so in a header. */
  testers = 0;
  /** Told what each request was answered with. */
  answered: (version: string | undefined) => void = () => undefined;
  /** Told each line of a log. */
  read: (line: string) => void = () => undefined;
  readonly clock: VirtualClock;
  /** Requests that a good version should have answered. */
  readonly lost: Lost[] = [];
  readonly versions = new Map<string, number>();
  /** `phase weight` of the Canary at each of its writes, equal neighbours dropped. */
  readonly trace: string[] = [];
  readonly logged: string[] = [];
  /** What engines that are started from now on are told beside the usual. */
  told: Partial<EngineOptions> = {};
  /** Answers in place of Prometheus and of webhooks where it is set; time stands still until it has. */
  far: Http | undefined;
  private asked = 0;
  private readonly engines = new Map<string, { process: Process; stop: AbortController; ended: Promise<void> }>();
  requests = 0;

  /**
   * @param reporters who counts requests in Istio's metrics; the gateway and the sidecars when absent
   * @param group the API group of the Canary under test; with Flagger's the engines serve both
   */
  constructor(seed: number, reporters?: WorldPorts["reporters"], private readonly group: "own" | "flagger" = "own", private readonly options: SceneOptions = {}) {
    this.clock = options.clock ?? virtualClock();
    this.random = mulberry(seed);
    this.store = new ApiStore({ clock: this.clock, random: this.random });
    for (const crd of CRDS) this.store.create("customresourcedefinitions.apiextensions.k8s.io", crd as unknown as KubeObject);
    this.world = simulateWorld({ store: this.store, clock: this.clock, random: this.random, propagationDelayMs: 50, scrapeMs: 1000, reporters, collects: () => this.prometheus !== "blind" });
    this.network = new Network(new ApiServer(this.store), this.clock, this.random);
    for (const name of ["istio-system", "test"]) if (this.store.get("namespaces", undefined, name) === undefined) this.store.create("namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
    this.store.create("gateways.networking.istio.io", { apiVersion: "networking.istio.io/v1", kind: "Gateway", metadata: { name: "public-gateway", namespace: "istio-system" }, spec: {} });
    this.store.subscribe(({ resource, object, type }) => {
      if (resource !== this.canaries || type === "DELETED") return;
      const status = (object.status ?? {}) as CanaryStatus;
      const line = `${status.phase} ${status.canaryWeight}`;
      if (status.phase !== undefined && this.trace.at(-1) !== line) this.trace.push(line);
    });
  }

  get nowMs(): number {
    return this.clock.now();
  }

  /** As the store names the Canaries of this scene. */
  get canaries(): string {
    return `canaries.${GROUPS[this.group].group}`;
  }

  status(name = "app"): CanaryStatus {
    return (this.store.get(this.canaries, "test", name)?.status ?? {}) as CanaryStatus;
  }

  start(name: string): void {
    const process = new Process(this.clock);
    const stop = new AbortController();
    const { next, transport = (plain) => plain, lease, announced } = this.options;
    const ended = runEngine({
      transport: transport(process.transport(this.network.transport(process.killed.signal, name)), name),
      clock: process.clock,
      random: this.random,
      log: this.log(name),
      version: "simulated",
      groups: new Map((this.group === "own" ? [GROUPS.own] : [GROUPS.own, GROUPS.flagger]).map(({ group, version }) => [group, version])),
      metricsServer: PROMETHEUS,
      meshProvider: "istio",
      includeLabelPrefixes: [],
      eventWebhook: announced === undefined ? undefined : EVENTS,
      configKinds: CONFIG_KINDS,
      namespaces: [],
      gatewayNamespaces: [],
      lease: { namespace: "default", name: "kurator-rollout", ...lease },
      port: undefined,
      http: (request) => process.passed(this.http(request)),
      next,
      ...this.told,
      signal: stop.signal,
    });
    this.engines.set(name, { process, stop, ended });
  }

  /** As SIGKILL does: nothing more of it reaches anybody. */
  kill(name: string): void {
    this.engines.get(name)?.process.killed.abort();
    this.engines.delete(name);
  }

  /** The process of an engine that runs: to be frozen, or to have its clock set. */
  process(name: string): Process | undefined {
    return this.engines.get(name)?.process;
  }

  /** Ends every engine in order; time must move for them to end. */
  async end(): Promise<void> {
    const all = this.ending();
    let over = false;
    void all.then(() => (over = true));
    for (let tries = 0; !over && tries < 2000; tries += 1) await this.advance(50, false);
    this.world.stop();
  }

  /** Tells every engine to end; it does so as time moves. */
  ending(): Promise<unknown> {
    const ending = [...this.engines.values()];
    for (const { stop } of ending) stop.abort();
    return Promise.all(ending.map(({ ended }) => ended));
  }

  /** Moves time on, with traffic flowing. */
  async advance(ms: number, traffic = true): Promise<void> {
    const until = this.clock.now() + ms;
    let nextTraffic = this.clock.now();
    while (this.clock.now() < until) {
      await this.settled();
      if (traffic && this.clock.now() >= nextTraffic) {
        this.request();
        nextTraffic = this.clock.now() + (this.options.trafficMs ?? TRAFFIC_MS);
      }
      const due = Math.min(this.clock.nextDueAt() ?? until, until, traffic ? nextTraffic : until);
      this.clock.advance(Math.max(due - this.clock.now(), 0));
    }
    await settle();
  }

  /** Runs until the condition holds; false when it does not within the time. */
  async until(holds: () => boolean, seconds: number): Promise<boolean> {
    const end = this.clock.now() + seconds * 1000;
    while (!holds()) {
      if (this.clock.now() >= end) return false;
      await this.advance(200);
    }
    return true;
  }

  /** One user's request to the app. */
  request(): void {
    this.requests += 1;
    const tester = this.testers > 0 && this.random() < this.testers;
    const answer = this.world.send({ host: "app.test", ...(tester ? { headers: { "x-user": "tester" } } : {}) });
    const version = answer.version;
    if (version !== undefined) this.versions.set(version, (this.versions.get(version) ?? 0) + 1);
    this.answered(version);
    // That a bad one was asked is checked by the weights.
    const bad = version !== undefined && BAD.test(version);
    if ((answer.status >= 500 || answer.status === 404) && !bad) this.lost.push({ atMs: this.clock.now(), status: answer.status, version });
  }

  private async http(request: HttpRequest): Promise<Awaited<ReturnType<Http>>> {
    const { url, body } = request;
    await Promise.resolve();
    if (this.far !== undefined) return this.real(this.far(request));
    if (url.startsWith(EVENTS)) {
      this.options.announced?.(body ?? "");
      return { ok: true, value: { status: 200, headers: {}, body: "" } };
    }
    if (!url.startsWith(PROMETHEUS)) return { ok: true, value: { status: this.hookFlaps > 0 && this.random() < this.hookFlaps ? 500 : this.hooks, headers: {}, body: "" } };
    const mood = this.prometheus;
    if (mood === "late") await new Promise<void>((resolve) => this.clock.after(LATE_MS * this.random(), resolve));
    if (mood === "down") return { ok: false, fault: { class: "transient", message: "prometheus is out of reach" } };
    if (mood === "broken") return { ok: true, value: { status: 503, headers: {}, body: "no" } };
    if (mood === "garbage") return { ok: true, value: { status: 200, headers: {}, body: '{"status":"success","data":{"resultType":' } };
    const promql = new URL(url).searchParams.get("query") ?? "";
    const value = this.world.query(promql);
    const told = (sample: number): string => (mood === "nan" ? "NaN" : String(sample));
    const result = mood === "empty" || value.type !== "vector" ? [] : value.samples.map((sample) => ({ metric: {}, value: [this.clock.now() / 1000, told(sample.value)] }));
    return { ok: true, value: { status: 200, headers: {}, body: JSON.stringify({ status: "success", data: { resultType: "vector", result } }) } };
  }

  private async real<T>(answer: Promise<T>): Promise<T> {
    this.asked += 1;
    return answer.finally(() => (this.asked -= 1));
  }

  /** Everybody who can go on without time does, and sockets are no part of it. */
  private async settled(): Promise<void> {
    await settle();
    while (this.asked > 0) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      await settle();
    }
  }

  private log(name: string): Log {
    const keep = (fields: Record<string, unknown>, message: string): void => {
      const line = `${this.clock.now()} ${name} ${message} ${JSON.stringify(fields)}`;
      this.logged.push(line);
      this.read(line);
      if (this.logged.length > 5000) this.logged.splice(0, 1000);
    };
    return { debug: keep, info: keep, warn: keep, error: keep };
  }
}

/** Everybody who can go on without time does. */
export async function settle(): Promise<void> {
  for (let round = 0; round < ROUNDS; round += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A small generator with a state of 32 bits: one seed, one run. */
export function mulberry(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
