// An engine under test: the bundled program as a process of its own, so that it can be killed, frozen and started again.
import { spawn, type ChildProcess } from "node:child_process";
import { appendFileSync, createWriteStream, mkdirSync } from "node:fs";
import { KUBECONFIG, serviceIp, sleep } from "./cluster.ts";

/** What engines under test have asked the API server for, one "VERB RESOURCE CODE" a line: `alone/rights.test.ts` compares it with the chart's role. */
export const ASKED = "dist/e2e/asked.txt";

export interface EngineOptions {
  /** Namespaces it is limited to. */
  namespaces: string[];
  leaseName: string;
  apiGroups?: string;
  kubeconfig?: string;
  log?: string;
  /** The cluster's Prometheus when absent. */
  metricsServer?: string;
}

export class Engine {
  private child: ChildProcess | undefined;
  private readonly lines: string[] = [];
  /** Where the lines of the process that runs now begin. */
  private from = 0;

  private constructor(private readonly options: EngineOptions) {}

  static async start(options: EngineOptions): Promise<Engine> {
    const engine = new Engine(options);
    await engine.start();
    return engine;
  }

  async start(): Promise<void> {
    const { namespaces, leaseName, apiGroups = "rollout.kurator.dev", kubeconfig = KUBECONFIG } = this.options;
    const { metricsServer = `http://${await serviceIp("istio-system", "prometheus")}:9090` } = this.options;
    const args = ["dist/kurator-rollout.mjs", "controller", "--kubeconfig", kubeconfig, "--api-groups", apiGroups];
    args.push("--watch-namespaces", namespaces.join(","), "--gateway-namespaces", "istio-system", "--metrics-server", metricsServer);
    args.push("--lease-namespace", namespaces[0] ?? "default", "--lease-name", leaseName, "--port", "0", "--log-level", "debug");
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.child = child;
    this.from = this.lines.length;
    mkdirSync("dist/e2e", { recursive: true });
    const file = createWriteStream(`dist/e2e/${this.options.log ?? leaseName}.log`, { flags: "a" });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8");
      let begun = "";
      stream?.on("data", (text: string) => {
        file.write(text);
        // What is read at one time may end in the middle of a line.
        const lines = (begun + text).split("\n");
        begun = lines.pop() ?? "";
        this.lines.push(...lines.filter((line) => line !== ""));
      });
    }
    for (let tries = 0; tries < 600; tries += 1) {
      if (this.lines.slice(this.from).some((line) => line.includes('"msg":"started"'))) return;
      if (child.exitCode !== null) break;
      await sleep(50);
    }
    throw new Error(`the engine did not start: ${this.lines.slice(this.from).join("\n")}`);
  }

  get leads(): boolean {
    const turns = this.lines.slice(this.from).filter((line) => line.includes('"msg":"leading"') || line.includes('"msg":"no longer leading"'));
    return turns.at(-1)?.includes('"msg":"leading"') === true;
  }

  /** Decisions logged so far, one object a line. */
  decisions(): { time: string; canary?: string; phase?: string; weight?: number; msg: string }[] {
    return this.lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as { time: string; canary?: string; msg: string });
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<number | null> {
    const child = this.child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
    child.kill(signal);
    return ended;
  }

  freeze(): void {
    this.child?.kill("SIGSTOP");
  }

  thaw(): void {
    this.child?.kill("SIGCONT");
  }

  /** As Kubernetes ends a pod. */
  async stop(): Promise<number | null> {
    this.thaw();
    await this.noteRequests();
    return this.kill("SIGTERM");
  }

  private async noteRequests(): Promise<void> {
    const started = this.lines.filter((line) => line.includes('"msg":"started"')).at(-1);
    const { port } = JSON.parse(started ?? "{}") as { port?: number };
    const page = await fetch(`http://127.0.0.1:${port}/metrics`).then((answer) => answer.text()).catch(() => "");
    const asked = [...page.matchAll(/^kurator_rollout_api_requests_total\{verb="(\w+)",resource="([^"]+)",code="(\d+)"\}/gm)].map(([, ...words]) => words.join(" "));
    appendFileSync(ASKED, asked.map((line) => `${line}\n`).join(""));
  }
}
