// Every entry of the registry of metric providers against what is recorded of its API: the request, and answers that are each exactly one reading.
import { createHash, createHmac, verify } from "node:crypto";
import { readdirSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { PROVIDERS, providerFor } from "../../../analysis/registry.ts";
import type { MetricRequest } from "../../../analysis/types.ts";
import { METRIC_PROVIDERS } from "../../../crds/templates.ts";
import { bodyOf, golden, NOW, planned, RSA } from "./goldens.ts";

/** What the contract names and no provider is there for; plans refuse it by name. */
const ABSENT = ["keptn"];

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

describe("cloudwatch", () => {
  const amazon = providerFor("cloudwatch")!;
  const { template, credentials } = golden("cloudwatch");

  /** As AWS' document on Signature Version 4 has it, written down a second time. */
  function signatureOf({ url, headers = {}, body = "" }: MetricRequest, names: string[], secret: string): string {
    const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
    const { host, pathname } = new URL(url);
    const lines = names.map((name) => `${name}:${name === "host" ? host : headers[name]}\n`).join("");
    const [day, region, service] = ["20240101", "eu-central-1", "monitoring"];
    const text = ["AWS4-HMAC-SHA256", headers["x-amz-date"], `${day}/${region}/${service}/aws4_request`, hash(["POST", pathname, "", lines, names.join(";"), hash(body)].join("\n"))].join("\n");
    const key = [day, region, service, "aws4_request"].reduce<Buffer | string>((last, part) => createHmac("sha256", last).update(part).digest(), `AWS4${secret}`);
    return createHmac("sha256", key).update(text).digest("hex");
  }

  test("the signature covers body, host, target and time", async () => {
    const question = await amazon.request(planned(template), credentials, NOW);
    if (!("request" in question)) throw new Error(JSON.stringify(question));
    const [, names = "", signature] = /SignedHeaders=([\w;-]+), Signature=(\w+)$/.exec(question.request.headers?.authorization ?? "") ?? [];
    expect(names.split(";")).toEqual(expect.arrayContaining(["host", "x-amz-date", "x-amz-security-token", "x-amz-target"]));
    expect(signature).toBe(signatureOf(question.request, names.split(";"), credentials?.aws_secret_access_key ?? ""));
  });

  test.each(["up", "{}", "[]", "[1]", '[{"Id":"a"'])("%s is no list of queries", async (query) => {
    expect(await amazon.request({ ...planned(template), query }, credentials, NOW)).toEqual({ ok: false, field: "spec.query", why: "is not a JSON list of MetricDataQuery" });
  });

  test("what the engine itself may do goes to CloudWatch alone", async () => {
    const own = { ...planned(template), secret: undefined };
    for (const address of ["https://monitoring.eu-central-1.amazonaws.com", "https://monitoring.cn-north-1.amazonaws.com.cn"]) expect(await amazon.request({ ...own, address }, credentials, NOW)).toMatchObject({ ok: true });
    for (const address of ["https://evil.example", "https://x.execute-api.eu-central-1.amazonaws.com", "http://monitoring.eu-central-1.amazonaws.com", "https://monitoring.eu-central-1.amazonaws.com.evil.example"]) {
      expect(await amazon.request({ ...own, address }, credentials, NOW)).toMatchObject({ ok: false, field: "spec.provider.address" });
    }
  });

  test("a region that would be a part of another host's name is refused", () => {
    const { provider } = template.spec;
    expect(() => planned({ ...template, spec: { ...template.spec, provider: { ...provider, region: "x.evil.example/" } } })).toThrow(/MetricTemplate shared\/errors: spec\.provider\.region: is not a region/);
  });
});
