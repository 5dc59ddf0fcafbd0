// What does a Secret hold? Read live when it is needed, kept nowhere, and never in an error.
import type { KubeApi, Resource } from "../ports.ts";

const SECRETS: Resource = { group: "", version: "v1", plural: "secrets", kind: "Secret" };

export async function readSecret(api: KubeApi, namespace: string, name: string): Promise<{ ok: true; value: Record<string, string> } | { ok: false; why: string }> {
  const found = await api.get({ resource: SECRETS, namespace, name });
  if (!found.ok) return { ok: false, why: `Secret ${namespace}/${name} cannot be read: ${found.fault.class === "not-found" ? "it does not exist" : found.fault.message}` };
  const data = Object.entries((found.value.data ?? {}) as Record<string, string>);
  return { ok: true, value: Object.fromEntries(data.map(([key, value]) => [key, Buffer.from(value, "base64").toString("utf8")])) };
}
