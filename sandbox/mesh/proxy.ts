// How does a request travel through the sandbox's gateway? A streaming HTTP proxy on loopback around pickRoute.
// It must never change a request beyond what its route says, nor send the same body twice.
import { Agent, createServer, request as httpRequest } from "node:http";
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { listenOnLoopback, type LocalServer } from "../loopback.ts";
import type { HeaderEdits, Upstream } from "./config.ts";
import { pickRoute } from "./pickroute.ts";
import type { RouteDecision, Target } from "./pickroute.ts";
import type { MeshPorts } from "./simulated.ts";

const hopByHop = new Set(["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"]);

/** One request on its way, whatever number of pods it is tried on. */
interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  decision: RouteDecision;
  startedAt: number;
  hasBody: boolean;
  tried: Set<string>;
  attempts: number;
  upstream?: Upstream;
  current?: ClientRequest;
  settled: boolean;
  cancelTimeout?: () => void;
}

export function startProxy(ports: MeshPorts): Promise<LocalServer> {
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 64 });
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => accept(request, response, agent, ports));
  return listenOnLoopback(server, () => agent.destroy());
}

function accept(request: IncomingMessage, response: ServerResponse, agent: Agent, ports: MeshPorts): void {
  const startedAt = ports.clock.now();
  const { method = "GET", url: path = "/" } = request;
  const host = request.headers.host ?? "";
  const decision = pickRoute({ host, method, path, headers: plainHeaders(request.headers) }, ports.view.config(), ports.random);
  if (decision === undefined) {
    request.resume();
    ports.telemetry.record({ at: ports.clock.now(), durationMs: 0, method, host, path, status: 404, flags: "NR", mirrored: false });
    return reply(response, 404, "no route\n");
  }
  const hasBody = request.headers["transfer-encoding"] !== undefined || Number(request.headers["content-length"] ?? 0) > 0;
  const exchange: Exchange = { request, response, decision, startedAt, hasBody, tried: new Set(), attempts: 0, settled: false };
  if (decision.timeoutMs !== undefined) {
    exchange.cancelTimeout = ports.clock.after(decision.timeoutMs, () => {
      if (!response.headersSent) fail(exchange, 504, "UT", "upstream request timeout\n", ports);
      else response.destroy();
    });
  }
  response.once("close", () => {
    exchange.cancelTimeout?.();
    if (response.writableFinished) return;
    exchange.current?.destroy();
    settle(exchange, 0, "DC", ports);
  });
  if (decision.mirror !== undefined) mirror(exchange, decision.mirror, agent, ports);
  attempt(exchange, agent, ports);
}

function attempt(exchange: Exchange, agent: Agent, ports: MeshPorts): void {
  const { request, response, decision, tried } = exchange;
  const upstream = ports.balancer.pick(decision.target, ports.view.config(), tried);
  if (upstream === undefined) return fail(exchange, 503, "UH", "no healthy upstream\n", ports);
  tried.add(upstream.uid);
  exchange.attempts += 1;
  exchange.upstream = upstream;
  let answered = false;
  let connected = false;
  const outgoing = send(exchange, upstream, agent);
  exchange.current = outgoing;
  outgoing.once("response", (incoming) => {
    answered = true;
    const headers = edited(passedOn(incoming.headers), decision.responseHeaders);
    response.writeHead(incoming.statusCode ?? 502, headers);
    incoming.pipe(response);
    incoming.once("error", () => response.destroy());
    incoming.once("end", () => settle(exchange, incoming.statusCode ?? 502, "-", ports));
  });
  outgoing.once("error", () => {
    if (exchange.settled) return;
    if (answered) return void response.destroy();
    // A connection that never stood, or an idle one that the pod had closed: the pod has not seen the request.
    const unseen = !connected || (outgoing.reusedSocket && !exchange.hasBody);
    if (unseen && exchange.attempts <= decision.retries) return attempt(exchange, agent, ports);
    fail(exchange, 503, "UF", "upstream connect error or disconnect/reset before headers\n", ports);
  });
  outgoing.once("socket", (socket) => {
    const go = () => {
      connected = true;
      if (exchange.hasBody) request.pipe(outgoing);
      else outgoing.end();
    };
    if (socket.connecting) socket.once("connect", go);
    else go();
  });
  if (!exchange.hasBody) request.resume();
}

function send({ request, decision }: Exchange, upstream: Upstream, agent: Agent): ClientRequest {
  return httpRequest({
    agent,
    host: "127.0.0.1",
    port: upstream.port,
    method: request.method,
    path: decision.path,
    headers: edited(passedOn(request.headers), decision.requestHeaders),
  });
}

/** A copy without a body of whatever was asked; its answer is counted and thrown away. */
function mirror({ request, decision, startedAt }: Exchange, target: Target, agent: Agent, ports: MeshPorts): void {
  const { clock, telemetry, balancer, view } = ports;
  const upstream = balancer.pick(target, view.config(), new Set());
  if (upstream === undefined) return;
  const headers = edited(passedOn(request.headers), decision.requestHeaders);
  delete headers["content-length"];
  const copy = httpRequest({ agent, host: "127.0.0.1", port: upstream.port, method: request.method, path: decision.path, headers });
  const record = (status: number, flags: string) => telemetry.record({
    at: clock.now(), durationMs: clock.now() - startedAt, method: request.method ?? "GET", host: request.headers.host ?? "", path: decision.path,
    status, flags, target, upstream, mirrored: true,
  });
  copy.once("response", (incoming) => {
    incoming.resume();
    incoming.once("end", () => record(incoming.statusCode ?? 502, "-"));
  });
  copy.once("error", () => record(503, "UF"));
  copy.end();
}

function fail(exchange: Exchange, status: number, flags: string, body: string, ports: MeshPorts): void {
  exchange.request.unpipe();
  exchange.request.resume();
  settle(exchange, status, flags, ports);
  exchange.current?.destroy();
  reply(exchange.response, status, body);
}

function settle(exchange: Exchange, status: number, flags: string, { clock, telemetry }: MeshPorts): void {
  if (exchange.settled) return;
  exchange.settled = true;
  const { request, decision, startedAt, upstream } = exchange;
  telemetry.record({
    at: clock.now(), durationMs: clock.now() - startedAt, method: request.method ?? "GET", host: request.headers.host ?? "", path: request.url ?? "/",
    status, flags, target: decision.target, upstream, mirrored: false,
  });
}

function reply(response: ServerResponse, status: number, body: string): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { "content-type": "text/plain", "content-length": Buffer.byteLength(body) });
  response.end(body);
}

function plainHeaders(headers: IncomingHttpHeaders): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(",") : value]));
}

function passedOn(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !hopByHop.has(name)));
}

function edited(headers: OutgoingHttpHeaders, edits: readonly HeaderEdits[]): OutgoingHttpHeaders {
  const result = { ...headers };
  for (const { set = {}, add = {}, remove = [] } of edits) {
    for (const [name, value] of Object.entries(set)) result[name.toLowerCase()] = value;
    for (const [name, value] of Object.entries(add)) {
      const key = name.toLowerCase();
      result[key] = result[key] === undefined ? value : [result[key], value].flat().map(String);
    }
    for (const name of remove) delete result[name.toLowerCase()];
  }
  return result;
}
