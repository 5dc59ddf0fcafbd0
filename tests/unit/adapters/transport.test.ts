// Are requests and streams carried over real connections, ended in time, and is every connection given back?
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "@jest/globals";
import { clusterOfText, loadCluster } from "../../../engine/adapters/kubeconfig.ts";
import { httpTransport, loadTransport, TimeoutError } from "../../../engine/adapters/transport.ts";
import { serve, type LocalServer } from "./local-server.ts";
import { ManualClock } from "./manual-clock.ts";

const open: LocalServer[] = [];
const folders: string[] = [];

afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function local(...answer: Parameters<typeof serve>): Promise<LocalServer> {
  const server = await serve(...answer);
  open.push(server);
  return server;
}

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "kubeconfig-"));
  folders.push(made);
  return made;
}

describe("requests", () => {
  test("path, query, body and headers arrive; status, headers and body come back", async () => {
    const server = await local((_request, response) => response.writeHead(409, { "Retry-After": "3" }).end("grüße"));
    const transport = httpTransport(new URL("/base/", server.url), "test/1");
    const answer = await transport.request({ method: "PATCH", path: "/apis/x", query: { labelSelector: "a=b,c" }, contentType: "application/merge-patch+json", body: '{"ü":1}', timeoutMs: 5_000 });
    expect(answer).toMatchObject({ status: 409, body: "grüße", headers: { "retry-after": "3" } });
    expect(server.requests[0]).toMatchObject({
      method: "PATCH", url: "/base/apis/x?labelSelector=a%3Db%2Cc", body: '{"ü":1}',
      headers: { "content-type": "application/merge-patch+json", "user-agent": "test/1", accept: "application/json" },
    });
  });

  test("one connection serves one request after the other", async () => {
    const server = await local((_request, response) => response.end("{}"));
    const transport = httpTransport(server.url, "test");
    for (let n = 0; n < 20; n += 1) await transport.request({ method: "GET", path: "/", timeoutMs: 5_000 });
    expect(await server.connections()).toBe(1);
  });

  test.each(["the answer", "its body"])("the deadline counts everything: %s never ends", async (what) => {
    const server = await local((_request, response) => {
      if (what === "its body") response.writeHead(200).write("{");
    });
    await expect(httpTransport(server.url, "test").request({ method: "GET", path: "/", timeoutMs: 40 })).rejects.toBeInstanceOf(TimeoutError);
  });

  test("the deadline counts a credential plugin that never returns", async () => {
    const cluster = { server: new URL("http://127.0.0.1:1"), credentials: () => new Promise<never>(() => undefined), refused: () => undefined };
    await expect(httpTransport(cluster, "test").request({ method: "GET", path: "/", timeoutMs: 20 })).rejects.toBeInstanceOf(TimeoutError);
  });

  test("an abort ends a request, before and while it is under way", async () => {
    const stop = new AbortController();
    const server = await local(() => stop.abort());
    const transport = httpTransport(server.url, "test");
    const request = { method: "GET", path: "/", timeoutMs: 5_000, signal: stop.signal };
    await expect(transport.request(request)).rejects.toThrow("aborted");
    await expect(transport.request(request)).rejects.toThrow("aborted");
    expect(server.requests).toHaveLength(1);
  });

  test("a refused connection rejects with its code", async () => {
    const server = await serve(() => undefined);
    await server.close();
    await expect(httpTransport(server.url, "test").request({ method: "GET", path: "/", timeoutMs: 5_000 })).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });
});

describe("streams", () => {
  test("lines come as they are sent, however they were cut into pieces", async () => {
    const server = await local((_request, response) => {
      const text = Buffer.from('{"a":"ü"}\n{"b":1}\n{"c"');
      response.write(text.subarray(0, 7), () => response.write(text.subarray(7), () => response.end(":2}\n")));
    });
    const { status, lines } = await httpTransport(server.url, "test").stream({ path: "/" });
    expect(status).toBe(200);
    expect(await all(lines)).toEqual(['{"a":"ü"}', '{"b":1}', '{"c":2}']);
  });

  test("a connection that breaks throws, and half a line is not given out as a whole one", async () => {
    const server = await local((_request, response) => response.write('{"a":1}\n{"b', () => response.destroy()));
    const { lines } = await httpTransport(server.url, "test").stream({ path: "/" });
    const seen: string[] = [];
    await expect((async () => {
      for await (const line of lines) seen.push(line);
    })()).rejects.toThrow();
    expect(seen).toEqual(['{"a":1}']);
  });

  test("an abort ends a stream that says nothing", async () => {
    const stop = new AbortController();
    const server = await local((_request, response) => response.flushHeaders());
    const { lines } = await httpTransport(server.url, "test").stream({ path: "/", signal: stop.signal });
    const ended = all(lines);
    stop.abort();
    await expect(ended).rejects.toThrow();
  });

  test("a refused watch gives its connection back, though nobody reads why", async () => {
    const server = await local((_request, response) => response.writeHead(403).end(JSON.stringify({ message: "no" })));
    const transport = httpTransport(server.url, "test");
    for (let n = 0; n < 300; n += 1) expect(await transport.stream({ path: "/" })).toMatchObject({ status: 403 });
    expect(await server.connections()).toBeLessThan(5);
  });

  test("hundreds of watches do not keep a request from being sent", async () => {
    const stop = new AbortController();
    const server = await local((request, response) => (request.url === "/watch" ? response.flushHeaders() : response.end("{}")));
    const transport = httpTransport(server.url, "test");
    const watches = await Promise.all(Array.from({ length: 300 }, () => transport.stream({ path: "/watch", signal: stop.signal })));
    const reading = watches.map(({ lines }) => all(lines).catch(() => []));
    expect(await transport.request({ method: "GET", path: "/", timeoutMs: 5_000 })).toMatchObject({ status: 200 });
    stop.abort();
    await Promise.all(reading);
  });
});

describe("kubeconfigs", () => {
  const contents = (server: string, user: object | undefined): string =>
    JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": "here",
      clusters: [{ name: "here", cluster: { server } }],
      contexts: [{ name: "here", context: { cluster: "here", ...(user === undefined ? {} : { user: "me" }) } }],
      users: user === undefined ? [] : [{ name: "me", user }],
    });
  const plugin = (script: string): object => ({ exec: { apiVersion: "client.authentication.k8s.io/v1", command: "sh", args: ["-c", script] } });

  test("plain HTTP works, with a token and without any user", async () => {
    const server = await local((_request, response) => response.end("{}"));
    const place = join(folder(), "config");
    for (const user of [{ token: "t0ken\n" }, undefined]) {
      writeFileSync(place, contents(server.url.href, user));
      const transport = await loadTransport({ kubeconfig: place, userAgent: "test" });
      await transport.request({ method: "GET", path: "/api", timeoutMs: 5_000 });
    }
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual(["Bearer t0ken", undefined]);
  });

  test("a token that the API server refused is asked for again, but not in a storm of refusals", async () => {
    const clock = new ManualClock();
    const place = join(folder(), "config");
    const token = (text: string): void => writeFileSync(place, contents("http://127.0.0.1:1", plugin(`echo '{"status":{"token":"${text}"}}'`)));
    token("first");
    const cluster = await loadCluster(place, clock);
    token("second");
    const now = async () => (await cluster.credentials()).headers.Authorization;
    expect(await now()).toBe("Bearer first");
    cluster.refused();
    expect(await now()).toBe("Bearer first");
    await clock.pass(10_000);
    expect(await now()).toBe("Bearer second");
  });

  test("requests that start together ask a credential plugin once", async () => {
    const home = folder();
    const place = join(home, "config");
    writeFileSync(place, contents("http://127.0.0.1:1", plugin(`echo x >> ${home}/calls; echo '{"status":{"token":"'$(wc -l < ${home}/calls)'","expirationTimestamp":"2020-01-01T00:00:00Z"}}'`)));
    const clock = new ManualClock();
    const cluster = await loadCluster(place, clock);
    await clock.pass(61_000);
    const tokens = await Promise.all(Array.from({ length: 20 }, () => cluster.credentials()));
    expect(new Set(tokens.map(({ headers }) => headers.Authorization?.replace(/\s/g, "")))).toEqual(new Set(["Bearer2"]));
  });

  test.each([
    ["is not YAML", "users:\n- user: {token: s3cret\n  x: ]"],
    ["is empty", ""],
    ["names no cluster", "apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\nusers: [{name: me, user: {token: s3cret}}]\n"],
  ])("a file that %s is refused in words that hold nothing of it", async (_, text) => {
    const place = join(folder(), "config");
    writeFileSync(place, text);
    const failure = await loadTransport({ kubeconfig: place, userAgent: "test" }).then(() => undefined, (error: unknown) => error);
    expect(failure).toBeInstanceOf(Error);
    expect(String(failure)).not.toContain("s3cret");
    expect(String(failure)).toMatch(/kubeconfig|no cluster/);
  });
});

async function all(lines: AsyncIterable<string>): Promise<string[]> {
  const seen: string[] = [];
  for await (const line of lines) seen.push(line);
  return seen;
}

describe("kubeconfigs that somebody stored", () => {
  const config = (user: object, cluster: object = {}): string =>
    JSON.stringify({ apiVersion: "v1", kind: "Config", "current-context": "c", contexts: [{ name: "c", context: { cluster: "k", user: "u" } }], clusters: [{ name: "k", cluster: { server: "https://member:6443", ...cluster } }], users: [{ name: "u", user }] });

  test("with everything in them serve", async () => {
    const cluster = await clusterOfText(config({ token: "s3cret" }, { "insecure-skip-tls-verify": true }));
    expect(cluster.server.href).toBe("https://member:6443/");
    expect((await cluster.credentials()).headers).toMatchObject({ Authorization: "Bearer s3cret" });
  });

  test.each([
    ["a plugin", config({ exec: { command: "/bin/sh", args: ["-c", "touch /tmp/s3cret"], apiVersion: "client.authentication.k8s.io/v1" } }), /plugin/],
    ["an old plugin", config({ "auth-provider": { name: "gcp", config: { "cmd-path": "/bin/s3cret" } } }), /plugin/],
    ["a certificate file", config({ token: "t" }, { "certificate-authority": "/etc/s3cret" }), /refers to files/],
    ["a key file", config({ "client-certificate": "/a", "client-key": "/etc/s3cret" }), /refers to files/],
    ["a token file", config({ tokenFile: "/var/run/s3cret" }), /refers to files/],
    ["no cluster", "{}", /names no cluster/],
    ["no YAML", "s3cret: [", /not a kubeconfig/],
  ])("%s is refused, and nothing of it is repeated", async (_, text, says) => {
    const error = await clusterOfText(text).then(() => undefined, (thrown: unknown) => thrown);
    expect(String(error)).toMatch(says);
    expect(String(error)).not.toContain("s3cret");
  });
});
