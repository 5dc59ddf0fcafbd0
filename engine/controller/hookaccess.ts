// What does a webhook ask for beside its payload? Headers of the manifest, and what a Secret holds: read when the hook is called, kept nowhere, and never
// repeated in an error.
import type { CanaryWebhook } from "../../crds/canary.ts";
import type { HttpRequest, KubeApi } from "../ports.ts";
import { readSecret } from "./secrets.ts";

export type Access = { ok: true; headers: Record<string, string>; tls: HttpRequest["tls"] } | { ok: false; why: string };

const HEADER = /^([A-Za-z0-9-]+):[ \t]*([\x20-\x7e]*)$/;

export async function accessOf(api: KubeApi, namespace: string, { headers = {}, secretRef }: CanaryWebhook): Promise<Access> {
  if (secretRef === undefined) return { ok: true, headers, tls: undefined };
  const secret = await readSecret(api, namespace, secretRef.name);
  if (!secret.ok) return { ok: false, why: secret.why };
  const where = `Secret ${namespace}/${secretRef.name}`;
  const { token, username, password, headers: lines, "ca.crt": ca, "tls.crt": cert, "tls.key": key } = secret.value;
  const more = headersOf(lines ?? "");
  if (more === undefined) return { ok: false, why: `${where}, key headers: has a line that is no header; write "Name: value", one a line` };
  if ((cert === undefined) !== (key === undefined)) return { ok: false, why: `${where} has one of tls.crt and tls.key; a client certificate needs both` };
  if (token !== undefined && /[^\x21-\x7e]/.test(token.trim())) return { ok: false, why: `${where}, key token: has characters that no header may have; store it without line breaks` };
  const basic: Record<string, string> = username === undefined ? {} : { Authorization: `Basic ${Buffer.from(`${username.trim()}:${(password ?? "").trim()}`).toString("base64")}` };
  const bearer: Record<string, string> = token === undefined ? {} : { Authorization: `Bearer ${token.trim()}` };
  const tls = ca === undefined && cert === undefined ? undefined : { ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert, key }) };
  return { ok: true, headers: { ...headers, ...more, ...basic, ...bearer }, tls };
}

/** Undefined where a line is no header. */
function headersOf(lines: string): Record<string, string> | undefined {
  const headers: Record<string, string> = {};
  for (const line of lines.split(/\r?\n/)) {
    if (line.trim() === "") continue;
    const [, name, value] = HEADER.exec(line.trim()) ?? [];
    if (name === undefined || value === undefined) return undefined;
    headers[name] = value;
  }
  return headers;
}
