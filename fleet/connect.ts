// How does a member's kubeconfig get to its connection? The Secret is read when it is another one than before, and what is in it goes nowhere else: not
// into a log, a status or an error.
import type { CacheSet } from "../engine/adapters/cachesets.ts";
import type { KubeApi, Resource } from "../engine/ports.ts";
import { map, text } from "../crds/json.ts";
import { HOST, keyOf, secretOf, type ClusterRef, type Lookup } from "./clusters.ts";
import type { Members } from "./members.ts";
import type { FleetProblem } from "./problem.ts";

export const SECRETS: Resource = { group: "", version: "v1", plural: "secrets", kind: "Secret" };

export interface ConnectPorts {
  api: KubeApi;
  /** With metadata of Secrets. */
  caches: Pick<CacheSet, "get">;
  lookup: Lookup;
  members: Members;
}

export async function connectMember({ api, caches, lookup, members }: ConnectPorts, ref: ClusterRef): Promise<FleetProblem | undefined> {
  const key = keyOf(ref);
  if (ref.kind === HOST.kind) {
    members.want(key, { kind: "host" });
    return undefined;
  }
  const unusable = (message: string): FleetProblem => ({ reason: "KubeconfigUnusable", path: "", message: `${ref.name}: ${message}` });
  const secret = secretOf(ref, lookup);
  if (secret === undefined) return unusable(`${ref.kind} ${ref.namespace}/${ref.name} does not exist`);
  if (!secret.ok) return unusable(`${ref.kind} ${ref.namespace}/${ref.name} cannot be read: ${secret.message}`);
  const { name, key: field } = secret.value;
  const known = caches.get("secrets", ref.namespace, name);
  if (known === undefined) return unusable(`Secret ${ref.namespace}/${name} with its kubeconfig does not exist; create it`);
  const version = `${known.metadata.uid ?? ""}/${known.metadata.resourceVersion ?? ""}/${field}`;
  if (members.version(key) === version) return undefined;
  const read = await api.get({ resource: SECRETS, namespace: ref.namespace, name });
  if (!read.ok) return unusable(`Secret ${ref.namespace}/${name} with its kubeconfig cannot be read (${read.fault.message})`);
  const encoded = text(map(read.value.data)[field]);
  if (encoded === undefined || encoded === "") {
    // What led there before was taken away, and is not used any longer.
    members.drop(key);
    return unusable(`Secret ${ref.namespace}/${name} has no key "${field}"; put the kubeconfig there, or name its key in spec.kubeconfig.key of ${ref.kind} ${ref.name}`);
  }
  members.want(key, { kind: "text", text: Buffer.from(encoded, "base64").toString("utf8"), version });
  return undefined;
}
