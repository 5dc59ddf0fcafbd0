// One seeded life of an app: releases good and bad, people and tools that interfere, dying engines, a faulty network, a Prometheus that comes and goes;
// then all faults end and it must come to rest in the right place. A failure names its seed, which is the whole bug report.
import { next as machine } from "../../engine/machine/next.ts";
import type { Transport } from "../../engine/adapters/transport.ts";
import { Scene } from "./scene.ts";
import { canaryOf, change, furnish, setImage, virtualServiceOf } from "./furniture.ts";
import { draw, type Act, type Plan } from "./swarm.ts";
import { QUIET } from "./transport.ts";
import { Watchman } from "./watchman.ts";

export interface Told {
  seed: number;
  plan: Plan;
  /** What broke; empty when nothing did. */
  wrong: string[];
  /** `phase weight` at each change. */
  trace: string[];
  acts: string[];
  simulatedMs: number;
  rollouts: number;
  /** How the runs ended that the status still remembers. */
  outcomes: ReadonlyMap<string, number>;
  requests: number;
  logged: readonly string[];
}

/** A known bug, put around the parts that it belongs to. */
export interface Planted {
  next?: (plain: typeof machine) => typeof machine;
  transport?: (plain: Transport) => Transport;
}

const SECRET = "correct-horse-battery-staple";
const LEASE = { leaseMs: 5_000, renewDeadlineMs: 3_000, retryMs: 700 };
const TRAFFIC_MS = 150;
const REST_MS = 45_000;
const FREEZE = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "kurator-rollout-freeze", namespace: "default" }, data: { reason: "incident" } };
const CANARIES = "canaries.rollout.kurator.dev";

class Life {
  readonly scene: Scene;
  readonly watchman: Watchman;
  readonly plan: Plan;
  readonly acts: string[] = [];
  readonly wrong: string[] = [];
  private readonly startMs: number;
  private last = "1.0.0";
  private settings = 0;
  private rollouts = 0;
  private readonly outcomes = new Map<string, number>();

  constructor(private readonly seed: number, planted: Planted) {
    const { next = (plain) => plain, transport = (plain) => plain } = planted;
    // What the scene calls is known only once there is a scene.
    let watchman: Watchman | undefined = undefined;
    const seen = (): Watchman | undefined => watchman;
    const decide = next(machine);
    let checked = decide;
    this.scene = new Scene(seed, undefined, "own", {
      next: (...at) => checked(...at),
      transport, lease: LEASE, trafficMs: TRAFFIC_MS,
      announced: (body) => seen()?.announced(body),
    });
    this.watchman = watchman = new Watchman(this.scene);
    checked = this.watchman.checked(decide);
    this.plan = draw(this.scene.random);
    this.scene.testers = this.plan.testers;
    this.watchman.secrets = [SECRET, Buffer.from(SECRET).toString("base64")];
    this.watchman.drainMs = this.plan.acts.includes("clock") ? undefined : (this.plan.spec.drainSeconds as number) * 1000;
    this.startMs = this.scene.nowMs;
  }

  async play(): Promise<Told> {
    const { scene, plan } = this;
    scene.store.create("configmaps", { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings", namespace: "test" }, data: { ROUND: "0" } });
    scene.store.create("secrets", { apiVersion: "v1", kind: "Secret", metadata: { name: "word", namespace: "test" }, data: { WORD: Buffer.from(SECRET).toString("base64") } });
    await furnish(scene, "1.0.0", [{ configMapRef: { name: "settings" } }, { secretRef: { name: "word" } }]);
    for (const name of this.engines()) scene.start(name);
    const canary = canaryOf(plan.spec);
    const spec = canary.spec as { analysis: object };
    const { stepWeight: _, maxWeight: __, ...analysis } = spec.analysis as Record<string, unknown>;
    const metrics = (analysis.metrics as object[]).map((metric) => ({ ...metric, interval: "10s" }));
    scene.store.create(CANARIES, { ...canary, spec: { ...spec, analysis: { ...analysis, metrics, ...plan.analysis } } });
    if (!(await scene.until(() => scene.status().phase === "Initialized", 60))) this.wrong.push("never initialized");
    scene.network.faults = { ...plan.faults };
    for (let round = 0; round < plan.rounds; round += 1) await this.round(round);
    await this.rest();
    if (plan.deletes && this.wrong.length === 0) await this.delete();
    await scene.end();
    this.wrong.push(...[...this.watchman.wrong].map(([rule, detail]) => `${rule}: ${detail}`));
    return { seed: this.seed, plan, wrong: this.wrong, trace: scene.trace, acts: this.acts, simulatedMs: scene.nowMs - this.startMs, rollouts: this.rollouts, outcomes: this.outcomes, requests: scene.requests, logged: scene.logged };
  }

  private engines(): string[] {
    return this.plan.engines === 1 ? ["one"] : ["one", "two"];
  }

  private drawn(count: number): number {
    return Math.floor(this.scene.random() * count);
  }

  private note(what: string): void {
    this.acts.push(`${((this.scene.nowMs - this.startMs) / 1000).toFixed(1)}s ${what}`);
  }

  private async round(round: number): Promise<void> {
    const { plan, scene } = this;
    // A clock that is set during a run may widen the window of a check to what was there before; the last release is judged by clocks that are right.
    if (round + 1 === plan.rounds) this.setClocks();
    const kind = plan.releases[round] ?? "good";
    this.last = kind === "good" ? `${round + 2}.0.0` : `${round + 2}.0.0-${kind}`;
    this.watchman.releases += 1;
    this.note(`image ${this.last}`);
    setImage(scene, this.last);
    for (let step = 0; step < 1 + this.drawn(4); step += 1) {
      await scene.advance(300 + this.drawn(6_000));
      const act = plan.acts[this.drawn(plan.acts.length + 1)];
      if (act !== undefined) await this.act(act, round + 1 === plan.rounds);
    }
  }

  private async act(act: Act, lastRound: boolean): Promise<void> {
    const { scene } = this;
    if (lastRound && (act === "abort" || act === "clock")) return;
    this.note(act);
    switch (act) {
      case "replicas":
        return change(scene, "deployments.apps", ({ spec }) => Object.assign(spec as object, { replicas: 2 }));
      case "selector":
        return change(scene, "services", ({ spec }) => Object.assign(spec as object, { selector: { app: "app" } }));
      case "route":
        return change(scene, "virtualservices.networking.istio.io", (object) => Object.assign(object.spec as object, virtualServiceOf().spec));
      case "rule":
        return remove(scene, "destinationrules.networking.istio.io", "test", "app-canary");
      case "settings":
        return this.edit();
      case "spec":
        return change(scene, CANARIES, ({ spec }) => Object.assign((spec as { analysis: object }).analysis, { threshold: 1 + this.drawn(3) }));
      case "suspend":
        change(scene, CANARIES, ({ spec }) => Object.assign(spec as object, { suspend: true }));
        await scene.advance(this.drawn(10_000));
        return change(scene, CANARIES, ({ spec }) => Object.assign(spec as object, { suspend: false }));
      case "pause":
        this.ask("pause");
        await scene.advance(this.drawn(10_000));
        return this.ask("resume");
      case "abort":
        return this.ask("abort");
      case "cluster-freeze":
        scene.store.create("configmaps", FREEZE);
        await scene.advance(this.drawn(10_000));
        return remove(scene, "configmaps", "default", FREEZE.metadata.name);
      case "silence":
        return scene.advance(this.drawn(5_000), false);
      default:
        return this.fault(act);
    }
  }

  private async fault(act: "kill" | "freeze" | "clock" | "prometheus" | "gates" | "unreadable"): Promise<void> {
    const { scene, plan } = this;
    const names = this.engines();
    const name = names[this.drawn(names.length)] ?? "one";
    switch (act) {
      case "kill":
        scene.kill(name);
        await scene.advance(this.drawn(8_000));
        return scene.start(name);
      case "freeze":
        scene.process(name)?.freeze();
        await scene.advance(this.drawn(12_000));
        return scene.process(name)?.thaw();
      case "clock": {
        const process = scene.process(name);
        if (process !== undefined) process.skewMs = this.drawn(40_000) - 20_000;
        return;
      }
      case "prometheus":
        scene.prometheus = plan.moods[this.drawn(plan.moods.length)] ?? "down";
        this.note(scene.prometheus);
        await scene.advance(this.drawn(15_000));
        scene.prometheus = "up";
        return;
      case "gates":
        scene.hookFlaps = scene.random();
        return;
      case "unreadable":
        scene.network.faults.unreadable = 1;
        this.edit();
        await scene.advance(this.drawn(15_000));
        scene.network.faults.unreadable = 0;
        return;
    }
  }

  private setClocks(): void {
    for (const name of this.engines()) {
      const process = this.scene.process(name);
      if (process !== undefined) process.skewMs = 0;
    }
  }

  private edit(): void {
    this.watchman.releases += 1;
    this.settings += 1;
    change(this.scene, "configmaps", (object) => Object.assign(object, { data: { ROUND: String(this.settings) } }), "settings");
  }

  private ask(verb: string): void {
    const run = this.scene.status().run?.id;
    change(this.scene, CANARIES, ({ metadata }) => Object.assign(metadata, { annotations: { ...metadata.annotations, "rollout.kurator.dev/action": `${verb} run=${run ?? "none"}` } }));
  }

  /** Faults off: what must be true in the end, whatever happened before. */
  private async rest(): Promise<void> {
    const { scene, last, wrong } = this;
    scene.network.faults = { ...QUIET };
    scene.hookFlaps = 0;
    if (scene.status().run?.paused === true) this.ask("resume");
    this.note("faults end");
    const good = !last.includes("-");
    const read = (name: string): string => JSON.stringify(scene.store.get("configmaps", "test", name)?.data);
    // Settings that changed while a good revision was promoted are a run of their own.
    const readsAll = (): boolean => !good || read("settings-primary") === read("settings");
    const settled = (): boolean => {
      const { phase, target, run } = scene.status();
      return (phase === "Succeeded" || phase === "Failed") && target?.scale === "Zero" && replicasOf(scene, "app") === 0 && run?.images[0] === `sandbox/app:${last}` && readsAll();
    };
    // What changed last may still be under way to an engine: it is at rest when it stays so, and once a watch that was cut has come back.
    for (let tries = 0; tries === 0 || (tries < 4 && !settled()); tries += 1) {
      if (!(await scene.until(settled, 600))) wrong.push(`no rest: ${JSON.stringify(scene.status())}`);
      await scene.advance(REST_MS, false);
    }
    const status = scene.status();
    if (good && status.phase !== "Succeeded") wrong.push(`the good ${last} ended ${status.phase} (${status.run?.reason})`);
    if (!good && status.phase !== "Failed") wrong.push(`the bad ${last} ended ${status.phase}`);
    const serving = imageOf(scene, "app-primary");
    if (good && !serving.endsWith(`:${last}`)) wrong.push(`the primary runs ${serving} instead of ${last}`);
    if (!readsAll()) wrong.push(`the primary reads ${read("settings-primary")} instead of ${read("settings")}`);
    this.rollouts = status.counters?.runs ?? 0;
    for (const { outcome } of status.history ?? []) this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    await this.quiet();
    this.watchman.conclude(scene.status());
    for (const { atMs, status: code, version } of scene.lost.slice(0, 3)) wrong.push(`a request was lost at ${new Date(atMs).toISOString()}: ${code} of ${version ?? "nobody"}`);
  }

  /** A fixed point: nothing is written and nothing is asked, the last announcement is out and kept pods are gone. */
  private async quiet(): Promise<void> {
    const { scene, wrong, watchman } = this;
    if (scene.store.get("deployments.apps", "test", "app-previous") !== undefined) wrong.push("pods of the revision before are left");
    const before = watchman.requests;
    await scene.advance(20_000);
    if (watchman.requests > before) wrong.push(`${watchman.requests - before} requests in a quiet world`);
  }

  private async delete(): Promise<void> {
    const { scene, wrong } = this;
    this.note("the Canary is deleted");
    const lost = scene.lost.length;
    scene.store.delete(CANARIES, "test", "app");
    const back = await scene.until(() => scene.store.get("deployments.apps", "test", "app-primary") === undefined, 30);
    await scene.advance(5_000);
    if (scene.lost.length > lost) wrong.push(`${scene.lost.length - lost} requests were lost while the app was given back`);
    // A target that never serves cannot take over, and the primary stays.
    if (/-(crash|unready)$/.test(this.last)) return back ? void wrong.push("the app was given back to pods that never serve") : undefined;
    if (!back) wrong.push("the app was not given back");
    if (replicasOf(scene, "app") === 0) wrong.push("the app was given back without replicas");
    for (const resource of ["services", "deployments.apps", "virtualservices.networking.istio.io", "destinationrules.networking.istio.io"]) {
      for (const { metadata } of scene.store.list(resource, "test")) if (/-(primary|canary|previous)$/.test(metadata.name)) wrong.push(`${resource} ${metadata.name} is left`);
    }
  }
}

/** @param planted bugs, for a life that must go wrong */
export async function live(seed: number, planted: Planted = {}): Promise<Told> {
  return new Life(seed, planted).play();
}

function remove(scene: Scene, resource: string, namespace: string, name: string): void {
  if (scene.store.get(resource, namespace, name) !== undefined) scene.store.delete(resource, namespace, name);
}

function replicasOf(scene: Scene, name: string): number | undefined {
  return (scene.store.get("deployments.apps", "test", name)?.spec as { replicas?: number } | undefined)?.replicas;
}

function imageOf(scene: Scene, name: string): string {
  const spec = scene.store.get("deployments.apps", "test", name)?.spec as { template: { spec: { containers: { image: string }[] } } } | undefined;
  return spec?.template.spec.containers[0]?.image ?? "nothing";
}
