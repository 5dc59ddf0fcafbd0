// Does every answer become a value and every failure a fault, and does no fault hold anything of the request (P14)?
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "@jest/globals";
import { createHttp } from "../../../engine/adapters/http.ts";
import type { HttpRequest } from "../../../engine/ports.ts";
import { serve, type LocalServer } from "./local-server.ts";

const open: LocalServer[] = [];

afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

async function local(...answer: Parameters<typeof serve>): Promise<LocalServer> {
  const server = await serve(...answer);
  open.push(server);
  return server;
}

const http = createHttp();

function ask(url: string, more: Partial<HttpRequest> = {}) {
  return http({ method: "GET", url, timeoutMs: 5_000, maxBytes: 10_000, ...more });
}

describe("answers", () => {
  test.each([200, 204, 400, 404, 429, 500, 503])("%i is a value", async (status) => {
    const server = await local((_request, response) => response.writeHead(status, { "X-Name": "a" }).end());
    expect(await ask(server.url.href)).toMatchObject({ ok: true, value: { status, headers: { "x-name": "a" }, body: "" } });
  });

  test("the body is text, whatever it says it is", async () => {
    const server = await local((_request, response) => response.writeHead(200, { "Content-Type": "application/json" }).end('{"a": NaN, "ü": 1}'));
    expect(await ask(server.url.href)).toMatchObject({ ok: true, value: { body: '{"a": NaN, "ü": 1}' } });
  });

  test("what is to be sent arrives", async () => {
    const server = await local((_request, response) => response.end());
    await ask(new URL("/hook?a=b", server.url).href, { method: "POST", body: '{"name":"podinfo"}', headers: { "Content-Type": "application/json", "X-Key": "k" } });
    expect(server.requests[0]).toMatchObject({ method: "POST", url: "/hook?a=b", body: '{"name":"podinfo"}', headers: { "content-type": "application/json", "x-key": "k" } });
  });

  test("a proxy of the environment is not used", async () => {
    const server = await local((_request, response) => response.end("direct"));
    process.env.http_proxy = "http://127.0.0.1:1";
    try {
      expect(await ask(server.url.href)).toMatchObject({ ok: true, value: { body: "direct" } });
    } finally {
      delete process.env.http_proxy;
    }
  });
});

describe("failures", () => {
  test.each([
    ["nothing is said", () => undefined],
    ["the body never ends", (_request: unknown, response: { write(text: string): unknown }) => void response.write("{")],
  ])("late when %s", async (_, answer) => {
    const server = await local(answer);
    expect(await ask(server.url.href, { timeoutMs: 40 })).toMatchObject({ ok: false, fault: { class: "deadline" } });
  });

  test("late when the body trickles in, although it is never silent", async () => {
    const server = await local((_request, response) => {
      const drip = setInterval(() => response.write("."), 5);
      response.on("close", () => clearInterval(drip));
    });
    expect(await ask(server.url.href, { timeoutMs: 60 })).toMatchObject({ ok: false, fault: { class: "deadline" } });
  });

  test.each([
    ["with a length", (_request: unknown, response: { end(text: string): unknown }) => void response.end("x".repeat(20_000))],
    ["in pieces", (_request: unknown, response: { write(text: string): unknown; end(text: string): unknown }) => {
      response.write("x".repeat(9_000));
      response.end("x".repeat(9_000));
    }],
    ["when it is unzipped", (_request: unknown, response: { writeHead(status: number, headers: object): { end(body: Buffer): unknown } }) => void response.writeHead(200, { "Content-Encoding": "gzip" }).end(gzipSync("x".repeat(1_000_000)))],
  ])("an answer that is too big %s is invalid", async (_, answer) => {
    const server = await local(answer as Parameters<typeof serve>[0]);
    expect(await ask(server.url.href)).toMatchObject({ ok: false, fault: { class: "invalid" } });
  });

  test("an answer that breaks off is transient, and not taken for a whole one or a big one", async () => {
    const server = await local((_request, response) => {
      response.writeHead(200, { "Content-Length": "100" });
      response.write('{"status":"success"', () => response.destroy());
    });
    expect(await ask(server.url.href)).toMatchObject({ ok: false, fault: { class: "transient" } });
  });

  test("nobody there, no such host, no such scheme, no URL", async () => {
    const gone = await serve(() => undefined);
    await gone.close();
    expect(await ask(gone.url.href)).toMatchObject({ ok: false, fault: { class: "transient" } });
    expect(await ask("http://no-such-host.invalid/")).toMatchObject({ ok: false, fault: { class: "transient" } });
    expect(await ask("gopher://127.0.0.1/")).toMatchObject({ ok: false, fault: { class: "invalid" } });
    expect(await ask("prometheus:9090")).toMatchObject({ ok: false, fault: { class: "invalid" } });
  });

  test("whoever no longer wants the answer gets none", async () => {
    const stop = new AbortController();
    const server = await local(() => stop.abort());
    expect(await ask(server.url.href, { signal: stop.signal })).toMatchObject({ ok: false, fault: { class: "transient" } });
  });
});

describe("secrets", () => {
  const secret = { headers: { Authorization: "Bearer s3cret", "X-Api-Key": "s3cret" }, body: "s3cret", method: "POST" as const };
  const withSecrets = (url: URL): string => `http://user:s3cret@${url.host}/s3cret?token=s3cret#s3cret`;

  test("no fault holds any", async () => {
    const gone = await serve(() => undefined);
    await gone.close();
    const endless = await local((request, response) => response.writeHead(302, { Location: request.url ?? "/" }).end());
    const mute = await local(() => undefined);
    const big = await local((_request, response) => response.end("x".repeat(20_000)));
    const broken = await local((_request, response) => response.writeHead(200, { "Content-Length": "9" }).write("s3cret", () => response.destroy()));
    const plain = await local((_request, response) => response.end());
    const faults = [
      await ask(withSecrets(gone.url), secret), await ask(withSecrets(endless.url), { ...secret, method: "GET" }), await ask(withSecrets(mute.url), { ...secret, timeoutMs: 40 }),
      await ask(withSecrets(big.url), secret), await ask(withSecrets(broken.url), secret), await ask(withSecrets(plain.url).replace("http:", "https:"), secret),
      await ask("s3cret://s3cret", secret), await ask("http://user:s3cret@[::bad/", secret), await ask(withSecrets(plain.url), { ...secret, headers: { "s3cret header": "s3cret" } }),
    ];
    for (const fault of faults) {
      expect(fault).toMatchObject({ ok: false });
      expect(JSON.stringify(fault)).not.toContain("s3cret");
    }
  });

  test("what is sent to one place stays there when it redirects to another", async () => {
    const other = await local((_request, response) => response.end("other"));
    const server = await local((_request, response) => response.writeHead(307, { Location: new URL("/stolen", other.url).href }).end());
    expect(await ask(withSecrets(server.url), { headers: secret.headers })).toMatchObject({ ok: true, value: { body: "other" } });
    expect(server.requests[0]?.headers["x-api-key"]).toBe("s3cret");
    expect(other.requests[0]).toMatchObject({ url: "/stolen" });
    expect(JSON.stringify(other.requests[0])).not.toContain("s3cret");
    expect(other.requests[0]?.headers.authorization).toBeUndefined();
  });

  test("within one place a redirect keeps them, three times at most", async () => {
    const server = await local((request, response) => {
      const hop = Number(request.url?.slice(1));
      if (hop === 0) response.end("there");
      else response.writeHead(302, { Location: `/${hop - 1}` }).end();
    });
    expect(await ask(new URL("/3", server.url).href, { headers: secret.headers })).toMatchObject({ ok: true, value: { body: "there" } });
    expect(server.requests.map(({ headers }) => headers["x-api-key"])).toEqual(["s3cret", "s3cret", "s3cret", "s3cret"]);
    expect(await ask(new URL("/4", server.url).href)).toMatchObject({ ok: false, fault: { class: "invalid" } });
  });
});
