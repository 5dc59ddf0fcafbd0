// Which clusters does a policy go to? Reads Fleets and cluster objects of the host; knows nothing of what is in the clusters.
import type { ApplicationSpec, SyncPolicy } from "../crds/application.ts";
import { CLUSTER, FLEET, kubeconfigRef, parseFleetSpec, type Read, type SecretKey } from "../crds/fleet.ts";
import type { KubeObject, Resource } from "../engine/ports.ts";
import type { FleetProblem } from "./problem.ts";

export const APPLICATIONS: Resource = { group: "apps.kurator.dev", version: "v1alpha1", plural: "applications", kind: "Application" };
export const FLEETS: Resource = { ...FLEET, plural: "fleets", kind: "Fleet" };
export const ATTACHED_CLUSTERS: Resource = { ...CLUSTER, plural: "attachedclusters", kind: "AttachedCluster" };
export const CLUSTERS: Resource = { ...CLUSTER, plural: "clusters", kind: "Cluster" };

/** Kurator's words for the cluster of the Application itself. */
export const HOST = { kind: "currentCluster", name: "host" } as const;

export interface ClusterRef {
  kind: string;
  name: string;
  /** Of the cluster object; "" for the host. */
  namespace: string;
  labels: Readonly<Record<string, string>>;
}

export const HOST_REF: ClusterRef = { ...HOST, namespace: "", labels: {} };

/** Members are shared by all Applications, so the key has none of them in it. */
export function keyOf({ kind, namespace, name }: Pick<ClusterRef, "kind" | "namespace" | "name">): string {
  return kind === HOST.kind ? HOST.name : `${kind}/${namespace}/${name}`;
}

/** Objects of the host, by plural, namespace and name. */
export type Lookup = (plural: string, namespace: string, name: string) => KubeObject | undefined;

export type Resolved = { ok: true; clusters: ClusterRef[]; missing: FleetProblem[] } | { ok: false; problem: FleetProblem };

export function clustersOf(namespace: string, spec: ApplicationSpec, policy: SyncPolicy, index: number, lookup: Lookup): Resolved {
  const destination = policy.destination ?? spec.destination;
  if (destination === undefined) return { ok: true, clusters: [HOST_REF], missing: [] };
  const path = policy.destination === undefined ? "spec.destination.fleet" : `spec.syncPolicies[${index}].destination.fleet`;
  const fleet = lookup("fleets", namespace, destination.fleet);
  if (fleet === undefined) return { ok: false, problem: { reason: "FleetMissing", path, message: `there is no Fleet ${namespace}/${destination.fleet}; create it, or name another one` } };
  const parsed = parseFleetSpec(fleet.spec);
  if (!parsed.ok) return { ok: false, problem: { reason: "FleetMissing", path, message: `Fleet ${namespace}/${destination.fleet} cannot be read (${parsed.message}); correct it` } };
  const clusters: ClusterRef[] = [];
  const missing: FleetProblem[] = [];
  for (const { kind = "Cluster", name } of parsed.value.clusters ?? []) {
    const object = clusterObject({ kind, namespace, name }, lookup);
    if (object === undefined) {
      const known = kind === "Cluster" || kind === "AttachedCluster";
      missing.push({ reason: "ClusterMissing", path, message: known ? `${kind} ${namespace}/${name} of Fleet ${destination.fleet} does not exist; create it, or remove it from the fleet` : `Fleet ${destination.fleet} names a ${kind}; use AttachedCluster or Cluster` });
      continue;
    }
    const { labels = {} } = object.metadata;
    const wanted = Object.entries(destination.clusterSelector?.matchLabels ?? {});
    if (wanted.every(([label, value]) => labels[label] === value)) clusters.push({ kind, namespace, name, labels });
  }
  return { ok: true, clusters, missing };
}

export function clusterObject({ kind, namespace, name }: Pick<ClusterRef, "kind" | "namespace" | "name">, lookup: Lookup): KubeObject | undefined {
  if (kind === "AttachedCluster") return lookup("attachedclusters", namespace, name);
  return kind === "Cluster" ? lookup("clusters", namespace, name) : undefined;
}

/** Undefined where the cluster object is gone. */
export function secretOf(ref: Pick<ClusterRef, "kind" | "namespace" | "name">, lookup: Lookup): Read<SecretKey> | undefined {
  const object = clusterObject(ref, lookup);
  return object === undefined ? undefined : kubeconfigRef(ref.kind, object.spec);
}
