// Every entry of the registry of metric providers: any answer is exactly one reading, and no error text is long or holds a secret.
import { describe, expect, test } from "@jest/globals";
import { PROVIDERS, providerFor } from "../../../analysis/registry.ts";
import type { Reading } from "../../../analysis/types.ts";

interface Sample {
  name: string;
  status?: number;
  body: string;
  kind: Reading["kind"];
  value?: number;
  says?: RegExp;
}

const vector = (...values: unknown[]): string => JSON.stringify({ status: "success", data: { resultType: "vector", result: values.map((value) => ({ metric: { a: "b" }, value: [1_700_000_000, value] })) } });

const SAMPLES: Record<string, Sample[]> = {
  prometheus: [
    { name: "a value", body: vector("99.5"), kind: "value", value: 99.5 },
    { name: "zero", body: vector("0"), kind: "value", value: 0 },
    { name: "a negative value", body: vector("-3e2"), kind: "value", value: -300 },
    { name: "a scalar", body: JSON.stringify({ status: "success", data: { resultType: "scalar", result: [1, "7"] } }), kind: "value", value: 7 },
    { name: "nothing", body: vector(), kind: "no-data", says: /no series/ },
    { name: "NaN", body: vector("NaN"), kind: "no-data", says: /NaN/ },
    { name: "+Inf", body: vector("+Inf"), kind: "no-data", says: /infinite/ },
    { name: "-Inf", body: vector("-Inf"), kind: "no-data", says: /infinite/ },
    { name: "two series", body: vector("1", "2"), kind: "error", says: /2 series/ },
    { name: "a matrix", body: JSON.stringify({ status: "success", data: { resultType: "matrix", result: [] } }), kind: "error", says: /matrix/ },
    { name: "a string", body: JSON.stringify({ status: "success", data: { resultType: "string", result: [1, "up"] } }), kind: "error", says: /string/ },
    { name: "a series without a value", body: JSON.stringify({ status: "success", data: { resultType: "vector", result: [{ metric: {} }] } }), kind: "error" },
    { name: "a series that is no object", body: JSON.stringify({ status: "success", data: { resultType: "vector", result: [5] } }), kind: "error" },
    { name: "a value that is no text", body: vector(5), kind: "error" },
    { name: "a vector that is no list", body: JSON.stringify({ status: "success", data: { resultType: "vector", result: {} } }), kind: "error" },
    { name: "no data at all", body: JSON.stringify({ status: "success" }), kind: "error" },
    { name: "400", status: 400, body: JSON.stringify({ status: "error", errorType: "bad_data", error: "parse error at char 3" }), kind: "error", says: /400.*bad_data.*char 3/ },
    { name: "an error with 200", body: JSON.stringify({ status: "error", errorType: "timeout", error: "query timed out" }), kind: "error", says: /timeout/ },
    { name: "503", status: 503, body: "", kind: "error", says: /503/ },
    { name: "a page of a proxy", status: 502, body: "<html><body>Bad Gateway</body></html>", kind: "error", says: /502/ },
    { name: "a page with 200", body: "<html>login</html>", kind: "error", says: /not its API/ },
    { name: "cut off", body: vector("99.5").slice(0, 40), kind: "error" },
    { name: "empty", body: "", kind: "error" },
    { name: "JSON that is no object", body: "[1]", kind: "error" },
    { name: "a huge error", status: 422, body: JSON.stringify({ status: "error", errorType: "execution", error: "x".repeat(100_000) }), kind: "error" },
  ],
};

test("each provider has samples, and an unknown one is not guessed", () => {
  expect(PROVIDERS.map(({ name }) => name)).toEqual(Object.keys(SAMPLES));
  expect(providerFor("prometheuss")).toBeUndefined();
});

describe.each(PROVIDERS)("$name", (provider) => {
  test.each(SAMPLES[provider.name] ?? [])("$name", ({ status = 200, body, kind, value, says }) => {
    const reading = provider.read({ status, headers: {}, body });
    expect(reading.kind).toBe(kind);
    if (reading.kind === "value") expect(reading.value).toBe(value);
    else {
      expect(reading.why.length).toBeLessThanOrEqual(200);
      if (says !== undefined) expect(reading.why).toMatch(says);
    }
  });

  test("one request, with the path of the address kept and white space folded", () => {
    const request = provider.request({ name: "a", path: "p", provider: provider.name, address: "http://prom:9090/team/", query: "up\n  >  1" });
    expect(request).toMatchObject({ ok: true, request: { method: "GET", url: "http://prom:9090/team/api/v1/query?query=up+%3E+1" } });
  });

  test.each([
    ["a token", { token: "s3cret\n" }, "Bearer s3cret"],
    ["a user", { username: "me", password: "s3cret" }, "Basic bWU6czNjcmV0"],
  ])("%s of the Secret goes into the header, and headers of the template stay", (_name, credentials, authorization) => {
    const request = provider.request({ name: "a", path: "p", provider: provider.name, address: "http://prom:9090", query: "up", headers: { "X-Scope-OrgID": "team" } }, credentials);
    expect(request).toMatchObject({ ok: true, request: { headers: { Authorization: authorization, "X-Scope-OrgID": "team" } } });
  });

  test("a Secret without the keys is named, and nothing of it is said", () => {
    const request = provider.request({ name: "a", path: "p", provider: provider.name, address: "http://prom:9090", query: "up", secret: { namespace: "webapp", name: "prom" } }, { password: "s3cret" });
    expect(request).toEqual({ ok: false, why: "Secret webapp/prom needs the key token, or the keys username and password" });
  });
});
