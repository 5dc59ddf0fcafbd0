// The story: an app is taken over, a good version is promoted, a bad one is rolled back, under constant traffic. Ends with what was expected and what was seen.
import type { CanaryStatus } from "../../crds/status.ts";
import type { Clock, KubeApi, KubeObject, ObjectRef, Resource } from "../../engine/ports.ts";
import type { Cast, Release } from "./cast.ts";
import type { Screen } from "./screen.ts";
import { Traffic, type Counted } from "./traffic.ts";

export interface Expectation {
  what: string;
  met: boolean;
  seen: string;
}

export interface Ended {
  expectations: Expectation[];
  requests: Counted;
  elapsedMs: number;
}

export interface Stage {
  api: KubeApi;
  clock: Clock;
  cast: Cast;
  gatewayUrl: string;
  screen: Screen;
  /** How long each act may take. */
  patienceMs: number;
  signal: AbortSignal;
}

const DEPLOYMENTS: Resource = { group: "apps", version: "v1", plural: "deployments", kind: "Deployment" };
const EVENTS: Resource = { group: "", version: "v1", plural: "events", kind: "Event" };
const KINDS: Record<string, Resource> = {
  Deployment: DEPLOYMENTS,
  Service: { group: "", version: "v1", plural: "services", kind: "Service" },
  VirtualService: { group: "networking.istio.io", version: "v1", plural: "virtualservices", kind: "VirtualService" },
};
const LOOK_MS = 200;
/** Traffic goes on a little after the last act: a pod that went too early shows only then. */
const AFTERMATH_MS = 2_000;

export class Scenario {
  private readonly startedMs: number;
  private readonly told: string[] = [];
  private readonly known = new Set<string>();
  private status: CanaryStatus = {};
  private traffic: Traffic | undefined;
  private title = "starting";

  constructor(private readonly stage: Stage) {
    this.startedMs = stage.clock.now();
  }

  async play(): Promise<Ended> {
    const { cast } = this.stage;
    const expectations: Expectation[] = [];
    this.title = `deploying ${cast.target} ${cast.first.version}`;
    for (const object of cast.app) await this.create(KINDS[object.kind] ?? DEPLOYMENTS, object);
    await this.until(async () => ready(await this.get(DEPLOYMENTS, cast.target)));
    this.traffic = new Traffic({ url: this.stage.gatewayUrl, host: cast.host, isBad: (version) => version === cast.bad.version });

    this.title = "a Canary takes the app over";
    await this.create(canaries(cast.canary), cast.canary);
    expectations.push(await this.reach("the app is taken over", ["Initialized"], "Initialized", undefined));
    if (expectations.every(({ met }) => met)) expectations.push(await this.release(cast.good, "good", "Succeeded"));
    if (expectations.every(({ met }) => met)) expectations.push(await this.release(cast.bad, "bad", "Failed"));
    if (expectations.every(({ met }) => met)) expectations.push(await this.atRest());
    const end = this.stage.clock.now() + AFTERMATH_MS;
    await this.until(async () => this.stage.clock.now() >= end);
    const requests = await this.traffic.stop();
    expectations.push({ what: "no request to a good version was lost", met: requests.lost === 0 && requests.total > 0, seen: `${requests.lost} of ${requests.total}${requests.losses.length === 0 ? "" : `: ${requests.losses.join(", ")}`}` });
    this.look();
    return { expectations, requests, elapsedMs: this.stage.clock.now() - this.startedMs };
  }

  private async release(release: Release, kind: string, wanted: string): Promise<Expectation> {
    const { cast } = this.stage;
    this.title = `releasing ${release.version}, a ${kind} version`;
    this.tell(`kubectl set image deployment/${cast.target} app=${release.image}`);
    const before = this.status.run?.id;
    const found = await this.get(DEPLOYMENTS, cast.target);
    const { template } = found?.spec as { template: { spec: { containers: object[] } } };
    const containers = template.spec.containers.map((container) => ({ ...container, image: release.image, ...(release.command === undefined ? {} : { command: release.command }) }));
    await this.patch(DEPLOYMENTS, found, { spec: { template: { spec: { containers } } } });
    return this.reach(`the ${kind} version ${release.version} ends ${wanted}`, ["Succeeded", "Failed"], wanted, before);
  }

  /** Waits for one of the phases that end an act, in a run other than the one before. */
  private async reach(what: string, ends: readonly string[], wanted: string, before: string | undefined): Promise<Expectation> {
    const came = await this.until(async () => ends.includes(this.status.phase ?? "") && (wanted === "Initialized" || this.status.run?.id !== before));
    const seen = came ? `${this.status.phase}${this.status.run?.reason === undefined ? "" : ` (${this.status.run.reason})`}` : `still ${this.status.phase ?? "nothing"} after ${this.stage.patienceMs / 1000} s`;
    return { what, met: came && this.status.phase === wanted, seen };
  }

  private async atRest(): Promise<Expectation> {
    const { cast } = this.stage;
    const came = await this.until(async () => replicas(await this.get(DEPLOYMENTS, cast.target)) === 0 && this.status.route?.canaryWeight === 0);
    const primary = await this.get(DEPLOYMENTS, `${cast.target}-primary`);
    const image = (primary?.spec as { template?: { spec?: { containers?: { image?: string }[] } } } | undefined)?.template?.spec?.containers?.[0]?.image;
    return { what: "all traffic is back at 0 and on the good version", met: came && image === cast.good.image, seen: `weight ${this.status.route?.canaryWeight ?? 0}, primary ${image ?? "missing"}` };
  }

  private async until(holds: () => Promise<boolean>): Promise<boolean> {
    const { clock, patienceMs, signal } = this.stage;
    const end = clock.now() + patienceMs;
    while (clock.now() < end && !signal.aborted) {
      await this.refresh();
      if (await holds()) return true;
      await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve));
    }
    return false;
  }

  private async refresh(): Promise<void> {
    const { api, cast } = this.stage;
    const found = await this.get(canaries(cast.canary), cast.canary.metadata.name);
    if (found !== undefined) this.status = (found.status ?? {}) as CanaryStatus;
    const events = await api.list(EVENTS, cast.namespace);
    if (events.ok) for (const event of events.value) this.hear(event);
    this.look();
  }

  private hear(event: KubeObject): void {
    const uid = event.metadata.uid ?? "";
    const { involvedObject, message } = event as unknown as { involvedObject?: { kind?: string }; message?: string };
    if (this.known.has(uid) || involvedObject?.kind !== "Canary") return;
    this.known.add(uid);
    this.tell(message ?? "");
  }

  private tell(text: string): void {
    this.told.push(text);
    this.stage.screen.tell(text);
  }

  private look(): void {
    const { screen, clock } = this.stage;
    const requests = this.traffic?.counted ?? { total: 0, lost: 0, byVersion: {}, badAnswers: 0, losses: [] };
    screen.show({ title: this.title, elapsedMs: clock.now() - this.startedMs, status: this.status, requests, events: this.told });
  }

  private async get(resource: Resource, name: string): Promise<KubeObject | undefined> {
    const found = await this.stage.api.get(this.ref(resource, name));
    return found.ok ? found.value : undefined;
  }

  private async create(resource: Resource, object: KubeObject): Promise<void> {
    const made = await this.stage.api.create(resource, object);
    if (!made.ok) throw new Error(made.fault.message);
  }

  private async patch(resource: Resource, found: KubeObject | undefined, patch: object): Promise<void> {
    if (found === undefined) throw new Error(`${resource.kind} is gone`);
    const done = await this.stage.api.patch(this.ref(resource, found.metadata.name), patch, { uid: found.metadata.uid ?? "", resourceVersion: found.metadata.resourceVersion ?? "" });
    // Somebody wrote in between; the next look brings the newer one.
    if (!done.ok && done.fault.class === "conflict") return this.patch(resource, await this.get(resource, found.metadata.name), patch);
    if (!done.ok) throw new Error(done.fault.message);
  }

  private ref(resource: Resource, name: string): ObjectRef {
    return { resource, namespace: this.stage.cast.namespace, name };
  }
}

export function canaries(canary: KubeObject): Resource {
  const [group = "", version = ""] = canary.apiVersion.split("/");
  return { group, version, plural: "canaries", kind: "Canary" };
}

function ready(deployment: KubeObject | undefined): boolean {
  const { availableReplicas = 0 } = (deployment?.status ?? {}) as { availableReplicas?: number };
  return availableReplicas > 0 && availableReplicas === replicas(deployment);
}

function replicas(deployment: KubeObject | undefined): number {
  return Number((deployment?.spec as { replicas?: number } | undefined)?.replicas ?? 0);
}
