// How are requests carried to one API server? The layer below list and watch: one request, or one stream of lines. It never retries and never
// classifies an answer. The simulation puts an in-process one in its place.
import { request as httpRequest, Agent as HttpAgent, type IncomingMessage } from "node:http";
import { request as httpsRequest, Agent as HttpsAgent } from "node:https";
import { loadCluster, type Cluster } from "./kubeconfig.ts";

export interface TransportRequest {
  method: string;
  /** With leading slash, without query. */
  path: string;
  query?: Record<string, string>;
  contentType?: string;
  /** Of the answer; JSON of whole objects when absent. */
  accept?: string;
  body?: string;
  timeoutMs: number;
  signal?: AbortSignal;
}

export interface TransportResponse {
  status: number;
  /** Lower-case names. */
  headers: Record<string, string>;
  body: string;
}

export interface TransportStream {
  status: number;
  /**
   * Lines without their ends; ends when the server ends it, throws when the connection breaks. Of an error status: its body.
   * With status 200 it must be iterated, because the connection is held until then.
   */
  lines: AsyncIterable<string>;
}

/** Rejects only where no answer came: refused, reset, timed out, aborted. */
export interface Transport {
  request(request: TransportRequest): Promise<TransportResponse>;
  stream(request: Pick<TransportRequest, "path" | "query" | "accept" | "signal">): Promise<TransportStream>;
}

export class TimeoutError extends Error {}

/** Until a watch begins to answer; after that silence is normal. */
const STREAM_ANSWER_MS = 15_000;
const KEEP_ALIVE_MS = 30_000;
/** Of requests. Watches have connections of their own without a bound: a hundred of them must not keep a lease from being renewed. */
const SOCKETS_MAX = 128;

/**
 * A transport for the cluster of a kubeconfig: the file given, else $KUBECONFIG and the default file, else the pod's service account.
 * @throws a sentence for the user when there is no cluster to talk to
 */
export async function loadTransport({ kubeconfig, userAgent }: { kubeconfig?: string; userAgent: string }): Promise<Transport> {
  return httpTransport(await loadCluster(kubeconfig), userAgent);
}

const NOBODY = { credentials: () => Promise.resolve({ tls: {}, headers: {} }), refused: () => undefined };

/** A URL alone is a server that asks nobody's name. */
export function httpTransport(to: Cluster | URL, userAgent: string): Transport {
  const cluster: Cluster = to instanceof URL ? { server: to, ...NOBODY } : to;
  const { server } = cluster;
  const secure = server.protocol === "https:";
  const requests = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS, maxSockets: SOCKETS_MAX, scheduling: "lifo" as const };
  const requestAgent = secure ? new HttpsAgent(requests) : new HttpAgent(requests);
  const watchAgent = secure ? new HttpsAgent({ keepAlive: false }) : new HttpAgent({ keepAlive: false });
  const base = server.pathname.replace(/\/$/, "");

  async function send({ method, path, query, contentType, accept, body }: Omit<TransportRequest, "timeoutMs">, agent: HttpAgent, life: AbortSignal): Promise<IncomingMessage> {
    const { tls, headers, agent: proxy } = await cluster.credentials();
    life.throwIfAborted();
    const search = query === undefined ? "" : `?${new URLSearchParams(query).toString()}`;
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = (secure ? httpsRequest : httpRequest)(
        {
          ...tls,
          agent: proxy ?? agent,
          method,
          host: server.hostname.replace(/^\[|\]$/g, ""),
          port: server.port === "" ? (secure ? 443 : 80) : server.port,
          path: `${base}${path}${search}`,
          headers: {
            ...headers,
            "User-Agent": userAgent,
            Accept: accept ?? "application/json",
            ...(body === undefined ? {} : { "Content-Type": contentType ?? "application/json", "Content-Length": Buffer.byteLength(body) }),
          },
        },
        resolve,
      );
      const abort = (): void => void request.destroy(life.reason instanceof Error ? life.reason : new Error("aborted"));
      life.addEventListener("abort", abort, { once: true });
      request.on("close", () => life.removeEventListener("abort", abort));
      // A peer that is gone without a word is noticed by the kernel, at the price of no request.
      request.on("socket", (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS));
      request.on("error", reject);
      request.end(body);
    });
    if (response.statusCode === 401) cluster.refused();
    return response;
  }

  return {
    async request(request) {
      const life = lifeOf(request.signal, request.timeoutMs);
      try {
        return await life.until(send(request, requestAgent, life.signal).then(whole));
      } finally {
        life.end();
      }
    },
    async stream({ path, query, accept, signal }) {
      const life = lifeOf(signal, STREAM_ANSWER_MS);
      try {
        const response = await life.until(send({ method: "GET", path, query, accept }, watchAgent, life.signal));
        const status = response.statusCode ?? 0;
        // Nobody need read why a watch was refused, and an answer that is not read holds its connection for ever.
        if (status !== 200) {
          const { body } = await life.until(whole(response));
          life.end();
          return { status, lines: lines([body]) };
        }
        life.unhurried();
        return { status, lines: lines(response.setEncoding("utf8"), () => life.end()) };
      } catch (error) {
        life.end();
        throw error;
      }
    },
  };
}

interface Life {
  signal: AbortSignal;
  /** The work's outcome, or the deadline's or the abort's, whichever is first: waiting for credentials, a socket and a connection counts too. */
  until<T>(work: Promise<T>): Promise<T>;
  /** No deadline any more. */
  unhurried(): void;
  end(): void;
}

function lifeOf(outer: AbortSignal | undefined, timeoutMs: number): Life {
  const life = new AbortController();
  const abort = (): void => life.abort(new Error("aborted"));
  const timer = setTimeout(() => life.abort(new TimeoutError(`no answer within ${timeoutMs} ms`)), timeoutMs);
  outer?.addEventListener("abort", abort, { once: true });
  if (outer?.aborted === true) abort();
  const over = new Promise<never>((_, reject) => {
    const refuse = (): void => reject(life.signal.reason as Error);
    if (life.signal.aborted) refuse();
    else life.signal.addEventListener("abort", refuse, { once: true });
  });
  // It may well be that nobody waits when the signal aborts.
  over.catch(() => undefined);
  return {
    signal: life.signal,
    until: (work) => Promise.race([over, work]),
    unhurried: () => clearTimeout(timer),
    end() {
      clearTimeout(timer);
      outer?.removeEventListener("abort", abort);
    },
  };
}

async function whole(response: IncomingMessage): Promise<TransportResponse> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const headers = Object.entries(response.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : (value ?? "")]);
  return { status: response.statusCode ?? 0, headers: Object.fromEntries(headers) as Record<string, string>, body: Buffer.concat(chunks).toString("utf8") };
}

async function* lines(chunks: AsyncIterable<unknown> | Iterable<unknown>, ended?: () => void): AsyncIterable<string> {
  let rest = "";
  try {
    for await (const chunk of chunks) {
      rest += chunk as string;
      let end = rest.indexOf("\n");
      while (end >= 0) {
        yield rest.slice(0, end);
        rest = rest.slice(end + 1);
        end = rest.indexOf("\n");
      }
    }
    if (rest !== "") yield rest;
  } finally {
    ended?.();
  }
}
