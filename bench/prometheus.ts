// A Prometheus that answers at once and as it is told: what is measured is the engine, and nothing of what it asks.
import { createServer } from "node:http";

export interface Answering {
  url: string;
  /** Success rate in percent. */
  rate: number;
  queries: number;
  /** By target: when the last answer that was not good left. */
  refusedAtMs: Map<string, number>;
  close(): void;
}

export async function answering(): Promise<Answering> {
  const state: Answering = { url: "", rate: 100, queries: 0, refusedAtMs: new Map(), close: () => server.close() };
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://x");
    const query = url.searchParams.get("query") ?? "";
    state.queries += 1;
    const duration = query.startsWith("histogram_quantile");
    const count = query.startsWith("sum(");
    const value = duration ? 50 : count ? 1000 : state.rate;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ status: "success", data: { resultType: "vector", result: [{ metric: {}, value: [Date.now() / 1000, String(value)] }] } }));
    const target = /destination_workload="([^"]+)"/.exec(query)?.[1];
    const namespace = /destination_workload_namespace="([^"]+)"/.exec(query)?.[1];
    if (!duration && !count && state.rate < 99 && target !== undefined) state.refusedAtMs.set(`${namespace}/${target}`, Date.now());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  state.url = `http://127.0.0.1:${address.port}`;
  return state;
}
