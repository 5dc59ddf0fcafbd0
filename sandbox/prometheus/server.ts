// How do the metrics reach whoever asks? The query API, and the /metrics page that a real Prometheus scrapes, each on
// a loopback socket. It must never evaluate anything itself.
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../api/types.ts";
import { listenOnLoopback, type LocalServer } from "../loopback.ts";
import { apiAnswer } from "./api.ts";
import type { PrometheusFaults } from "./api.ts";
import type { SampleStore } from "./samples.ts";

const longestBody = 1_000_000;

export function serveApi(samples: SampleStore, clock: Clock, faults: PrometheusFaults): Promise<LocalServer> {
  const delays = new Set<() => void>();
  const answer = (request: IncomingMessage, response: ServerResponse, form: string) => {
    const url = new URL(request.url ?? "/", "http://prometheus");
    const parameters = new URLSearchParams([...url.searchParams, ...new URLSearchParams(form)]);
    const send = () => {
      if (faults.down === true) return void response.destroy();
      const { status, contentType, body } = apiAnswer(url.pathname, parameters, samples, clock.now(), faults);
      response.writeHead(status, { "content-type": contentType, "content-length": Buffer.byteLength(body) });
      response.end(request.method === "HEAD" ? undefined : body);
    };
    if (faults.slowMs === undefined) return send();
    const cancel = clock.after(faults.slowMs, () => {
      delays.delete(cancel);
      if (!response.destroyed) send();
    });
    delays.add(cancel);
  };
  return listenOnLoopback(createServer((request, response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > longestBody) request.destroy();
      else chunks.push(chunk);
    });
    request.once("end", () => answer(request, response, Buffer.concat(chunks).toString("utf8")));
  }), () => {
    for (const cancel of delays) cancel();
  });
}

export function serveMetrics(page: () => string): Promise<LocalServer> {
  return listenOnLoopback(createServer((request, response) => {
    request.resume();
    response.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
    response.end(page());
  }));
}
