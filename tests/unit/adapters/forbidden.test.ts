// Is nothing asked at loopback, link-local and metadata addresses where that is forbidden, however a manifest spells the way there?
import { lookup } from "node:dns";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { guard, type Resolve } from "../../../engine/adapters/forbidden.ts";
import { createHttp } from "../../../engine/adapters/http.ts";
import type { HttpRequest } from "../../../engine/ports.ts";
import { serve, type LocalServer } from "./local-server.ts";

/** Names of this test; all others are resolved as ever. */
const NAMES: Record<string, { address: string; family: number }[]> = {
  "metadata.google.internal": [{ address: "169.254.169.254", family: 4 }],
  "mixed.example": [{ address: "192.0.2.1", family: 4 }, { address: "fe80::1", family: 6 }],
  "home.example": [{ address: "127.0.0.1", family: 4 }],
  "open.example": [{ address: "192.0.2.1", family: 4 }],
  "nowhere.example": [],
};
const names: Resolve = (name, options, callback) => (NAMES[name] === undefined ? lookup(name, options, callback) : callback(null, NAMES[name]));

const guarded = createHttp(guard(names));
const request = (url: string, more: Partial<HttpRequest> = {}): HttpRequest => ({ method: "POST", url, timeoutMs: 2_000, maxBytes: 1000, ...more });
const refused = { ok: false, fault: { class: "invalid", message: expect.stringContaining("must not call") } };

let server: LocalServer;
let answer: Parameters<typeof serve>[0];
beforeEach(async () => {
  answer = (_request, response) => void response.end("inside");
  server = await serve((...args) => answer(...args));
});
afterEach(() => server.close());

describe("an address", () => {
  test.each([
    "127.0.0.1", "127.9.9.9", "2130706433", "0x7f.1", "0.0.0.0", "localhost", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "home.example",
    "169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "[fe80::1]", "[febf::1]", "[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "[fd00:ec2::254]", "100.100.100.200", "168.63.129.16",
    "metadata.google.internal", "mixed.example", "nowhere.example",
  ])("%s is refused, with and without TLS", async (host) => {
    const port = server.url.port;
    expect(await guarded(request(`http://${host}:${port}/latest/meta-data`))).toMatchObject(refused);
    expect(await guarded(request(`https://${host}:${port}/`, { insecureSkipVerify: true }))).toMatchObject(refused);
    expect(await guarded(request(`https://${host}:${port}/`, { tls: {} }))).toMatchObject(refused);
    expect(server.requests).toEqual([]);
    expect(await server.connections()).toBe(0);
  });

  test.each(["192.0.2.1", "open.example", "[2001:db8::1]"])("%s is not", async (host) => {
    const answered = await guarded(request(`http://${host}:9/`, { timeoutMs: 40 }));
    expect(answered).toMatchObject({ ok: false, fault: { message: expect.not.stringContaining("must not call") } });
  });

  test("without the guard everything is open", async () => {
    expect(await createHttp()(request(server.url.href))).toMatchObject({ ok: true, value: { body: "inside" } });
  });
});

describe("a way around", () => {
  test("a name is looked at as it is resolved for the connection, not before", async () => {
    let asked = 0;
    const rebinding: Resolve = (_name, _options, callback) => callback(null, [{ address: (asked += 1) === 1 ? "192.0.2.1" : "127.0.0.1", family: 4 }]);
    const http = createHttp(guard(rebinding));
    await http(request(`http://rebind.example:${server.url.port}/`, { timeoutMs: 40 }));
    expect(await http(request(`http://rebind.example:${server.url.port}/`))).toMatchObject(refused);
    expect([asked, server.requests]).toEqual([2, []]);
  });

  test.each(["127.0.0.1", "localhost", "home.example", "[::ffff:7f00:1]"])("a redirect to %s", async (host) => {
    // The far end itself must be reachable: the first name is let in, whatever it resolves to.
    const { forbids, ...open } = guard((name, options, callback) => (name === "far.example" ? callback(null, [{ address: "127.0.0.1", family: 4 }]) : names(name, options, callback)));
    const lenient = createHttp({ ...open, forbids, http: () => lettingIn(open.http(), "far.example") });
    answer = (_request, response) => void response.writeHead(307, { Location: `http://${host}:${server.url.port}/inside` }).end();
    const answered = await lenient(request(`http://far.example:${server.url.port}/`));
    expect(answered).toMatchObject({ ok: false });
    expect(server.requests.map(({ url }) => url)).toEqual(["/"]);
  });

  test("a proxy that is there itself, and one that is told to go there", async () => {
    const { port } = server.url;
    for (const url of ["http://chat.example/", "https://chat.example/"]) expect(await guarded(request(url, { proxy: `http://127.0.0.1:${port}` }))).toMatchObject(refused);
    for (const url of ["http://chat.example/", "https://chat.example/"]) expect(await guarded(request(url, { proxy: `http://home.example:${port}` }))).toMatchObject(refused);
    for (const url of ["http://169.254.169.254/", "https://[fe80::1]/"]) expect(await guarded(request(url, { proxy: "http://open.example:3128" }))).toMatchObject(refused);
    expect(server.requests).toEqual([]);
  });
});

/** The agent with its own lookup, but for one name that leads to this machine. */
function lettingIn<A>(agent: A, host: string): A {
  const open = agent as { createConnection: (options: { host?: string; lookup?: unknown }, callback: unknown) => unknown };
  const connect = open.createConnection;
  open.createConnection = (options, callback) => connect(options.host === host ? { ...options, lookup: (_name: string, wanted: { all?: boolean }, done: (error: null, address: unknown, family?: number) => void) => (wanted.all === true ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4)) } : options, callback);
  return agent;
}
