// How is a real Prometheus run beside the sandbox? Starts the binary from the PATH on a free port with a directory of
// its own, waits until it is ready, and removes both at the end. It must never leave the process or the directory behind.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../api/types.ts";
import { targetLabels } from "./samples.ts";
import type { LocalServer } from "../loopback.ts";

const readyWithinMs = 15_000;
const pollMs = 100;
const killAfterMs = 3000;

/** Undefined where there is no such program, or it does not become ready. */
export async function runPrometheus(binary: string, metricsUrl: string, clock: Clock): Promise<LocalServer | undefined> {
  const directory = await mkdtemp(join(tmpdir(), "sandbox-prometheus-"));
  const config = join(directory, "prometheus.yml");
  await writeFile(config, configText(metricsUrl));
  const port = await freePort();
  const child = spawn(binary, [
    `--config.file=${config}`, `--storage.tsdb.path=${join(directory, "data")}`, `--web.listen-address=127.0.0.1:${port}`, "--log.level=error",
  ], { stdio: "ignore" });
  const ended = new Promise<void>((end) => {
    child.once("error", () => end());
    child.once("exit", () => end());
  });
  const stop = async () => {
    await terminate(child, ended, clock);
    await rm(directory, { recursive: true, force: true });
  };
  const url = `http://127.0.0.1:${port}`;
  if (await becomesReady(url, ended, clock)) return { url, stop };
  await stop();
  return undefined;
}

function configText(metricsUrl: string): string {
  const target = new URL(metricsUrl).host;
  return JSON.stringify({
    global: { scrape_interval: "1s", scrape_timeout: "1s" },
    scrape_configs: [{ job_name: targetLabels.job, static_configs: [{ targets: [target], labels: { instance: targetLabels.instance } }] }],
  });
}

async function becomesReady(url: string, ended: Promise<void>, clock: Clock): Promise<boolean> {
  let running = true;
  void ended.then(() => (running = false));
  for (const deadline = clock.now() + readyWithinMs; running && clock.now() < deadline;) {
    const ready = await fetch(`${url}/-/ready`).then((response) => response.ok, () => false);
    if (ready) return running;
    await Promise.race([ended, pause(clock, pollMs)]);
  }
  return false;
}

async function terminate(child: ChildProcess, ended: Promise<void>, clock: Clock): Promise<void> {
  child.kill("SIGTERM");
  const cancel = clock.after(killAfterMs, () => child.kill("SIGKILL"));
  await ended;
  cancel();
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((done) => void clock.after(ms, done));
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening, failed) => {
    server.once("error", failed);
    server.listen(0, "127.0.0.1", listening);
  });
  const address = server.address();
  await new Promise<void>((closed) => void server.close(() => closed()));
  return typeof address === "object" && address !== null ? address.port : 0;
}
