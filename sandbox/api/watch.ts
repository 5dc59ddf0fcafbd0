// What does a watch send, line by line? Changes from a resourceVersion on, translated by the selectors, with bookmarks
// by the clock. It must never skip a change: a reader that fell behind the history or is too slow is cut off.
import { ApiError, expired } from "./errors.ts";
import { showObject } from "./representation.ts";
import { apiVersionOf } from "./resource-type.ts";
import type { Change } from "./history.ts";
import type { JsonRecord } from "./json.ts";
import type { View } from "./representation.ts";
import type { Selects } from "./selectors.ts";
import type { ApiStore } from "./store.ts";
import type { KubeObject } from "./types.ts";

export interface WatchOptions {
  view: View;
  namespace: string | undefined;
  selects: Selects;
  /** "" and "0" start with what is there now. */
  resourceVersion: string;
  bookmarks: boolean;
  /** Everything that is there first, then a bookmark that says so: how kubectl lists and watches in one request. */
  initialEvents: boolean;
  timeoutSeconds: number | undefined;
  signal: AbortSignal | undefined;
}

const BOOKMARK_EVERY_MS = 60_000;
const BOOKMARK_BEFORE_END_MS = 2_000;
const SLOWEST_READER_LINES = 10_000;

export function watch(store: ApiStore, options: WatchOptions): AsyncIterable<string> {
  const lines = new Lines();
  const writer = new WatchWriter(store, options, lines);
  writer.start();
  return lines;
}

class WatchWriter {
  private readonly store: ApiStore;
  private readonly options: WatchOptions;
  private readonly lines: Lines;
  private readonly endings: (() => void)[] = [];
  private readonly startedAt: number;
  private headerSent = false;
  private cancelBookmark: () => void = () => undefined;

  constructor(store: ApiStore, options: WatchOptions, lines: Lines) {
    this.store = store;
    this.options = options;
    this.lines = lines;
    this.startedAt = Number(options.resourceVersion);
    lines.onClose(() => {
      for (const end of this.endings.splice(0)) end();
      this.cancelBookmark();
    });
  }

  start(): void {
    const { resourceVersion, timeoutSeconds, signal } = this.options;
    try {
      if (this.options.initialEvents) {
        this.sendPresent();
        this.sendBookmark({ "k8s.io/initial-events-end": "true" });
      } else if (resourceVersion === "" || resourceVersion === "0") this.sendPresent();
      else for (const change of this.store.history.since(Number(resourceVersion), this.store.revision)) this.translate(change);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.send("ERROR", error.toStatus());
      this.lines.close();
      return;
    }
    this.endings.push(this.store.history.follow((change) => this.translate(change)));
    if (timeoutSeconds !== undefined) this.endings.push(this.store.clock.after(timeoutSeconds * 1000, () => this.lines.close()));
    if (this.options.bookmarks) this.planBookmark(timeoutSeconds === undefined ? undefined : this.store.clock.now() + timeoutSeconds * 1000);
    if (signal?.aborted === true) this.lines.close();
    else if (signal !== undefined) {
      const abort = (): void => this.lines.close();
      signal.addEventListener("abort", abort, { once: true });
      this.endings.push(() => signal.removeEventListener("abort", abort));
    }
  }

  private sendPresent(): void {
    const { view, namespace, selects } = this.options;
    for (const object of this.store.list(view.type.id, namespace)) if (selects(object)) this.sendObject("ADDED", object);
  }

  /** An object that enters or leaves the selection is added or deleted for this reader, whatever happened to it. */
  private translate({ event, previous }: Change): void {
    const { view, namespace, selects } = this.options;
    const object = event.object;
    if (event.resource !== view.type.id) return;
    if (namespace !== undefined && object.metadata.namespace !== namespace) return;
    const before = previous !== undefined && selects(previous);
    const after = event.type !== "DELETED" && selects(object);
    if (after) this.sendObject(before ? "MODIFIED" : "ADDED", object);
    else if (before) {
      // What left is shown as the reader last knew it, under the resourceVersion of the change.
      const shown = event.type === "DELETED" ? object : { ...previous, metadata: { ...previous.metadata, resourceVersion: object.metadata.resourceVersion } };
      this.sendObject("DELETED", shown);
    }
  }

  /** Every minute, and once shortly before the watch ends, so that the reader can resume without a list. */
  private planBookmark(endsAtMs: number | undefined): void {
    const now = this.store.clock.now();
    const untilLast = endsAtMs === undefined ? Infinity : endsAtMs - BOOKMARK_BEFORE_END_MS - now;
    if (untilLast <= 0) return;
    this.cancelBookmark = this.store.clock.after(Math.min(BOOKMARK_EVERY_MS, untilLast), () => {
      // A reader that starts at the newest version learns nothing from a bookmark of it.
      if (this.store.revision > this.startedAt) this.sendBookmark();
      this.planBookmark(endsAtMs);
    });
  }

  private sendBookmark(annotations?: Record<string, string>): void {
    const { type, version, form } = this.options.view;
    const metadata: JsonRecord = { resourceVersion: String(this.store.revision), creationTimestamp: null, ...(annotations === undefined ? {} : { annotations }) };
    const partial = { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata };
    if (form === "metadata") this.send("BOOKMARK", partial);
    else if (form === "table") {
      const rows = [{ cells: [], object: partial }];
      this.send("BOOKMARK", { kind: "Table", apiVersion: "meta.k8s.io/v1", metadata: { resourceVersion: metadata.resourceVersion }, columnDefinitions: [], rows });
    } else this.send("BOOKMARK", { kind: type.kind, apiVersion: apiVersionOf(type.group, version), metadata });
  }

  private sendObject(type: string, object: KubeObject): void {
    const shown = showObject({ ...this.options.view, nowMs: this.store.clock.now() }, object);
    // A table's columns are told once; a reader keeps them.
    if (this.options.view.form === "table" && this.headerSent) shown.columnDefinitions = [];
    this.headerSent = true;
    this.send(type, shown);
  }

  private send(type: string, object: JsonRecord): void {
    if (this.lines.waiting >= SLOWEST_READER_LINES) {
      this.lines.replaceLast(`${JSON.stringify({ type: "ERROR", object: expired("the watch was read too slowly").toStatus() })}\n`);
      this.lines.close();
    } else this.lines.push(`${JSON.stringify({ type, object })}\n`);
  }
}

/** A queue between the store, which pushes, and one reader, who pulls. */
class Lines implements AsyncIterable<string> {
  private readonly queue: string[] = [];
  private wake: (() => void) | undefined;
  private closed = false;
  private closing: (() => void) | undefined;

  get waiting(): number {
    return this.queue.length;
  }

  onClose(closing: () => void): void {
    this.closing = closing;
  }

  push(line: string): void {
    if (this.closed) return;
    this.queue.push(line);
    this.wake?.();
  }

  replaceLast(line: string): void {
    this.queue.splice(this.queue.length - 1, 1, line);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.closing?.();
    this.wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    try {
      for (;;) {
        const line = this.queue.shift();
        if (line !== undefined) yield line;
        else if (this.closed) return;
        else {
          await new Promise<void>((resolve) => {
            this.wake = resolve;
          });
        }
      }
    } finally {
      this.close();
    }
  }
}
