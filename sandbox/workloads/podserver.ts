// How does a pod answer on a real socket? A thin HTTP server on loopback around the pure behaviour, one per container.
// It must never decide an answer by itself, and never outlive its pod's kill.
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Clock, Random } from "../api/types.ts";
import { answer } from "./behaviour.ts";
import type { AppResponse, Behaviour, PodIdentity } from "./behaviour.ts";
import type { PodProcess, PodRuntime } from "./runtime.ts";

/** Longer than any pause of the proxy, so that the proxy closes an idle connection first and no request is lost to the race. */
const keepAliveMs = 120_000;

export function httpRuntime(clock: Clock, random: Random): PodRuntime {
  const servers = new Set<Server>();
  return {
    start(identity, behaviour, listening, failed) {
      const { server, process } = podServer(identity, behaviour, { clock, random });
      servers.add(server);
      server.once("close", () => servers.delete(server));
      server.once("error", failed);
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        if (typeof address === "object" && address !== null) listening(address.port);
      });
      return process;
    },
    async close() {
      await Promise.all([...servers].map((server) => new Promise<void>((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      })));
    },
  };
}

function podServer(identity: PodIdentity, behaviour: Behaviour, ports: { clock: Clock; random: Random }): { server: Server; process: PodProcess } {
  const delays = new Set<() => void>();
  let draining = false;
  const respond = (request: IncomingMessage, response: ServerResponse) => {
    request.resume();
    const reply = answer(behaviour, identity, { method: request.method ?? "GET", path: request.url ?? "/" }, ports.random);
    const send = () => sendJson(response, reply, draining);
    if (reply.delayMs === 0) return send();
    const cancel = ports.clock.after(reply.delayMs, () => {
      delays.delete(cancel);
      send();
    });
    delays.add(cancel);
    response.once("close", () => {
      cancel();
      delays.delete(cancel);
    });
  };
  const server = createServer({ keepAlive: true, keepAliveTimeout: keepAliveMs }, respond);
  const process: PodProcess = {
    drain(done) {
      draining = true;
      server.close(() => done());
      server.closeIdleConnections();
    },
    kill() {
      for (const cancel of delays) cancel();
      delays.clear();
      if (server.listening) server.close();
      server.closeAllConnections();
    },
  };
  return { server, process };
}

function sendJson(response: ServerResponse, reply: AppResponse, last: boolean): void {
  if (response.destroyed) return;
  const body = `${JSON.stringify(reply.body)}\n`;
  const bodyless = reply.status === 204 || reply.status === 304;
  response.writeHead(reply.status, {
    "content-type": "application/json",
    ...(bodyless ? {} : { "content-length": Buffer.byteLength(body) }),
    ...(last ? { connection: "close" } : {}),
  });
  response.end(bodyless ? undefined : body);
}
