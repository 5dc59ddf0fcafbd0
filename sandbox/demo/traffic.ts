// Constant requests through a gateway, and who answered them. A request is lost when a good version, or nobody, failed to answer it; what a version that
// was released to be bad answers is counted apart.
import { Agent, request as send } from "node:http";

export interface Counted {
  total: number;
  lost: number;
  /** Answers by version, whatever their status. */
  byVersion: Record<string, number>;
  /** Failed answers of the version that is meant to fail. */
  badAnswers: number;
  /** Why the first few were lost. */
  losses: string[];
}

export interface TrafficOptions {
  url: string;
  host: string;
  /** Which version is meant to fail. */
  isBad: (version: string) => boolean;
  clients?: number;
  pauseMs?: number;
}

const TIMEOUT_MS = 5_000;
const LOSSES_MAX = 5;

export class Traffic {
  readonly counted: Counted = { total: 0, lost: 0, byVersion: {}, badAnswers: 0, losses: [] };
  private readonly agent = new Agent({ keepAlive: true });
  private running = true;
  private readonly clients: Promise<void>[];

  constructor(private readonly options: TrafficOptions) {
    this.clients = Array.from({ length: options.clients ?? 4 }, () => this.client());
  }

  async stop(): Promise<Counted> {
    this.running = false;
    await Promise.all(this.clients);
    this.agent.destroy();
    return this.counted;
  }

  private async client(): Promise<void> {
    while (this.running) {
      const { status, body } = await this.ask();
      this.count(status, versionOf(body));
      await new Promise((resolve) => setTimeout(resolve, this.options.pauseMs ?? 40));
    }
  }

  private count(status: number, version: string | undefined): void {
    this.counted.total += 1;
    if (version !== undefined) this.counted.byVersion[version] = (this.counted.byVersion[version] ?? 0) + 1;
    if (status >= 200 && status < 300) return;
    if (version !== undefined && this.options.isBad(version)) {
      this.counted.badAnswers += 1;
      return;
    }
    this.counted.lost += 1;
    if (this.counted.losses.length < LOSSES_MAX) this.counted.losses.push(`${status === 0 ? "no answer" : status} from ${version ?? "nobody"}`);
  }

  private ask(): Promise<{ status: number; body: string }> {
    const { url, host } = this.options;
    return new Promise((resolve) => {
      const request = send(url, { agent: this.agent, headers: { host }, timeout: TIMEOUT_MS }, (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => (body += chunk));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
        response.on("error", () => resolve({ status: 0, body: "" }));
      });
      request.on("timeout", () => request.destroy());
      request.on("error", () => resolve({ status: 0, body: "" }));
      request.end();
    });
  }
}

/** An app says its version in JSON; one that fails says it too, in the sandbox. */
function versionOf(body: string): string | undefined {
  return /"version":\s*"([^"]+)"/.exec(body)?.[1];
}
