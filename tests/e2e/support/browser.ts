// Browsers at the gateway: each keeps its cookies as long as they last and no longer, sends them back, and remembers every visit.
import { Agent, get, type IncomingMessage } from "node:http";
import { serviceIp, sleep } from "./cluster.ts";

export interface Visit {
  at: number;
  /** Cookies that it sent, by name. */
  sent: Record<string, string>;
  /** Set-Cookie headers that it was given. */
  told: string[];
  version: string;
}

const PAUSE_MS = 60;

export class Browser {
  readonly visits: Visit[] = [];
  /** What the lost requests met. */
  readonly losses: string[] = [];
  private readonly jar = new Map<string, { value: string; until: number }>();
  private readonly agent = new Agent({ keepAlive: true });
  private running = false;
  private visiting: Promise<void> = Promise.resolve();

  private constructor(
    private readonly address: string,
    private readonly host: string,
  ) {}

  static async open(host: string): Promise<Browser> {
    const browser = new Browser(`http://${await serviceIp("istio-system", "istio-ingressgateway")}/`, host);
    browser.resume();
    return browser;
  }

  /** Its user has come back. */
  resume(): void {
    this.running = true;
    this.visiting = this.visit();
  }

  /** Its user is away: cookies stay, and age. */
  async away(): Promise<void> {
    this.running = false;
    await this.visiting;
  }

  async close(): Promise<void> {
    await this.away();
    this.agent.destroy();
  }

  /** Versions in the order met, equal neighbours dropped. */
  get met(): string[] {
    return this.visits.map(({ version }) => version).filter((version, index, all) => version !== all[index - 1]);
  }

  cookie(name: string): string | undefined {
    const kept = this.jar.get(name);
    return kept === undefined || kept.until <= Date.now() ? undefined : kept.value;
  }

  private async visit(): Promise<void> {
    while (this.running) {
      await this.request();
      await sleep(PAUSE_MS);
    }
  }

  private keep(cookie: string): void {
    const [pair = "", ...attributes] = cookie.split("; ");
    const [name = "", value = ""] = pair.split("=");
    const age = attributes.find((attribute) => attribute.startsWith("Max-Age="));
    const seconds = age === undefined ? Infinity : Number(age.slice("Max-Age=".length));
    if (seconds <= 0) this.jar.delete(name);
    else this.jar.set(name, { value, until: Date.now() + seconds * 1000 });
  }

  private request(): Promise<void> {
    const names = [...this.jar.keys()].filter((name) => this.cookie(name) !== undefined);
    const sent = Object.fromEntries(names.map((name) => [name, this.cookie(name) ?? ""]));
    // Others' cookies are there too, before and behind.
    const cookie = ["theme=dark", ...Object.entries(sent).map(([name, value]) => `${name}=${value}`), "lang=en"].join("; ");
    const at = Date.now();
    return new Promise((resolve) => {
      const lose = (why: string): void => {
        this.losses.push(why);
        resolve();
      };
      const request = get(this.address, { agent: this.agent, headers: { host: this.host, cookie }, timeout: 10_000 }, (response) => {
        void textOf(response).then((body) => {
          const told = response.headers["set-cookie"] ?? [];
          for (const each of told) this.keep(each);
          if (response.statusCode !== 200) return lose(String(response.statusCode));
          this.visits.push({ at, sent, told, version: /"version": ?"([^"]+)"/.exec(body)?.[1] ?? "unknown" });
          resolve();
        }, (error: Error) => lose(error.message));
      });
      request.on("timeout", () => request.destroy(new Error("timeout")));
      request.on("error", (error: Error) => lose(error.message));
    });
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  response.setEncoding("utf8");
  let body = "";
  for await (const chunk of response) body += String(chunk);
  return body;
}
