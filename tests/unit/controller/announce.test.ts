// Does every place hear of every decision, at least once, and does one that hangs or refuses delay only itself?
import { describe, expect, test } from "@jest/globals";
import type { Announcement } from "../../../crds/status.ts";
import { Announcer, type Place } from "../../../engine/controller/announce.ts";
import { eventHooks } from "../../../engine/controller/eventhooks.ts";
import type { HttpRequest, KubeApi, KubeObject } from "../../../engine/ports.ts";
import { settled, testClock, testLog } from "./support.ts";

const canary = (webhooks: object[] = []): KubeObject => ({
  apiVersion: "rollout.kurator.dev/v1alpha1",
  kind: "Canary",
  metadata: { name: "backend", namespace: "webapp", uid: "u1" },
  spec: { analysis: { webhooks } },
  status: { phase: "Progressing", lastAppliedSpec: "v2", run: { id: "v2-1", step: 1 } },
});
const announcement = (id: number): Announcement => ({ id, at: "2030-01-01T00:00:00Z", type: "Normal", reason: "Advanced", message: `Advance ${id}` });

function place(send: Place["send"], more: Partial<Place> = {}): Place {
  return { name: "a place", wanted: () => true, givesUp: false, send, ...more };
}

describe("the announcer", () => {
  test("counts as sent only what arrived everywhere it is wanted", async () => {
    const clock = testClock();
    let open = (): void => undefined;
    const hanging = new Promise<void>((resolve) => (open = resolve));
    const told: number[] = [];
    const announcer = new Announcer([place(async (_, { id }) => (told.push(id), "sent")), place(async () => (await hanging, "sent"))], clock, testLog());
    announcer.send(canary(), [announcement(1), announcement(2)]);
    await settled();
    expect(told).toEqual([1, 2]);
    expect(announcer.sentUpTo("u1")).toBe(0);
    open();
    await settled();
    expect(announcer.sentUpTo("u1")).toBe(2);
  });

  test("a place that nobody wants holds nothing back", async () => {
    const announcer = new Announcer([place(async () => "sent"), place(async () => "retry", { wanted: () => false })], testClock(), testLog());
    announcer.send(canary(), [announcement(1)]);
    await settled();
    expect(announcer.sentUpTo("u1")).toBe(1);
  });

  test("tries again, and gives up one announcement without the next", async () => {
    const clock = testClock();
    const tries: number[] = [];
    const announcer = new Announcer([place(async (_, { id }) => (tries.push(id), id === 1 ? "retry" : "sent"), { givesUp: true })], clock, testLog());
    announcer.send(canary(), [announcement(1), announcement(2)]);
    await settled();
    await clock.advance(40_000);
    expect(tries).toEqual([1, 1, 1, 1, 2]);
    expect(announcer.sentUpTo("u1")).toBe(2);
  });

  test("what may not be given up is sent again with the next commit", async () => {
    const clock = testClock();
    let refuses = true;
    const announcer = new Announcer([place(async () => (refuses ? "retry" : "sent"))], clock, testLog());
    announcer.send(canary(), [announcement(1)]);
    await settled();
    await clock.advance(60_000);
    expect(announcer.sentUpTo("u1")).toBe(0);
    refuses = false;
    announcer.send(canary(), [announcement(1)]);
    await settled();
    expect(announcer.sentUpTo("u1")).toBe(1);
  });
});

const api = { get: async () => ({ ok: true as const, value: { apiVersion: "v1", kind: "Secret", metadata: { name: "hook" }, data: { token: Buffer.from("s3cret").toString("base64") } } }) } as unknown as KubeApi;

describe("event hooks", () => {
  const requests: HttpRequest[] = [];
  const http = async (request: HttpRequest) => (requests.push(request), { ok: true as const, value: { status: request.url.endsWith("/down") ? 503 : 200, headers: {}, body: "" } });

  test("say what Flagger's say, and carry the id", async () => {
    requests.length = 0;
    const hook = eventHooks(http, api, "http://everyone/events");
    const object = canary([{ name: "board", type: "event", url: "http://board/events", metadata: { team: "web", eventType: "mine" } }]);
    expect(await hook.send(object, announcement(7))).toBe("sent");
    expect(requests.map(({ url }) => url)).toEqual(["http://board/events"]);
    const body = JSON.parse(requests[0]?.body ?? "") as { metadata: object };
    expect(body).toMatchObject({ name: "backend", namespace: "webapp", phase: "Progressing", type: "event" });
    expect(body.metadata).toEqual({ team: "web", eventMessage: "Advance 7", eventType: "Normal", eventReason: "Advanced", eventId: "u1.7", timestamp: "1893456000000" });
  });

  test("bring what their Secret holds", async () => {
    requests.length = 0;
    const hook = eventHooks(http, api, undefined);
    expect(await hook.send(canary([{ name: "board", type: "event", url: "http://board/events", secretRef: { name: "hook" }, headers: { "X-Team": "web" } }]), announcement(1))).toBe("sent");
    expect(requests[0]?.headers).toEqual({ "X-Team": "web", Authorization: "Bearer s3cret", "Content-Type": "application/json" });
  });

  test("the engine's own hears of Canaries that have none", async () => {
    requests.length = 0;
    const hook = eventHooks(http, api, "http://everyone/down");
    expect(hook.wanted(canary())).toBe(true);
    expect(await hook.send(canary(), announcement(1))).toBe("retry");
    expect(requests.map(({ url }) => url)).toEqual(["http://everyone/down"]);
    expect(eventHooks(http, api, undefined).wanted(canary())).toBe(false);
  });
});
