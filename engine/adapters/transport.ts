// How are requests carried to one API server? The layer below list and watch: one request, or one stream of lines. It never retries and never
// reads a status code. The simulation puts an in-process one in its place.
import { request as httpRequest, Agent as HttpAgent, type IncomingMessage, type RequestOptions } from "node:http";
import { request as httpsRequest, Agent as HttpsAgent } from "node:https";
import { readFileSync } from "node:fs";
import { KubeConfig } from "@kubernetes/client-node";

export interface TransportRequest {
  method: string;
  /** With leading slash, without query. */
  path: string;
  query?: Record<string, string>;
  contentType?: string;
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
  /** Lines without their ends; ends when the server ends it, throws when the connection breaks. Of an error status: its body. */
  lines: AsyncIterable<string>;
}

/** Rejects only where no answer came: refused, reset, timed out, aborted. */
export interface Transport {
  request(request: TransportRequest): Promise<TransportResponse>;
  stream(request: Pick<TransportRequest, "path" | "query" | "signal">): Promise<TransportStream>;
}

export class TimeoutError extends Error {}

const TOKEN_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const TOKEN_AGE_MS = 60_000;
const CONNECT_MS = 15_000;
const KEEP_ALIVE_MS = 30_000;

/**
 * A transport for the cluster of a kubeconfig: the file given, else $KUBECONFIG and the default file, else the pod's service account.
 * @throws a sentence for the user when no cluster is named
 */
export async function loadTransport({ kubeconfig, userAgent }: { kubeconfig?: string; userAgent: string }): Promise<Transport> {
  const config = new KubeConfig();
  if (kubeconfig === undefined || kubeconfig === "") config.loadFromDefault();
  else config.loadFromFile(kubeconfig);
  const server = config.getCurrentCluster()?.server;
  if (server === undefined) throw new Error("no cluster to talk to: give --kubeconfig, set KUBECONFIG, or run inside a cluster");
  return httpTransport(new URL(server), userAgent, await credentials(config));
}

/** Options of TLS and headers for each request; asked every time, because tokens rotate. */
type Credentials = () => Promise<{ tls: RequestOptions; headers: Record<string, string> }>;

async function credentials(config: KubeConfig): Promise<Credentials> {
  const first = await applied(config);
  const inCluster = config.getCurrentUser()?.authProvider?.config?.tokenFile === TOKEN_FILE || config.getCurrentCluster()?.name === "inCluster";
  const user = config.getCurrentUser();
  const dynamic = user?.exec !== undefined && user.exec !== null;
  let token = { text: "", readAtMs: 0 };
  return async () => {
    // Plugins keep their own cache of the token that they fetched.
    if (dynamic) return applied(config);
    if (!inCluster) return first;
    if (Date.now() - token.readAtMs > TOKEN_AGE_MS) token = { text: readFileSync(TOKEN_FILE, "utf8").trim(), readAtMs: Date.now() };
    return { ...first, headers: { ...first.headers, Authorization: `Bearer ${token.text}` } };
  };
}

async function applied(config: KubeConfig): Promise<{ tls: RequestOptions; headers: Record<string, string> }> {
  const options: Parameters<KubeConfig["applyToHTTPSOptions"]>[0] = {};
  await config.applyToHTTPSOptions(options);
  const { headers, agent: _agent, ...tls } = options;
  return { tls: tls as RequestOptions, headers: { ...(headers as Record<string, string> | undefined) } };
}

export function httpTransport(server: URL, userAgent: string, credentialsOf: Credentials = () => Promise.resolve({ tls: {}, headers: {} })): Transport {
  const secure = server.protocol === "https:";
  // Watches live for minutes on connections of their own; keep-alive notices a peer that is gone without a word.
  const agentOptions = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS, maxSockets: 256, scheduling: "lifo" as const };
  const agent = secure ? new HttpsAgent(agentOptions) : new HttpAgent(agentOptions);

  async function send({ method, path, query, contentType, body, timeoutMs, signal }: TransportRequest): Promise<IncomingMessage> {
    const { tls, headers } = await credentialsOf();
    const search = query === undefined ? "" : `?${new URLSearchParams(query).toString()}`;
    const options: RequestOptions = {
      ...tls,
      agent,
      method,
      host: server.hostname.replace(/^\[|\]$/g, ""),
      port: server.port === "" ? (secure ? 443 : 80) : server.port,
      path: `${server.pathname.replace(/\/$/, "")}${path}${search}`,
      headers: {
        ...headers,
        "User-Agent": userAgent,
        Accept: "application/json",
        ...(body === undefined ? {} : { "Content-Type": contentType ?? "application/json", "Content-Length": Buffer.byteLength(body) }),
      },
      signal,
    };
    return new Promise((resolve, reject) => {
      const request = (secure ? httpsRequest : httpRequest)(options, resolve);
      request.setTimeout(timeoutMs, () => request.destroy(new TimeoutError(`no answer within ${timeoutMs} ms`)));
      request.on("socket", (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS));
      request.on("error", reject);
      request.end(body);
    });
  }

  return {
    async request(request) {
      const response = await send(request);
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      return { status: response.statusCode ?? 0, headers: flat(response.headers), body: Buffer.concat(chunks).toString("utf8") };
    },
    async stream({ path, query, signal }) {
      const response = await send({ method: "GET", path, query, timeoutMs: CONNECT_MS, signal });
      // From here on silence is normal: the time-out was for the answer to begin.
      response.socket.setTimeout(0);
      return { status: response.statusCode ?? 0, lines: linesOf(response) };
    },
  };
}

async function* linesOf(response: IncomingMessage): AsyncIterable<string> {
  response.setEncoding("utf8");
  let rest = "";
  for await (const chunk of response) {
    rest += chunk as string;
    let end = rest.indexOf("\n");
    while (end >= 0) {
      yield rest.slice(0, end);
      rest = rest.slice(end + 1);
      end = rest.indexOf("\n");
    }
  }
  if (rest !== "") yield rest;
}

function flat(headers: IncomingMessage["headers"]): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : (value ?? "")]));
}
