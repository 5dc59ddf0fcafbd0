// Where do the requests of a scenario go? To the sandbox on loopback, or to the API server that a kubeconfig names; one
// HTTP client for both, so that no difference can come from here.
import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { parse } from "yaml";
import { ApiServer } from "../../sandbox/api/server.ts";
import { ApiStore } from "../../sandbox/api/store.ts";
import type { IncomingMessage } from "node:http";
import type { RequestOptions } from "node:https";
import type { Clock } from "../../sandbox/api/types.ts";

export type Json = Record<string, unknown>;

export interface Answer {
  status: number;
  body: Json;
}

export interface OpenWatch {
  status: number;
  /** The next line, or undefined when none came in time or the stream has ended. */
  next(withinMs: number): Promise<Json | undefined>;
  close(): void;
}

export interface Target {
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  watch(path: string): Promise<OpenWatch>;
  close(): Promise<void>;
}

const realClock: Clock = {
  now: () => Date.now(),
  after: (delayMs, task) => {
    const timer = setTimeout(task, delayMs);
    return () => clearTimeout(timer);
  },
};

export async function sandboxTarget(): Promise<Target> {
  const store = new ApiStore({ clock: realClock, random: Math.random });
  // Revision 1 is long gone on a server that has lived for a while.
  store.compact();
  const listening = await new ApiServer(store).listen(0);
  return httpTarget(new URL(listening.url), {}, () => listening.close());
}

interface Kubeconfig {
  "current-context": string;
  contexts: { name: string; context: { cluster: string; user: string } }[];
  clusters: { name: string; cluster: Record<string, string> }[];
  users: { name: string; user: Record<string, string> }[];
}

export function clusterTarget(kubeconfigPath: string): Target {
  const config = parse(readFileSync(kubeconfigPath, "utf8")) as Kubeconfig;
  const context = config.contexts.find(({ name }) => name === config["current-context"])?.context;
  const cluster = config.clusters.find(({ name }) => name === context?.cluster)?.cluster ?? {};
  const user = config.users.find(({ name }) => name === context?.user)?.user ?? {};
  const material = (of: Record<string, string>, field: string): Buffer | undefined => {
    const inline = of[`${field}-data`];
    if (inline !== undefined) return Buffer.from(inline, "base64");
    const file = of[field];
    return file === undefined ? undefined : readFileSync(file);
  };
  const options: RequestOptions = {
    ca: material(cluster, "certificate-authority"),
    cert: material(user, "client-certificate"),
    key: material(user, "client-key"),
    ...(user.token === undefined ? {} : { headers: { Authorization: `Bearer ${user.token}` } }),
  };
  return httpTarget(new URL(cluster.server ?? ""), options, () => Promise.resolve());
}

function httpTarget(base: URL, options: RequestOptions, close: () => Promise<void>): Target {
  const open = (method: string, path: string, body: string | undefined, headers: Record<string, string>): Promise<{ response: IncomingMessage; abort: () => void }> =>
    new Promise((resolve, reject) => {
      const send = base.protocol === "https:" ? httpsRequest : httpRequest;
      const all = { ...options.headers, "Content-Length": String(Buffer.byteLength(body ?? "")), ...headers };
      const request = send(new URL(path, base), { ...options, method, headers: all, agent: false }, (response) =>
        resolve({ response, abort: () => void request.destroy() }));
      request.on("error", reject);
      request.end(body);
    });
  return {
    async send(method, path, body, headers = {}) {
      const text = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);
      const { response } = await open(method, path, text, { ...(text === undefined ? {} : { "Content-Type": "application/json" }), ...headers });
      const parts: Buffer[] = [];
      for await (const part of response) parts.push(part as Buffer);
      return { status: response.statusCode ?? 0, body: parsed(Buffer.concat(parts).toString("utf8")) };
    },
    async watch(path) {
      const { response, abort } = await open("GET", path, undefined, {});
      return readingWatch(response, abort);
    },
    close,
  };
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return { text };
  }
}

function readingWatch(response: IncomingMessage, abort: () => void): OpenWatch {
  const lines: Json[] = [];
  let rest = "";
  let ended = false;
  let wake: () => void = () => undefined;
  response.on("data", (chunk: Buffer) => {
    const parts = (rest + chunk.toString("utf8")).split("\n");
    rest = parts.pop() ?? "";
    lines.push(...parts.filter((part) => part !== "").map(parsed));
    wake();
  });
  const end = (): void => {
    ended = true;
    wake();
  };
  response.on("end", end);
  response.on("error", end);
  response.on("close", end);
  return {
    status: response.statusCode ?? 0,
    async next(withinMs) {
      if (lines.length === 0 && !ended) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, withinMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      return lines.shift();
    },
    close: abort,
  };
}
