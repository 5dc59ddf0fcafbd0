// Certificates and proxies: is a hook believed only by those it names, do we say who we are to nobody else, and does an alert go the way it is told to?
import { readFileSync } from "node:fs";
import { createServer as createPlain, request as plainRequest, type IncomingMessage } from "node:http";
import { createServer, type Server } from "node:https";
import { connect, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { afterEach, describe, expect, test } from "@jest/globals";
import { createHttp } from "../../../engine/adapters/http.ts";
import type { HttpRequest } from "../../../engine/ports.ts";

const pem = (name: string): string => readFileSync(join(import.meta.dirname, "fixtures", name), "utf8");
const [ca, cert, key] = [pem("ca.crt"), pem("client.crt"), pem("client.key")];
const http = createHttp();
const tunnels: Socket[] = [];
const open: { close(): unknown; closeAllConnections?: () => void }[] = [];

afterEach(async () => {
  for (const server of open.splice(0)) {
    server.closeAllConnections?.();
    await new Promise((resolve) => (server as Server).close(resolve));
  }
});

function ask(url: string, more: Partial<HttpRequest> = {}) {
  return http({ method: "GET", url, timeoutMs: 5_000, maxBytes: 10_000, ...more });
}

/** Answers with the name of whoever shows a certificate. */
async function secure(answer?: (request: IncomingMessage) => { status: number; location: string }): Promise<string> {
  const server = createServer({ key: pem("server.key"), cert: pem("server.crt"), ca, requestCert: true, rejectUnauthorized: false }, (request, response) => {
    const to = answer?.(request);
    const peer = (request.socket as TLSSocket).getPeerCertificate() as { subject?: { CN?: string } };
    response.writeHead(to?.status ?? 200, to === undefined ? {} : { Location: to.location }).end(`${peer.subject?.CN ?? "nobody"} ${request.headers.authorization ?? ""}`.trim());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push(server);
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

async function proxy(asked: string[]): Promise<string> {
  const server = createPlain((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers["proxy-authorization"] ?? ""}`.trim());
    const target = new URL(request.url ?? "");
    const on = plainRequest({ host: target.hostname, port: target.port, path: target.pathname, method: request.method }, (back) => back.pipe(response.writeHead(back.statusCode ?? 502)));
    request.pipe(on);
  });
  server.on("connect", (request, socket: Socket) => {
    tunnels.push(socket);
    asked.push(`CONNECT ${request.headers["proxy-authorization"] ?? ""}`.trim());
    const [host = "", port = "0"] = (request.url ?? "").split(":");
    const on = connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      on.pipe(socket).pipe(on);
    });
    for (const event of ["error", "close"]) on.on(event, () => socket.destroy());
    socket.on("error", () => on.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push(server);
  return `http://user:s3cret@127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("certificates", () => {
  test("a server that nobody knows is not believed, one that the Secret names is", async () => {
    const url = await secure();
    expect(await ask(url)).toMatchObject({ ok: false });
    expect(await ask(url, { insecureSkipVerify: true })).toMatchObject({ ok: true, value: { body: "nobody" } });
    expect(await ask(url, { tls: { ca } })).toMatchObject({ ok: true, value: { body: "nobody" } });
    expect(await ask(url, { tls: { ca: cert } })).toMatchObject({ ok: false });
  });

  test("we say who we are", async () => {
    expect(await ask(await secure(), { tls: { ca, cert, key } })).toMatchObject({ ok: true, value: { body: "client" } });
  });

  test("a redirect elsewhere gets neither certificate nor header", async () => {
    const elsewhere = await secure();
    const url = await secure(() => ({ status: 302, location: elsewhere }));
    // Whom the Secret trusts is for its own address too: elsewhere the usual authorities count.
    expect(await ask(url, { tls: { ca, cert, key }, headers: { Authorization: "Bearer s3cret" } })).toMatchObject({ ok: false });
  });

  test.each([
    ["a broken authority", { ca: "-----BEGIN CERTIFICATE-----\ns3cret\n-----END CERTIFICATE-----" }],
    ["a broken key", { cert, key: "-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----" }],
  ])("%s is a fault without a word of it", async (_, tls) => {
    const answer = await ask("https://127.0.0.1:1/", { tls });
    expect(answer).toMatchObject({ ok: false, fault: { class: "invalid" } });
    expect(JSON.stringify(answer)).not.toContain("s3cret");
  });
});

describe("proxies", () => {
  test("carry what is secure through a tunnel, which is closed behind it", async () => {
    const asked: string[] = [];
    const url = await secure();
    expect(await ask(url, { proxy: await proxy(asked), tls: { ca } })).toMatchObject({ ok: true, value: { body: "nobody" } });
    await Promise.all(tunnels.map((socket) => (socket.destroyed ? undefined : new Promise((resolve) => socket.once("close", resolve)))));
    expect(asked).toEqual([`CONNECT Basic ${Buffer.from("user:s3cret").toString("base64")}`]);
  });

  test("are asked for what is plain", async () => {
    const asked: string[] = [];
    const server = createPlain((_request, response) => response.end("plain"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    open.push(server);
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/alert`;
    expect(await ask(url, { proxy: await proxy(asked) })).toMatchObject({ ok: true, value: { body: "plain" } });
    expect(asked[0]).toBe(`GET ${url} Basic ${Buffer.from("user:s3cret").toString("base64")}`);
  });

  test("that are not there are a fault without their password", async () => {
    const answer = await ask("https://127.0.0.1:1/", { proxy: "http://user:s3cret@127.0.0.1:1" });
    expect(answer).toMatchObject({ ok: false });
    expect(JSON.stringify(answer)).not.toContain("s3cret");
  });
});
