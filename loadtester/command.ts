// How does a command of somebody else run here? In a process group of its own that ends as a whole, with a bounded output and nothing of this program's environment.
import { spawn, type ChildProcess, type ChildProcessByStdio } from "node:child_process";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { Readable } from "node:stream";
import type { Clock } from "../engine/ports.ts";

export interface CommandRequest {
  program: string;
  args: readonly string[];
  directory: string;
  environment: Readonly<Record<string, string>>;
  timeoutMs: number;
  clock: Clock;
  signal: AbortSignal;
}

export interface CommandEnd {
  how: "exited" | "killed" | "timeout" | "stopped" | "not started";
  /** Of "exited". */
  code: number;
  /** For people: what the program or this machine says about it. */
  detail: string;
  /** Of both streams, the end of it when it was long. */
  output: string;
}

const OUTPUT_MAX_BYTES = 64 * 1024;
/** From a polite end to a forced one. */
const GRACE_MS = 5_000;

/** What commands may see of the environment: where programs, temporary files and the cluster are. Nothing else, as it may be secret. */
const PASSED = ["PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"];

export function commandEnvironment(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(PASSED.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])));
}

export async function isInstalled(program: string, environment: Readonly<Record<string, string>>): Promise<boolean> {
  for (const folder of (environment.PATH ?? "").split(delimiter)) {
    if (folder === "") continue;
    const found = await access(join(folder, program), constants.X_OK).then(() => true, () => false);
    if (found) return true;
  }
  return false;
}

export function runCommand({ program, args, directory, environment, timeoutMs, clock, signal }: CommandRequest): Promise<CommandEnd> {
  return new Promise((resolve) => {
    const output = tail();
    let ended: "timeout" | "stopped" | undefined;
    let cancelForce = (): void => undefined;
    const child = started(program, args, directory, environment);
    if (typeof child === "string") return resolve({ how: "not started", code: -1, detail: `${program} cannot be started: ${child}`, output: "" });

    const forceLater = (): void => {
      cancelForce();
      cancelForce = clock.after(GRACE_MS, () => {
        killGroup(child, "SIGKILL");
        // Whoever left the group may hold the pipes for ever.
        child.stdout.destroy();
        child.stderr.destroy();
      });
    };
    const end = (why: "timeout" | "stopped"): void => {
      if (ended !== undefined || child.exitCode !== null || child.signalCode !== null) return;
      ended = why;
      killGroup(child, "SIGTERM");
      forceLater();
    };
    const cancelTimeout = clock.after(timeoutMs, () => end("timeout"));
    const onStop = (): void => end("stopped");
    signal.addEventListener("abort", onStop, { once: true });
    if (signal.aborted) onStop();

    const finish = (result: CommandEnd): void => {
      cancelTimeout();
      cancelForce();
      signal.removeEventListener("abort", onStop);
      resolve(result);
    };
    child.stdout.on("data", output.add);
    child.stderr.on("data", output.add);
    child.once("error", (error: NodeJS.ErrnoException) => {
      if (child.pid === undefined) finish({ how: "not started", code: -1, detail: `${program} cannot be started: ${error.code ?? "unknown error"}`, output: "" });
    });
    child.once("exit", () => {
      // A leader that ended may leave others behind, who hold its pipes.
      killGroup(child, "SIGKILL");
      forceLater();
    });
    child.once("close", (code, killedBy) => {
      const text = output.text();
      if (ended === "timeout") finish({ how: "timeout", code: -1, detail: `ended after ${timeoutMs / 1000} s, its time`, output: text });
      else if (ended === "stopped") finish({ how: "stopped", code: -1, detail: "ended because the load tester ends", output: text });
      else if (killedBy !== null) finish({ how: "killed", code: -1, detail: `ended by ${killedBy}`, output: text });
      else finish({ how: "exited", code: code ?? -1, detail: `exit code ${code ?? -1}`, output: text });
    });
  });
}

/** Or the code of what hindered it. Messages quote arguments, which may be secret. */
function started(program: string, args: readonly string[], cwd: string, env: Readonly<Record<string, string>>): ChildProcessByStdio<null, Readable, Readable> | string {
  try {
    return spawn(program, [...args], { cwd, env: { ...env }, stdio: ["ignore", "pipe", "pipe"], detached: true });
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "unknown error";
  }
}

function killGroup(child: ChildProcess, name: "SIGTERM" | "SIGKILL"): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, name);
  } catch {
    // The whole group has ended already.
  }
}

/** Keeps the last bytes, because errors stand at the end. */
function tail(): { add: (part: Buffer) => void; text: () => string } {
  let kept: Buffer[] = [];
  let bytes = 0;
  let left = 0;
  return {
    add(part) {
      kept.push(part);
      bytes += part.length;
      if (bytes <= 2 * OUTPUT_MAX_BYTES) return;
      const whole = Buffer.concat(kept);
      left += whole.length - OUTPUT_MAX_BYTES;
      kept = [whole.subarray(whole.length - OUTPUT_MAX_BYTES)];
      bytes = OUTPUT_MAX_BYTES;
    },
    text() {
      const whole = Buffer.concat(kept);
      const cut = Math.max(whole.length - OUTPUT_MAX_BYTES, 0);
      const text = whole.subarray(cut).toString("utf8");
      return left + cut === 0 ? text : `(${left + cut} bytes left out)\n${text}`;
    },
  };
}
