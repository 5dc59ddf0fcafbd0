// How is the sandbox's API reached? `handle` answers one request without a socket, so that a simulation can own the time;
// `listen` puts node:http on loopback in front of it. No authentication: it must never listen beyond this machine.
import { createServer } from "node:http";
import { ApiError, methodNotAllowed, unknownPath } from "./errors.ts";
import { SERVER_VERSION, discover } from "./discovery.ts";
import { openApi } from "./openapi.ts";
import { OPENAPI_PROTOBUF_TYPE, openApiProtobuf } from "./openapi-protobuf.ts";
import { PROTOBUF_TYPE, decodeProtobuf } from "./protobuf.ts";
import { header, parseUrl, resourcePath } from "./routes.ts";
import { callResource } from "./verbs.ts";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { ApiRequest, ApiResponse } from "./routes.ts";
import type { ApiStore } from "./store.ts";

export type { ApiRequest, ApiResponse } from "./routes.ts";

export interface ListeningApi {
  port: number;
  url: string;
  /** Ends every watch and stops. */
  close(): Promise<void>;
}

export class ApiServer {
  private readonly store: ApiStore;

  constructor(store: ApiStore) {
    this.store = store;
  }

  /** Never throws for what a client did: a refusal is a response with a Status in it. */
  handle(request: ApiRequest): ApiResponse {
    try {
      return this.route(request);
    } catch (error) {
      if (error instanceof ApiError) return json(error.status, error.toStatus());
      throw error;
    }
  }

  async listen(port: number, host = "127.0.0.1"): Promise<ListeningApi> {
    const server = createServer((incoming, outgoing) => {
      this.answer(incoming, outgoing).catch((error: unknown) => {
        if (!outgoing.headersSent) outgoing.writeHead(500, { "Content-Type": "text/plain" });
        outgoing.end(error instanceof Error ? error.message : String(error));
      });
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, resolve);
    });
    const bound = (server.address() as AddressInfo).port;
    return {
      port: bound,
      url: `http://${host}:${bound}`,
      close: () => new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
    };
  }

  private route(request: ApiRequest): ApiResponse {
    const { pathname } = parseUrl(request.url);
    const path = resourcePath(pathname);
    if (path !== undefined) return callResource(this.store, request, path);
    if (request.method !== "GET") throw isKnown(pathname) ? methodNotAllowed() : unknownPath();
    if (pathname === "/version" || pathname === "/version/") return json(200, SERVER_VERSION);
    if (["/healthz", "/livez", "/readyz"].includes(pathname)) return { status: 200, headers: { "Content-Type": "text/plain" }, body: "ok" };
    const document = openApi(this.store.registry, pathname) ?? discover(this.store.registry, pathname);
    if (document === undefined) throw unknownPath();
    return json(200, document);
  }

  /** Protobuf ends here: behind this line every body is text. */
  private answerBytes(request: ApiRequest, bytes: Buffer): ApiResponse {
    const isProtobuf = header(request, "content-type").startsWith(PROTOBUF_TYPE);
    if (!isProtobuf || bytes.length === 0) return this.handle({ ...request, body: bytes.toString("utf8") });
    try {
      return this.handle({ ...request, headers: { ...request.headers, "content-type": "application/json" }, body: JSON.stringify(decodeProtobuf(bytes)) });
    } catch (error) {
      if (error instanceof ApiError) return json(error.status, error.toStatus());
      throw error;
    }
  }

  private async answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const aborted = new AbortController();
    outgoing.on("close", () => aborted.abort());
    const bytes = await readAll(incoming);
    const headers = Object.fromEntries(Object.entries(incoming.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : value]));
    const request = { method: incoming.method ?? "GET", url: incoming.url ?? "/", headers, signal: aborted.signal };
    if (request.method === "GET" && request.url.startsWith("/openapi/v2") && header(request, "accept").includes("+protobuf")) {
      outgoing.writeHead(200, { "Content-Type": OPENAPI_PROTOBUF_TYPE }).end(openApiProtobuf(this.store.registry));
      return;
    }
    const response = this.answerBytes(request, bytes);
    outgoing.writeHead(response.status, response.headers);
    if (typeof response.body === "string") {
      outgoing.end(response.body);
      return;
    }
    outgoing.flushHeaders();
    for await (const line of response.body) {
      if (aborted.signal.aborted) break;
      if (!outgoing.write(line)) await drained(outgoing, aborted.signal);
    }
    outgoing.end();
  }
}

function isKnown(pathname: string): boolean {
  return pathname === "/version" || pathname === "/api" || pathname === "/apis";
}

function json(status: number, body: unknown): ApiResponse {
  return { status, headers: { "Content-Type": "application/json" }, body: `${JSON.stringify(body)}\n` };
}

async function readAll(incoming: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of incoming) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

function drained(outgoing: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    outgoing.once("drain", resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
