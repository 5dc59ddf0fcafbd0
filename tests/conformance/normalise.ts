// What of an answer must be the same on two servers? Everything but identities, versions, times and addresses. It must
// never hide a field that the sandbox lacks.
import type { Json } from "./target.ts";

const DROPPED = new Set(["uid", "resourceVersion", "creationTimestamp", "managedFields", "selfLink", "description"]);
const TIMES = new Set(["deletionTimestamp", "lastTransitionTime", "lastUpdateTime"]);
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
/** Written by the controllers of a cluster, which the API alone does not have. */
const CONTROLLERS = new Set(["deployment.kubernetes.io/revision"]);
const CLUSTER_OWN = new Set(["kube-root-ca.crt", "istio-ca-crl", "istio-ca-root-cert"]);

export function normalised(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => !isClusterOwn(item)).map(normalised);
  if (typeof value === "string") return normalisedText(value);
  if (typeof value !== "object" || value === null) return value;
  const record = value as Json;
  const result: Json = {};
  for (const [field, child] of Object.entries(record)) {
    if (DROPPED.has(field) || CONTROLLERS.has(field)) continue;
    if (TIMES.has(field)) result[field] = "TIME";
    else if (field === "continue" && child === "") continue;
    else if (field === "continue") result[field] = "TOKEN";
    else if (field === "nodePort") result[field] = "PORT";
    else result[field] = normalised(child);
  }
  if (record.kind === "Status") return normalisedStatus(result);
  if (isWorkload(record)) delete result.status;
  if (typeof record.generateName === "string" && typeof record.name === "string") result.name = `${record.generateName}*`;
  if (isEmptyMap(result.annotations)) delete result.annotations;
  return result;
}

function isClusterOwn(item: unknown): boolean {
  const name = (item as { metadata?: { name?: string } } | null)?.metadata?.name;
  return name !== undefined && CLUSTER_OWN.has(name);
}

/** Their status moves while we look, because a cluster has controllers. */
function isWorkload(record: Json): boolean {
  return typeof record.spec === "object" && typeof record.apiVersion === "string" && record.apiVersion.startsWith("apps/");
}

function isEmptyMap(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

function normalisedText(text: string): string {
  return text
    .replace(UUID, "UID")
    // A refused precondition names the key in etcd; the sandbox has no etcd.
    .replace(/StorageError: .*AdditionalErrorMsg: /, "")
    .replace(/(ResourceVersion in (?:the )?(?:precondition|record)) \(\d+\)/g, "$1 (N)")
    // What follows is a dump of Go structures.
    .replace(/(pod updates may not change fields other than [^\n]*)[^]*/, "$1")
    .replace(/^\d+\.\d+\.\d+\.\d+$/, "IP")
    .replace(/^\d+s$/, "AGE")
    .replace(/kube-api-access-\w+/, "kube-api-access-*");
}

interface Cause {
  field?: string;
  message?: string;
}

/** Several causes come in no particular order, and the message repeats them. */
function normalisedStatus(status: Json): Json {
  const details = status.details as { causes?: Cause[] } | undefined;
  const causes = [...details?.causes ?? []].sort((left, right) => `${left.field}${left.message}`.localeCompare(`${right.field}${right.message}`));
  if (causes.length < 2) return status;
  return { ...status, message: "(see causes)", details: { ...details, causes } };
}
