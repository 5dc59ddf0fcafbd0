// Which kinds does the engine watch, and where? One informer per kind and watched namespace, with what nobody reads cut off.
import { groupOf, OWNER } from "../../crds/marks.ts";
import type { Caches, PodWatch } from "../controller/context.ts";
import type { Clock, Kind, KubeObject, Log, Random, Resource } from "../ports.ts";
import { Informer } from "./informer.ts";
import type { Transport } from "./transport.ts";

export interface WatchOptions {
  transport: Transport;
  clock: Clock;
  random: Random;
  log: Log;
  /** Empty watches all. */
  namespaces: readonly string[];
  /** Told of each answer: verb, resource and status (0 where none came). */
  observe?: (verb: string, resource: string, status: number) => void;
  /** Keep what is not marked as some Canary's as text until it is asked for: a cluster has thousands of it. */
  packs?: boolean;
}

/** A kind to watch; `everywhere` is for kinds that Canaries refer to across namespaces. */
export interface Watched {
  resource: Resource;
  labelSelector?: string;
  fieldSelector?: string;
  trim?: (object: KubeObject) => KubeObject;
  metadataOnly?: boolean;
  /** For one object of a kind that is watched as a whole too. */
  alone?: boolean;
  /** Needed by some alone: where it may not be seen, only they have to do without. */
  optional?: boolean;
  namespaces?: readonly string[];
}

const REASON_MAX = 200;
const OWN_KINDS: ReadonlySet<string> = new Set(["metrictemplates", "alertproviders"]);
/** The place of the one object that is watched by itself. */
const ALONE = "alone";

export type Changed = (resource: Resource, before: KubeObject | undefined, after: KubeObject | undefined) => void;

export class CacheSet implements Caches {
  private readonly informers = new Map<string, Informer[]>();
  /** Not to be allowed to see them holds up nobody but those that ask for them. */
  private readonly optional = new Set<Informer>();
  /** By plural, and by plural and group: what is looked up dozens of times in each pass. */
  private readonly byPlural = new Map<string, Informer[][]>();
  /** By kind and group, the versions that are watched: more than one only where none was served at the start. */
  private readonly kinds = new Map<string, Resource[]>();

  private life: AbortSignal | undefined;

  constructor(
    private readonly options: WatchOptions,
    watched: readonly Watched[],
    private readonly onChange: Changed,
  ) {
    for (const kind of watched) this.add(kind);
  }

  run(signal: AbortSignal): Promise<unknown> {
    this.life = signal;
    return Promise.all(this.all().map((informer) => informer.run(signal)));
  }

  seek(resource: Resource): boolean {
    const known = this.informers.get(keyOf(resource));
    if (known !== undefined) return known.every((informer) => informer.synced || informer.forbidden);
    const added = this.add({ resource, optional: true });
    const { life } = this;
    if (life !== undefined) for (const informer of added) void informer.run(life);
    return false;
  }

  private add({ resource, alone = false, optional = false, namespaces = this.options.namespaces, ...how }: Watched): Informer[] {
    const places = namespaces.length === 0 ? [undefined] : namespaces;
    const listener = { onChange: (before?: KubeObject, after?: KubeObject) => this.onChange(resource, before, after), onServed: () => this.wakeAll() };
    // The engine's own kinds are few, and looked through.
    const owner = resource.plural === "canaries" ? targetWord : this.options.packs !== true || alone || OWN_KINDS.has(resource.plural) ? undefined : ownerWord;
    const informers = places.map((namespace) => new Informer({ ...this.options, ...listener, resource, namespace, owner, ...how }));
    this.informers.set(alone ? ALONE : keyOf(resource), informers);
    if (optional) for (const informer of informers) this.optional.add(informer);
    if (!alone) for (const name of [resource.plural, `${resource.plural}.${resource.group}`]) this.byPlural.set(name, [...(this.byPlural.get(name) ?? []), informers]);
    if (resource.plural !== "canaries" && !alone) this.kinds.set(kindOf(resource), [...(this.kinds.get(kindOf(resource)) ?? []), resource]);
    return informers;
  }

  get synced(): boolean {
    return this.all().every((informer) => informer.synced || (informer.forbidden && this.optional.has(informer)));
  }

  canaries(group: string) {
    const informers = this.inGroup("canaries", group);
    return {
      get: (namespace: string, name: string) => first(informers, (informer) => informer.get(namespace, name)),
      list: () => informers.flatMap((informer) => [...informer.list()]),
      about: (namespace: string, target: string) => informers.flatMap((informer) => informer.owned(`${namespace}/${target}`)),
    };
  }

  template(plural: string, group: string, namespace: string, name: string): KubeObject | undefined {
    const own = first(this.inGroup(plural, group), (informer) => informer.get(namespace, name));
    return own ?? first(this.everyGroups(plural), (informer) => informer.get(namespace, name));
  }

  get(plural: string, namespace: string, name: string): KubeObject | undefined {
    return first(this.of(plural), (informer) => informer.get(namespace, name));
  }

  owned(plural: string, namespace: string, mark: string): readonly KubeObject[] {
    return this.of(plural).flatMap((informer) => informer.owned(`${namespace}/${mark}`));
  }

  /** Every object that is not a Canary. */
  everything(): { plural: string; object: KubeObject }[] {
    return this.others().flatMap((informer) => informer.list().map((object) => ({ plural: informer.resource.plural, object })));
  }

  /** Every object that is marked as some Canary's, where what is not is kept as text. */
  everyOwned(): { plural: string; object: KubeObject }[] {
    return this.others().flatMap((informer) => informer.owned().map((object) => ({ plural: informer.resource.plural, object })));
  }

  private others(): Informer[] {
    return this.all().filter((informer) => informer.resource.plural !== "canaries");
  }

  freeze(): string | undefined {
    const found = first(this.informers.get(ALONE) ?? [], (informer) => informer.list()[0]);
    if (found === undefined) return undefined;
    const reason = (found.data as { reason?: unknown } | undefined)?.reason;
    return typeof reason === "string" && reason !== "" ? reason.slice(0, REASON_MAX) : `ConfigMap ${found.metadata.namespace}/${found.metadata.name} exists`;
  }

  absorb(object: KubeObject): void {
    this.holding(object)?.absorb(object);
  }

  forget(object: KubeObject): void {
    this.holding(object)?.forget(object.metadata.namespace ?? "", object.metadata.name, object.metadata.uid ?? "");
  }

  resource(kind: Kind): Resource | undefined {
    return this.kinds.get(kindOf(kind))?.find((resource) => this.informers.get(keyOf(resource))?.some((informer) => !informer.missing && !informer.forbidden));
  }

  forbidden(kind: Kind): boolean {
    return this.kinds.get(kindOf(kind))?.some((resource) => this.informers.get(keyOf(resource))?.some((informer) => informer.forbidden)) === true;
  }

  /** A kind that came or went has no object to wake those that wait for it, such as every Canary when its mesh is installed. */
  private wakeAll(): void {
    for (const informer of this.all()) {
      if (informer.resource.plural === "canaries") for (const canary of informer.list()) this.onChange(informer.resource, canary, canary);
    }
  }

  private everyGroups(plural: string): Informer[] {
    return (this.byPlural.get(plural) ?? []).flat();
  }

  /** Of the first version or group that is served. */
  private of(plural: string): Informer[] {
    const all = this.byPlural.get(plural) ?? [];
    return all.find((informers) => informers.some((informer) => !informer.missing)) ?? all[0] ?? [];
  }

  private inGroup(plural: string, group: string): Informer[] {
    return this.everyGroups(`${plural}.${group}`);
  }

  private holding(object: KubeObject): Informer | undefined {
    const group = groupOf(object.apiVersion);
    for (const [key, informers] of this.informers) {
      if (key === ALONE) continue;
      const [known] = informers;
      if (known?.resource.kind !== object.kind || known.resource.group !== group || known.missing) continue;
      return informers.length === 1 ? known : informers.find((informer) => informer.namespace === object.metadata.namespace);
    }
    return undefined;
  }

  private all(): Informer[] {
    return [...this.informers.values()].flat();
  }
}

/** Canaries are found by what they are about, even one that names nothing. */
function targetWord({ metadata, spec }: KubeObject): string {
  const name = (spec as { targetRef?: { name?: unknown } } | null | undefined)?.targetRef?.name;
  return `${metadata.namespace ?? ""}/${typeof name === "string" ? name : ""}`;
}

function ownerWord({ metadata }: KubeObject): string | undefined {
  const mark = metadata.annotations?.[OWNER];
  return mark === undefined ? undefined : `${metadata.namespace ?? ""}/${mark}`;
}

function kindOf({ kind, group }: Kind): string {
  return `${kind}.${group}`;
}

function keyOf({ plural, group, version }: Resource): string {
  return `${plural}.${group}/${version}`;
}

function first<T, R>(items: readonly T[], pick: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const picked = pick(item);
    if (picked !== undefined) return picked;
  }
  return undefined;
}

const PODS: Resource = { group: "", version: "v1", plural: "pods", kind: "Pod" };

/** Watches the pods of a target for as long as its run lasts. */
export class PodInformers implements PodWatch {
  private readonly watches = new Map<string, { informer: Informer; abort: AbortController }>();

  constructor(
    private readonly options: WatchOptions,
    private readonly wake: (key: string) => void,
  ) {}

  pods(key: string, namespace: string, selector: Record<string, string>): readonly KubeObject[] {
    const known = this.watches.get(key);
    if (known !== undefined) return known.informer.list();
    const labelSelector = Object.entries(selector).map(([label, value]) => `${label}=${value}`).join(",");
    const abort = new AbortController();
    const informer = new Informer({ ...this.options, resource: PODS, namespace, labelSelector, trim: podsTrimmed, onChange: () => this.wake(key) });
    this.watches.set(key, { informer, abort });
    void informer.run(abort.signal);
    return [];
  }

  stop(key: string): void {
    this.watches.get(key)?.abort.abort();
    this.watches.delete(key);
  }

  stopAll(): void {
    for (const key of [...this.watches.keys()]) this.stop(key);
  }
}

function podsTrimmed(pod: KubeObject): KubeObject {
  const spec = pod.spec as { containers?: { name?: string; image?: string }[] } | undefined;
  return { ...pod, spec: { containers: (spec?.containers ?? []).map(({ name, image }) => ({ name, image })) } };
}
