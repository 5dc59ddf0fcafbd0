// What do gates, the rollback hook and rollout hooks make of what their webhooks answer, and who is believed of those who counted the requests?
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

describe("a check of Istio's metrics", () => {
  /** What each reporter says: how many requests it saw, and the rate; undefined is silence and "down" no answer. */
  type Said = Partial<Record<"destination" | "waypoint" | "source", { seen: number | undefined | "down"; rate?: number }>>;

  async function checked(said: Said, more: { analysis?: object; metric?: object; apiVersion?: string } = {}) {
    const canary = {
      apiVersion: more.apiVersion ?? "rollout.kurator.dev/v1alpha1",
      kind: "Canary",
      metadata: { name: "backend", namespace: "webapp", uid: "u1" },
      spec: {
        targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "backend" },
        service: { port: 9898 },
        analysis: { interval: "10s", threshold: 1, stepWeight: 10, metrics: [{ name: "request-success-rate", thresholdRange: { min: 99 }, ...more.metric }], ...more.analysis },
      },
    };
    const asks: string[] = [];
    const http = async ({ url }: HttpRequest) => {
      const query = new URL(url).searchParams.get("query") ?? "";
      const reporter = /reporter="(destination|waypoint|source)"/.exec(query)?.[1] as keyof Said;
      const counting = query.includes("backend-primary");
      asks.push(`${reporter} ${counting ? "seen" : "rate"}`);
      const value = counting ? said[reporter]?.seen : said[reporter]?.rate;
      if (value === "down") return { ok: false as const, fault: { class: "transient" as const, message: "out of reach" } };
      const result = value === undefined ? [] : [{ metric: {}, value: [1, String(value)] }];
      return { ok: true as const, value: { status: 200, headers: {}, body: JSON.stringify({ status: "success", data: { resultType: "vector", result } }) } };
    };
    const options = { metricsServer: "http://prometheus:9090", meshProvider: "istio" };
    const context = { caches: { canaries: () => ({ get: () => canary }), template: () => undefined }, http, clock: testClock(), options, recorder: { measured: () => undefined } } as unknown as Context;
    const answer = await inquire(KEY, { id: "r/1/0", kind: "check" }, context, new AbortController().signal);
    return { verdict: answer.verdict, measured: answer.measurements[0], asks };
  }

  test.each<[string, Said, { reporter?: string; value?: number; verdict: string }]>([
    ["the destination before all others", { destination: { seen: 7, rate: 100 }, waypoint: { seen: 9, rate: 50 }, source: { seen: 9, rate: 0 } }, { reporter: "destination", value: 100, verdict: "pass" }],
    ["a waypoint before the source", { waypoint: { seen: 9, rate: 100 }, source: { seen: 9, rate: 0 } }, { reporter: "waypoint", value: 100, verdict: "pass" }],
    ["the source where there is nobody else", { destination: { seen: 0 }, source: { seen: 9, rate: 98 } }, { reporter: "source", value: 98, verdict: "fail" }],
    ["the destination of nothing but 5xx, which is no reason to ask another", { destination: { seen: 7, rate: 0 }, source: { seen: 9, rate: 100 } }, { reporter: "destination", value: 0, verdict: "fail" }],
    ["the destination that knows the primary and not yet the canary", { destination: { seen: 7 }, source: { seen: 9, rate: 100 } }, { reporter: "destination", verdict: "inconclusive" }],
  ])("believes %s", async (_name, said, { verdict, ...measured }) => {
    const result = await checked(said);
    expect(result.verdict).toBe(verdict);
    expect(result.measured).toMatchObject(measured);
    expect(result.measured?.value).toBe(measured.value);
  });

  test("asks nobody whom it need not", async () => {
    expect((await checked({ destination: { seen: 7, rate: 100 } })).asks).toEqual(["destination seen", "destination rate"]);
    expect((await checked({ source: { seen: 7, rate: 100 } }, { metric: { reporter: "source" } })).asks).toEqual(["source rate"]);
  });

  test("that nobody reported is silence, and names who was asked", async () => {
    const { verdict, measured } = await checked({});
    expect(verdict).toBe("inconclusive");
    expect(measured).toMatchObject({ message: expect.stringMatching(/^no data: none of Istio's reporters \(destination, waypoint, source\)/) });
    expect(measured).not.toHaveProperty("reporter");
    expect((await checked({}, { analysis: { onNoData: "fail" } })).verdict).toBe("fail");
  });

  test("whose first reporter cannot be asked is an outage: the next one is not believed in its place", async () => {
    const said: Said = { destination: { seen: "down" }, source: { seen: 9, rate: 100 } };
    expect(await checked(said)).toMatchObject({ verdict: "error", asks: ["destination seen"], measured: { message: "out of reach" } });
    expect((await checked(said, { analysis: { onNoData: "pass", onProviderError: "fail" } })).verdict).toBe("fail");
  });

  test("in Flagger's group finds the reporter too, and has no word to choose it", async () => {
    const flagger = { apiVersion: "flagger.app/v1beta1", metric: { reporter: "destination", interval: "1m" } };
    expect((await checked({ source: { seen: 9, rate: 100 } }, flagger)).measured).toMatchObject({ reporter: "source", verdict: "pass" });
  });
});
