// Who is the engine in AWS? What its surroundings say: keys, a role of its service account (IRSA), or EKS Pod Identity. The identity of a node is never taken: it is everybody's.
// Nothing of it is ever in an error.
import { readFile } from "node:fs/promises";
import type { Clock, Http, HttpResponse } from "../ports.ts";

export type Identity = { ok: true; value: Record<string, string> } | { ok: false; why: string };

export interface AwsSurroundings {
  env: Readonly<Record<string, string | undefined>>;
  http: Http;
  clock: Clock;
}

const TIMEOUT_MS = 5_000;
const BYTES_MAX = 100_000;
/** Taken anew this long before it ends, so that no request is signed with what ends on the way. */
const MARGIN_MS = 300_000;
const CONTAINER = "http://169.254.170.2";
const NONE = "the template names no Secret, and the engine has no identity in AWS: neither keys, nor a role of its service account, nor EKS Pod Identity";

interface Lent {
  identity: Identity;
  endsAtMs: number;
}

/** Guarantees: one question at a time, and none while the last answer is still good. */
export function createAwsIdentity({ env, http, clock }: AwsSurroundings): () => Promise<Identity> {
  let lent: Lent | undefined;
  let asking: Promise<Lent> | undefined;
  return async () => {
    if (lent !== undefined && lent.identity.ok && clock.now() < lent.endsAtMs - MARGIN_MS) return lent.identity;
    asking ??= ask({ env, http, clock }).finally(() => (asking = undefined));
    lent = await asking;
    return lent.identity;
  };
}

async function ask(surroundings: AwsSurroundings): Promise<Lent> {
  const { env } = surroundings;
  const own = identityOf(env.AWS_ACCESS_KEY_ID, env.AWS_SECRET_ACCESS_KEY, env.AWS_SESSION_TOKEN);
  if (own !== undefined) return { identity: own, endsAtMs: Infinity };
  if (env.AWS_WEB_IDENTITY_TOKEN_FILE !== undefined && env.AWS_ROLE_ARN !== undefined) return ofRole(surroundings, env.AWS_WEB_IDENTITY_TOKEN_FILE, env.AWS_ROLE_ARN);
  const relative = env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI;
  const full = env.AWS_CONTAINER_CREDENTIALS_FULL_URI ?? (relative === undefined ? undefined : `${CONTAINER}${relative}`);
  return full === undefined ? refused(NONE) : ofContainer(surroundings, full);
}

async function ofRole({ env, http }: AwsSurroundings, file: string, role: string): Promise<Lent> {
  const token = await textOf(file);
  if (token === undefined) return refused("the token of the engine's service account for AWS cannot be read");
  const region = env.AWS_REGION ?? env.AWS_DEFAULT_REGION;
  const url = env.AWS_ENDPOINT_URL_STS ?? (region === undefined ? "https://sts.amazonaws.com/" : `https://sts.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}/`);
  const body = new URLSearchParams({ Action: "AssumeRoleWithWebIdentity", Version: "2011-06-15", RoleArn: role, RoleSessionName: env.AWS_ROLE_SESSION_NAME ?? "kurator-rollout", WebIdentityToken: token }).toString();
  const response = await http({ method: "POST", url, headers: { "Content-Type": "application/x-www-form-urlencoded" }, body, timeoutMs: TIMEOUT_MS, maxBytes: BYTES_MAX });
  if (!response.ok) return refused(`AWS STS: ${response.fault.message}`);
  const said = (name: string): string | undefined => new RegExp(`<${name}>([^<]*)</${name}>`).exec(response.value.body)?.[1];
  if (response.value.status !== 200) return refused(`AWS STS answered ${response.value.status} to the engine's service account${said("Code") === undefined ? "" : `: ${said("Code")}`}`);
  return lentOf("AWS STS", said("AccessKeyId"), said("SecretAccessKey"), said("SessionToken"), said("Expiration"));
}

async function ofContainer({ env, http }: AwsSurroundings, url: string): Promise<Lent> {
  const file = env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE;
  const token = file === undefined ? env.AWS_CONTAINER_AUTHORIZATION_TOKEN : await textOf(file);
  if (file !== undefined && token === undefined) return refused("the token of the engine's pod for AWS cannot be read");
  const response = await http({ method: "GET", url, headers: { Accept: "application/json", ...(token === undefined ? {} : { Authorization: token }) }, timeoutMs: TIMEOUT_MS, maxBytes: BYTES_MAX });
  if (!response.ok) return refused(`the agent of EKS Pod Identity: ${response.fault.message}`);
  if (response.value.status !== 200) return refused(`the agent of EKS Pod Identity answered ${response.value.status}`);
  const { AccessKeyId, SecretAccessKey, Token, Expiration } = jsonOf(response.value);
  return lentOf("the agent of EKS Pod Identity", AccessKeyId, SecretAccessKey, Token, Expiration);
}

function lentOf(who: string, key: unknown, secret: unknown, token: unknown, expiration: unknown): Lent {
  const identity = identityOf(key, secret, token);
  const endsAtMs = Date.parse(String(expiration));
  return identity === undefined || Number.isNaN(endsAtMs) ? refused(`${who} answered something else than credentials`) : { identity, endsAtMs };
}

/** Under the keys that a Secret would have. */
function identityOf(key: unknown, secret: unknown, token: unknown): Identity | undefined {
  if (typeof key !== "string" || typeof secret !== "string" || key === "" || secret === "") return undefined;
  return { ok: true, value: { aws_access_key_id: key, aws_secret_access_key: secret, ...(typeof token === "string" && token !== "" ? { aws_session_token: token } : {}) } };
}

function refused(why: string): Lent {
  return { identity: { ok: false, why }, endsAtMs: 0 };
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, "utf8")).trim();
  } catch {
    return undefined;
  }
}

function jsonOf({ body }: HttpResponse): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
