// What must hold at every step of a life, whatever else goes wrong: looks at each decision, each write, each answer to a user and each line of a log, from
// outside of the engine, and keeps what it saw broken. It decides nothing and mends nothing.
import type { CanaryStatus } from "../../crds/status.ts";
import type { TransportRequest } from "../../engine/adapters/transport.ts";
import { broken } from "../../engine/machine/invariants.ts";
import type { next as machine } from "../../engine/machine/next.ts";
import type { Precondition } from "../../engine/ports.ts";
import type { KubeObject } from "../api/types.ts";
import { ledBy, NOWHERE, ReadBack } from "./readback.ts";
import { BAD, type Scene } from "./scene.ts";

/** Requests that a run needs to be told of its leader, and not of Canaries. */
const LEASES = /\/leases(\/|\?|$)/;
/** What leads users somewhere. */
const TRAFFIC = /\/(virtualservices|destinationrules|services)(\/|\?|$)/;
/** Proxies hear of a route a little later than the API server. */
const PROPAGATION_MS = 300;
/** One decision in so many is made twice, to see whether it is a function. */
const TWICE = 40;
const DETAIL_MAX = 300;

type Machine = typeof machine;

export class Watchman {
  /** The first time that each rule was broken. */
  readonly wrong = new Map<string, string>();
  /** Announcements that were heard, by id, with how often. */
  readonly heard = new Map<number, number>();
  /** Requests of engines about anything but leases and kinds that are not served. */
  requests = 0;
  /** Nothing may say this, in whatever form. */
  secrets: readonly string[] = [];
  /** How long pods live on after the route; undefined where a clock may be set meanwhile. */
  drainMs: number | undefined;
  /** Changes that may begin a run. */
  releases = 0;
  private decisions = 0;
  /** The engine whose write of the lease was the last to succeed, and whether it has written traffic since. */
  private leader = "";
  private wroteTraffic = false;
  private weight = 0;
  private readonly readBack = new ReadBack();
  /** Since when the route leads nobody to the canary any more. */
  private emptySinceMs = Number.NEGATIVE_INFINITY;
  private status: CanaryStatus = {};
  /** Since when nothing but the primary may be asked. */
  private homeSinceMs = Number.POSITIVE_INFINITY;

  constructor(private readonly scene: Scene) {
    scene.store.subscribe(({ resource, object, type }) => {
      if (type === "DELETED") {
        if (resource === "virtualservices.networking.istio.io" && object.metadata.name === "app") this.readBack.routed(NOWHERE);
        // Without its Canary the app runs what its owner wrote, good or bad.
        if (resource === scene.canaries) this.committed({});
        return;
      }
      if (resource === scene.canaries) this.committed((object.status ?? {}) as CanaryStatus);
      else if (resource === "virtualservices.networking.istio.io") this.routed(object);
      else if (resource === "deployments.apps") this.deployed(object);
    });
    scene.network.witness = (by, request, status) => this.requested(by, request, status);
    scene.answered = (version) => this.answered(version);
    scene.read = (line) => this.said(line, "a log");
  }

  report(rule: string, detail: string): void {
    if (this.wrong.has(rule)) return;
    this.wrong.set(rule, `${new Date(this.scene.nowMs).toISOString()} ${detail.slice(0, DETAIL_MAX)}`);
  }

  /** The machine, with every decision looked at. */
  checked(next: Machine): Machine {
    return (canary, settings, seen) => {
      const before = JSON.stringify(canary.status);
      const decided = next(canary, settings, seen);
      for (const rule of broken(canary.status, seen, settings, decided)) this.report(rule, decided.why);
      if (JSON.stringify(canary.status) !== before) this.report("P6 a decision changes nothing that it was given", decided.why);
      this.decisions += 1;
      if (this.decisions % TWICE === 0 && JSON.stringify(next(canary, settings, seen)) !== JSON.stringify(decided)) this.report("P6 the same is decided of the same", decided.why);
      const { failedChecks = 0, run } = decided.status;
      if (run?.reason === "ChecksFailed" && canary.status.run?.reason !== "ChecksFailed" && failedChecks < settings.threshold) this.report("P10 rolled back after as many failed checks as the manifest asks for", `${failedChecks} of ${settings.threshold}`);
      if (failedChecks > (canary.status.failedChecks ?? 0) + 1) this.report("P10 one check counts once", decided.why);
      return decided;
    };
  }

  /** What a webhook of type event was sent. */
  announced(body: string): void {
    this.said(body, "an announcement");
    const { metadata } = JSON.parse(body) as { metadata: { eventId: string } };
    const id = Number(metadata.eventId.split(".").at(-1));
    this.heard.set(id, (this.heard.get(id) ?? 0) + 1);
  }

  /** At the end of a life: what must have happened by then. */
  conclude(status: CanaryStatus): void {
    const { runs = 0, announcements = 0 } = status.counters ?? {};
    for (let id = 1; id <= announcements; id += 1) if (!this.heard.has(id)) this.report("P12 every announcement is told", `number ${id} of ${announcements}`);
    if (runs > this.releases) this.report("P13 a run needs a change", `${runs} runs of ${this.releases} changes`);
    this.said(JSON.stringify(this.scene.store.list("events")), "an event");
  }

  private committed(status: CanaryStatus): void {
    this.said(JSON.stringify(status), "a status");
    const { route } = status;
    if (route !== undefined && route.primaryWeight + route.canaryWeight !== 100) this.report("P1 weights are whole percents that sum to 100", JSON.stringify(route));
    const unread = this.readBack.committed(route);
    if (unread !== undefined) this.report("a route counts as applied once it was read back", unread);
    const home = route !== undefined && route.canaryWeight === 0 && route.appliedAt !== undefined && (status.phase === "Failed" || status.phase === "Succeeded" || status.phase === "Initialized");
    if (!home) this.homeSinceMs = Number.POSITIVE_INFINITY;
    else if (this.homeSinceMs === Number.POSITIVE_INFINITY) this.homeSinceMs = this.scene.nowMs;
    this.status = status;
  }

  private routed({ metadata, spec }: KubeObject): void {
    if (metadata.name !== "app") return;
    const led = ledBy(spec);
    this.readBack.routed(led);
    const weight = led.canaryWeight;
    const rises = weight > this.weight;
    if (weight === 0 && this.weight > 0) this.emptySinceMs = this.scene.nowMs;
    this.weight = weight;
    const written = this.status.route?.canaryWeight ?? 0;
    if (rises && weight > written) this.report("the world never runs ahead of the status", `weight ${weight} where the status says ${written}`);
    const target = this.scene.store.get("deployments.apps", "test", "app")?.spec as { replicas?: number } | undefined;
    if (rises && target?.replicas === 0) this.report("P5 never zero replicas under weight", `the route gives ${weight} to a target at zero`);
  }

  private deployed({ metadata, spec }: KubeObject): void {
    const { replicas, template } = spec as { replicas?: number; template: { spec: { containers: { image: string }[] } } };
    const image = template.spec.containers[0]?.image ?? "";
    if (metadata.name === "app-primary" && BAD.test(image)) this.report("a bad version is never promoted", image);
    if (metadata.name !== "app" || replicas !== 0) return;
    const drainedMs = this.scene.nowMs - this.emptySinceMs;
    if (this.drainMs !== undefined && drainedMs < this.drainMs - 1) this.report("P5 pods live on for the time of the drain", `${drainedMs} of ${this.drainMs} ms`);
    if (this.weight > 0) this.report("P5 never zero replicas under weight", `the target goes to zero while the route gives it ${this.weight}`);
  }

  private answered(version: string | undefined): void {
    if (version === undefined || !BAD.test(version)) return;
    if (this.scene.nowMs > this.homeSinceMs + PROPAGATION_MS) this.report("P15 a version that failed gets no user", version);
    else if (this.status.run !== undefined && this.status.phase === "Progressing" && this.status.route?.appliedAt !== undefined && this.status.run.images[0]?.endsWith(`:${version}`) !== true) {
      const since = Date.parse(this.status.route.appliedAt);
      if (this.scene.nowMs > since + PROPAGATION_MS && this.status.route.canaryWeight > 0) this.report("P15 only what is under analysis gets users", `${version} during the run of ${this.status.run.images[0]}`);
    }
  }

  private requested(by: string, request: TransportRequest, status: number): void {
    const { method, path } = request;
    if (!isFenced(request)) this.report("every write says what it was computed from", `${by} ${method} ${path}`);
    if (LEASES.test(path)) return void (method !== "GET" && status < 300 ? this.tookLease(by) : undefined);
    // Kinds that nobody serves are looked for now and then, whatever Canaries there are.
    if (status !== 404) this.requests += 1;
    if (method === "GET" || status >= 300 || !TRAFFIC.test(path)) return;
    if (by === this.leader) this.wroteTraffic = true;
    else if (this.leader !== "" && this.wroteTraffic) this.report("P16 nobody writes traffic after a successor has", `${by} ${method} ${path} while ${this.leader} leads`);
  }

  private tookLease(by: string): void {
    if (by === this.leader) return;
    this.leader = by;
    this.wroteTraffic = false;
  }

  private said(text: string, where: string): void {
    for (const secret of this.secrets) if (text.includes(secret)) this.report("P14 no secret is told", where);
  }
}

/** A change or a removal names the object and its version; what is created has none yet. */
function isFenced({ method, body }: TransportRequest): boolean {
  if (method !== "PATCH" && method !== "PUT" && method !== "DELETE") return true;
  const { metadata, preconditions } = JSON.parse(body ?? "{}") as { metadata?: Partial<Precondition>; preconditions?: Partial<Precondition> };
  const said = method === "DELETE" ? preconditions : metadata;
  return (said?.uid ?? "") !== "" && (said?.resourceVersion ?? "") !== "";
}
