// Does a command end as a whole, whatever it does, and stay within its bounds? Real processes; their time is the test's.
import { createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { commandEnvironment, isInstalled, runCommand, type CommandEnd } from "../../../loadtester/command.ts";
import { ManualClock, settled } from "../adapters/manual-clock.ts";

const environment = commandEnvironment(process.env);
let clock: ManualClock;
let server: Server;
/** The first connection; it is closed when the last process has ended that has it. */
let connected: Promise<Socket>;

beforeEach(async () => {
  clock = new ManualClock();
  server = createServer();
  connected = new Promise((resolve) => server.once("connection", resolve));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterEach(() => new Promise<void>((resolve) => void server.close(() => resolve())));

/** All processes of the script hold a connection to the test: that tells when they run, and when none does any more. */
function bash(script: string, signal: AbortSignal = new AbortController().signal): Promise<CommandEnd> {
  const { port } = server.address() as AddressInfo;
  return runCommand({ program: "bash", args: ["-c", script.replace("CONNECT", `exec 3<>/dev/tcp/127.0.0.1/${port}`)], directory: tmpdir(), environment, timeoutMs: 60_000, clock, signal });
}

function closed(socket: Socket): Promise<void> {
  socket.on("error", () => undefined).resume();
  return new Promise((resolve) => void socket.once("close", () => resolve()));
}

test("its end and both of its streams", async () => {
  expect(await bash("echo out; echo err >&2")).toMatchObject({ how: "exited", code: 0, output: expect.stringMatching(/out[\s\S]*err|err[\s\S]*out/) });
  expect(await bash("exit 3")).toMatchObject({ how: "exited", code: 3, detail: "exit code 3" });
  expect(await bash("kill -9 $$")).toMatchObject({ how: "killed", detail: "ended by SIGKILL" });
  expect(clock.waiting).toBe(0);
});

test("it sees nothing of this program's environment but what programs need", async () => {
  const seen = commandEnvironment({ PATH: environment.PATH, HOME: "/home", KURATOR_ROLLOUT_TOKEN_FILE: "s3cret", AWS_SECRET_ACCESS_KEY: "s3cret", NODE_OPTIONS: "--x" });
  expect(seen).toEqual({ PATH: environment.PATH, HOME: "/home" });
  const { output } = await runCommand({ program: "env", args: [], directory: tmpdir(), environment: { PATH: environment.PATH ?? "" }, timeoutMs: 1_000, clock, signal: new AbortController().signal });
  expect(output.split("\n").map((line) => line.split("=")[0]).filter((name) => name !== "")).toEqual(["PATH"]);
});

test("it has nothing to read", async () => expect(await bash("cat; echo end")).toMatchObject({ how: "exited", output: "end\n" }));

test("the end of a long output is kept, and how much is not is said", async () => {
  const { output } = await bash("head -c 300000 /dev/zero | tr '\\0' x; echo END");
  expect(output.length).toBeLessThan(65_536 + 50);
  expect(output).toMatch(/^\(234468 bytes left out\)\nx+END\n$/);
});

test("its time over, the whole group ends", async () => {
  const ended = bash("CONNECT; sleep 1000 & (sleep 1000 & sleep 1000) & sleep 1000");
  const socket = await connected;
  const gone = closed(socket);
  await clock.pass(59_999);
  await clock.pass(1);
  expect(await ended).toMatchObject({ how: "timeout", detail: expect.stringContaining("60 s") });
  await gone;
  expect(clock.waiting).toBe(0);
});

test("whoever does not hear the polite signal is forced after five seconds", async () => {
  const ended = bash("trap '' TERM; CONNECT; while :; do sleep 1000; done");
  const gone = closed(await connected);
  await clock.pass(60_000);
  let done = false;
  void ended.then(() => (done = true));
  await clock.pass(4_999);
  expect(done).toBe(false);
  await clock.pass(1);
  expect(await ended).toMatchObject({ how: "timeout" });
  await gone;
});

test("who stays behind when the leader has ended is ended too, and the end is not waited for", async () => {
  const ended = bash("CONNECT; sleep 1000 & echo done");
  const gone = closed(await connected);
  expect(await ended).toMatchObject({ how: "exited", code: 0, output: "done\n" });
  await gone;
  expect(clock.waiting).toBe(0);
});

test("who has left the group and holds the output holds nobody up for more than five seconds", async () => {
  const ended = bash("CONNECT; setsid bash -c 'echo $$; echo ready >&3; exec sleep 1000' & read -r go <&3");
  const socket = await connected;
  // The leader ends when the other one has left.
  socket.once("data", () => socket.write("go\n"));
  const gone = closed(socket);
  // Beside the bound of the whole, there is one from the leader's end.
  while (clock.waiting < 2) await settled();
  await clock.pass(5_000);
  const end = await ended;
  expect(end).toMatchObject({ how: "exited", code: 0, output: expect.stringMatching(/^[1-9]\d+\n$/) });
  process.kill(Number(end.output), "SIGKILL");
  await gone;
});

test("it ends with the load tester", async () => {
  const stop = new AbortController();
  const ended = bash("CONNECT; sleep 1000", stop.signal);
  const gone = closed(await connected);
  stop.abort();
  expect(await ended).toMatchObject({ how: "stopped" });
  await gone;
  expect(await bash("sleep 1000", AbortSignal.abort())).toMatchObject({ how: "stopped" });
});

test.each([["no-such-program", ["s3cret"]], ["echo", ["s3cret\0"]], ["echo", ["s3cret".repeat(1_000_000)]]])("%s that cannot be started says so, without its arguments", async (program, args) => {
  const end = await runCommand({ program, args, directory: tmpdir(), environment, timeoutMs: 1_000, clock, signal: new AbortController().signal });
  expect(end).toMatchObject({ how: "not started", detail: expect.stringContaining(program) });
  expect(JSON.stringify(end)).not.toContain("s3cret");
  expect(clock.waiting).toBe(0);
});

test("programs are looked for on the path", async () => {
  expect([await isInstalled("bash", environment), await isInstalled("no-such-program", environment), await isInstalled("bash", {}), await isInstalled("bash", { PATH: "" })]).toEqual([true, false, false, false]);
});
