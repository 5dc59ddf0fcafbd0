// What every metric provider has to do with whatever answers: a server on this machine that answers, refuses, lags and lies. Exactly one reading each, no value that
// was not measured, no word of the Secret, and every error names the MetricTemplate and its field.
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { parseAllDocuments } from "yaml";
import { PROVIDERS } from "../../../analysis/registry.ts";
import type { Credentials, PlannedMetric, Provider } from "../../../analysis/types.ts";
import { metricTemplateSpecSchema } from "../../../crds/templates.ts";
import { createHttp } from "../../../engine/adapters/http.ts";
import type { Context } from "../../../engine/controller/context.ts";
import { measure } from "../../../engine/controller/measure.ts";
import type { HttpRequest } from "../../../engine/ports.ts";
import { serve, type LocalServer } from "../adapters/local-server.ts";
import { bodyOf, golden, NOW, planned, type Golden } from "./goldens.ts";

const http = createHttp();
const FIELD = "spec\\.(query|provider\\.(address|headers|jsonPath|region|secretRef))";

/** As a test wishes; undefined is silence. */
/** A busy machine takes its time: it is short only where nobody will answer. */
const PATIENCE_MS = 10_000;
let patienceMs = PATIENCE_MS;
let answer: { status: number; body: string; headers?: Record<string, string>; ends?: "never" | "early" } | undefined;
let server: LocalServer;
let elsewhere: LocalServer;

beforeAll(async () => {
  server = await serve((_request, response) => {
    if (answer === undefined) return;
    const { status, body, headers, ends } = answer;
    if (ends === undefined) response.writeHead(status, headers).end(body);
    else response.writeHead(status, headers).write(body, () => void (ends === "early" && response.destroy()));
  });
  elsewhere = await serve((_request, response) => response.end("{}"));
});

afterAll(async () => {
  await server.close();
  await elsewhere.close();
});

beforeEach(() => {
  patienceMs = PATIENCE_MS;
});

async function measured(metric: PlannedMetric, secret: Credentials | undefined, address = server.url.toString()) {
  const data = secret === undefined ? undefined : Object.fromEntries(Object.entries(secret).map(([key, value]) => [key, Buffer.from(value).toString("base64")]));
  const api = { get: async () => (data === undefined ? { ok: false, fault: { class: "not-found", message: "not found" } } : { ok: true, value: { data } }) };
  const quick = (request: HttpRequest) => http({ ...request, timeoutMs: patienceMs });
  const reach = { api, http: quick, clock: { now: () => NOW } } as unknown as Context;
  return measure({ ...metric, address }, reach, new AbortController().signal);
}

/** What of the Secret a message could hold; names of accounts and organisations are none. */
function planted(credentials: Credentials = {}): string[] {
  return Object.values(credentials).flatMap((value) => value.match(/planted-[\w-]+/g) ?? []);
}

async function wrong(given: Golden, { secret = given.credentials, gone = false, address }: { secret?: Credentials; gone?: boolean; address?: string } = {}): Promise<string> {
  const reading = await measured(planned(given.template), gone ? undefined : secret, address);
  expect(reading.kind).toBe("error");
  const why = reading.kind === "error" ? reading.why : "";
  const { namespace, name } = given.template.metadata;
  expect(why).toMatch(new RegExp(`^MetricTemplate ${namespace}/${name}: ${FIELD}: \\S`));
  for (const secret of planted(given.credentials)) expect(why).not.toContain(secret);
  return why;
}

const BROKEN: [string, { status: number; body: string }, RegExp][] = [
  ["400", { status: 400, body: "{}" }, /spec\.query/],
  ["401", { status: 401, body: "" }, /spec\.provider\.secretRef.*401/],
  ["403", { status: 403, body: "<html>Forbidden</html>" }, /spec\.provider\.secretRef.*403/],
  ["404", { status: 404, body: "404 page not found" }, /404/],
  ["429", { status: 429, body: "{}" }, /spec\.provider\.address.*429/],
  ["500", { status: 500, body: '{"error":"boom"}' }, /spec\.provider\.address.*500/],
  ["a proxy's page", { status: 502, body: "<html><body>Bad Gateway</body></html>" }, /spec\.provider\.address.*502/],
  ["a redirect to nowhere", { status: 304, body: "" }, /spec\.provider\.address/],
  ["a page with 200", { status: 200, body: "<html><form>login</form></html>" }, /not/],
  ["nothing with 200", { status: 200, body: "" }, /./],
  ["nothing with 204", { status: 204, body: "" }, /./],
  ["garbage", { status: 200, body: "\u0000\u0001{[\uFFFD" }, /not/],
  ["an empty object", { status: 200, body: "{}" }, /./],
  ["an empty list", { status: 200, body: "[]" }, /./],
  ["a number", { status: 200, body: "5" }, /./],
  ["null", { status: 200, body: "null" }, /./],
];

describe.each(PROVIDERS)("$name", (provider: Provider) => {
  const given = golden(provider.name);
  const recorded = (name: string): { status: number; body: string } => {
    const found = given.cases.find((one) => one.name === name);
    if (found === undefined) throw new Error(`nothing recorded for ${name}`);
    return { status: found.status ?? 200, body: bodyOf(found) };
  };

  test("a value is read, and the request carries the Secret's keys to where the template says", async () => {
    answer = recorded("value");
    expect(await measured(planned(given.template), given.credentials)).toEqual({ kind: "value", value: 99.5 });
    expect(new URL(server.requests.at(-1)!.url, server.url).origin).toBe(server.url.origin);
  });

  test("0 is a value, and silence is none", async () => {
    answer = recorded("zero");
    expect(await measured(planned(given.template), given.credentials)).toEqual({ kind: "value", value: 0 });
    answer = recorded("empty");
    expect(await measured(planned(given.template), given.credentials)).toMatchObject({ kind: "no-data" });
  });

  test.each(["text", "NaN", "Infinity"])("%s is no value", async (name) => {
    answer = recorded(name);
    const reading = await measured(planned(given.template), given.credentials);
    expect(reading.kind).toBe(given.cases.find((one) => one.name === name)?.kind);
    expect(reading.kind).not.toBe("value");
    if (reading.kind === "error") await wrong(given);
  });

  test.each(BROKEN.filter(([name]) => !given.cases.some((one) => one.name === name)))("%s is an error", async (_name, broken, says) => {
    answer = broken;
    expect(await wrong(given)).toMatch(says);
  });

  test("an answer that is cut off anywhere is no value", async () => {
    const { body } = recorded("value");
    for (let length = 0; length < body.trimEnd().length; length += 1) {
      const reading = provider.read({ status: 200, headers: {}, body: body.slice(0, length) }, planned(given.template));
      expect([length, reading.kind]).not.toEqual([length, "value"]);
    }
  });

  test.each(["never", "early"] as const)("a whole answer that %s ends is an error", async (ends) => {
    answer = { ...recorded("value"), ends };
    if (ends === "never") patienceMs = 300;
    expect(await wrong(given)).toMatch(ends === "never" ? /spec\.provider\.address: .* did not answer/ : /spec\.provider\.address: .* out of reach/);
  });

  test("a server that says nothing, and one that is not there, are errors", async () => {
    answer = undefined;
    patienceMs = 300;
    expect(await wrong(given)).toMatch(/spec\.provider\.address: .* did not answer/);
    patienceMs = PATIENCE_MS;
    expect(await wrong(given, { address: "http://127.0.0.1:1" })).toMatch(/spec\.provider\.address: .* out of reach/);
  });

  test("an answer without end is an error", async () => {
    answer = { status: 200, body: " ".repeat(1_100_000) };
    expect(await wrong(given)).toMatch(/spec\.provider\.address: .*more than 1000000 bytes/);
  });

  if (given.credentials !== undefined) {
    const credentials = given.credentials;

    test.each([200, 400, 401, 500])("a server that says with %i what it was told does not make us say it", async (status) => {
      const { body } = recorded("text");
      await measured(planned(given.template), credentials);
      const heard = JSON.stringify(server.requests.at(-1)?.headers);
      const all = `${"x".repeat(80)} ${Object.values(credentials).join(" ")} ${heard}`;
      const said = JSON.stringify(all);
      const keys = ["error", "message", "errors", "detail", "errorType", "status", "code", "msg", "title"];
      for (const told of [all, body.replaceAll("up", said.slice(1, -1)), ...keys.map((key) => `{"${key}":${said}}`), `{"error":{"message":${said}}}`, `[{"error":{"message":${said}}}]`, `{"errors":[${said}]}`, `{"errors":[{"message":${said}}]}`]) {
        answer = { status, body: told };
        const reading = await measured(planned(given.template), credentials);
        expect(reading.kind).not.toBe("value");
        for (const secret of planted(credentials)) expect(JSON.stringify(reading)).not.toContain(secret);
      }
    });

    test("a Secret that is not there is named, with the field", async () => {
      expect(await wrong(given, { gone: true })).toMatch(/spec\.provider\.secretRef: Secret \S+ cannot be read: it does not exist/);
    });

    test("a key that is not there, or empty, is named", async () => {
      for (const key of provider.keys[0] ?? []) {
        const { [key]: _, ...others } = credentials;
        for (const left of [others, { ...others, [key]: " \n" }]) expect(await wrong(given, { secret: left })).toMatch(new RegExp(`spec\\.provider\\.secretRef: Secret \\S+ (lacks|needs) .*\\b${key}\\b`));
      }
      expect(await wrong(given, { secret: {} })).toMatch(/spec\.provider\.secretRef: Secret \S+ (lacks|needs) .*\bkey/);
    });

    test("a key with a line end or letters that no header may have is refused, and not shown", async () => {
      answer = { status: 401, body: "" };
      for (const key of provider.keys[0] ?? Object.keys(credentials)) {
        const why = await wrong(given, { secret: { ...credentials, [key]: "planted-a\r\nX-Evil: planted-b\u00e9" } });
        expect(why).not.toContain("Evil");
      }
    });

    test("a redirect to another host takes no word of the Secret with it", async () => {
      for (const status of [301, 302, 303, 307, 308]) {
        answer = { status, body: "", headers: { location: new URL("/there", elsewhere.url).toString() } };
        await wrong(given);
        const [heard] = elsewhere.requests.splice(0);
        if (heard === undefined) throw new Error("nobody came");
        for (const secret of [...planted(credentials), ...Object.values(credentials).map((value) => Buffer.from(value).toString("base64"))]) expect(JSON.stringify(heard)).not.toContain(secret);
        expect(heard.headers.authorization).toBeUndefined();
      }
    });
  }

  test("no window reaches back before the run began, as long as silence holds", () => {
    expect(planned(given.template, { lookBackMs: 20_000 })).toMatchObject({ intervalMs: 20_000, windowMs: 20_000 });
    expect(planned(given.template, { lookBackMs: 3_600_000 })).toMatchObject({ intervalMs: 60_000, windowMs: 600_000 });
    expect(planned(given.template, { lookBackMs: 20_000, onNoData: "fail" })).toMatchObject({ windowMs: 600_000 });
  });

  test("what a template must have is asked for by name", () => {
    for (const field of provider.needs) {
      const { [field]: _, ...others } = given.template.spec.provider;
      expect(() => planned({ ...given.template, spec: { ...given.template.spec, provider: others } as typeof given.template.spec })).toThrow(new RegExp(`MetricTemplate shared/\\S+: spec\\.provider\\.${field}: is missing`));
    }
  });

  test("it says what it can and what it cannot do", () => {
    for (const text of [provider.title, ...Object.values(provider.about)]) expect(text.length).toBeGreaterThan(3);
  });

  test("its page has a manifest that is accepted", () => {
    const page = readFileSync(new URL(`../../../docs/providers/${provider.name}.md`, import.meta.url), "utf8");
    const manifests = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].flatMap(([, yaml = ""]) => parseAllDocuments(yaml).map((document) => document.toJS() as Golden["template"] & { kind: string }));
    const templates = manifests.filter(({ kind }) => kind === "MetricTemplate");
    expect(templates.length).toBeGreaterThan(0);
    for (const template of templates) {
      expect(metricTemplateSpecSchema.parse(template.spec).provider.type).toBe(provider.name);
      expect(planned(template)).toMatchObject({ provider: provider.name });
    }
    for (const key of provider.keys.flat()) expect(page).toContain(key);
  });
});
