// What does the cluster hold of one kind? Lists, watches, and keeps at it: whatever ends a watch, it resumes or lists again, until it is aborted.
// An idle informer costs one request per renewal of its watch and nothing else.
import type { Cache, Clock, KubeObject, Log, Random, Resource } from "../ports.ts";
import { apiVersionOf, collection } from "./kube.ts";
import type { Transport } from "./transport.ts";

export interface InformerOptions {
  transport: Transport;
  clock: Clock;
  random: Random;
  log: Log;
  resource: Resource;
  namespace?: string;
  labelSelector?: string;
  /** What is kept of an object; managedFields are dropped in any case. */
  trim?: (object: KubeObject) => KubeObject;
  /** Either side is undefined for a creation or deletion. Called after the cache has changed, never for a change that was absorbed before. */
  onChange: (before: KubeObject | undefined, after: KubeObject | undefined) => void;
}

const PAGE = 500;
/** Above a minute by far: an idle engine is silent for minutes. The server ends the watch, so that a half-open connection cannot last longer. */
const WATCH_MIN_SECONDS = 480;
const WATCH_SPREAD_SECONDS = 240;
const WATCH_SHORTEST_MS = 1_000;
const BACKOFF_BASE_MS = 200;
const BACKOFF_MAX_MS = 30_000;
const LIST_TIMEOUT_MS = 60_000;

interface WatchEvent {
  type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  object: KubeObject & { code?: number; message?: string };
}

/** How a watch ended: resume from where it was, list again, or wait first. */
type Ending = "resume" | "relist" | "failed";

export class Informer implements Cache {
  readonly resource: Resource;
  private readonly objects = new Map<string, KubeObject>();
  private listed = false;
  private absent = false;
  private failures = 0;
  private resourceVersion = "";

  constructor(private readonly options: InformerOptions) {
    this.resource = options.resource;
  }

  get namespace(): string | undefined {
    return this.options.namespace;
  }

  get synced(): boolean {
    return this.listed;
  }

  /** The API server does not serve the kind (yet). */
  get missing(): boolean {
    return this.absent;
  }

  get(namespace: string, name: string): KubeObject | undefined {
    return this.objects.get(`${namespace}/${name}`);
  }

  list(namespace?: string): readonly KubeObject[] {
    const all = [...this.objects.values()];
    return namespace === undefined ? all : all.filter((object) => object.metadata.namespace === namespace);
  }

  absorb(object: KubeObject): void {
    this.put(object, false);
  }

  forget(namespace: string, name: string, uid: string): void {
    if (this.get(namespace, name)?.metadata.uid === uid) this.objects.delete(`${namespace}/${name}`);
  }

  /** Resolves only when `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { log, resource } = this.options;
    while (!signal.aborted) {
      const ending = this.resourceVersion === "" ? await this.relist(signal) : await this.watch(signal);
      if (ending === "relist") this.resourceVersion = "";
      if (ending !== "failed") {
        if (ending === "resume") this.failures = 0;
        continue;
      }
      this.failures += 1;
      const delayMs = Math.min(BACKOFF_BASE_MS * 2 ** Math.min(this.failures, 12), BACKOFF_MAX_MS) * (0.5 + this.options.random() / 2);
      if (this.failures > 3) log.warn({ kind: resource.kind, failures: this.failures }, "watch keeps failing");
      await this.sleep(delayMs, signal);
    }
  }

  private async relist(signal: AbortSignal): Promise<Ending> {
    const { transport, resource, namespace, labelSelector } = this.options;
    const seen = new Map<string, KubeObject>();
    let next = "";
    try {
      do {
        const query = { limit: String(PAGE), ...(labelSelector === undefined ? {} : { labelSelector }), ...(next === "" ? {} : { continue: next }) };
        const response = await transport.request({ method: "GET", path: collection(resource, namespace ?? ""), query, timeoutMs: LIST_TIMEOUT_MS, signal });
        this.absent = response.status === 404;
        // A page whose snapshot has expired begins the list anew.
        if (response.status === 410) return "relist";
        if (response.status !== 200) return this.refused(response.status);
        const page = JSON.parse(response.body) as { items?: KubeObject[]; metadata?: { resourceVersion?: string; continue?: string } };
        for (const item of page.items ?? []) seen.set(keyOf(item), item);
        next = page.metadata?.continue ?? "";
        this.resourceVersion = page.metadata?.resourceVersion ?? "";
      } while (next !== "");
    } catch (error) {
      this.resourceVersion = "";
      if (!signal.aborted) this.options.log.debug({ kind: resource.kind, error: String(error) }, "list failed");
      return "failed";
    }
    for (const [key, before] of [...this.objects]) {
      if (seen.has(key)) continue;
      this.objects.delete(key);
      this.options.onChange(before, undefined);
    }
    for (const object of seen.values()) this.put(object, true);
    this.listed = true;
    return this.resourceVersion === "" ? "failed" : "resume";
  }

  private refused(status: number): Ending {
    // Nothing is served under this name: there is nothing to wait for before starting.
    if (status === 404) this.listed = true;
    else this.options.log.warn({ kind: this.resource.kind, status }, "list refused");
    this.resourceVersion = "";
    return "failed";
  }

  private async watch(signal: AbortSignal): Promise<Ending> {
    const { transport, clock, resource, namespace, labelSelector, random } = this.options;
    const startedMs = clock.monotonic();
    const query: Record<string, string> = {
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion: this.resourceVersion,
      timeoutSeconds: String(Math.round(WATCH_MIN_SECONDS + random() * WATCH_SPREAD_SECONDS)),
      ...(labelSelector === undefined ? {} : { labelSelector }),
    };
    try {
      const { status, lines } = await transport.stream({ path: collection(resource, namespace ?? ""), query, signal });
      if (status === 410 || status === 404) return "relist";
      if (status !== 200) return "failed";
      for await (const line of lines) {
        if (line === "") continue;
        const ending = this.take(line);
        if (ending !== undefined) return ending;
        this.failures = 0;
      }
      // A server that ends each watch at once must not be asked again at once.
      return signal.aborted || clock.monotonic() - startedMs < WATCH_SHORTEST_MS ? "failed" : "resume";
    } catch (error) {
      if (!signal.aborted) this.options.log.debug({ kind: resource.kind, error: String(error) }, "watch broke");
      return "failed";
    }
  }

  /** One line of a watch; an ending when the watch is over. */
  private take(line: string): Ending | undefined {
    let event: WatchEvent;
    try {
      event = JSON.parse(line) as WatchEvent;
    } catch {
      // A line that cannot be read may have been a deletion: only a list tells.
      this.options.log.warn({ kind: this.resource.kind }, "a watch event is not JSON; listing again");
      return "relist";
    }
    if (event.type === "ERROR") return event.object.code === 410 ? "relist" : "failed";
    const version = event.object.metadata.resourceVersion;
    if (version !== undefined) this.resourceVersion = version;
    if (event.type === "BOOKMARK") return undefined;
    if (event.type === "DELETED") this.drop(event.object);
    else this.put(event.object, true);
    return undefined;
  }

  private drop(object: KubeObject): void {
    const key = keyOf(object);
    const before = this.objects.get(key);
    // The deletion of an object of which a newer namesake is known already.
    if (before !== undefined && before.metadata.uid !== object.metadata.uid && newer(before, object)) return;
    this.objects.delete(key);
    this.options.onChange(before ?? object, undefined);
  }

  private put(object: KubeObject, tell: boolean): void {
    const key = keyOf(object);
    const before = this.objects.get(key);
    if (before !== undefined && !newer(object, before)) return;
    const { managedFields: _, ...metadata } = object.metadata;
    // Items of a list come without their kind.
    const whole: KubeObject = { ...object, apiVersion: apiVersionOf(this.resource), kind: this.resource.kind, metadata };
    const kept = this.options.trim === undefined ? whole : this.options.trim(whole);
    this.objects.set(key, kept);
    if (tell) this.options.onChange(before, kept);
  }

  private sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        signal.removeEventListener("abort", end);
        cancel();
        resolve();
      };
      const cancel = this.options.clock.after(ms, end);
      signal.addEventListener("abort", end, { once: true });
    });
  }
}

function keyOf(object: KubeObject): string {
  return `${object.metadata.namespace ?? ""}/${object.metadata.name}`;
}

/** Resource versions of one kind are numbers that grow; Kubernetes guarantees it since 1.35 and has always done it. */
function newer(left: KubeObject, right: KubeObject): boolean {
  const [a, b] = [left.metadata.resourceVersion ?? "", right.metadata.resourceVersion ?? ""];
  return a.length !== b.length ? a.length > b.length : a > b;
}
