// An API server that a test plays by hand: each list is answered from `objects`, each watch is a stream that the test writes to and ends as it likes.
import type { Transport, TransportRequest, TransportResponse, TransportStream } from "../../../engine/adapters/transport.ts";
import type { KubeObject } from "../../../engine/ports.ts";

export class ScriptedTransport implements Transport {
  /** What lists show. */
  objects: KubeObject[] = [];
  version = 100;
  pageSize = 500;
  /** Taken one by one before lists and watches are answered as usual; an Error is a connection that failed. */
  readonly lists: (Partial<TransportResponse> | Error)[] = [];
  readonly watches: (number | Error)[] = [];
  readonly asked: { verb: "list" | "watch"; query: Record<string, string> }[] = [];
  /** The last watch that was opened. */
  watch: ScriptedWatch | undefined;
  readonly opened: ScriptedWatch[] = [];

  async request({ query = {} }: TransportRequest): Promise<TransportResponse> {
    await Promise.resolve();
    this.asked.push({ verb: "list", query });
    const scripted = this.lists.shift();
    if (scripted instanceof Error) throw scripted;
    if (scripted !== undefined) return { status: 200, headers: {}, body: "", ...scripted };
    const start = Number(query.continue ?? "0");
    const end = start + Math.min(this.pageSize, Number(query.limit));
    const more = end < this.objects.length ? { continue: String(end) } : {};
    return { status: 200, headers: {}, body: JSON.stringify({ metadata: { resourceVersion: String(this.version), ...more }, items: this.objects.slice(start, end) }) };
  }

  async stream({ query = {}, signal }: Pick<TransportRequest, "path" | "query" | "signal">): Promise<TransportStream> {
    await Promise.resolve();
    this.asked.push({ verb: "watch", query });
    const scripted = this.watches.shift();
    if (scripted instanceof Error) throw scripted;
    if (scripted !== undefined) return { status: scripted, lines: new ScriptedWatch() };
    this.watch = new ScriptedWatch();
    this.opened.push(this.watch);
    const watch = this.watch;
    signal?.addEventListener("abort", () => watch.break("aborted"));
    return { status: 200, lines: watch };
  }

  count(verb: "list" | "watch"): number {
    return this.asked.filter((request) => request.verb === verb).length;
  }
}

export class ScriptedWatch implements AsyncIterable<string> {
  /** The reader has let go of it. */
  left = false;
  private readonly queue: (string | Error | undefined)[] = [];
  private wake: () => void = () => undefined;

  send(type: string, object: object): void {
    this.line(JSON.stringify({ type, object }));
  }

  line(text: string): void {
    this.queue.push(text);
    this.wake();
  }

  /** As the server ends it. */
  end(): void {
    this.queue.push(undefined);
    this.wake();
  }

  break(code = "ECONNRESET"): void {
    this.queue.push(Object.assign(new Error(code), { code }));
    this.wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    try {
      for (;;) {
        if (this.queue.length === 0) await new Promise<void>((resolve) => (this.wake = resolve));
        const next = this.queue.shift();
        if (next === undefined) return;
        if (next instanceof Error) throw next;
        yield next;
      }
    } finally {
      this.left = true;
    }
  }
}

export function pod(name: string, resourceVersion: number, fields: Partial<KubeObject["metadata"]> = {}): KubeObject {
  return { apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "test", uid: `uid-${name}`, resourceVersion: String(resourceVersion), ...fields } };
}
