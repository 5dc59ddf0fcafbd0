// Every entry of the registry of metric providers against what is recorded of its API: the request, and answers that are each exactly one reading.
import { readdirSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { PROVIDERS, providerFor } from "../../../analysis/registry.ts";
import { METRIC_PROVIDERS } from "../../../crds/templates.ts";
import { bodyOf, golden, NOW, planned } from "./goldens.ts";

/** What the contract names and no provider is there for; plans refuse it by name. */
const ABSENT = ["cloudwatch", "keptn", "stackdriver"];

test("each provider has its folder, and an unknown one is not guessed", () => {
  const folders = readdirSync(new URL("./providers/", import.meta.url));
  expect(folders.sort()).toEqual(PROVIDERS.map(({ name }) => name).sort());
  expect(providerFor("prometheuss")).toBeUndefined();
});

test("every type that a MetricTemplate may name has a provider", () => {
  expect([...PROVIDERS.map(({ name }) => name), ...ABSENT].sort()).toEqual([...METRIC_PROVIDERS].sort());
});

describe.each(PROVIDERS)("$name", (provider) => {
  const { template, credentials, request, cases } = golden(provider.name);
  const metric = planned(template);

  test("its template becomes one request", async () => {
    const { ok, ...question } = await provider.request(metric, credentials, NOW);
    expect(ok).toBe(true);
    expect("request" in question ? question.request : question).toEqual(request);
  });

  test("two series are an error, and so are two numbers of any other kind", () => {
    const both = cases.filter(({ name }) => name.startsWith("two "));
    expect(both.length).toBeGreaterThan(0);
    expect(both.map(({ kind }) => kind)).toEqual(both.map(() => "error"));
  });

  test.each(cases)("$name", ({ status = 200, kind, value, says, field, ...rest }) => {
    const reading = provider.read({ status, headers: {}, body: bodyOf(rest) }, metric);
    expect(reading).toMatchObject({ kind, ...(value === undefined ? {} : { value }), ...(field === undefined ? {} : { field }) });
    if (reading.kind === "value") return;
    expect(reading.why.length).toBeLessThanOrEqual(200);
    if (says !== undefined) expect(reading.why).toMatch(new RegExp(says));
  });
});

describe("prometheus", () => {
  const prometheus = providerFor("prometheus")!;
  const metric = { name: "a", path: "p", provider: "prometheus", address: "http://prom:9090", query: "up\n  >  1", secret: { namespace: "webapp", name: "prom" } };

  test.each([
    ["a token", { token: "s3cret\n" }, "Bearer s3cret"],
    ["a user", { username: "me", password: "s3cret" }, "Basic bWU6czNjcmV0"],
  ])("%s of the Secret goes into the header, and white space is folded", async (_name, credentials, Authorization) => {
    expect(await prometheus.request(metric, credentials, NOW)).toMatchObject({ ok: true, request: { url: "http://prom:9090/api/v1/query?query=up+%3E+1", headers: { Authorization } } });
  });

  test("a Secret without the keys is named, and nothing of it is said", async () => {
    expect(await prometheus.request(metric, { password: "s3cret" }, NOW)).toEqual({ ok: false, field: "spec.provider.secretRef", why: "Secret webapp/prom needs the key token, or the keys username and password" });
  });
});
