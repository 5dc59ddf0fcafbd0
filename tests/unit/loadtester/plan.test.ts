// Which load does metadata ask for? Defaults, bounds, and an answer that names the field for everything that is wrong.
import { expect, test } from "@jest/globals";
import { planLoad, readTruth } from "../../../loadtester/plan.ts";

const url = "http://backend-canary.webapp:9898/";
const HOUR_MS = 3_600_000;

function planned(fields: Record<string, string>, strict = false) {
  const read = planLoad({ url, ...fields }, strict, HOUR_MS);
  if (!read.ok) throw new Error(read.why);
  return read.plan;
}

test("ten requests a second for a minute, when nothing else is said", () => {
  const { pace, target, maxFailurePercent, isGood } = planned({});
  expect(pace).toEqual({ rate: 10, durationMs: 60_000, requests: undefined, concurrency: 10 });
  expect(target).toMatchObject({ method: "GET", headers: {}, body: undefined, requestTimeoutMs: 10_000, keepAlive: true, insecureSkipVerify: false, connections: 10 });
  expect([200, 301, 399].map(isGood)).toEqual([true, true, true]);
  expect([100, 400, 404, 500].map(isGood)).toEqual([false, false, false, false]);
  expect(maxFailurePercent).toBe(100);
});

test("whoever waits for the result lets nothing fail, unless it says how much may", () => {
  expect([planned({}, true).maxFailurePercent, planned({ maxFailurePercent: "2.5" }, true).maxFailurePercent]).toEqual([0, 2.5]);
});

test("a number of requests needs no duration", () => {
  expect(planned({ requests: "500", rate: "unlimited" }).pace).toEqual({ rate: "unlimited", durationMs: HOUR_MS, requests: 500, concurrency: 10 });
  expect(planned({ requests: "500", duration: "10s" }).pace).toMatchObject({ durationMs: 10_000, requests: 500 });
});

test("headers are lines, and values may have colons", () => {
  expect(planned({ headers: "Host: app.example\n\n  X-Forwarded-For: ::1\nX-Empty:\n" }).target.headers).toEqual({ Host: "app.example", "X-Forwarded-For": "::1", "X-Empty": "" });
});

test("a body is posted", () => {
  expect([planned({ body: "a" }).target.method, planned({ body: "a", method: "put" }).target.method]).toEqual(["POST", "PUT"]);
});

test.each([["200", [200], [201, 404]], ["2xx", [200, 299], [300, 199]], ["200, 404,500-502", [200, 404, 501], [403, 503]], ["5XX", [500], [499]]])("expectStatus %s", (expectStatus, good, bad) => {
  const { isGood } = planned({ expectStatus });
  expect([good.every(isGood), bad.some(isGood)]).toEqual([true, false]);
});

test.each([
  ["url", ""], ["url", "backend:9898"], ["url", "ftp://backend"], ["url", "http://"], ["url", "file:///etc/passwd"],
  ["rate", "0"], ["rate", "-1"], ["rate", "fast"], ["rate", "20000"], ["rate", ""], ["rate", "NaN"], ["rate", "Infinity"],
  ["duration", "60"], ["duration", "0s"], ["duration", "1h1s"], ["duration", "-5s"], ["duration", "1.5m"],
  ["requests", "0"], ["requests", "1.5"],
  ["concurrency", "0"], ["concurrency", "1001"], ["concurrency", "2.5"],
  ["method", "CONNECT"], ["method", "GET /x"], ["method", ""],
  ["headers", "no colon"], ["headers", "a b: c"], ["headers", ": x"], ["headers", "X-A: \u0001"],
  ["timeout", "1h"], ["timeout", "soon"],
  ["expectStatus", "ok"], ["expectStatus", "299-200"], ["expectStatus", "20"], ["expectStatus", "6xx"], ["expectStatus", ""],
  ["maxFailurePercent", "101"], ["maxFailurePercent", "-1"],
  ["keepAlive", "yes"], ["insecureSkipVerify", "2"],
])("%s: %j is refused by its name", (field, value) => {
  expect(planLoad({ url, [field]: value }, false, HOUR_MS)).toMatchObject({ ok: false, why: expect.stringMatching(new RegExp(`^${field} (must|is)`)) });
});

test("no secret is quoted in a refusal", () => {
  const wrong = [{ url: "http:/me:s3cret@backend" }, { headers: "Authorization s3cret" }, { headers: "Authorization: s3cret\u0001" }, { rate: "s3cret" }];
  for (const fields of wrong) expect(JSON.stringify(planLoad({ url, ...fields }, false, HOUR_MS))).not.toContain("s3cret");
});

test("booleans are read as Go reads them", () => {
  expect(["1", "t", "True", "true", "0", "F", "false", "yes", ""].map(readTruth)).toEqual([true, true, true, true, false, false, false, undefined, undefined]);
});
