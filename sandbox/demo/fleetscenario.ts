// The story of many clusters: an Application reaches three members, a good version goes from the pilot to the others, a bad one stops at the pilot, under
// constant traffic in each. Ends with what was expected and what was seen.
import type { ApplicationStatus } from "../../crds/applicationstatus.ts";
import type { Clock, KubeApi, KubeObject, Resource } from "../../engine/ports.ts";
import type { Cast, Release } from "./cast.ts";
import type { FleetScreen, MemberRow } from "./fleetscreen.ts";
import type { Expectation } from "./scenario.ts";
import { Traffic, type Counted } from "./traffic.ts";

export interface FleetMember {
  name: string;
  wave: string;
  api: KubeApi;
  gatewayUrl: string;
}

export interface FleetStage {
  host: KubeApi;
  members: readonly FleetMember[];
  application: KubeObject;
  clock: Clock;
  cast: Cast;
  screen: FleetScreen;
  /** How long each act may take. */
  patienceMs: number;
  signal: AbortSignal;
}

export interface FleetEnded {
  expectations: Expectation[];
  requests: Record<string, Counted>;
  elapsedMs: number;
}

const APPLICATIONS: Resource = { group: "apps.kurator.dev", version: "v1alpha1", plural: "applications", kind: "Application" };
const DEPLOYMENTS: Resource = { group: "apps", version: "v1", plural: "deployments", kind: "Deployment" };
const KINDS: Record<string, Resource> = {
  Deployment: DEPLOYMENTS,
  Service: { group: "", version: "v1", plural: "services", kind: "Service" },
  VirtualService: { group: "networking.istio.io", version: "v1", plural: "virtualservices", kind: "VirtualService" },
};
const LOOK_MS = 200;
/** A release that was stopped is watched for a little longer: that nothing happens takes time to see. */
const STILL_MS = 3_000;

export class FleetScenario {
  private readonly startedMs: number;
  private readonly traffic = new Map<string, Traffic>();
  private status: ApplicationStatus = {};
  private title = "starting";

  constructor(private readonly stage: FleetStage) {
    this.startedMs = stage.clock.now();
  }

  async play(): Promise<FleetEnded> {
    const { cast, members, host, application, screen } = this.stage;
    const expectations: Expectation[] = [];
    this.title = `${cast.target} ${cast.first.version} runs in ${members.length} clusters`;
    for (const { api, name, gatewayUrl } of members) {
      for (const object of cast.app) await created(api, KINDS[object.kind] ?? DEPLOYMENTS, object);
      await this.until(async () => available(await this.deployment(api)));
      this.traffic.set(name, new Traffic({ url: gatewayUrl, host: cast.host, isBad: (version) => version === cast.bad.version, clients: 2 }));
    }
    this.title = "one Application takes them over";
    screen.tell("kubectl apply -f application.yaml");
    await created(host, APPLICATIONS, application);
    expectations.push(await this.expect("every cluster is taken over", () => this.phases().every((phase) => phase === "Initialized")));

    if (expectations.every(({ met }) => met)) {
      await this.release(cast.good, "good");
      expectations.push(await this.expect("the pilot is promoted first", () => this.phaseOf("pilot") === "Succeeded" && this.phasesOf("rest").every((phase) => phase === "Waiting" || phase === "Progressing")));
      expectations.push(await this.expect(`the good version ${cast.good.version} reaches every cluster`, () => this.phases().every((phase) => phase === "Succeeded")));
    }
    if (expectations.every(({ met }) => met)) {
      await this.release(cast.bad, "bad");
      expectations.push(await this.expect(`the bad version ${cast.bad.version} fails in the pilot`, () => this.phaseOf("pilot") === "Failed"));
      const end = this.stage.clock.now() + STILL_MS;
      await this.until(() => Promise.resolve(this.stage.clock.now() >= end));
      const met = members.filter(({ wave, name }) => wave === "rest" && (this.traffic.get(name)?.counted.byVersion[cast.bad.version] ?? 0) > 0).map(({ name }) => name);
      expectations.push({ what: "the train stops, and no other cluster meets the bad version", met: met.length === 0 && this.waves().includes("pilot Stopped"), seen: met.length === 0 ? this.waves().join(", ") : `met in ${met.join(", ")}` });
    }
    const requests = Object.fromEntries(await Promise.all([...this.traffic].map(async ([name, traffic]): Promise<[string, Counted]> => [name, await traffic.stop()])));
    const lost = Object.entries(requests).filter(([, counted]) => counted.lost > 0 || counted.total === 0);
    const total = Object.values(requests).reduce((sum, counted) => sum + counted.total, 0);
    expectations.push({ what: "no request to a good version was lost in any cluster", met: lost.length === 0, seen: `${Object.values(requests).reduce((sum, counted) => sum + counted.lost, 0)} of ${total}` });
    this.look();
    return { expectations, requests, elapsedMs: this.stage.clock.now() - this.startedMs };
  }

  private async release({ version, image }: Release, kind: string): Promise<void> {
    const { members, cast, screen } = this.stage;
    this.title = `releasing ${version}, a ${kind} version, everywhere`;
    for (const { name, api } of members) {
      screen.tell(`kubectl --context ${name} set image deployment/${cast.target} app=${image}`);
      for (;;) {
        const found = await this.deployment(api);
        if (found === undefined) throw new Error(`the Deployment is gone in ${name}`);
        const { template } = found.spec as { template: { spec: { containers: object[] } } };
        const patch = { spec: { template: { spec: { containers: template.spec.containers.map((container) => ({ ...container, image })) } } } };
        const done = await api.patch({ resource: DEPLOYMENTS, namespace: cast.namespace, name: cast.target }, patch, { uid: found.metadata.uid ?? "", resourceVersion: found.metadata.resourceVersion ?? "" });
        if (done.ok) break;
        if (done.fault.class !== "conflict") throw new Error(done.fault.message);
      }
    }
  }

  private async expect(what: string, holds: () => boolean): Promise<Expectation> {
    const met = await this.until(() => Promise.resolve(holds()));
    const seen = `${this.stage.members.map(({ name }, index) => `${name} ${this.phases()[index] ?? "unknown"}`).join(", ")}${met ? "" : ` after ${this.stage.patienceMs / 1000} s`}`;
    return { what, met, seen };
  }

  private async until(holds: () => Promise<boolean>): Promise<boolean> {
    const { clock, patienceMs, signal, host, application } = this.stage;
    const end = clock.now() + patienceMs;
    while (clock.now() < end && !signal.aborted) {
      const found = await host.get({ resource: APPLICATIONS, namespace: application.metadata.namespace ?? "", name: application.metadata.name });
      if (found.ok) this.status = (found.value.status ?? {}) as ApplicationStatus;
      this.look();
      if (await holds()) return true;
      await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve));
    }
    return false;
  }

  private rows(): MemberRow[] {
    return this.stage.members.map(({ name, wave }) => {
      const entry = (this.status.syncStatus ?? []).find(({ rolloutStatus }) => rolloutStatus?.clusterName === name);
      const canary = (entry?.rolloutStatus?.rolloutStatusInCluster ?? {}) as { phase?: string; canaryWeight?: number; failedChecks?: number };
      return { name, wave, phase: canary.phase ?? "Pending", weight: canary.canaryWeight ?? 0, failedChecks: canary.failedChecks ?? 0, requests: this.traffic.get(name)?.counted ?? { total: 0, lost: 0, byVersion: {}, badAnswers: 0, losses: [] } };
    });
  }

  private phases(): string[] {
    return this.rows().map(({ phase }) => phase);
  }

  private phasesOf(wave: string): string[] {
    return this.rows().filter((row) => row.wave === wave).map(({ phase }) => phase);
  }

  private phaseOf(wave: string): string | undefined {
    return this.phasesOf(wave)[0];
  }

  private waves(): string[] {
    return (this.status.waves ?? []).map(({ name, phase }) => `${name} ${phase}`);
  }

  private look(): void {
    const { clock, screen } = this.stage;
    screen.show({ title: this.title, elapsedMs: clock.now() - this.startedMs, members: this.rows(), waves: (this.status.waves ?? []).map(({ name, phase, message }) => ({ name, phase, message: message ?? "" })) });
  }

  private async deployment(api: KubeApi): Promise<KubeObject | undefined> {
    const found = await api.get({ resource: DEPLOYMENTS, namespace: this.stage.cast.namespace, name: this.stage.cast.target });
    return found.ok ? found.value : undefined;
  }
}

async function created(api: KubeApi, resource: Resource, object: KubeObject): Promise<void> {
  const made = await api.create(resource, object);
  if (!made.ok) throw new Error(made.fault.message);
}

function available(deployment: KubeObject | undefined): boolean {
  const { availableReplicas = 0 } = (deployment?.status ?? {}) as { availableReplicas?: number };
  return availableReplicas > 0 && availableReplicas === (deployment?.spec as { replicas?: number } | undefined)?.replicas;
}
