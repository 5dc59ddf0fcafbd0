// What are the objects called? As Kurator calls them, so that whoever looks for them finds them; names that were cut to fit get a hash, so that two
// never become one.
import { createHash } from "node:crypto";

export const NAME_MAX = 63;
const HASH_LENGTH = 8;

export function policyName(app: string, index: number, name: string | undefined): string {
  return name === undefined || name === "" ? `${app}-${index}` : name;
}

/** Of the Kustomization or HelmRelease of one policy in one cluster, and of its entry in `status.syncStatus`. */
export function syncName(policy: string, kind: string, cluster: string): string {
  return fitted(`${policy}-${kind}-${cluster}`.toLowerCase());
}

export function fitted(name: string, max = NAME_MAX): string {
  if (name.length <= max) return name;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, HASH_LENGTH);
  return `${name.slice(0, max - HASH_LENGTH - 1).replace(/[-.]+$/, "")}-${hash}`;
}

export function loadTesterName(workload: string): string {
  return `${workload}-testloader`;
}
