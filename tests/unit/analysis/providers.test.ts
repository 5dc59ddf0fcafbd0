// Every entry of the registry of metric providers against what is recorded of its API: the request, and answers that are each exactly one reading.
import { verify } from "node:crypto";
import { readdirSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { PROVIDERS, providerFor } from "../../../analysis/registry.ts";
import { METRIC_PROVIDERS } from "../../../crds/templates.ts";
import { bodyOf, golden, NOW, planned, RSA } from "./goldens.ts";

/** What the contract names and no provider is there for; plans refuse it by name. */
const ABSENT = ["cloudwatch", "keptn"];

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
    const sent = "request" in question ? question.request : question;
    expect(JSON.parse(JSON.stringify(sent).replace(/Bearer ey[\w.-]+/, "Bearer JWT"))).toEqual(request);
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

describe("stackdriver", () => {
  const google = providerFor("stackdriver")!;
  const { template, credentials } = golden("stackdriver");

  test("the token is signed by the account, for Google's API and ten minutes", async () => {
    const question = await google.request(planned(template), credentials, NOW);
    const [head = "", claims = "", signature = ""] = ("request" in question ? (question.request.headers?.Authorization ?? "") : "").replace("Bearer ", "").split(".");
    const decoded = (part: string): unknown => JSON.parse(Buffer.from(part, "base64url").toString());
    expect(decoded(head)).toEqual({ alg: "RS256", typ: "JWT", kid: "planted-key-id" });
    const account = "planted-account@my-project.iam.gserviceaccount.com";
    expect(decoded(claims)).toEqual({ iss: account, sub: account, aud: "https://monitoring.googleapis.com/", iat: NOW / 1000, exp: NOW / 1000 + 600 });
    expect(verify("sha256", Buffer.from(`${head}.${claims}`), RSA.publicKey, Buffer.from(signature, "base64url"))).toBe(true);
  });

  test.each(["", "{}", "planted", '{"client_email":"a@b","private_key":"planted"}', '{"client_email":"a@b"}'])("%j is no key, and the sentence names it", async (serviceAccountKey) => {
    const question = await google.request(planned(template), { project: "p", serviceAccountKey }, NOW);
    if (serviceAccountKey === "") return expect(question).toMatchObject({ ok: true, first: {} });
    expect(question).toEqual({ ok: false, field: "spec.provider.secretRef", why: expect.stringMatching(/^the key serviceAccountKey of Secret shared\/gcp is not/) });
    expect(JSON.stringify(question)).not.toContain("planted");
  });
});
