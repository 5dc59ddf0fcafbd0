// Does a webhook get what its Secret holds, and does nothing of it come out where it cannot be used?
import { describe, expect, test } from "@jest/globals";
import type { CanaryWebhook } from "../../../crds/canary.ts";
import { accessOf } from "../../../engine/controller/hookaccess.ts";
import type { KubeApi } from "../../../engine/ports.ts";

const webhook: CanaryWebhook = { name: "gate", url: "https://gate", secretRef: { name: "gate" }, headers: { "X-Team": "web", Authorization: "none" } };

function holding(data: Record<string, string> | undefined): KubeApi {
  const encoded = Object.fromEntries(Object.entries(data ?? {}).map(([key, value]) => [key, Buffer.from(value).toString("base64")]));
  return { get: async () => (data === undefined ? { ok: false, fault: { class: "not-found", status: 404, message: "no" } } : { ok: true, value: { apiVersion: "v1", kind: "Secret", metadata: { name: "gate" }, data: encoded } }) } as unknown as KubeApi;
}

describe("what is brought along", () => {
  test.each([
    [{ token: "abc\n" }, { "X-Team": "web", Authorization: "Bearer abc" }],
    [{ username: "ann", password: "p:w" }, { "X-Team": "web", Authorization: `Basic ${Buffer.from("ann:p:w").toString("base64")}` }],
    [{ headers: "X-Api-Key: k1\r\nX-Other:  two words\n\n" }, { "X-Team": "web", Authorization: "none", "X-Api-Key": "k1", "X-Other": "two words" }],
  ])("%j", async (data, headers) => {
    expect(await accessOf(holding(data), "test", webhook)).toEqual({ ok: true, headers, tls: undefined });
  });

  test("certificates", async () => {
    expect(await accessOf(holding({ "ca.crt": "CA", "tls.crt": "C", "tls.key": "K" }), "test", webhook)).toMatchObject({ ok: true, tls: { ca: "CA", cert: "C", key: "K" } });
    expect(await accessOf(holding({ "ca.crt": "CA" }), "test", webhook)).toMatchObject({ tls: { ca: "CA" } });
  });

  test("without a Secret no request is made for one", async () => {
    expect(await accessOf({} as KubeApi, "test", { name: "gate", url: "http://gate" })).toEqual({ ok: true, headers: {}, tls: undefined });
  });
});

test.each([
  ["no Secret", undefined, /Secret test\/gate cannot be read: it does not exist/],
  ["a line that is no header", { headers: "X-A: fine\ns3cret words" }, /key headers: has a line/],
  ["a value that would start another header", { headers: "X-A: a\u0000s3cret" }, /key headers/],
  ["a token of two lines", { token: "s3\ncret" }, /key token/],
  ["half a certificate", { "tls.crt": "s3cret" }, /needs both/],
])("%s is said without a word of it", async (_, data, says) => {
  const access = await accessOf(holding(data), "test", webhook);
  expect(access).toMatchObject({ ok: false, why: expect.stringMatching(says) });
  expect(JSON.stringify(access)).not.toContain("s3cret");
});
