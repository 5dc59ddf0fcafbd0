// What is a caller told about each type of task, and which metadata is refused? Programs are small scripts on a path of the test's own.
import { chmod, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { createPerform } from "../../../loadtester/perform.ts";
import type { Answer } from "../../../loadtester/server.ts";
import { createTasks, type Tasks } from "../../../loadtester/tasks.ts";
import { serve, type LocalServer } from "../adapters/local-server.ts";
import { ManualClock, settled } from "../adapters/manual-clock.ts";

const here = new AbortController().signal;
let folder: string;
let server: LocalServer;
let status = 200;
let clock: ManualClock;
let tasks: Tasks;
let ended: string[];
let logged: string[];
let perform: ReturnType<typeof createPerform>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "perform-"));
  await symlink("/bin/bash", join(folder, "bash"));
  for (const program of ["helm", "kubectl"]) {
    await writeFile(join(folder, program), `#!/bin/bash\nprintf '${program}'; printf ' [%s]' "$@"\n`);
    await chmod(join(folder, program), 0o755);
  }
  server = await serve((_, response) => response.writeHead(status).end());
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  clock = new ManualClock();
  tasks = createTasks(2, clock);
  status = 200;
  ended = [];
  logged = [];
  server.requests.length = 0;
  const line = (fields: object, message: string): void => void logged.push(JSON.stringify({ ...fields, message }));
  perform = createPerform({
    tasks, clock, log: { debug: line, info: line, warn: line, error: line },
    environment: { PATH: folder }, directory: folder, timeoutMs: 3_600_000,
    ended: (type, how) => void ended.push(`${type} ${how}`), answered: () => undefined,
  });
});

function ask(metadata: Record<string, string> | undefined, run = "1"): Promise<Answer> {
  return perform({ name: "backend", namespace: "webapp", run, metadata }, here);
}

/** Until nothing runs any more; real processes and sockets take their own time. */
async function idle(): Promise<void> {
  while (tasks.running > 0) {
    await settled();
    await clock.pass(10);
  }
}

async function asked(metadata: Record<string, string>): Promise<Answer> {
  const answer = ask(metadata);
  await settled();
  await idle();
  return answer;
}

describe("cmd", () => {
  const cmd = "while [ ! -e go ]; do :; done";

  test.each<Record<string, string>>([{ cmd }, { type: "cmd", cmd }, { type: "", cmd }])("is the default, and its caller does not wait: %j", async (metadata) => {
    await rm(join(folder, "go"), { force: true });
    expect(await ask(metadata)).toEqual({ status: 202, body: "started" });
    expect(await ask(metadata)).toEqual({ status: 202, body: "running already" });
    await writeFile(join(folder, "go"), "");
    await idle();
    expect(await ask(metadata)).toEqual({ status: 202, body: "started" });
    await idle();
    expect(ended).toEqual(["cmd ok", "cmd ok"]);
  });

  test("a failure comes back with the next check of the run, once, and is none that is tried again", async () => {
    await ask({ cmd: "exit 7" });
    await idle();
    expect(await ask({ cmd: "exit 7" })).toEqual({ status: 424, body: "the last round failed: exit code 7" });
    await idle();
    expect((await ask({ cmd: "exit 7" }, "2")).status).toBe(202);
    await idle();
  });

  test.each([["no-such-program", /exit code 127: a program that it calls is not installed here/], [`${"/"}dev/null`, /exit code 126/]])("the reason is there for people: %s", async (cmd, reason) => {
    await ask({ cmd });
    await idle();
    expect((await ask({ cmd })).body).toMatch(reason);
    await idle();
  });

  test("ignoreFailure, wait and returnCmdOutput", async () => {
    await ask({ cmd: "exit 1", ignoreFailure: "true" });
    await idle();
    expect((await ask({ cmd: "exit 1", ignoreFailure: "true" })).status).toBe(202);
    await idle();
    expect(await asked({ cmd: "echo out; exit 1", wait: "true", returnCmdOutput: "true" })).toEqual({ status: 500, body: "exit code 1\nout\n" });
  });

  test("another command, or another canary, is another task", async () => {
    await ask({ cmd: "read x < /dev/zero" });
    expect((await perform({ name: "other", namespace: "webapp", run: "1", metadata: { cmd: "read x < /dev/zero" } }, here)).body).toBe("started");
    expect(await ask({ cmd: "echo" })).toEqual({ status: 429, body: "too many tasks run already" });
    await tasks.stop();
  });
});

describe("bash", () => {
  test.each([
    [{ cmd: "echo out" }, { status: 200, body: "exit code 0" }],
    [{ cmd: "echo out", returnCmdOutput: "true" }, { status: 200, body: "out\n" }],
    [{ cmd: "echo out >&2; exit 2" }, { status: 500, body: "exit code 2" }],
    [{ cmd: "echo out >&2; exit 2", returnCmdOutput: "true" }, { status: 500, body: "exit code 2\nout\n" }],
  ])("%j", async (metadata, answer) => expect(await asked({ type: "bash", ...metadata })).toEqual(answer));

  test("the load tester's own end is no failure of what was tested", async () => {
    const answer = ask({ type: "bash", cmd: "read x < /dev/zero" });
    while (tasks.running === 0) await settled();
    await tasks.stop();
    expect(await answer).toMatchObject({ status: 503 });
    expect(ended).toEqual(["bash interrupted"]);
  });
});

describe("programs", () => {
  test.each([["helm", "test 'a b' --cleanup", "helm [test] [a b] [--cleanup]"], ["helmv3", "list", "helm [list]"], ["kubectl", "get pods $(id) > x", "kubectl [get] [pods] [$(id)] [>] [x]"]])("%s %s, without a shell", async (type, cmd, body) => {
    expect(await asked({ type, cmd, returnCmdOutput: "true" })).toEqual({ status: 200, body });
  });

  test("one that is not installed is named, and the caller does not try again", async () => {
    expect(await ask({ type: "k6", cmd: "run x.js" })).toMatchObject({ status: 501, body: expect.stringMatching(/^k6 is not installed/) });
  });

  test("no shell at all is named too", async () => {
    const bare = createPerform({ tasks, clock, log: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }, environment: { PATH: "/nowhere" }, directory: folder, timeoutMs: 1_000, ended: () => undefined, answered: () => undefined });
    for (const [type, program] of [["cmd", "sh"], ["bash", "bash"]]) {
      expect(await bare({ name: "a", namespace: "b", run: "1", metadata: { type: type ?? "", cmd: "echo" } }, here)).toMatchObject({ status: 501, body: expect.stringContaining(`${program} is not installed`) });
    }
  });
});

describe("http", () => {
  const fields = (): Record<string, string> => ({ type: "http", url: `${server.url.href}x`, rate: "50", duration: "200ms" });

  test("runs beside the check", async () => {
    expect(await ask(fields())).toEqual({ status: 202, body: "started" });
    await idle();
    expect(server.requests).toHaveLength(10);
    expect(ended).toEqual(["http ok"]);
  });

  test("load that fails is for the metrics to judge; a caller who waits is told", async () => {
    status = 500;
    await ask(fields());
    await idle();
    expect(ended).toEqual(["http ok"]);
    const { status: answered, body } = await asked({ ...fields(), wait: "true" });
    expect([answered, body]).toEqual([500, expect.stringMatching(/^10 requests in .* \(10 × 500\), 100\.00 % failed/)]);
    expect(await asked({ ...fields(), wait: "true", expectStatus: "5xx" })).toMatchObject({ status: 200 });
  });

  test.each([["url", { type: "http" }], ["concurency", { concurency: "3" }], ["cmd", { cmd: "echo" }], ["rate", { rate: "fast" }], ["wait", { wait: "maybe" }]])("what is wrong is named: %s", async (name, metadata) => {
    const all: Record<string, string> = name === "url" ? metadata : { ...fields(), ...metadata };
    expect(await ask(all)).toMatchObject({ status: 400, body: expect.stringContaining(`metadata.${name} `) });
  });
});

describe("hey, where it is not installed", () => {
  test("is sent by the own generator", async () => {
    expect((await ask({ cmd: `hey -z 200ms -q 25 -c 2 -m POST -d 'a b' -H "X-A: b" ${server.url.href}`, type: "cmd" })).status).toBe(202);
    await idle();
    expect(server.requests).toHaveLength(10);
    expect(server.requests[0]).toMatchObject({ method: "POST", body: "a b", headers: { "x-a": "b" } });
  });

  test("what is not understood is refused with the reason", async () => {
    expect(await ask({ cmd: `hey -z 1m -h2 ${server.url.href}` })).toMatchObject({ status: 400, body: expect.stringMatching(/^hey is not installed here.*-h2 is not understood/) });
    expect(await ask({ cmd: `hey -z 2h ${server.url.href}` })).toMatchObject({ status: 400, body: expect.stringMatching(/duration must be 3600 s at the most/) });
  });

  test("where it is installed it is the program", async () => {
    await writeFile(join(folder, "hey"), "#!/bin/bash\nexit 9\n");
    await chmod(join(folder, "hey"), 0o755);
    try {
      expect(await asked({ cmd: "hey -h2 http://x", wait: "true" })).toEqual({ status: 500, body: "exit code 9" });
    } finally {
      await rm(join(folder, "hey"));
    }
  });
});

test.each([[undefined, /metadata is missing/], [{}, /metadata.cmd is missing/], [{ type: "bash" }, /metadata.cmd is missing/], [{ cmd: "  " }, /metadata.cmd is missing/], [{ type: "ngrinder" }, /known are cmd, bash, helm, helmv3, kubectl, k6, http/], [{ type: "constructor" }, /known are/], [{ cmd: "x", logCmdOutput: "maybe" }, /logCmdOutput must be/], [{ type: "helm", cmd: "a 'b" }, /never closed/]])("refused: %j", async (metadata, why) => {
  expect(await ask(metadata as Record<string, string> | undefined)).toMatchObject({ status: 400, body: expect.stringMatching(why) });
  expect(tasks.running).toBe(0);
});

test("commands and headers are in no log line; output only where it was asked for", async () => {
  await asked({ type: "bash", cmd: "echo s3cret; exit 1" });
  await asked({ type: "http", url: server.url.href.replace("//", "//me:s3cret@"), headers: "Authorization: s3cret", requests: "1", wait: "true" });
  expect(logged.join("\n")).not.toContain("s3cret");
  await asked({ type: "bash", cmd: "echo shown", logCmdOutput: "true" });
  expect(logged.join("\n")).toContain("shown");
});
