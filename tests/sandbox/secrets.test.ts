// Is a secret ever seen where it does not belong (P14)? Secrets are planted wherever a user may put one, the real HTTP adapter speaks to far ends that fail in every way,
// most of them with the request in their answer, and then all that the engine has shown to anybody is searched.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import type { KubeObject } from "../../sandbox/api/types.ts";
import { createHttp } from "../../engine/adapters/http.ts";
import type { Transport } from "../../engine/adapters/transport.ts";
import { Scene } from "../../sandbox/simulation/scene.ts";
import { canaryOf, furnish, setImage } from "../../sandbox/simulation/furniture.ts";

const CANARIES = "canaries.rollout.kurator.dev";
/** In all that is planted, with what has to be written otherwise in URLs, in JSON and in HTML. */
const MARK = "PLANTED";
const planted = (what: string): string => `${MARK}-${what}-"a/b+c&<d>"`;
/** In headers and in paths. */
const word = (what: string): string => `${MARK}-${what}-0123456789`;
const encoded = (what: string): string => encodeURIComponent(planted(what));

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void;

function echoed(request: IncomingMessage, body: string): object {
  const { authorization = "" } = request.headers;
  const decoded = Buffer.from(authorization.split(" ")[1] ?? "", "base64").toString("utf8");
  return { url: request.url, decodedUrl: decodeURIComponent(request.url ?? ""), headers: request.headers, decoded, body };
}

const html = (text: string): string => text.replace(/&/g, "&amp;").replace(/"/g, "&quot;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

/** How far ends fail. */
const FAILURES: Record<string, Answer> = {
  "401 with the request in the body": (request, response, body) => response.writeHead(401).end(JSON.stringify(echoed(request, body))),
  "403 in plain words": (request, response) => response.writeHead(403).end(`no: ${Object.values(request.headers).join(" ")} may not ${decodeURIComponent(request.url ?? "")}`),
  "404 as a page": (request, response) => response.writeHead(404).end(`<pre>Cannot ${request.method} ${html(request.url ?? "")} ${html(JSON.stringify(request.headers))}</pre>`),
  "500 as Prometheus has errors": (request, response, body) => response.writeHead(500).end(JSON.stringify({ status: "error", errorType: String(request.headers.authorization), error: JSON.stringify(echoed(request, body)) })),
  "an answer of the wrong shape": (request, response, body) => response.writeHead(200).end(JSON.stringify({ status: "success", data: { resultType: request.headers.authorization ?? request.url, result: echoed(request, body) } })),
  "silence": () => undefined,
  "an answer that is cut off": (request, response) => void (response.writeHead(200, { "Content-Length": 9999 }), response.write(JSON.stringify(request.headers)), setTimeout(() => request.socket.destroy(), 5)),
  "a redirect into nowhere": (request, response) => response.writeHead(307, { Location: `http://127.0.0.1:1${request.url ?? "/"}` }).end(),
};

interface Heard {
  place: string;
  request: string;
  body: string;
}

/** One far end for all: the first word of the path is the place, and places fail by name. */
class FarEnd {
  readonly heard: Heard[] = [];
  failing = new Set<string>();
  answer: Answer = () => undefined;
  private server: Server | undefined;

  async listen(): Promise<void> {
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => this.respond(request, response, body));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.server = server;
  }

  /** @param access user and password before the host, or nothing */
  at(place: string, rest = "", access = ""): string {
    return `http://${access}127.0.0.1:${(this.server?.address() as AddressInfo).port}/${place}${rest}`;
  }

  close(): void {
    this.server?.closeAllConnections();
    this.server?.close();
  }

  private respond(request: IncomingMessage, response: ServerResponse, body: string): void {
    const place = /^\/([a-z-]+)/.exec(request.url ?? "")?.[1] ?? "";
    this.heard.push({ place, request: JSON.stringify(echoed(request, "")), body });
    if (this.failing.has(place)) return this.answer(request, response, body);
    if (place === "rollback") return void response.writeHead(404).end();
    response.writeHead(200).end(JSON.stringify({ status: "success", data: { resultType: "vector", result: [{ metric: {}, value: [0, "100"] }] } }));
  }
}

const far = new FarEnd();
beforeAll(() => far.listen());
afterAll(() => far.close());

const scenes: Scene[] = [];
// One that is left running keeps its listener, and the program with it.
afterEach(async () => {
  for (const scene of scenes.splice(0)) await scene.end();
});

/** The places in the order in which a run comes to them; each fails for a while in a run of its own. */
const PLACES = ["gate", "before", "check-url", "check-headers", "server", "template", "query"];

function hooks(): object[] {
  return [
    { name: "gate", type: "confirm-rollout", url: far.at("gate"), secretRef: { name: "basic" }, timeout: "50ms" },
    { name: "before", type: "pre-rollout", url: far.at("before"), secretRef: { name: "token" }, timeout: "50ms" },
    { name: "check-url", type: "rollout", url: far.at("check-url", `/${word("path")}?token=${encoded("query")}`, `ann:${encoded("userinfo")}@`), timeout: "50ms" },
    { name: "check-headers", type: "rollout", url: far.at("check-headers"), secretRef: { name: "headers" }, timeout: "50ms", retries: 1 },
    { name: "rollback", type: "rollback", url: far.at("rollback"), secretRef: { name: "token" }, timeout: "50ms" },
    { name: "event", type: "event", url: far.at("event", `?token=${encoded("event")}`), secretRef: { name: "headers" }, timeout: "50ms" },
    { name: "refused", type: "event", url: `http://ann:${encoded("refused")}@127.0.0.1:1/${word("refused")}`, timeout: "50ms" },
  ];
}

function secret(scene: Scene, name: string, data: Record<string, string>): void {
  const base64 = Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString("base64")]));
  scene.store.create("secrets", { apiVersion: "v1", kind: "Secret", metadata: { name, namespace: "test" }, type: "Opaque", data: base64 });
}

function plant(scene: Scene): void {
  secret(scene, "db", { PASSWORD: planted("database") });
  secret(scene, "basic", { username: "ann", password: planted("basic") });
  secret(scene, "token", { token: word("token") });
  secret(scene, "headers", { headers: `X-Api-Key: ${planted("header")}\n` });
  secret(scene, "chat", { address: far.at("chat", `/services/${word("chat")}`), token: word("chat-token") });
  const make = (plural: string, kind: string, name: string, spec: object): void =>
    void scene.store.create(`${plural}.rollout.kurator.dev`, { apiVersion: "rollout.kurator.dev/v1alpha1", kind, metadata: { name, namespace: "test" }, spec });
  make("metrictemplates", "MetricTemplate", "template", { provider: { type: "prometheus", address: far.at("template"), secretRef: { name: "token" }, headers: { "X-Scope": [word("scope")] } }, query: "template" });
  make("metrictemplates", "MetricTemplate", "query", { provider: { type: "prometheus", address: far.at("query", "", `bob:${encoded("provider")}@`) }, query: "query" });
  make("alertproviders", "AlertProvider", "chat", { type: "slack", secretRef: { name: "chat" } });
  make("alertproviders", "AlertProvider", "plain", { type: "webhook", address: far.at("plain", `?key=${encoded("plain")}`) });
  make("alertproviders", "AlertProvider", "proxied", { type: "webhook", address: "https://chat.invalid/", proxy: `http://ann:${encoded("proxy")}@127.0.0.1:1` });
}

function analysis(): object {
  return {
    interval: "5s",
    threshold: 3,
    maxWeight: 40,
    stepWeight: 20,
    webhooks: hooks(),
    metrics: [
      { name: "server", interval: "20s", thresholdRange: { min: 1 }, query: "server" },
      { name: "template", interval: "20s", thresholdRange: { min: 1 }, templateRef: { name: "template" } },
      { name: "query", interval: "20s", thresholdRange: { min: 1 }, templateRef: { name: "query" } },
    ],
    alerts: ["chat", "plain", "proxied"].map((name) => ({ name, severity: "info", providerRef: { name } })),
  };
}

/** Admission that says what it read, as policy engines do which look for keys in objects. */
function talkative(transport: Transport, refuses: () => boolean): Transport {
  return {
    ...transport,
    request: async (request) => {
      if (!refuses() || request.method === "GET" || !request.path.includes("/secrets")) return transport.request(request);
      const { data = {} } = JSON.parse(request.body ?? "{}") as { data?: Record<string, string> };
      const decoded = Object.values(data).map((value) => Buffer.from(value, "base64").toString("utf8"));
      return { status: 422, headers: {}, body: JSON.stringify({ kind: "Status", code: 422, message: `admission webhook "scan" denied the request: ${JSON.stringify({ data, decoded })}` }) };
    },
  };
}

async function begun(): Promise<{ scene: Scene; admission: { refuses: boolean } }> {
  const scene = new Scene(11);
  scenes.push(scene);
  const admission = { refuses: false };
  const http = createHttp();
  // Real time-outs of seconds would make this a test of patience.
  scene.far = (request) => http({ ...request, timeoutMs: Math.min(request.timeoutMs, 50) });
  scene.told = { port: 0, transport: talkative(scene.network.transport(new AbortController().signal), () => admission.refuses), eventWebhook: far.at("everyone", `?token=${encoded("everyone")}`) };
  plant(scene);
  await furnish(scene, "1.0.0", [{ secretRef: { name: "db" } }]);
  scene.start("one");
  scene.store.create(CANARIES, canaryOf({ metricsServer: far.at("server", "", `ann:${encoded("server")}@`), analysis: analysis() }));
  expect(await scene.until(() => scene.status().phase === "Initialized", 60)).toBe(true);
  return { scene, admission };
}

async function shownBy(scene: Scene): Promise<Record<string, string>> {
  const port = /"port":(\d+)/.exec(scene.logged.join("\n"))?.[1] ?? "";
  const page = await fetch(`http://127.0.0.1:${port}/metrics`);
  return {
    log: scene.logged.join("\n"),
    events: JSON.stringify(scene.store.list("events")),
    status: JSON.stringify(scene.status()),
    metrics: await page.text(),
    "bodies of alerts and hooks": JSON.stringify(far.heard.map(({ body }) => body)),
  };
}

/** Everything that was planted for one place, and nothing else, came with the requests to it. */
const BELONGS: Record<string, RegExp> = {
  gate: /PLANTED-basic/,
  before: /PLANTED-token/,
  "check-url": /PLANTED-(userinfo|path|query)/,
  "check-headers": /PLANTED-header/,
  rollback: /PLANTED-token/,
  event: /PLANTED-(header|event)/,
  server: /PLANTED-server/,
  template: /PLANTED-(token|scope)/,
  query: /PLANTED-provider/,
  chat: /PLANTED-chat/,
  plain: /PLANTED-plain/,
  everyone: /PLANTED-everyone/,
};

function leaks(shown: Record<string, string>): string[] {
  const found = Object.entries(shown).flatMap(([where, text]) => {
    // As base64, at each of the three places where it may begin.
    const forms = [MARK, ...["", "x", "xy"].map((before) => Buffer.from(`${before}${MARK}-`).toString("base64").slice(before === "" ? 0 : 4, -4))];
    return forms.flatMap((form) => {
      const at = text.indexOf(form);
      return at < 0 ? [] : [`${where}: ${text.slice(Math.max(at - 120, 0), at + 60)}`];
    });
  });
  const strayed = far.heard.flatMap(({ place, request }) => (request.match(/PLANTED-[a-z]+(-token)?/g) ?? []).filter((value) => BELONGS[place]?.test(value) !== true).map((value) => `${value} was sent to ${place}`));
  return [...found, ...new Set(strayed)];
}

describe("secrets stay where they belong when far ends fail by", () => {
  test.each(Object.keys(FAILURES))("%s", async (failure) => {
    far.heard.length = 0;
    far.answer = FAILURES[failure] ?? (() => undefined);
    const { scene } = await begun();
    for (const [index, place] of PLACES.entries()) {
      far.failing = new Set([place, "chat", "plain", "event"]);
      setImage(scene, `${index + 2}.0.0`);
      const before = far.heard.length;
      expect(await scene.until(() => far.heard.slice(before).some((heard) => heard.place === place), 60)).toBe(true);
      await scene.advance(12_000);
      expect(leaks(await shownBy(scene))).toEqual([]);
      far.failing = new Set();
      expect(await scene.until(() => /^(Succeeded|Failed)$/.test(scene.status().phase ?? ""), 200)).toBe(true);
    }
    expect(leaks(await shownBy(scene))).toEqual([]);
    // The rollback hook, the alerts and the event hook were asked as well, or this would prove little.
    const places = new Set(far.heard.map(({ place }) => place));
    expect(Object.keys(BELONGS).filter((place) => !places.has(place))).toEqual(["everyone"]);
  }, 120_000);
});

test("an API server that repeats a Secret which it refuses is not repeated", async () => {
  far.heard.length = 0;
  far.failing = new Set();
  const { scene, admission } = await begun();
  admission.refuses = true;
  const changed = structuredClone(scene.store.get("secrets", "test", "db") as KubeObject);
  scene.store.update("secrets", { ...changed, data: { PASSWORD: Buffer.from(planted("rotated")).toString("base64") } });
  const stalled = (): string => JSON.stringify(scene.status().conditions?.filter(({ type, status }) => type === "Stalled" && status === "True"));
  expect(await scene.until(() => stalled().includes("Refused"), 60)).toBe(true);
  expect(stalled()).toContain("admission webhook");
  expect(leaks(await shownBy(scene))).toEqual([]);
  admission.refuses = false;
  expect(await scene.until(() => scene.status().phase === "Succeeded", 200)).toBe(true);
  expect(leaks(await shownBy(scene))).toEqual([]);
}, 60_000);
