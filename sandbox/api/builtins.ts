// Which kinds does the API serve before any definition is applied? One row each; what a kind defaults and refuses is in
// the room of its group. It must never hold rules of a single kind.
import { DEFAULTS } from "./defaults.ts";
import { VALIDATIONS } from "./validations.ts";
import { COLUMNS, plainColumns } from "./columns.ts";
import { CLEANUP_FINALIZER } from "./definitions.ts";
import { pruneByShape } from "./shapes.ts";
import type { ResourceType } from "./resource-type.ts";

type Row = Pick<ResourceType, "group" | "kind" | "plural"> & Partial<ResourceType>;

const CORE: readonly Row[] = [
  { group: "", kind: "Namespace", plural: "namespaces", shortNames: ["ns"], namespaced: false, hasStatus: true },
  { group: "", kind: "Pod", plural: "pods", shortNames: ["po"], categories: ["all"], hasStatus: true, generation: "spec", returnsDeleted: true },
  { group: "", kind: "Service", plural: "services", createOnUpdate: true, shortNames: ["svc"], categories: ["all"], hasStatus: true, returnsDeleted: true },
  { group: "", kind: "ConfigMap", plural: "configmaps", shortNames: ["cm"] },
  { group: "", kind: "Secret", plural: "secrets" },
  { group: "", kind: "Event", plural: "events", createOnUpdate: true, shortNames: ["ev"] },
  { group: "", kind: "Endpoints", plural: "endpoints", createOnUpdate: true, singular: "endpoints", shortNames: ["ep"] },
  { group: "", kind: "Node", plural: "nodes", shortNames: ["no"], namespaced: false, hasStatus: true, keepsStatusOnCreate: true },
  { group: "", kind: "ServiceAccount", plural: "serviceaccounts", shortNames: ["sa"], returnsDeleted: true },
];

const deploymentScale = { specReplicas: ".spec.replicas", statusReplicas: ".status.replicas" };

const GROUPS: readonly Row[] = [
  { group: "apps", kind: "Deployment", plural: "deployments", shortNames: ["deploy"], categories: ["all"], hasStatus: true, generation: "spec", scale: deploymentScale },
  { group: "apps", kind: "ReplicaSet", plural: "replicasets", shortNames: ["rs"], categories: ["all"], hasStatus: true, generation: "spec", scale: deploymentScale },
  { group: "apps", kind: "DaemonSet", plural: "daemonsets", shortNames: ["ds"], categories: ["all"], hasStatus: true, generation: "spec" },
  { group: "apps", kind: "ControllerRevision", plural: "controllerrevisions" },
  { group: "coordination.k8s.io", kind: "Lease", plural: "leases", createOnUpdate: true, unconditionalUpdate: false },
  { group: "discovery.k8s.io", kind: "EndpointSlice", plural: "endpointslices", generation: "all" },
  { group: "autoscaling", versions: ["v2"], kind: "HorizontalPodAutoscaler", plural: "horizontalpodautoscalers", shortNames: ["hpa"], categories: ["all"], hasStatus: true },
  { group: "rbac.authorization.k8s.io", kind: "Role", plural: "roles", createOnUpdate: true },
  { group: "rbac.authorization.k8s.io", kind: "RoleBinding", plural: "rolebindings", createOnUpdate: true },
  { group: "rbac.authorization.k8s.io", kind: "ClusterRole", plural: "clusterroles", createOnUpdate: true, namespaced: false },
  { group: "rbac.authorization.k8s.io", kind: "ClusterRoleBinding", plural: "clusterrolebindings", createOnUpdate: true, namespaced: false },
  { group: "apiextensions.k8s.io", kind: "CustomResourceDefinition", plural: "customresourcedefinitions", shortNames: ["crd", "crds"], categories: ["api-extensions"], namespaced: false, hasStatus: true, generation: "spec", unconditionalUpdate: false, cleanupFinalizer: CLEANUP_FINALIZER },
];

export function builtinTypes(): ResourceType[] {
  return [...CORE, ...GROUPS].map(completed);
}

function completed(row: Row): ResourceType {
  const versions = row.versions ?? ["v1"];
  const id = row.group === "" ? row.plural : `${row.plural}.${row.group}`;
  return {
    id,
    versions,
    storageVersion: versions[0] ?? "v1",
    singular: row.kind.toLowerCase(),
    shortNames: [],
    categories: [],
    namespaced: true,
    hasStatus: false,
    generation: "none",
    unconditionalUpdate: true,
    returnsDeleted: false,
    custom: false,
    defaulted: DEFAULTS[id] ?? (() => undefined),
    validate: VALIDATIONS[id] ?? (() => []),
    prune: (object, version) => pruneByShape(row.kind, object, { kind: row.kind, version }),
    shape: row.kind,
    columns: COLUMNS[id] ?? plainColumns,
    ...row,
  };
}
