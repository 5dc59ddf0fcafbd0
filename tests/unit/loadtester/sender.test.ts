// What does one request of the generator look like on the wire, and what becomes of an answer that is late, cut off or absent?
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "@jest/globals";
import { createSender, type Sender, type Target } from "../../../loadtester/sender.ts";
import { serve, type LocalServer } from "../adapters/local-server.ts";
import { ManualClock } from "../adapters/manual-clock.ts";

const clock = new ManualClock();
const here = new AbortController().signal;
const open: (Sender | LocalServer)[] = [];

afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
  expect(clock.waiting).toBe(0);
});

function sender(url: URL, more: Partial<Target> = {}): Sender {
  const made = createSender({ url, method: "GET", headers: {}, body: undefined, requestTimeoutMs: 10_000, keepAlive: true, insecureSkipVerify: false, connections: 4, ...more }, clock);
  open.push(made);
  return made;
}

async function served(answer: Parameters<typeof serve>[0]): Promise<LocalServer> {
  const server = await serve(answer);
  open.push(server);
  return server;
}

test("method, path, headers and body are the ones asked for, the host too", async () => {
  const server = await served((_, response) => response.end("ok"));
  const { send } = sender(new URL("/a?b=c", server.url), { method: "POST", headers: { Host: "app.example", "X-A": "b" }, body: "é" });
  expect(await send(here)).toEqual({ status: 200 });
  expect(server.requests).toMatchObject([{ method: "POST", url: "/a?b=c", body: "é", headers: { host: "app.example", "x-a": "b", "content-length": "2", "user-agent": "kurator-loadtester" } }]);
});

test("a user agent of one's own replaces ours", async () => {
  const server = await served((_, response) => response.end());
  await sender(server.url, { headers: { "user-agent": "mine" } }).send(here);
  expect(server.requests[0]?.headers["user-agent"]).toBe("mine");
});

test("any status is an answer, and redirects are not followed", async () => {
  for (const status of [204, 302, 404, 500]) {
    const server = await served((_, response) => response.writeHead(status, { Location: "/elsewhere" }).end());
    expect(await sender(server.url).send(here)).toEqual({ status });
    expect(server.requests).toHaveLength(1);
  }
});

test("connections are kept, or taken anew for every request", async () => {
  for (const [keepAlive, connections] of [[true, 1], [false, 3]] as const) {
    const ports = new Set<number | undefined>();
    const server = await served((request, response) => {
      ports.add(request.socket.remotePort);
      response.end();
    });
    const { send } = sender(server.url, { keepAlive });
    for (let n = 0; n < 3; n += 1) await send(here);
    expect(ports.size).toBe(connections);
  }
});

test("an answer that does not come in time", async () => {
  let heard: () => void = () => undefined;
  const asked = new Promise<void>((resolve) => (heard = resolve));
  const server = await served(() => heard());
  const answer = sender(server.url).send(here);
  await asked;
  await clock.pass(10_000);
  expect(await answer).toEqual({ fault: "timeout" });
});

test("an answer that begins and does not end", async () => {
  const server = await served((_, response) => {
    response.writeHead(200, { "Content-Length": "10" });
    response.write("12345", () => response.destroy());
  });
  expect(await sender(server.url).send(here)).toEqual({ fault: "answer cut off" });
});

test("nobody there, and something that is not HTTP", async () => {
  const raw = createServer((socket) => {
    socket.on("error", () => undefined).resume();
    socket.end("220 smtp ready\r\n");
  });
  await new Promise<void>((resolve) => raw.listen(0, "127.0.0.1", resolve));
  const url = new URL(`http://127.0.0.1:${(raw.address() as AddressInfo).port}`);
  expect(await sender(url).send(here)).toEqual({ fault: expect.stringMatching(/^HPE_/) });
  await new Promise<void>((resolve) => void raw.close(() => resolve()));
  expect(await sender(url).send(here)).toEqual({ fault: "ECONNREFUSED" });
});

test("ended from outside, also before it began", async () => {
  let heard: () => void = () => undefined;
  const asked = new Promise<void>((resolve) => (heard = resolve));
  const server = await served(() => heard());
  const stop = new AbortController();
  const answer = sender(server.url).send(stop.signal);
  await asked;
  stop.abort();
  expect(await answer).toEqual({ fault: "stopped" });
  expect(await sender(server.url).send(stop.signal)).toEqual({ fault: "stopped" });
});
