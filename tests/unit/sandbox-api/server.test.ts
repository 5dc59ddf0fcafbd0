// Does the request handler keep time by its clock alone, and history as long as it promised?
import { beforeEach, describe, expect, test } from "@jest/globals";
import { installIstioCRDs } from "../../../sandbox/api/istio.ts";
import { ApiServer } from "../../../sandbox/api/server.ts";
import { ApiStore } from "../../../sandbox/api/store.ts";
import { ManualClock, seeded } from "./manual-clock.ts";
import type { ApiRequest, ApiResponse } from "../../../sandbox/api/server.ts";
import type { JsonRecord } from "../../../sandbox/api/json.ts";

const CONFIG_MAPS = "/api/v1/namespaces/default/configmaps";

let clock: ManualClock;
let store: ApiStore;
let server: ApiServer;

beforeEach(() => {
  clock = new ManualClock();
  store = new ApiStore({ clock, random: seeded(1) });
  server = new ApiServer(store);
});

function send(method: string, url: string, body?: unknown, headers: ApiRequest["headers"] = {}): { status: number; body: JsonRecord } {
  const response = server.handle({ method, url, headers, body: body === undefined ? "" : JSON.stringify(body) });
  return { status: response.status, body: JSON.parse(response.body as string) as JsonRecord };
}

function create(name: string): void {
  expect(send("POST", CONFIG_MAPS, { metadata: { name } }).status).toBe(201);
}

function read(response: ApiResponse): AsyncIterator<string> {
  if (typeof response.body === "string") throw new Error(`no stream: ${response.body}`);
  return response.body[Symbol.asyncIterator]();
}

async function events(lines: AsyncIterator<string>, count: number): Promise<string[]> {
  const seen: string[] = [];
  while (seen.length < count) {
    const { value, done } = await lines.next();
    if (done === true) return [...seen, "end"];
    const { type, object } = JSON.parse(value as string) as { type: string; object: { metadata?: { name?: string }; reason?: string } };
    seen.push(`${type} ${object.metadata?.name ?? object.reason ?? ""}`.trim());
  }
  return seen;
}

describe("watches", () => {
  test("bookmarks come by the clock, and the end comes with the timeout", async () => {
    const lines = read(server.handle({ method: "GET", url: `${CONFIG_MAPS}?watch=1&allowWatchBookmarks=true&timeoutSeconds=100&resourceVersion=${store.revision}` }));
    create("one");
    clock.pass(60_000);
    clock.pass(38_000);
    clock.pass(2_000);
    expect(await events(lines, 4)).toEqual(["ADDED one", "BOOKMARK", "BOOKMARK", "end"]);
  });

  test("a compacted start is an ERROR event, a compacted page is a 410", async () => {
    const start = store.revision;
    create("one");
    create("two");
    const page = send("GET", `${CONFIG_MAPS}?limit=1`).body.metadata as { continue: string };
    create("three");
    store.compact();
    const lines = read(server.handle({ method: "GET", url: `${CONFIG_MAPS}?watch=1&resourceVersion=${start}` }));
    expect(await events(lines, 2)).toEqual(["ERROR Expired", "end"]);
    expect(send("GET", `${CONFIG_MAPS}?limit=1&continue=${page.continue}`)).toMatchObject({ status: 410, body: { reason: "Expired" } });
  });

  test("an aborted watch leaves no timer and no listener behind", async () => {
    const aborted = new AbortController();
    const lines = read(server.handle({ method: "GET", url: `${CONFIG_MAPS}?watch=1&allowWatchBookmarks=true`, signal: aborted.signal }));
    expect(clock.waiting).toBe(1);
    aborted.abort();
    create("one");
    expect(await events(lines, 1)).toEqual(["end"]);
    expect(clock.waiting).toBe(0);
  });

  test("a reader that does not read is cut off instead of filling the memory", async () => {
    const lines = read(server.handle({ method: "GET", url: `${CONFIG_MAPS}?watch=1&resourceVersion=${store.revision}` }));
    for (let index = 0; index < 10_050; index += 1) store.create("configmaps", { apiVersion: "v1", kind: "ConfigMap", metadata: { name: `c${index}`, namespace: "default" } });
    const seen = await events(lines, 10_001);
    expect(seen.slice(-2)).toEqual(["ERROR Expired", "end"]);
  });
});

describe("requests", () => {
  test("server-side apply is refused in plain words, even for what is not there", () => {
    const answer = send("PATCH", `${CONFIG_MAPS}/none`, {}, { "Content-Type": "application/apply-patch+yaml" });
    expect(answer).toMatchObject({ status: 415, body: { reason: "UnsupportedMediaType", message: expect.stringContaining("server-side apply") } });
  });

  test("a URL with nonsense in it is refused, not thrown", () => {
    expect(send("GET", "/api/v1/namespaces/%zz/pods").status).toBe(400);
    expect(send("GET", "/nonsense").status).toBe(404);
  });

  test("Istio's kinds are served in every version from one storage", () => {
    installIstioCRDs(store);
    installIstioCRDs(store);
    const url = (version: string): string => `/apis/networking.istio.io/${version}/namespaces/default/virtualservices`;
    const route = { apiVersion: "networking.istio.io/v1alpha3", kind: "VirtualService", metadata: { name: "r" }, spec: { hosts: ["a"], http: [{ route: [{ weight: 100 }] }] } };
    expect(send("POST", url("v1alpha3"), route).status).toBe(201);
    for (const version of ["v1", "v1beta1", "v1alpha3"]) {
      expect(send("GET", `${url(version)}/r`).body).toMatchObject({ apiVersion: `networking.istio.io/${version}`, spec: route.spec });
    }
  });

  test("a definition that goes takes its objects along", () => {
    installIstioCRDs(store);
    store.create("gateways.networking.istio.io", { apiVersion: "networking.istio.io/v1", kind: "Gateway", metadata: { name: "g", namespace: "default" }, spec: {} });
    send("DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gateways.networking.istio.io");
    clock.pass(1);
    expect(send("GET", "/apis/networking.istio.io/v1/namespaces/default/gateways").status).toBe(404);
    expect(store.list("gateways.networking.istio.io")).toEqual([]);
  });
});
