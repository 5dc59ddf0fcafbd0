// Which request does each call become, and which class does each refusal get?
import { describe, expect, test } from "@jest/globals";
import { createKubeApi } from "../../../engine/adapters/kube.ts";
import { TimeoutError, type Transport, type TransportRequest, type TransportResponse } from "../../../engine/adapters/transport.ts";
import type { KubeObject, ObjectRef, Resource } from "../../../engine/ports.ts";
import { ManualClock, settled } from "./manual-clock.ts";

const DEPLOYMENTS: Resource = { group: "apps", version: "v1", plural: "deployments", kind: "Deployment" };
const SERVICES: Resource = { group: "", version: "v1", plural: "services", kind: "Service" };
const REF: ObjectRef = { resource: DEPLOYMENTS, namespace: "test", name: "podinfo" };
const OBJECT: KubeObject = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "podinfo", namespace: "test", uid: "u1", resourceVersion: "7" } };
const PRECONDITION = { uid: "u1", resourceVersion: "7" };

function stage(answer: (request: TransportRequest) => Partial<TransportResponse>) {
  const sent: TransportRequest[] = [];
  const counted: string[] = [];
  const transport: Transport = {
    async request(request) {
      await Promise.resolve();
      sent.push(request);
      return { status: 200, headers: {}, body: JSON.stringify(OBJECT), ...answer(request) };
    },
    stream: () => Promise.reject(new Error("nothing is watched here")),
  };
  const clock = new ManualClock();
  const api = createKubeApi({ transport, clock, observe: (verb, resource, status) => counted.push(`${verb} ${resource} ${status}`) });
  return { api, sent, counted, clock };
}

function status(code: number, message: string, headers: Record<string, string> = {}): Partial<TransportResponse> {
  return { status: code, headers, body: JSON.stringify({ kind: "Status", code, message }) };
}

describe("requests", () => {
  test("paths of grouped and core kinds, in and outside of namespaces", async () => {
    const { api, sent } = stage(() => ({ body: JSON.stringify({ metadata: {}, items: [] }) }));
    await api.get(REF);
    await api.get({ resource: SERVICES, namespace: "test", name: "podinfo" });
    await api.get({ resource: { group: "", version: "v1", plural: "namespaces", kind: "Namespace" }, namespace: "", name: "test" });
    await api.list(DEPLOYMENTS);
    await api.list(SERVICES, "test", "app=a");
    await api.served("networking.istio.io/v1");
    await api.served("v1");
    expect(sent.map(({ method, path }) => `${method} ${path}`)).toEqual([
      "GET /apis/apps/v1/namespaces/test/deployments/podinfo",
      "GET /api/v1/namespaces/test/services/podinfo",
      "GET /api/v1/namespaces/test",
      "GET /apis/apps/v1/deployments",
      "GET /api/v1/namespaces/test/services",
      "GET /apis/networking.istio.io/v1",
      "GET /api/v1",
    ]);
    expect(sent[4]?.query).toMatchObject({ labelSelector: "app=a" });
  });

  test("each patch and deletion carries the uid and resourceVersion that it was computed from", async () => {
    const { api, sent } = stage(() => ({}));
    await api.patch(REF, { metadata: { labels: { a: "b" } }, spec: { replicas: 2 } }, PRECONDITION);
    await api.patch(REF, { status: { phase: "Failed" } }, PRECONDITION, "status");
    await api.delete(REF, PRECONDITION);
    expect(sent[0]?.contentType).toBe("application/merge-patch+json");
    expect(JSON.parse(sent[0]?.body ?? "")).toEqual({ metadata: { labels: { a: "b" }, uid: "u1", resourceVersion: "7" }, spec: { replicas: 2 } });
    expect(sent[1]?.path).toBe("/apis/apps/v1/namespaces/test/deployments/podinfo/status");
    expect(JSON.parse(sent[1]?.body ?? "")).toEqual({ metadata: PRECONDITION, status: { phase: "Failed" } });
    expect(JSON.parse(sent[2]?.body ?? "")).toMatchObject({ preconditions: PRECONDITION, propagationPolicy: "Background" });
  });

  test("a list is read to its last page, and its items get their kind", async () => {
    const item = (name: string) => ({ metadata: { name } });
    const { api, sent } = stage(({ query }) => ({
      body: JSON.stringify(query?.continue === undefined ? { metadata: { continue: "more" }, items: [item("a")] } : { metadata: {}, items: [item("b")] }),
    }));
    const listed = await api.list(DEPLOYMENTS, "test");
    expect(listed).toEqual({ ok: true, value: [{ ...item("a"), apiVersion: "apps/v1", kind: "Deployment" }, { ...item("b"), apiVersion: "apps/v1", kind: "Deployment" }] });
    expect(sent[1]?.query?.continue).toBe("more");
  });

  test("a group that is not served is an answer, an API server that cannot say is a fault", async () => {
    expect(await stage(() => status(404, "no")).api.served("x/v1")).toEqual({ ok: true, value: false });
    expect(await stage(() => status(503, "no")).api.served("x/v1")).toMatchObject({ ok: false, fault: { class: "transient" } });
  });
});

describe("refusals", () => {
  test.each([
    [400, "invalid"], [401, "forbidden"], [403, "forbidden"], [404, "not-found"], [405, "invalid"], [408, "deadline"], [409, "conflict"], [410, "gone"], [413, "invalid"],
    [415, "invalid"], [422, "invalid"], [429, "throttled"], [500, "transient"], [502, "transient"], [503, "transient"], [504, "deadline"], [302, "invalid"],
  ])("%i is %s, whatever its text says", async (code, kind) => {
    const { api } = stage(() => status(code, "object has been modified; not found; forbidden"));
    expect(await api.patch(REF, {}, PRECONDITION)).toMatchObject({ ok: false, fault: { class: kind, status: code } });
  });

  test("409 to a creation means that it exists", async () => {
    expect(await stage(() => status(409, "")).api.create(DEPLOYMENTS, OBJECT)).toMatchObject({ ok: false, fault: { class: "exists" } });
  });

  test("no answer is transient, an answer that is late is a deadline; both name the object and neither repeats the error's text", async () => {
    const failing = (error: Error) =>
      createKubeApi({ transport: { request: () => Promise.reject(error), stream: () => Promise.reject(error) }, clock: new ManualClock() });
    const reset = await failing(Object.assign(new Error("Bearer s3cret"), { code: "ECONNRESET" })).get(REF);
    expect(reset).toEqual({ ok: false, fault: { class: "transient", message: "get deployments test/podinfo: ECONNRESET" } });
    const plugin = await failing(new Error("Bearer s3cret")).get(REF);
    expect(plugin).toEqual({ ok: false, fault: { class: "transient", message: "get deployments test/podinfo: no answer" } });
    expect(await failing(new TimeoutError("no answer within 15000 ms")).get(REF)).toMatchObject({ ok: false, fault: { class: "deadline" } });
  });

  test.each([["<html>", "of a proxy"], ["null", "that is null"], ['"text"', "that is no object"], ["{}", "without metadata"]])("an answer %s (%s) is transient", async (body) => {
    expect(await stage(() => ({ body })).api.get(REF)).toMatchObject({ ok: false, fault: { class: "transient" } });
  });

  test("the API server's message is shown, shortened; nothing that was sent is", async () => {
    const { api } = stage(() => status(422, `spec.x: Invalid value ${"y".repeat(2_000)}`, { "set-cookie": "s3cret" }));
    const result = await api.patch(REF, { data: { password: "s3cret" } }, PRECONDITION);
    if (result.ok) throw new Error("it was refused");
    expect(result.fault.message).toContain("patch deployments test/podinfo: spec.x: Invalid value");
    expect(result.fault.message.length).toBeLessThan(560);
    expect(JSON.stringify(result)).not.toContain("s3cret");
  });

  test("each answer is counted once", async () => {
    const { api, counted } = stage(({ method }) => (method === "GET" ? {} : status(409, "")));
    await api.get(REF);
    await api.patch(REF, {}, PRECONDITION);
    expect(counted).toEqual(["get deployments 200", "patch deployments 409"]);
  });
});

describe("an API server that asks for a pause", () => {
  function throttled() {
    let code = 429;
    const told = stage(() => (code === 200 ? {} : status(code, "slow down", { "retry-after": "2" })));
    return { ...told, recover: () => (code = 200) };
  }

  test("reads of the same group wait it out, those of other groups do not", async () => {
    const { api, sent, clock, recover } = throttled();
    expect(await api.get(REF)).toMatchObject({ ok: false, fault: { class: "throttled", retryAfterMs: 2_000 } });
    recover();
    const waiting = api.get(REF);
    expect(await api.get({ ...REF, resource: SERVICES })).toMatchObject({ ok: true });
    await settled();
    expect(sent).toHaveLength(2);
    await clock.pass(2_000);
    expect(await waiting).toMatchObject({ ok: true });
  });

  test("a write is refused at once instead of being sent later, when we may no longer lead", async () => {
    const { api, sent, clock, recover } = throttled();
    await api.get(REF);
    recover();
    await clock.pass(500);
    for (const write of [api.patch(REF, {}, PRECONDITION), api.create(DEPLOYMENTS, OBJECT), api.delete(REF, PRECONDITION)]) {
      expect(await write).toMatchObject({ ok: false, fault: { class: "throttled", retryAfterMs: 1_500 } });
    }
    await clock.pass(10_000);
    expect(sent).toHaveLength(1);
    expect(await api.patch(REF, {}, PRECONDITION)).toMatchObject({ ok: true });
  });

  test.each(["-5", "soon", "Wed, 21 Oct 2026 07:28:00 GMT"])("Retry-After: %s asks for nothing", async (header) => {
    const { api, sent } = stage(() => status(429, "slow down", { "retry-after": header }));
    const first = await api.get(REF);
    if (first.ok) throw new Error("it was refused");
    expect(first.fault.retryAfterMs).toBeUndefined();
    await api.get(REF);
    expect(sent).toHaveLength(2);
  });

  test("however long it asks for, half a minute is enough", async () => {
    const { api, clock } = stage(() => status(503, "later", { "retry-after": "86400" }));
    await api.get(REF);
    const again = api.get(REF);
    await clock.pass(30_000);
    expect(await again).toMatchObject({ ok: false, fault: { class: "transient" } });
  });
});
