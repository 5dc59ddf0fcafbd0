// How does the engine reach the sandbox when time is virtual? In process, with faults drawn from the seed: requests refused before or after they took
// effect, late, and watches cut. It must never invent an answer that an API server could not give.
import { setMaxListeners } from "node:events";
import type { Transport, TransportRequest, TransportResponse, TransportStream } from "../../engine/adapters/transport.ts";
import type { ApiServer } from "../api/server.ts";
import type { Clock, Random } from "../api/types.ts";

/** Shares of requests, 0..1, and delays; all 0 is a quiet network. Changed while it runs. */
export interface NetworkFaults {
  /** 500 before anything happened. */
  refused: number;
  /** The request took effect and its answer was lost. */
  replyLost: number;
  throttled: number;
  conflicts: number;
  delayMs: number;
  /** Per event of a watch: the connection is cut after it. */
  watchCut: number;
  /** Events reach the engine this much later. */
  watchLagMs: number;
  /** The request is held for many seconds before it takes effect, and whoever sent it has long given up. */
  stuck: number;
  /** A watch that wants to go on from where it was is told that this is too long ago. */
  gone: number;
  /** Of reads of one ConfigMap or Secret: 500. */
  unreadable: number;
}

export const QUIET: NetworkFaults = { refused: 0, replyLost: 0, throttled: 0, conflicts: 0, delayMs: 0, watchCut: 0, watchLagMs: 0, stuck: 0, gone: 0, unreadable: 0 };
const CONTENTS = /\/(configmaps|secrets)\/[^/]+$/;
const STUCK_MS = { least: 3_000, most: 20_000 };

/** Somebody who sees each request after it took effect. */
export type Witness = (by: string, request: TransportRequest, status: number) => void;

export class Network {
  faults: NetworkFaults = { ...QUIET };
  witness: Witness = () => undefined;

  constructor(
    private readonly server: ApiServer,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /** How many requests were sent about objects of a namespace, leases apart. */
  requests = 0;

  /** One engine's way to the API; `alive` ends when its process is killed: what it sends from then on goes nowhere, and no answer comes. */
  transport(alive: AbortSignal, by = ""): Transport {
    // Each request on its way listens to it.
    setMaxListeners(0, alive);
    return {
      request: (request) => this.request(request, alive, by),
      stream: (request) => this.stream(request, alive),
    };
  }

  private async request(request: TransportRequest, alive: AbortSignal, by: string): Promise<TransportResponse> {
    const { faults } = this;
    if (request.path.includes("/namespaces/") && !request.path.includes("/leases")) this.requests += 1;
    await this.pause(faults.delayMs * this.random(), alive);
    // What is on the wire arrives, whatever became of its sender.
    if (this.draws(faults.stuck)) await this.pause(STUCK_MS.least + (STUCK_MS.most - STUCK_MS.least) * this.random(), new AbortController().signal);
    else await living(alive, request.signal);
    const writes = request.method !== "GET";
    if (this.draws(faults.throttled)) return status(429, "slow down", { "retry-after": "1" });
    if (this.draws(faults.refused)) return status(500, "the storage is not there");
    if (!writes && CONTENTS.test(request.path) && this.draws(faults.unreadable)) return status(500, "the key of the storage is not there");
    if (writes && request.method !== "POST" && this.draws(faults.conflicts)) return status(409, "the object has been modified");
    const answer = this.server.handle({
      method: request.method,
      url: urlOf(request),
      headers: { accept: request.accept ?? "application/json", ...(request.body === undefined ? {} : { "content-type": request.contentType ?? "application/json" }) },
      body: request.body,
    });
    if (typeof answer.body !== "string") throw new Error("a request was answered with a stream");
    this.witness(by, request, answer.status);
    if (writes && this.draws(faults.replyLost)) throw Object.assign(new Error("reset"), { code: "ECONNRESET" });
    await this.pause(faults.delayMs * this.random(), alive);
    await living(alive, request.signal);
    return { status: answer.status, headers: lower(answer.headers), body: answer.body };
  }

  private async stream(request: Pick<TransportRequest, "path" | "query" | "accept" | "signal">, alive: AbortSignal): Promise<TransportStream> {
    await living(alive, request.signal);
    if (this.draws(this.faults.refused)) return { status: 500, lines: none() };
    if (request.query?.resourceVersion !== undefined && this.draws(this.faults.gone)) return { status: 410, lines: none() };
    const ended = new AbortController();
    const over = AbortSignal.any([alive, ended.signal, ...(request.signal === undefined ? [] : [request.signal])]);
    const answer = this.server.handle({ method: "GET", url: urlOf({ ...request }), headers: { accept: request.accept ?? "application/json" }, signal: over });
    if (typeof answer.body === "string") return { status: answer.status, lines: none() };
    return { status: answer.status, lines: this.lines(answer.body, ended, over) };
  }

  private async *lines(body: AsyncIterable<string>, ended: AbortController, over: AbortSignal): AsyncIterable<string> {
    for await (const chunk of body) {
      for (const line of chunk.split("\n")) {
        if (line === "") continue;
        await this.pause(this.faults.watchLagMs * this.random(), over);
        if (over.aborted) return;
        yield line;
        if (!this.draws(this.faults.watchCut)) continue;
        ended.abort();
        throw Object.assign(new Error("cut"), { code: "ECONNRESET" });
      }
    }
  }

  private draws(share: number): boolean {
    return share > 0 && this.random() < share;
  }

  private pause(ms: number, signal: AbortSignal): Promise<void> {
    if (ms <= 0 || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        signal.removeEventListener("abort", end);
        cancel();
        resolve();
      };
      const cancel = this.clock.after(ms, end);
      signal.addEventListener("abort", end, { once: true });
    });
  }
}

/** A killed process waits for ever, as far as anybody can tell; an aborted request rejects. */
async function living(alive: AbortSignal, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted === true) throw Object.assign(new Error("aborted"), { code: "ABORT_ERR" });
  if (alive.aborted) await new Promise(() => undefined);
}

function urlOf({ path, query }: Pick<TransportRequest, "path" | "query">): string {
  return query === undefined ? path : `${path}?${new URLSearchParams(query).toString()}`;
}

function status(code: number, message: string, headers: Record<string, string> = {}): TransportResponse {
  return { status: code, headers, body: JSON.stringify({ kind: "Status", status: "Failure", code, message }) };
}

function lower(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

async function* none(): AsyncIterable<string> {
  // An error status has no events.
}
