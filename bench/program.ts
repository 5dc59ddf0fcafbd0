// The program that is measured, as a process of its own: how long it takes to start, the processor's time and the memory that it uses.
import { spawn, type ChildProcess } from "node:child_process";
import { createWriteStream, mkdirSync, readFileSync } from "node:fs";
import { required } from "./target.ts";

/** Of /proc/PID/stat on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

export class Program {
  private readonly child: ChildProcess;
  private port: number | undefined;
  private readonly begunMs = Date.now();
  leadingMs: number | undefined;

  constructor(prometheus: string, { profile, heap }: { profile?: string; heap?: number } = {}) {
    const args = [...(profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`]), ...(heap === undefined ? [] : [`--max-old-space-size=${heap}`]), "dist/kurator-rollout.mjs", "controller", "--kubeconfig", required("KR_ENGINE_KUBECONFIG")];
    args.push("--metrics-server", prometheus, "--lease-namespace", "default", "--lease-name", "bench", "--port", "0", "--log-level", "info");
    this.child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    mkdirSync("dist/bench", { recursive: true });
    const file = createWriteStream("dist/bench/engine.log", { flags: "a" });
    let rest = "";
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      file.write(text);
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line.includes('"msg":"started"')) this.port = (JSON.parse(line) as { port?: number }).port;
        if (line.includes('"msg":"leading"')) this.leadingMs ??= Date.now() - this.begunMs;
      }
    });
  }

  /** Milliseconds from the start of the process until every watch had its first list. */
  async ready(): Promise<number> {
    for (const end = Date.now() + 120_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 20))) {
      if (this.child.exitCode !== null) throw new Error(`the engine ended with ${this.child.exitCode}: see dist/bench/engine.log`);
      if (this.port === undefined) continue;
      const answer = await fetch(`http://127.0.0.1:${this.port}/readyz`).catch(() => undefined);
      if (answer?.status === 200 && this.leadingMs !== undefined) return Date.now() - this.begunMs;
    }
    throw new Error("the engine was not ready within two minutes: see dist/bench/engine.log");
  }

  /** Looks at a Canary, by what came of them. */
  async passes(): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.port}/metrics`)).text();
    return [...text.matchAll(/^kurator_rollout_reconcile_total\{[^}]*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
  }

  /** Seconds of the processor's time since the start. */
  cpuSeconds(): number {
    const fields = readFileSync(`/proc/${this.child.pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  }

  /** Resident memory now, and the most that it ever was, in MiB. */
  memory(): { now: number; peak: number } {
    const text = readFileSync(`/proc/${this.child.pid}/status`, "utf8");
    const mebibytes = (name: string): number => Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(text)?.[1] ?? 0) / 1024);
    return { now: mebibytes("VmRSS"), peak: mebibytes("VmHWM") };
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill("SIGTERM");
    await ended;
  }
}
