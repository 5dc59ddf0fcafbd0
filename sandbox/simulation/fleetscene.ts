// Many clusters in one process and in virtual time: a host with the fleet's controller, members with worlds and engines of their own. What the Secret of a
// member holds is its name, so that leading it elsewhere, or nowhere, is an edit of a Secret.
import { renderHostCRDs } from "../../crds/fleetcrds.ts";
import { runFleet } from "../../fleet/run.ts";
import type { ApplicationStatus } from "../../crds/applicationstatus.ts";
import type { Transport } from "../../engine/adapters/transport.ts";
import type { Log } from "../../engine/ports.ts";
import { ApiServer } from "../api/server.ts";
import { ApiStore } from "../api/store.ts";
import type { KubeObject, Random } from "../api/types.ts";
import { virtualClock, type VirtualClock } from "../clock.ts";
import { serve } from "./furniture.ts";
import { mulberry, Scene, settle } from "./scene.ts";
import { Network } from "./transport.ts";

const FORBIDDEN = { status: 403, headers: {}, body: JSON.stringify({ kind: "Status", status: "Failure", code: 403, message: "the user may not" }) };
const TRAFFIC_MS = 200;
const CRDS = "customresourcedefinitions.apiextensions.k8s.io";
/** Kinds of Flux as far as the fleet writes them; what they hold is not looked at. */
const FLUX: readonly (readonly [group: string, kind: string, plural: string, version: string])[] = [
  ["source.toolkit.fluxcd.io", "GitRepository", "gitrepositories", "v1"],
  ["source.toolkit.fluxcd.io", "HelmRepository", "helmrepositories", "v1"],
  ["source.toolkit.fluxcd.io", "OCIRepository", "ocirepositories", "v1"],
  ["kustomize.toolkit.fluxcd.io", "Kustomization", "kustomizations", "v1"],
  ["helm.toolkit.fluxcd.io", "HelmRelease", "helmreleases", "v2"],
];

export class FleetScene {
  readonly clock: VirtualClock = virtualClock();
  readonly host: ApiStore;
  readonly members = new Map<string, Scene>();
  readonly hostNetwork: Network;
  /** Members that answer nobody. */
  readonly cut = new Set<string>();
  /** Members where the user of the kubeconfig may do nothing but ask what is served. */
  readonly forbidden = new Set<string>();
  readonly logged: string[] = [];
  /** Requests that the fleet's controller sent, by cluster. */
  readonly requests = new Map<string, number>();
  private readonly random: Random;
  private readonly controllers = new Map<string, { killed: AbortController; stop: AbortController; ended: Promise<void> }>();

  constructor(private readonly seed: number) {
    this.random = mulberry(seed);
    this.host = new ApiStore({ clock: this.clock, random: this.random });
    for (const crd of renderHostCRDs()) this.host.create(CRDS, crd as unknown as KubeObject);
    for (const name of ["default", "fleet"]) if (this.host.get("namespaces", undefined, name) === undefined) this.host.create("namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
    this.hostNetwork = new Network(new ApiServer(this.host), this.clock, this.random);
  }

  installFlux(): void {
    const free = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
    for (const [group, kind, plural, name] of FLUX) {
      this.host.create(CRDS, {
        apiVersion: "apiextensions.k8s.io/v1",
        kind: "CustomResourceDefinition",
        metadata: { name: `${plural}.${group}` },
        spec: { group, scope: "Namespaced", names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` }, versions: [{ name, served: true, storage: true, subresources: { status: {} }, schema: { openAPIV3Schema: { type: "object", properties: { spec: free, status: free } } } }] },
      });
    }
  }

  /** A cluster of its own, which the fleet does not know yet; `engine` starts one in it. */
  member(name: string, engine = true): Scene {
    const scene = new Scene(this.seed + this.members.size + 1, undefined, "own", { clock: this.clock });
    this.members.set(name, scene);
    // Every cluster has it, and the fleet looks for its own there.
    serve(scene, { group: "networking.k8s.io", version: "v1", plural: "ingresses", kind: "Ingress" });
    if (engine) scene.start("engine");
    return scene;
  }

  /** The host's objects for a member: its Secret and its AttachedCluster. */
  attach(name: string, labels: Record<string, string> = {}): void {
    this.host.create("secrets", { apiVersion: "v1", kind: "Secret", metadata: { name, namespace: "fleet" }, data: { [`${name}.config`]: Buffer.from(name).toString("base64") } });
    this.host.create("attachedclusters.cluster.kurator.dev", { apiVersion: "cluster.kurator.dev/v1alpha1", kind: "AttachedCluster", metadata: { name, namespace: "fleet", labels }, spec: { kubeconfig: { name, key: `${name}.config` } } });
  }

  fleet(names: readonly string[], plugin?: object): void {
    this.host.create("fleets.fleet.kurator.dev", { apiVersion: "fleet.kurator.dev/v1alpha1", kind: "Fleet", metadata: { name: "quickstart", namespace: "fleet" }, spec: { clusters: names.map((name) => ({ kind: "AttachedCluster", name })), ...(plugin === undefined ? {} : { plugin }) } });
  }

  start(name: string): void {
    const killed = new AbortController();
    const stop = new AbortController();
    const started = this.clock.now();
    const clock = { now: () => this.clock.now(), monotonic: () => this.clock.now() - started, after: (ms: number, task: () => void) => this.clock.after(ms, () => (killed.signal.aborted ? undefined : task())) };
    const ended = runFleet({
      transport: this.counted("host", this.hostNetwork.transport(killed.signal), stop.signal),
      connect: (kubeconfig) => {
        const member = this.members.get(kubeconfig);
        if (member === undefined) return Promise.reject(new Error("it is not a kubeconfig"));
        return Promise.resolve(this.counted(kubeconfig, member.network.transport(killed.signal), stop.signal));
      },
      clock,
      random: this.random,
      log: this.log(name),
      version: "simulated",
      namespaces: [],
      lease: { namespace: "default", name: "kurator-rollout-fleet" },
      port: undefined,
      loadTesterImage: "sandbox/loadtester:1",
      chartRepository: "oci://charts.test/kurator",
      signal: stop.signal,
    });
    this.controllers.set(name, { killed, stop, ended });
  }

  /** As SIGKILL does. */
  kill(name: string): void {
    this.controllers.get(name)?.killed.abort();
    this.controllers.delete(name);
  }

  status(name = "shop"): ApplicationStatus {
    return (this.host.get("applications.apps.kurator.dev", "fleet", name)?.status ?? {}) as ApplicationStatus;
  }

  /** Moves time on, with users in every member. */
  async advance(ms: number, traffic = true): Promise<void> {
    const until = this.clock.now() + ms;
    let nextTraffic = this.clock.now();
    while (this.clock.now() < until) {
      await settle();
      if (traffic && this.clock.now() >= nextTraffic) {
        for (const member of this.members.values()) member.request();
        nextTraffic = this.clock.now() + TRAFFIC_MS;
      }
      const due = Math.min(this.clock.nextDueAt() ?? until, until, traffic ? nextTraffic : until);
      this.clock.advance(Math.max(due - this.clock.now(), 0));
    }
    await settle();
  }

  async until(holds: () => boolean, seconds: number): Promise<boolean> {
    const end = this.clock.now() + seconds * 1000;
    while (!holds()) {
      if (this.clock.now() >= end) return false;
      await this.advance(500);
    }
    return true;
  }

  async end(): Promise<void> {
    for (const { stop } of this.controllers.values()) stop.abort();
    const all = Promise.all([...[...this.controllers.values()].map(({ ended }) => ended), ...[...this.members.values()].map((member) => member.ending())]);
    let over = false;
    void all.then(() => (over = true));
    for (let tries = 0; !over && tries < 500; tries += 1) {
      await settle();
      this.clock.advance(100);
    }
    for (const member of this.members.values()) member.world.stop();
  }

  /** A member that is cut off takes requests and never answers, as a firewall does. */
  private counted(name: string, transport: Transport, stop: AbortSignal): Transport {
    const silence = (timeoutMs: number, signal: AbortSignal | undefined): Promise<never> =>
      new Promise((_resolve, reject) => {
        const end = (): void => reject(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" }));
        this.clock.after(timeoutMs, end);
        for (const one of [signal, stop]) one?.addEventListener("abort", end, { once: true });
      });
    return {
      request: (request) => {
        this.requests.set(name, (this.requests.get(name) ?? 0) + 1);
        if (this.forbidden.has(name) && /\/(namespaces|canaries|metrictemplates|deployments|services|ingresses)\b/.test(request.path)) return Promise.resolve(FORBIDDEN);
        return this.cut.has(name) ? silence(request.timeoutMs, request.signal) : transport.request(request);
      },
      stream: async (request) => {
        this.requests.set(name, (this.requests.get(name) ?? 0) + 1);
        if (this.cut.has(name)) return silence(15_000, request.signal);
        if (this.forbidden.has(name)) return { status: 403, lines: nothing() };
        const { status, lines } = await transport.stream(request);
        return { status, lines: this.heard(name, lines) };
      },
    };
  }

  private async *heard(name: string, lines: AsyncIterable<string>): AsyncIterable<string> {
    for await (const line of lines) {
      while (this.cut.has(name)) await new Promise<void>((resolve) => this.clock.after(TRAFFIC_MS, () => resolve()));
      yield line;
    }
  }

  private log(name: string): Log {
    const keep = (fields: Record<string, unknown>, message: string): void => {
      this.logged.push(`${this.clock.now()} ${name} ${message} ${JSON.stringify(fields)}`);
      if (this.logged.length > 5000) this.logged.splice(0, 1000);
    };
    return { debug: keep, info: keep, warn: keep, error: keep };
  }
}

async function* nothing(): AsyncIterable<string> {
  // An error has no events.
}
