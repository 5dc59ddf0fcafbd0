// Constant traffic through the ingress gateway, and what became of every request.
import { Agent, get } from "node:http";
import { eventually, serviceIp, sleep } from "./cluster.ts";

export interface Counted {
  ok: number;
  /** Answered with 404 or 5xx, or not at all. */
  lost: number;
  versions: Record<string, number>;
  /** What the lost ones met, with the second in which they did. */
  losses: Record<string, number>;
}

const CLIENTS = 4;
const SLOW_CLIENTS = 64;

export class Load {
  readonly counted: Counted = { ok: 0, lost: 0, versions: {}, losses: {} };
  private readonly seenAt = new Map<string, number>();
  private agent = new Agent({ keepAlive: true });
  /** Versions in the order met, equal neighbours dropped. */
  readonly met: string[] = [];
  private cookies: Map<string, string> | undefined;
  private running = true;
  private clients: Promise<void>[] = [];

  private constructor(
    private readonly address: string,
    private readonly host: string,
    private readonly pauseMs: number,
    private readonly headers: Record<string, string>,
  ) {}

  /** About 80 requests a second with the default pause. */
  static async start(host: string, pauseMs = 50, path = "/", clients = CLIENTS, headers: Record<string, string> = {}): Promise<Load> {
    const load = new Load(`http://${await serviceIp("istio-system", "istio-ingressgateway")}${path}`, host, pauseMs, headers);
    // Pods are ready before the gateway knows of them, and of a route that has just been made.
    let last: number | undefined;
    await eventually(`the gateway knows ${host}`, 30, async () => ((last = await load.status()) === undefined || last === 404 || last === 503 ? undefined : true), () => last);
    load.clients = Array.from({ length: clients }, () => load.client());
    return load;
  }

  /** Callers inside of the cluster: each request is a connection of its own, because nothing but connections is balanced there. */
  static async toService(namespace: string, name: string, port: number): Promise<Load> {
    const load = new Load(`http://${await serviceIp(namespace, name)}:${port}/`, name, 50, {});
    load.agent = new Agent({ keepAlive: false });
    load.clients = Array.from({ length: CLIENTS }, () => load.client());
    return load;
  }

  /** One browser: it sends back the cookies that it was given, and remembers in which order it met the versions. */
  static async browser(host: string): Promise<Load> {
    const load = await Load.start(host, 30, "/", 1);
    load.cookies = new Map();
    return load;
  }

  /** When a version was first answered by, in milliseconds since the epoch. */
  firstSeen(version: string): number | undefined {
    return this.seenAt.get(version);
  }

  async stop(): Promise<Counted> {
    this.running = false;
    await Promise.all(this.clients);
    this.agent.destroy();
    return this.counted;
  }

  private status(): Promise<number | undefined> {
    return new Promise((resolve) => {
      const request = get(this.address, { agent: this.agent, headers: { host: this.host, ...this.headers }, timeout: 10_000 }, (response) => {
        response.resume();
        response.on("close", () => resolve(response.statusCode));
      });
      request.on("timeout", () => request.destroy());
      request.on("error", () => resolve(undefined));
    });
  }

  private async client(): Promise<void> {
    while (this.running) {
      await this.request();
      await sleep(this.pauseMs);
    }
  }

  private jar(): Record<string, string> {
    const kept = [...(this.cookies ?? [])].map(([name, value]) => `${name}=${value}`);
    return kept.length === 0 ? {} : { cookie: kept.join("; ") };
  }

  private keep(cookie: string): void {
    const [pair = ""] = cookie.split(";");
    const name = pair.slice(0, pair.indexOf("="));
    if (/max-age=-/i.test(cookie)) this.cookies?.delete(name);
    else this.cookies?.set(name, pair.slice(pair.indexOf("=") + 1));
  }

  private request(): Promise<void> {
    return new Promise((resolve) => {
      const lose = (why: string): void => {
        this.counted.lost += 1;
        const key = `${new Date().toISOString().slice(11, 19)} ${why}`;
        this.counted.losses[key] = (this.counted.losses[key] ?? 0) + 1;
        resolve();
      };
      const request = get(this.address, { agent: this.agent, headers: { host: this.host, ...this.headers, ...this.jar() }, timeout: 10_000 }, (response) => {
        for (const cookie of response.headers["set-cookie"] ?? []) this.keep(cookie);
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => (body += chunk));
        response.on("error", () => lose("cut off"));
        response.on("end", () => {
          const status = response.statusCode ?? 0;
          if (status >= 500 || status === 404) return lose(String(status));
          this.counted.ok += 1;
          const version = /"version": ?"([^"]+)"/.exec(body)?.[1] ?? "unknown";
          this.counted.versions[version] = (this.counted.versions[version] ?? 0) + 1;
          if (this.met.at(-1) !== version) this.met.push(version);
          if (!this.seenAt.has(version)) this.seenAt.set(version, Date.now());
          resolve();
        });
      });
      request.on("timeout", () => request.destroy(new Error("timeout")));
      request.on("error", (error: NodeJS.ErrnoException) => lose(error.code ?? error.message));
    });
  }
}

/** Users who ask for what takes a second, nearly as often as all others ask: while they do, a version under analysis is too slow. It answers all the same, so nothing is lost. */
export async function slowly<T>(host: string, work: () => Promise<T>): Promise<T> {
  const load = await Load.start(host, 20, "/delay/1", SLOW_CLIENTS);
  try {
    return await work();
  } finally {
    await load.stop();
  }
}
