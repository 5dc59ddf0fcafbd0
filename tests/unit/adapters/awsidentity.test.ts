// Who is the engine in AWS, in each of the places where it may run? Never a word of it in an error, and no question while the last answer is good.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "@jest/globals";
import { createAwsIdentity } from "../../../engine/adapters/awsidentity.ts";
import type { HttpRequest, HttpResponse } from "../../../engine/ports.ts";

const NOW = Date.parse("2024-01-01T12:00:00Z");
const folder = mkdtempSync(join(tmpdir(), "kurator-rollout-"));
const token = join(folder, "token");
writeFileSync(token, "planted-web-token\n");
afterAll(() => rmSync(folder, { recursive: true }));

const VALUE = { aws_access_key_id: "planted-id", aws_secret_access_key: "planted-secret", aws_session_token: "planted-session" };
const LENT = (until: string): string => `<R><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>planted-id</AccessKeyId><SecretAccessKey>planted-secret</SecretAccessKey><SessionToken>planted-session</SessionToken><Expiration>${until}</Expiration></Credentials></AssumeRoleWithWebIdentityResult></R>`;
const GIVEN = JSON.stringify({ AccessKeyId: "planted-id", SecretAccessKey: "planted-secret", Token: "planted-session", Expiration: "2024-01-01T13:00:00Z" });

function engine(env: Record<string, string>, answer?: Partial<HttpResponse>) {
  const sent: HttpRequest[] = [];
  const clock = { nowMs: NOW };
  const http = async (request: HttpRequest) => {
    sent.push(request);
    return answer === undefined ? { ok: false as const, fault: { class: "transient" as const, message: "https://sts is out of reach" } } : { ok: true as const, value: { status: 200, headers: {}, body: "", ...answer } };
  };
  const identity = createAwsIdentity({ env, http, clock: { now: () => clock.nowMs, monotonic: () => 0, after: () => () => undefined } });
  return { identity, sent, clock };
}

const ROLE = { AWS_ROLE_ARN: "arn:aws:iam::1:role/engine", AWS_WEB_IDENTITY_TOKEN_FILE: token, AWS_REGION: "eu-central-1" };
const POD = { AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://169.254.170.23/v1/credentials", AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: token };

test("keys of the environment are taken as they are", async () => {
  const { identity, sent } = engine({ AWS_ACCESS_KEY_ID: "planted-id", AWS_SECRET_ACCESS_KEY: "planted-secret", ...ROLE });
  expect(await identity()).toEqual({ ok: true, value: { aws_access_key_id: "planted-id", aws_secret_access_key: "planted-secret" } });
  expect(sent).toEqual([]);
});

test("a role of the service account is taken with its token", async () => {
  const { identity, sent } = engine(ROLE, { body: LENT("2024-01-01T13:00:00Z") });
  expect(await identity()).toEqual({ ok: true, value: VALUE });
  expect(sent[0]).toMatchObject({ method: "POST", url: "https://sts.eu-central-1.amazonaws.com/" });
  expect(Object.fromEntries(new URLSearchParams(sent[0]?.body))).toMatchObject({ Action: "AssumeRoleWithWebIdentity", RoleArn: ROLE.AWS_ROLE_ARN, WebIdentityToken: "planted-web-token" });
});

test("EKS Pod Identity is asked with the pod's token", async () => {
  const { identity, sent } = engine(POD, { body: GIVEN });
  expect(await identity()).toEqual({ ok: true, value: VALUE });
  expect(sent[0]).toMatchObject({ method: "GET", url: POD.AWS_CONTAINER_CREDENTIALS_FULL_URI, headers: { Authorization: "planted-web-token" } });
});

test("it is kept until shortly before it ends, and asked for once by many", async () => {
  const { identity, sent, clock } = engine(ROLE, { body: LENT("2024-01-01T13:00:00Z") });
  await Promise.all([identity(), identity(), identity()]);
  clock.nowMs = NOW + 54 * 60_000;
  await identity();
  expect(sent).toHaveLength(1);
  clock.nowMs = NOW + 56 * 60_000;
  await identity();
  expect(sent).toHaveLength(2);
});

describe("what is no identity is a sentence without a secret, and is asked for again", () => {
  test.each<[string, Record<string, string>, Partial<HttpResponse> | undefined, RegExp]>([
    ["nothing around it", {}, undefined, /no identity in AWS/],
    ["no answer", ROLE, undefined, /out of reach/],
    ["a refusal of STS", ROLE, { status: 403, body: "<Error><Code>AccessDenied</Code><Message>planted-web-token is not good</Message></Error>" }, /AWS STS answered 403 .*: AccessDenied$/],
    ["half an answer of STS", ROLE, { body: LENT("2024-01-01T13:00:00Z").slice(0, 120) }, /something else than credentials/],
    ["credentials without an end", ROLE, { body: LENT("") }, /something else than credentials/],
    ["no token file", { ...ROLE, AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, "none") }, undefined, /cannot be read/],
    ["a refusal of the agent", POD, { status: 401, body: "planted-web-token" }, /answered 401$/],
    ["garbage of the agent", POD, { body: "<html>planted-web-token" }, /something else than credentials/],
  ])("%s", async (_name, env, answer, says) => {
    const { identity, sent } = engine(env, answer);
    const found = await identity();
    expect(found).toMatchObject({ ok: false, why: expect.stringMatching(says) });
    expect(JSON.stringify(found)).not.toContain("planted");
    await identity();
    expect(sent.length === 0 || sent.length === 2).toBe(true);
  });
});
