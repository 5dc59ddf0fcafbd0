// The engine's own listener: metrics, liveness and readiness, and nothing else.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface Endpoints {
  metrics: () => Promise<string>;
  ready: () => boolean;
}

export interface Listening {
  port: number;
  close(): Promise<void>;
}

/** Port 0 takes any free one. */
export async function listen(port: number, { metrics, ready }: Endpoints): Promise<Listening> {
  const server: Server = createServer((request, response) => {
    const path = (request.url ?? "").split("?")[0];
    const answer = (status: number, body: string, type = "text/plain; charset=utf-8"): void => {
      response.writeHead(status, { "Content-Type": type });
      response.end(body);
    };
    if (request.method !== "GET" && request.method !== "HEAD") return answer(405, "only GET\n");
    if (path === "/healthz") return answer(200, "OK\n");
    if (path === "/readyz") return ready() ? answer(200, "OK\n") : answer(503, "caches are not synced yet\n");
    if (path === "/metrics") {
      metrics().then((text) => answer(200, text, "text/plain; version=0.0.4; charset=utf-8"), () => answer(500, "metrics cannot be shown\n"));
      return;
    }
    answer(404, "not found\n");
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
