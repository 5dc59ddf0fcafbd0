// What does the load tester say over HTTP: Flagger's paths and answers, to those who may ask, and nothing that breaks it?
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request as rawRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { runLoadTester, type LoadTesterOptions } from "../../../loadtester/run.ts";
import { ManualClock, silent } from "../adapters/manual-clock.ts";

interface Running {
  url: string;
  stop(): Promise<void>;
}

let folder: string;
const all: Running[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "loadtester-"));
});
afterEach(async () => {
  for (const one of all.splice(0)) await one.stop();
  await rm(folder, { recursive: true });
});

async function start(more: Partial<LoadTesterOptions> = {}): Promise<Running> {
  const stop = new AbortController();
  let ended: Promise<void> = Promise.resolve();
  const port = await new Promise<number>((listening, failed) => {
    ended = runLoadTester({
      port: 0, host: "127.0.0.1", timeoutMs: 3_600_000, namespaces: /(?:)/, tokenFile: undefined, stateDirectory: undefined, concurrency: 4, directory: folder,
      environment: process.env, version: "1.2.3", processMetrics: false, clock: new ManualClock(), log: silent, signal: stop.signal, listening, ...more,
    });
    ended.catch(failed);
  });
  const running = {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      stop.abort();
      await ended;
    },
  };
  all.push(running);
  return running;
}

async function post({ url }: Running, path: string, body: unknown = { name: "backend", namespace: "webapp" }, headers: Record<string, string> = {}): Promise<[number, string]> {
  const response = await fetch(`${url}${path}`, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body), headers });
  return [response.status, await response.text()];
}

async function get({ url }: Running, path: string, method = "GET"): Promise<[number, string]> {
  const response = await fetch(`${url}${path}`, { method });
  return [response.status, await response.text()];
}

describe("pages", () => {
  test("health, metrics, and gates that never change", async () => {
    const server = await start();
    expect(await get(server, "/healthz")).toEqual([200, "OK"]);
    expect(await get(server, "/healthz", "HEAD")).toEqual([200, ""]);
    expect(await get(server, "/gate/approve")).toEqual([200, "OK"]);
    expect(await get(server, "/gate/halt")).toEqual([403, "Forbidden"]);
    expect(await post(server, "/gate/approve")).toEqual([200, "OK"]);
    const [status, text] = await get(server, "/metrics");
    expect([status, text]).toEqual([200, expect.stringContaining('kurator_loadtester_open{kind="gate"} 0')]);
  });

  test.each([["GET", "/", 405], ["GET", "/gate/check", 405], ["PUT", "/gate/open", 405], ["POST", "/healthz", 405], ["POST", "/gate", 404], ["POST", "/gate/shut", 404], ["GET", "/../etc/passwd", 404], ["POST", "/gate/open/x", 404]])("%s %s: %i", async (method, path, status) => {
    expect((await get(await start(), path, method))[0]).toBe(status);
  });
});

describe.each(["gate", "rollback"])("/%s", (kind) => {
  test("is closed, opened, and closed again", async () => {
    const server = await start();
    const check = (name = "backend", namespace = "webapp") => post(server, `/${kind}/check`, { name, namespace });
    expect(await check()).toEqual([403, "Forbidden"]);
    expect((await post(server, `/${kind}/open`))[0]).toBe(202);
    expect(await check()).toEqual([200, "Approved"]);
    expect([(await check("other"))[0], (await check("backend", "other"))[0]]).toEqual([403, 403]);
    expect((await post(server, `/${kind === "gate" ? "rollback" : "gate"}/check`))[0]).toBe(403);
    expect((await get(server, "/metrics"))[1]).toContain(`kurator_loadtester_open{kind="${kind}"} 1`);
    expect((await post(server, `/${kind}/close/`))[0]).toBe(202);
    expect(await check()).toEqual([403, "Forbidden"]);
  });

  test("is as it was after a restart", async () => {
    const stateDirectory = join(folder, "state");
    const before = await start({ stateDirectory });
    await post(before, `/${kind}/open`);
    await before.stop();
    expect(await post(await start({ stateDirectory }), `/${kind}/check`)).toEqual([200, "Approved"]);
  });
});

test("a gate that cannot be written down is not said to be open", async () => {
  const stateDirectory = join(folder, "state");
  const server = await start({ stateDirectory });
  await rm(stateDirectory, { recursive: true });
  expect((await post(server, "/gate/open"))[0]).toBe(500);
  expect((await post(server, "/gate/check"))[0]).toBe(403);
});

describe("bad input", () => {
  test.each(["", "{", "null", "[]", '"text"', "{}", '{"name":"a"}', '{"name":"","namespace":"b"}', '{"name":"a/b","namespace":"c"}', '{"name":"a","namespace":"b c"}', '{"name":1,"namespace":"b"}', '{"name":"a","namespace":"b","metadata":{"cmd":1}}', '{"name":"a","namespace":"b","metadata":"cmd"}'])("%j is 400, on every path", async (body) => {
    const server = await start();
    for (const path of ["/", "/gate/open", "/rollback/check"]) expect((await post(server, path, body))[0]).toBe(400);
  });

  test("what is wrong is said without quoting it", async () => {
    const server = await start();
    expect(await post(server, "/", '{"name":"a","namespace":"b","metadata":{"cmd":s3cret')).toEqual([400, "the body is not JSON"]);
    expect((await post(server, "/", { name: "s3cret/", namespace: "b" }))[1]).toBe("name: is no name");
  });

  test("no metadata, and a type that nobody knows", async () => {
    const server = await start();
    expect((await post(server, "/"))[0]).toBe(400);
    expect(await post(server, "/", { name: "a", namespace: "b", metadata: { type: "concord" } })).toEqual([400, expect.stringContaining("known are cmd, bash")]);
    expect(await get(server, "/healthz")).toEqual([200, "OK"]);
  });

  test("a body that is too long is answered", async () => {
    const server = await start();
    const pad = "x".repeat(1024 * 1024);
    expect((await post(server, "/", { name: "a", namespace: "b", metadata: { cmd: pad } }))[0]).toBe(413);
    expect(await get(server, "/healthz")).toEqual([200, "OK"]);
  });

  test("fields that only newer senders know are let through", async () => {
    const payload = { name: "a", namespace: "b", phase: "Progressing", checksum: "c", type: "rollout", run: "r", step: 3, attempt: 1, somethingNew: {}, metadata: null };
    expect((await post(await start(), "/gate/open", payload))[0]).toBe(202);
  });
});

test("namespaces that do not match are not served", async () => {
  const server = await start({ namespaces: /^team-/ });
  for (const path of ["/", "/gate/open", "/rollback/check"]) expect((await post(server, path, { name: "a", namespace: "prod", metadata: { cmd: "x" } }))[0]).toBe(403);
  expect((await post(server, "/gate/open", { name: "a", namespace: "team-a" }))[0]).toBe(202);
  expect((await post(server, "/gate/check", { name: "a", namespace: "team-a" }))[0]).toBe(200);
});

describe("with a token", () => {
  test("everything but health and metrics needs it", async () => {
    const tokenFile = join(folder, "token");
    await writeFile(tokenFile, "t0ken\n");
    const server = await start({ tokenFile });
    for (const path of ["/", "/gate/open", "/gate/check", "/gate/approve", "/no-such-path"]) {
      expect((await post(server, path))[0]).toBe(401);
      expect((await post(server, path, undefined, { Authorization: "Bearer wrong" }))[0]).toBe(401);
    }
    expect((await get(server, "/metrics"))[0]).toBe(200);
    expect((await get(server, "/healthz"))[0]).toBe(200);
    expect((await post(server, "/gate/open", undefined, { Authorization: "Bearer t0ken" }))[0]).toBe(202);
    expect((await post(server, "/gate/check", undefined, { Authorization: `Basic ${Buffer.from("canary:t0ken").toString("base64")}` }))[0]).toBe(200);
  });

  test("nobody is let in while it cannot be read", async () => {
    expect((await post(await start({ tokenFile: join(folder, "none") }), "/gate/open", undefined, { Authorization: "Bearer x" }))[0]).toBe(503);
  });
});

describe("tasks", () => {
  const bash = (cmd: string): object => ({ name: "a", namespace: "b", metadata: { type: "bash", cmd, returnCmdOutput: "true" } });

  test("200, 500 and 202, and they are counted", async () => {
    const server = await start();
    expect(await post(server, "/", bash("echo out"))).toEqual([200, "out\n"]);
    expect(await post(server, "/", bash("echo out; exit 4"))).toEqual([500, "exit code 4\nout\n"]);
    expect(await post(server, "/", { name: "a", namespace: "b", metadata: { cmd: "read x < /dev/zero" } })).toEqual([202, "started"]);
    const text = (await get(server, "/metrics"))[1];
    for (const line of ['tasks_total{type="bash",how="ok"} 1', 'tasks_total{type="bash",how="failed"} 1', "tasks_running 1"]) expect(text).toContain(`kurator_loadtester_${line}`);
  });

  test("a caller who waits when the load tester ends is answered", async () => {
    const server = await start();
    const answer = post(server, "/", bash(": > began; read x < /dev/zero"));
    while (!(await get(server, "/metrics"))[1].includes("tasks_running 1")) await Promise.resolve();
    await server.stop();
    expect(await answer).toEqual([503, expect.stringContaining("load tester ends")]);
  });

  test("a caller who leaves and asks again hears how it ended", async () => {
    const server = await start();
    const body = JSON.stringify(bash("while [ ! -e go ]; do :; done; echo once >> rounds; cat rounds"));
    const first = rawRequest(`${server.url}/`, { method: "POST" }).on("error", () => undefined);
    first.end(body);
    while (!(await get(server, "/metrics"))[1].includes("tasks_running 1")) await Promise.resolve();
    await new Promise<void>((resolve) => first.once("close", resolve).destroy());
    await writeFile(join(folder, "go"), "");
    while (!(await get(server, "/metrics"))[1].includes("tasks_running 0")) await Promise.resolve();
    expect(await post(server, "/", body)).toEqual([200, "once\n"]);
  });

  test("a caller who hangs up in the middle of its request disturbs nobody", async () => {
    const server = await start();
    const half = rawRequest(`${server.url}/`, { method: "POST", headers: { "Content-Length": "100" } }).on("error", () => undefined);
    await new Promise<void>((resolve) => half.write("{", () => resolve()));
    half.destroy();
    expect(await get(server, "/healthz")).toEqual([200, "OK"]);
  });
});

test("a state folder that cannot be used ends the program instead of losing gates", async () => {
  await writeFile(join(folder, "file"), "");
  await expect(start({ stateDirectory: join(folder, "file") })).rejects.toThrow();
});
