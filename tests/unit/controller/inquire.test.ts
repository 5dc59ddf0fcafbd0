// What do gates, the rollback hook and rollout hooks make of what their webhooks answer?
import { describe, expect, test } from "@jest/globals";
import { inquire } from "../../../engine/controller/inquire.ts";
import type { Context } from "../../../engine/controller/context.ts";
import type { Ask } from "../../../engine/machine/types.ts";
import type { HttpRequest } from "../../../engine/ports.ts";
import { testClock } from "./support.ts";

const KEY = "rollout.kurator.dev/webapp/backend";

async function asked(ask: Ask, webhooks: { name: string; type: string; url: string }[], analysis: object = {}) {
  const canary = {
    apiVersion: "rollout.kurator.dev/v1alpha1",
    kind: "Canary",
    metadata: { name: "backend", namespace: "webapp", uid: "u1" },
    spec: { targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "backend" }, service: { port: 9898 }, analysis: { interval: "10s", threshold: 1, stepWeight: 10, webhooks, ...analysis } },
  };
  const urls: string[] = [];
  const http = async ({ url }: HttpRequest) => {
    urls.push(url);
    const status = Number(url.split("/").at(-1));
    return status === 0 ? { ok: false as const, fault: { class: "deadline" as const, message: "no answer within 10s" } } : { ok: true as const, value: { status, headers: {}, body: "" } };
  };
  const context = { caches: { canaries: () => ({ get: () => canary }) }, http, clock: testClock(), options: {} } as unknown as Context;
  const answer = await inquire(KEY, ask, context, new AbortController().signal);
  return { verdict: answer.verdict, message: answer.message, urls };
}

const gate: Ask = { id: "r/1/confirm-promotion", kind: "gate", type: "confirm-promotion", everyMs: 1000 };
const rollback: Ask = { id: "r/rollback", kind: "gate", type: "rollback", everyMs: 1000 };
const hook = (type: string, status: number) => ({ name: `${type}-${status}`, type, url: `http://hooks/${status}` });

describe("a gate", () => {
  test.each([
    ["no webhook", [], "pass"],
    ["2xx", [hook("confirm-promotion", 200), hook("confirm-promotion", 202)], "pass"],
    ["403", [hook("confirm-promotion", 200), hook("confirm-promotion", 403)], "fail"],
    ["no answer", [hook("confirm-promotion", 0)], "error"],
    ["a gateway's 503", [hook("confirm-promotion", 503)], "error"],
    ["another type only", [hook("rollout", 403)], "pass"],
  ])("%s", async (_name, webhooks, verdict) => {
    expect(await asked(gate, webhooks)).toMatchObject({ verdict });
  });

  test("no policy opens one that did not answer", async () => {
    expect(await asked(gate, [hook("confirm-promotion", 0)], { onProviderError: "pass" })).toMatchObject({ verdict: "error" });
  });

  test("the first that is closed ends the list", async () => {
    const { urls } = await asked(gate, [hook("confirm-promotion", 403), hook("confirm-promotion", 200)]);
    expect(urls).toEqual(["http://hooks/403"]);
  });
});

describe("the rollback hook", () => {
  test("the first that says so is enough, and is named", async () => {
    expect(await asked(rollback, [hook("rollback", 403), hook("rollback", 0), hook("rollback", 200)])).toMatchObject({ verdict: "pass", message: "webhook rollback-200 asked for it" });
  });

  test("silence asks for nothing", async () => {
    expect(await asked(rollback, [hook("rollback", 0), hook("rollback", 500)])).toMatchObject({ verdict: "fail" });
  });
});

describe("a rollout hook", () => {
  const check: Ask = { id: "r/1/0", kind: "check" };
  test.each([
    [500, {}, "fail"],
    [0, {}, "error"],
    [0, { onProviderError: "fail" }, "fail"],
    [0, { onProviderError: "pass" }, "pass"],
  ])("%i with %o", async (status, analysis, verdict) => {
    expect(await asked(check, [hook("rollout", status)], analysis)).toMatchObject({ verdict });
  });
});
