// What does the cluster hold of one kind? Lists, watches, and keeps at it: whatever ends a watch, it resumes or lists again, until it is aborted.
// An idle informer costs one request per renewal of its watch and nothing else.
import type { Cache, Clock, KubeObject, Log, Random, Resource } from "../ports.ts";
import { apiVersionOf, collection } from "./kube.ts";
import { isPacked, packed, unpacked, versionOf, whole, type Packed } from "./packed.ts";
import type { Transport } from "./transport.ts";
import { cutAfter, sleep } from "./waiting.ts";

export interface InformerOptions {
  transport: Transport;
  clock: Clock;
  random: Random;
  log: Log;
  resource: Resource;
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  /** Ask for metadata alone: of objects whose content is nobody's business but their readers'. */
  metadataOnly?: boolean;
  /** What is kept of an object; managedFields are dropped in any case. */
  trim?: (object: KubeObject) => KubeObject;
  /** Whose an object is, in one word; objects without an owner are kept as text until somebody asks for them. Everything is kept whole when absent. */
  owner?: (object: KubeObject) => string | undefined;
  /** Either side is undefined for a creation or deletion; a former state that was kept as text is not read for it. Called after the cache has changed, never for a change that was absorbed before. */
  onChange: (before: KubeObject | undefined, after: KubeObject | undefined) => void;
  /** The API server began or ceased to serve the kind. */
  onServed?: () => void;
  /** Told of each answer: verb, resource and status (0 where none came). */
  observe?: (verb: string, resource: string, status: number) => void;
}

const PAGE = 500;
/** Above a minute by far: an idle engine is silent for minutes. */
const WATCH_MIN_SECONDS = 480;
const WATCH_SPREAD_SECONDS = 240;
/** The server ends a watch in time; one that it did not end leads nowhere, whatever the proxy in between pretends. */
const WATCH_GRACE_MS = 30_000;
const WATCH_SHORTEST_MS = 1_000;
const WATCH_GOOD_MS = 5_000;
const BACKOFF_BASE_MS = 200;
const BACKOFF_MAX_MS = 30_000;
const LIST_TIMEOUT_MS = 60_000;
/** A broken watch for longer than this, and the cache no longer counts as synced. */
const BROKEN_GRACE_MS = 60_000;
/** A kind that is not served for longer than this has no objects any more; before, it may be an API server that has just started. */
const MISSING_GRACE_MS = 60_000;

interface WatchEvent {
  type: string;
  object: KubeObject;
}

/**
 * `listed`: watch now; `ended`: resume from there; `stale`: only a list tells what there is; `broken`: no answer, or none that helps; `missing`: nobody
 * serves the kind.
 */
type Ending = "listed" | "ended" | "stale" | "broken" | "missing";

export class Informer implements Cache {
  readonly resource: Resource;
  private readonly objects = new Map<string, KubeObject | Packed>();
  /** Keys by owner. */
  private readonly byOwner = new Map<string, Set<string>>();
  private listed = false;
  private missingSinceMs: number | undefined;
  private brokenSinceMs: number | undefined;
  private refused = false;
  /** Endings in a row that were not good. */
  private failures = 0;
  /** Where the watch resumes; "" lists. */
  private resourceVersion = "";
  /** The newest version that was heard of. */
  private heard = "";

  constructor(private readonly options: InformerOptions) {
    this.resource = options.resource;
  }

  get namespace(): string | undefined {
    return this.options.namespace;
  }

  get synced(): boolean {
    return this.listed && (this.brokenSinceMs === undefined || this.options.clock.monotonic() - this.brokenSinceMs < BROKEN_GRACE_MS);
  }

  /** The API server does not serve the kind (yet). */
  get missing(): boolean {
    return this.missingSinceMs !== undefined;
  }

  /** The engine was never allowed to see any of them. */
  get forbidden(): boolean {
    return this.refused && !this.listed;
  }

  get(namespace: string, name: string): KubeObject | undefined {
    const key = `${namespace}/${name}`;
    const found = this.objects.get(key);
    if (found === undefined || !isPacked(found)) return found;
    const object = unpacked(found);
    this.objects.set(key, object);
    return object;
  }

  list(namespace?: string): readonly KubeObject[] {
    const all = [...this.objects.values()].map((object) => (isPacked(object) ? unpacked(object) : object));
    return namespace === undefined ? all : all.filter((object) => object.metadata.namespace === namespace);
  }

  /** Objects of this owner; of all owners where none is named. */
  owned(owner?: string): KubeObject[] {
    const keys = owner === undefined ? [...this.byOwner.values()].flatMap((some) => [...some]) : [...(this.byOwner.get(owner) ?? [])];
    return keys.map((key) => this.objects.get(key)).filter((object) => object !== undefined && !isPacked(object)) as KubeObject[];
  }

  absorb(object: KubeObject): void {
    const before = this.objects.get(keyOf(object));
    // An object that is not here although the watch has come past its version was deleted while the answer to our write was under way.
    const version = object.metadata.resourceVersion ?? "";
    if (before === undefined ? isNewer(version, this.heard) : isNewer(version, versionOf(before))) this.hold(keyOf(object), before, this.kept(object));
  }

  forget(namespace: string, name: string, uid: string): void {
    const key = `${namespace}/${name}`;
    const found = this.objects.get(key);
    if (found !== undefined && (isPacked(found) ? found.uid : found.metadata.uid) === uid) this.release(key, found);
  }

  /** Resolves only when `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const startedMs = this.options.clock.monotonic();
      const ending = await this.round(signal);
      if (signal.aborted) return;
      const delayMs = this.delay(ending, this.options.clock.monotonic() - startedMs);
      if (delayMs > 0) await sleep(this.options.clock, delayMs, signal);
    }
  }

  private async round(signal: AbortSignal): Promise<Ending> {
    try {
      return this.resourceVersion === "" ? await this.relist(signal) : await this.watch(signal);
    } catch (error) {
      // By its code alone: the text may hold what a credential plugin said.
      const code = (error as { code?: unknown } | undefined)?.code;
      if (!signal.aborted) this.options.log.debug({ kind: this.resource.kind, code: typeof code === "string" ? code : undefined }, "no answer to a list or watch");
      return "broken";
    }
  }

  /**
   * 0.4 s, 0.8 s ... 30 s, less up to a half. A watch that lasted begins anew: with one that breaks every 10 s the pauses stay below half a second,
   * and an API server that ends each watch at once is asked every 15 to 30 s.
   */
  private delay(ending: Ending, lastedMs: number): number {
    const { clock, random, log, resource } = this.options;
    if (ending === "listed") return 0;
    if (this.resourceVersion !== "" && lastedMs >= WATCH_GOOD_MS) this.failures = 0;
    if (ending === "ended" && lastedMs >= WATCH_SHORTEST_MS) return 0;
    if (ending === "stale") this.resourceVersion = "";
    else if (ending !== "missing") this.brokenSinceMs ??= clock.monotonic();
    this.failures += 1;
    // The first list after a good watch need not wait.
    if (ending === "stale" && this.failures === 1) return 0;
    if (this.failures > 3 && ending !== "missing") log.warn({ kind: resource.kind, failures: this.failures }, "watch keeps failing");
    return Math.min(BACKOFF_BASE_MS * 2 ** Math.min(this.failures, 12), BACKOFF_MAX_MS) * (0.5 + random() / 2);
  }

  private async relist(signal: AbortSignal): Promise<Ending> {
    const found: KubeObject[] = [];
    let version = "";
    let next = "";
    do {
      const query = { ...this.selectors(), limit: String(PAGE), ...(next === "" ? {} : { continue: next }) };
      const response = await this.answered("list", () => this.options.transport.request({ method: "GET", path: this.path(), query, accept: this.accept("PartialObjectMetadataList"), timeoutMs: LIST_TIMEOUT_MS, signal }));
      if (response.status === 404) return this.unserved();
      // A page whose snapshot has expired begins the list anew.
      if (response.status === 410) return "stale";
      if (response.status !== 200) {
        this.refused = response.status === 403;
        this.options.log.warn({ kind: this.resource.kind, status: response.status }, "list refused");
        return "broken";
      }
      const page = JSON.parse(response.body) as { items?: KubeObject[]; metadata?: { resourceVersion?: string; continue?: string } };
      found.push(...(page.items ?? []));
      next = page.metadata?.continue ?? "";
      version = page.metadata?.resourceVersion ?? "";
    } while (next !== "");
    if (version === "") return "broken";
    this.replace(found, version);
    this.resourceVersion = version;
    this.heard = version;
    this.brokenSinceMs = undefined;
    const began = this.missing || this.forbidden;
    this.missingSinceMs = undefined;
    this.listed = true;
    if (began) {
      this.failures = 0;
      this.options.onServed?.();
    }
    return "listed";
  }

  private replace(found: readonly KubeObject[], version: string): void {
    // Less than was known before: the API server was restored from a backup, and nothing that is cached counts any more.
    const restored = isNewer(this.heard, version);
    const keys = new Set(found.map(keyOf));
    for (const [key, before] of [...this.objects]) {
      // What is newer than the list was absorbed while it was under way.
      if (keys.has(key) || (!restored && isNewer(versionOf(before), version))) continue;
      this.release(key, before);
      this.tell(whole(before), undefined);
    }
    if (restored) this.options.log.warn({ kind: this.resource.kind }, "the API server knows less than before; everything is taken over from it");
    for (const object of found) this.put(object, restored);
  }

  private unserved(): Ending {
    const { clock, log, resource } = this.options;
    const nowMs = clock.monotonic();
    const began = this.missingSinceMs === undefined;
    this.missingSinceMs ??= nowMs;
    // Nothing is served under this name: there is nothing to wait for before starting.
    this.listed = true;
    this.brokenSinceMs = undefined;
    if (began) {
      log.info({ kind: resource.kind, apiVersion: apiVersionOf(resource) }, "the API server does not serve this kind; it is looked for again");
      this.options.onServed?.();
    } else if (nowMs - this.missingSinceMs >= MISSING_GRACE_MS) {
      for (const [key, before] of [...this.objects]) {
        this.release(key, before);
        this.tell(whole(before), undefined);
      }
    }
    return "missing";
  }

  private async watch(signal: AbortSignal): Promise<Ending> {
    const { transport, clock, random } = this.options;
    const seconds = Math.round(WATCH_MIN_SECONDS + random() * WATCH_SPREAD_SECONDS);
    const query = { ...this.selectors(), watch: "true", allowWatchBookmarks: "true", resourceVersion: this.resourceVersion, timeoutSeconds: String(seconds) };
    const cut = cutAfter(clock, seconds * 1000 + WATCH_GRACE_MS, signal);
    try {
      const { status, lines } = await this.answered("watch", () => transport.stream({ path: this.path(), query, accept: this.accept("PartialObjectMetadata"), signal: cut.signal }));
      // Refused for what was asked: asking the same again would not mend it.
      if (status === 400 || status === 404 || status === 410) return "stale";
      if (status !== 200) return "broken";
      this.brokenSinceMs = undefined;
      for await (const line of lines) {
        const ending = line.trim() === "" ? undefined : this.take(line);
        if (ending !== undefined) return ending;
      }
      return "ended";
    } finally {
      cut.release();
    }
  }

  /** One line of a watch; an ending when the watch is over. */
  private take(line: string): Ending | undefined {
    const event = eventOf(line);
    const version = event?.object.metadata?.resourceVersion ?? "";
    if (event?.type === "ERROR") return (event.object as { code?: unknown }).code === 410 ? "stale" : "broken";
    // What cannot be read, or is older than what was read before, may stand for a deletion: only a list tells.
    if (event === undefined || version === "" || isNewer(this.resourceVersion, version)) {
      this.options.log.warn({ kind: this.resource.kind, readable: event !== undefined }, "a watch event makes no sense; listing again");
      return "stale";
    }
    if (event.type === "DELETED") this.drop(event.object);
    else if (event.type !== "BOOKMARK") this.put(event.object, false);
    this.resourceVersion = version;
    this.heard = version;
    return undefined;
  }

  private drop(object: KubeObject): void {
    const key = keyOf(object);
    const before = this.objects.get(key);
    // A newer one was absorbed: a namesake, or the object made anew.
    if (before !== undefined && isNewer(versionOf(before), object.metadata.resourceVersion ?? "")) return;
    if (before !== undefined) this.release(key, before);
    this.tell(before === undefined ? object : whole(before), undefined);
  }

  private put(object: KubeObject, whatever: boolean): void {
    const key = keyOf(object);
    const before = this.objects.get(key);
    if (before !== undefined && !whatever && !isNewer(object.metadata.resourceVersion ?? "", versionOf(before))) return;
    const kept = this.kept(object);
    this.hold(key, before, kept);
    this.tell(before === undefined ? undefined : isPacked(before) ? kept : before, kept);
  }

  /** One that was asked for once is asked for again. */
  private hold(key: string, before: KubeObject | Packed | undefined, object: KubeObject): void {
    const { owner: ownerOf } = this.options;
    const owner = ownerOf?.(object);
    if (before !== undefined) this.disown(key, before);
    if (owner !== undefined) this.byOwner.set(owner, (this.byOwner.get(owner) ?? new Set()).add(key));
    const asked = before !== undefined && !isPacked(before);
    this.objects.set(key, ownerOf === undefined || owner !== undefined || asked ? object : packed(object));
  }

  private release(key: string, object: KubeObject | Packed): void {
    this.objects.delete(key);
    this.disown(key, object);
  }

  private disown(key: string, object: KubeObject | Packed): void {
    const owner = isPacked(object) ? undefined : this.options.owner?.(object);
    if (owner === undefined) return;
    const keys = this.byOwner.get(owner);
    keys?.delete(key);
    if (keys?.size === 0) this.byOwner.delete(owner);
  }

  private kept(object: KubeObject): KubeObject {
    const { managedFields: _, ...metadata } = object.metadata;
    // Items of a list come without their kind.
    const whole: KubeObject = { ...object, apiVersion: apiVersionOf(this.resource), kind: this.resource.kind, metadata };
    return this.options.trim === undefined ? whole : this.options.trim(whole);
  }

  /** A listener that breaks is a bug of its own and no reason to stop listening to the cluster. */
  private tell(before: KubeObject | undefined, after: KubeObject | undefined): void {
    try {
      this.options.onChange(before, after);
    } catch (error) {
      this.options.log.error({ kind: this.resource.kind, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }, "a listener of an informer broke");
    }
  }

  private path(): string {
    return collection(this.resource, this.options.namespace ?? "");
  }

  private accept(form: string): string | undefined {
    return this.options.metadataOnly === true ? `application/json;as=${form};g=meta.k8s.io;v=v1` : undefined;
  }

  private selectors(): Record<string, string> {
    const { labelSelector, fieldSelector } = this.options;
    return { ...(labelSelector === undefined ? {} : { labelSelector }), ...(fieldSelector === undefined ? {} : { fieldSelector }) };
  }

  private async answered<T extends { status: number }>(verb: string, ask: () => Promise<T>): Promise<T> {
    try {
      const answer = await ask();
      this.options.observe?.(verb, this.resource.plural, answer.status);
      return answer;
    } catch (error) {
      this.options.observe?.(verb, this.resource.plural, 0);
      throw error;
    }
  }
}

const EVENTS: ReadonlySet<string> = new Set(["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]);

function eventOf(line: string): WatchEvent | undefined {
  try {
    const event = JSON.parse(line) as Partial<WatchEvent> | null;
    const { type, object } = event ?? {};
    if (type === undefined || !EVENTS.has(type) || typeof object !== "object" || object === null) return undefined;
    return { type, object };
  } catch {
    return undefined;
  }
}

function keyOf(object: KubeObject): string {
  return `${object.metadata.namespace ?? ""}/${object.metadata.name}`;
}

/** Resource versions of one kind are numbers that grow; Kubernetes guarantees it since 1.35 and has always done it. */
function isNewer(a: string, b: string): boolean {
  return a.length !== b.length ? a.length > b.length : a > b;
}
