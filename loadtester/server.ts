// What does the load tester say over HTTP? Flagger's paths and answers; it decides who may ask and who is heard, and runs nothing itself.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock, Log } from "../engine/ports.ts";
import { TooManyGates, type GateKind, type Gates } from "./gates.ts";
import { readPayload, type Asked } from "./payload.ts";
import type { Guard } from "./token.ts";

export interface Answer {
  status: number;
  body: string;
  headers?: Record<string, string>;
}

export interface Served {
  gates: Gates;
  guard: Guard;
  /** Namespaces whose canaries may ask. */
  namespaces: RegExp;
  /** @param gone aborted when the caller no longer waits for the answer */
  perform: (asked: Asked, gone: AbortSignal) => Promise<Answer>;
  metrics: () => Promise<string>;
  clock: Clock;
  log: Log;
}

export interface Listening {
  port: number;
  /** Takes no more requests, and lets answers that are under way out first. */
  close(): Promise<void>;
}

const BODY_MAX_BYTES = 1024 * 1024;
/** For callers that take their answer slowly, or never end their request. */
const CLOSE_MS = 2_000;
const GATE_PATH = /^\/(gate|rollback)\/(check|open|close)$/;

/** Port 0 takes any free one. */
export async function listen(port: number, host: string | undefined, served: Served): Promise<Listening> {
  let closing = false;
  const server: Server = createServer((request, response) => {
    const send = (answer: Answer): void => write(request, response, closing ? { ...answer, headers: { ...answer.headers, Connection: "close" } } : answer);
    answerOf(request, response, served).then(
      send,
      (error: unknown) => {
        // The caller hung up in the middle of its request.
        if (!request.complete) return void response.destroy();
        served.log.error({ path: pathOf(request), error: error instanceof Error ? error.message : String(error) }, "a request failed");
        send({ status: 500, body: "the load tester met an error; see its log" });
      },
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host }, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        closing = true;
        const cancel = served.clock.after(CLOSE_MS, () => server.closeAllConnections());
        server.close(() => {
          cancel();
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

async function answerOf(request: IncomingMessage, response: ServerResponse, served: Served): Promise<Answer> {
  const path = pathOf(request);
  const reads = request.method === "GET" || request.method === "HEAD";
  if (path === "/healthz") return reads ? { status: 200, body: "OK" } : wrongMethod("GET");
  if (path === "/metrics") return reads ? { status: 200, body: await served.metrics(), headers: { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" } } : wrongMethod("GET");

  const allowed = await served.guard(request.headers.authorization);
  if (allowed === "unknown") return { status: 503, body: "tokens cannot be checked" };
  if (allowed === "no") return { status: 401, body: "a token is needed", headers: { "WWW-Authenticate": "Bearer" } };
  if (path === "/gate/approve") return { status: 200, body: "OK" };
  if (path === "/gate/halt") return { status: 403, body: "Forbidden" };

  const gate = GATE_PATH.exec(path);
  if (gate === null && path !== "/") return { status: 404, body: "not found" };
  if (request.method !== "POST") return wrongMethod("POST");
  const body = await bodyOf(request);
  if (body === undefined) return { status: 413, body: `the body is longer than ${BODY_MAX_BYTES} bytes`, headers: { Connection: "close" } };
  const read = readPayload(body);
  if (!read.ok) return { status: 400, body: read.why };
  if (!served.namespaces.test(read.asked.namespace)) return { status: 403, body: `namespace ${read.asked.namespace} is not served here` };
  if (gate !== null) return gateAnswer(gate[1] === "gate" ? "gate" : "rollback", gate[2] ?? "", read.asked, served);
  return served.perform(read.asked, goneWith(response));
}

async function gateAnswer(kind: GateKind, verb: string, { name, namespace }: Asked, { gates, log }: Served): Promise<Answer> {
  if (verb === "check") return gates.isOpen(kind, name, namespace) ? { status: 200, body: "Approved" } : { status: 403, body: "Forbidden" };
  try {
    await gates.set(kind, name, namespace, verb === "open");
  } catch (error) {
    if (error instanceof TooManyGates) return { status: 429, body: error.message };
    log.error({ kind, name, namespace, error: error instanceof Error ? error.message : String(error) }, "a gate cannot be written down");
    return { status: 500, body: `the ${kind} cannot be written down and stays as it was` };
  }
  log.info({ kind, name, namespace }, verb === "open" ? "opened" : "closed");
  return { status: 202, body: "Accepted" };
}

function goneWith(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  if (response.destroyed) gone.abort();
  response.once("close", () => {
    if (!response.writableFinished) gone.abort();
  });
  return gone.signal;
}

function wrongMethod(allowed: string): Answer {
  return { status: 405, body: `only ${allowed}`, headers: { Allow: allowed } };
}

function pathOf(request: IncomingMessage): string {
  const path = (request.url ?? "").split("?")[0] ?? "";
  return path.length > 1 ? path.replace(/\/$/, "") : path;
}

/** Undefined when it is too long. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const parts: Buffer[] = [];
  let bytes = 0;
  // What is too long is answered, so the connection must outlive the reading.
  for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > BODY_MAX_BYTES) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

function write(request: IncomingMessage, response: ServerResponse, { status, body, headers }: Answer): void {
  if (response.destroyed) return;
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8", ...headers });
  response.end(request.method === "HEAD" ? "" : body);
}
