// Which clusters can be reached, and what is in them? One connection for each member: its own watches of what the fleet made there, and its own requests. A
// member that is slow or gone costs the others nothing.
import { setMaxListeners } from "node:events";
import { GROUPS } from "../crds/canary.ts";
import { CacheSet, type Watched } from "../engine/adapters/cachesets.ts";
import { createKubeApi } from "../engine/adapters/kube.ts";
import type { Transport } from "../engine/adapters/transport.ts";
import type { Clock, Fault, KubeApi, KubeObject, Log, Random, Resource } from "../engine/ports.ts";
import { APP_LABEL } from "./marks.ts";

/** From the text of a kubeconfig to a way there. @throws a sentence for the user, without anything of the text */
export type Connect = (kubeconfig: string) => Promise<Transport>;

export interface MemberPorts {
  clock: Clock;
  random: Random;
  log: Log;
  connect: Connect;
  /** The cluster that the fleet's controller runs against, for applications without a fleet. */
  host: Transport;
  /** Something of an application changed in a member; undefined where all of it may have. */
  onChange: (member: string, object: KubeObject | undefined) => void;
  observe?: (verb: string, resource: string, status: number) => void;
}

/** Where the kubeconfig is from; a new version of it is a new connection. */
export type Kubeconfig = { kind: "host" } | { kind: "text"; text: string; version: string };

export type Group = keyof typeof GROUPS;

export interface Trouble {
  reason: "KubeconfigUnusable" | "Unreachable" | "Forbidden" | "EngineMissing";
  message: string;
}

export interface Member {
  readonly key: string;
  readonly api: KubeApi;
  readonly caches: CacheSet;
  /** Whose Canaries its API server knows, the engine's own first. */
  readonly groups: readonly Group[];
}

export const DEPLOYMENTS: Resource = { group: "apps", version: "v1", plural: "deployments", kind: "Deployment" };
export const DAEMONSETS: Resource = { group: "apps", version: "v1", plural: "daemonsets", kind: "DaemonSet" };
export const SERVICES: Resource = { group: "", version: "v1", plural: "services", kind: "Service" };
export const INGRESSES: Resource = { group: "networking.k8s.io", version: "v1", plural: "ingresses", kind: "Ingress" };
export const NAMESPACES: Resource = { group: "", version: "v1", plural: "namespaces", kind: "Namespace" };

export function canaries(group: Group): Resource {
  return { ...GROUPS[group], plural: "canaries", kind: "Canary" };
}

export function templates(group: Group): Resource {
  return { ...GROUPS[group], plural: "metrictemplates", kind: "MetricTemplate" };
}

/** How long a member may be silent before it counts as out of reach. */
const TIMEOUT_MS = 10_000;
const RETRY_BASE_MS = 500;
const RETRY_MAX_MS = 30_000;
const LOOK_MS = 500;
/** A watch that breaks tells nobody; it is looked at without a request. What has been silent for long is asked no more often. */
const LOOK_SYNCED_MS = 5_000;
/** Until then silence means nothing; from then on a request finds out why. */
const SYNC_PATIENCE_MS = 5_000;

/** For a moment after the start, or until a request has waited for its answer in vain. */
export const CONNECTING: Trouble = { reason: "Unreachable", message: "it is being connected to" };

class Connection {
  readonly abort = new AbortController();
  private cancelTimer: () => void = () => undefined;
  member: Member | undefined;
  trouble: Trouble | undefined = CONNECTING;
  private tries = 0;

  constructor(
    private readonly key: string,
    readonly version: string,
    private readonly ports: MemberPorts,
  ) {
    // Every informer and request listens to it.
    setMaxListeners(0, this.abort.signal);
    this.abort.signal.addEventListener("abort", () => this.cancelTimer(), { once: true });
  }

  async open(kubeconfig: Kubeconfig): Promise<void> {
    const { host, connect } = this.ports;
    try {
      const transport = kubeconfig.kind === "host" ? host : await connect(kubeconfig.text);
      await this.find(transport);
    } catch (error) {
      this.say({ reason: "KubeconfigUnusable", message: `its kubeconfig cannot be used: ${error instanceof Error ? error.message : "unknown error"}` });
    }
  }

  /** Which engine is there? Asked until one is, because whoever attaches a cluster may install the engine later. */
  private async find(transport: Transport): Promise<void> {
    const { clock, observe } = this.ports;
    const { signal } = this.abort;
    const api = createKubeApi({ transport, clock, timeoutMs: TIMEOUT_MS, observe, signal });
    const groups: Group[] = [];
    for (const group of ["own", "flagger"] as const) {
      const served = await api.served(`${GROUPS[group].group}/${GROUPS[group].version}`);
      if (signal.aborted) return;
      if (!served.ok) {
        this.say(troubleOf(served.fault));
        return this.again(transport);
      }
      if (served.value) groups.push(group);
    }
    if (groups.length === 0) {
      this.say({ reason: "EngineMissing", message: "no engine is installed there: its API server knows no Canary; install the chart kurator-rollout" });
      return this.again(transport);
    }
    this.follow(transport, api, groups);
  }

  private again(transport: Transport): void {
    const delayMs = Math.min(RETRY_BASE_MS * 2 ** Math.min(this.tries, 10), RETRY_MAX_MS);
    this.tries += 1;
    this.cancelTimer = this.ports.clock.after(delayMs, () => void this.find(transport));
  }

  private follow(transport: Transport, api: KubeApi, groups: Group[]): void {
    const { clock, random, log, observe, onChange } = this.ports;
    const { signal } = this.abort;
    const kinds = [...groups.flatMap((group) => [canaries(group), templates(group)]), DEPLOYMENTS, SERVICES];
    // A role from before there were Ingresses does for everything else.
    const watched: Watched[] = [...kinds, INGRESSES].map((resource) => ({ resource, labelSelector: APP_LABEL, trim: resource.plural === "canaries" ? undefined : withoutStatus, optional: resource === INGRESSES }));
    const caches = new CacheSet({ transport, clock, random, log, namespaces: [], observe }, watched, (_resource, before, after) => onChange(this.key, after ?? before));
    this.member = { key: this.key, api, caches, groups };
    const ended = caches.run(signal);
    void ended.catch((error: unknown) => log.error({ member: this.key, error: String(error) }, "the watches of a member ended"));
    let lostAtMs = clock.monotonic();
    const look = async (): Promise<void> => {
      if (signal.aborted) return;
      let nextMs = LOOK_SYNCED_MS;
      if (caches.synced) {
        lostAtMs = Infinity;
        this.say(undefined);
      } else {
        lostAtMs = Math.min(lostAtMs, clock.monotonic());
        if (clock.monotonic() - lostAtMs >= SYNC_PATIENCE_MS) this.say(await silence(api, kinds));
        else nextMs = LOOK_MS;
      }
      if (!signal.aborted) this.cancelTimer = clock.after(nextMs, () => void look());
    };
    void look();
  }

  private say(trouble: Trouble | undefined): void {
    if (this.abort.signal.aborted || (this.trouble?.reason === trouble?.reason && this.trouble?.message === trouble?.message)) return;
    this.trouble = trouble;
    if (trouble !== undefined) this.ports.log.warn({ member: this.key, reason: trouble.reason, why: trouble.message }, "a member cannot be worked in");
    this.ports.onChange(this.key, undefined);
  }
}

export class Members {
  private readonly connections = new Map<string, Connection>();

  constructor(private readonly ports: MemberPorts) {}

  /** Connects where there is no connection, or one by another kubeconfig. */
  want(key: string, kubeconfig: Kubeconfig): void {
    const version = kubeconfig.kind === "host" ? "host" : kubeconfig.version;
    const known = this.connections.get(key);
    if (known?.version === version) return;
    known?.abort.abort();
    const connection = new Connection(key, version, this.ports);
    this.connections.set(key, connection);
    void connection.open(kubeconfig);
  }

  drop(key: string): void {
    this.connections.get(key)?.abort.abort();
    this.connections.delete(key);
  }

  /** The version of the kubeconfig that it is connected by. */
  version(key: string): string | undefined {
    return this.connections.get(key)?.version;
  }

  /** What is known of it, also while it is out of reach. */
  get(key: string): Member | undefined {
    return this.connections.get(key)?.member;
  }

  /** Why it cannot be worked in; undefined when it can. */
  trouble(key: string): Trouble | undefined {
    const connection = this.connections.get(key);
    return connection === undefined ? CONNECTING : connection.trouble;
  }

  keys(): string[] {
    return [...this.connections.keys()];
  }

  stop(): void {
    for (const key of this.keys()) this.drop(key);
  }
}

/** Watches do not say why they bring nothing; a list does. */
async function silence(api: KubeApi, kinds: readonly Resource[]): Promise<Trouble> {
  for (const resource of kinds) {
    const listed = await api.list(resource, undefined, APP_LABEL);
    if (!listed.ok) return troubleOf(listed.fault);
  }
  return { reason: "Unreachable", message: "its API server answers, but its watches have broken; they are begun anew" };
}

export function troubleOf({ class: kind, message }: Fault): Trouble {
  if (kind === "forbidden") return { reason: "Forbidden", message: `its API server refuses the user of the kubeconfig (${message}); give that user the role kurator-rollout-fleet-member` };
  return { reason: "Unreachable", message: `its API server does not answer (${message})` };
}

/** Of load testers, templates and Ingresses only what decides whether they are as they should be. */
function withoutStatus(object: KubeObject): KubeObject {
  const { status: _, ...kept } = object;
  return kept;
}
