// What does `kubectl get` show of a built-in object? It must never read anything but the object and the time.
import { arrayOf, at, isRecord, recordOf, recordsOf, textOf } from "./json.ts";
import { ageColumn, ageOf, fieldColumn, nameColumn } from "./table.ts";
import type { Column } from "./resource-type.ts";
import type { KubeObject } from "./types.ts";

export const plainColumns: readonly Column[] = [nameColumn, ageColumn];

function column(name: string, cell: Column["cell"], options: { type?: string; priority?: number } = {}): Column {
  return { name, type: options.type ?? "string", priority: options.priority ?? 0, cell };
}

/** A number, whatever the column says it is: most built-in kinds declare their counts as strings. */
function count(name: string, path: string, type = "string"): Column {
  return column(name, (object) => Number(at(object, ...path.split(".")) ?? 0), { type });
}

function sizeOf(value: unknown): number {
  return isRecord(value) ? Object.keys(value).length : arrayOf(value).length;
}

function pairs(labels: unknown): string {
  const text = Object.entries(recordOf(labels)).map(([key, value]) => `${key}=${String(value)}`).sort().join(",");
  return text === "" ? "<none>" : text;
}

function podPhase(object: KubeObject): string {
  const status = recordOf(object.status);
  if (object.metadata.deletionTimestamp !== undefined) return "Terminating";
  const waiting = recordsOf(status.containerStatuses)
    .map((container) => textOf(at(container, "state", "waiting", "reason")) ?? textOf(at(container, "state", "terminated", "reason")))
    .find((reason) => reason !== undefined && reason !== "");
  return waiting ?? textOf(status.reason) ?? textOf(status.phase) ?? "";
}

function containers(object: KubeObject): ReturnType<typeof recordsOf> {
  return recordsOf(at(object, "spec", "template", "spec", "containers"));
}

const templateColumns: readonly Column[] = [
  column("Containers", (object) => containers(object).map(({ name }) => String(name)).join(","), { priority: 1 }),
  column("Images", (object) => containers(object).map(({ image }) => String(image)).join(","), { priority: 1 }),
  column("Selector", (object) => pairs(at(object, "spec", "selector", "matchLabels")), { priority: 1 }),
];

function servicePorts(object: KubeObject): string {
  const ports = recordsOf(at(object, "spec", "ports")).map(({ port, nodePort, protocol }) =>
    `${String(port)}${nodePort === undefined ? "" : `:${String(nodePort)}`}/${String(protocol)}`);
  return ports.length === 0 ? "<none>" : ports.join(",");
}

function externalAddress(object: KubeObject): string {
  const spec = recordOf(object.spec);
  if (spec.type === "ExternalName") return textOf(spec.externalName) ?? "";
  if (spec.type !== "LoadBalancer") return arrayOf(spec.externalIPs).join(",") || "<none>";
  const ingress = recordsOf(at(object, "status", "loadBalancer", "ingress")).map(({ ip, hostname }) => String(ip ?? hostname));
  return ingress.join(",") || "<pending>";
}

function nodeStatus(object: KubeObject): string {
  const ready = recordsOf(at(object, "status", "conditions")).find(({ type }) => type === "Ready")?.status;
  const told = ready === undefined ? "Unknown" : ready === "True" ? "Ready" : "NotReady";
  return at(object, "spec", "unschedulable") === true ? `${told},SchedulingDisabled` : told;
}

function nodeAddress(object: KubeObject, type: string): string {
  return textOf(recordsOf(at(object, "status", "addresses")).find((address) => address.type === type)?.address) ?? "<none>";
}

function endpointsText(object: KubeObject): string {
  const told = recordsOf(object.subsets).flatMap((subset) => {
    const ports = recordsOf(subset.ports);
    return recordsOf(subset.addresses).flatMap(({ ip }) => (ports.length === 0 ? [String(ip)] : ports.map(({ port }) => `${String(ip)}:${String(port)}`)));
  });
  if (told.length === 0) return "<none>";
  return told.length > 3 ? `${told.slice(0, 3).join(",")} + ${told.length - 3} more...` : told.join(",");
}

function autoscalerTargets(object: KubeObject): string {
  const told = recordsOf(at(object, "spec", "metrics")).map((metric) => {
    const target = recordOf(at(metric, "resource", "target"));
    const wanted = target.averageUtilization === undefined ? String(target.averageValue ?? "<unknown>") : `${String(target.averageUtilization)}%`;
    return `${String(at(metric, "resource", "name") ?? metric.type)}: <unknown>/${wanted}`;
  });
  return told.join(", ") || "<none>";
}

const bindingColumns: readonly Column[] = [
  nameColumn,
  column("Role", (object) => `${String(at(object, "roleRef", "kind"))}/${String(at(object, "roleRef", "name"))}`),
  ageColumn,
  ...[["Users", "User"], ["Groups", "Group"]].map(([name = "", kind]) => column(name, (object) =>
    recordsOf(object.subjects).filter((subject) => subject.kind === kind).map((subject) => String(subject.name)).join(", "), { priority: 1 })),
  column("ServiceAccounts", (object) => recordsOf(object.subjects).filter(({ kind }) => kind === "ServiceAccount")
    .map(({ namespace, name }) => `${String(namespace)}/${String(name)}`).join(", "), { priority: 1 }),
];
const roleColumns: readonly Column[] = [nameColumn, column("Created At", (object) => object.metadata.creationTimestamp ?? "", { type: "date" })];

export const COLUMNS: Record<string, readonly Column[]> = {
  namespaces: [nameColumn, fieldColumn("Status", "status.phase"), ageColumn],
  pods: [
    nameColumn,
    column("Ready", (object) => {
      const statuses = recordsOf(at(object, "status", "containerStatuses"));
      return `${statuses.filter(({ ready }) => ready === true).length}/${sizeOf(at(object, "spec", "containers"))}`;
    }),
    column("Status", podPhase),
    column("Restarts", (object) => String(recordsOf(at(object, "status", "containerStatuses")).reduce((sum, { restartCount }) => sum + (typeof restartCount === "number" ? restartCount : 0), 0))),
    ageColumn,
    fieldColumn("IP", "status.podIP", { absent: "<none>", priority: 1 }),
    fieldColumn("Node", "spec.nodeName", { absent: "<none>", priority: 1 }),
    fieldColumn("Nominated Node", "status.nominatedNodeName", { absent: "<none>", priority: 1 }),
    column("Readiness Gates", () => "<none>", { priority: 1 }),
  ],
  services: [
    nameColumn,
    fieldColumn("Type", "spec.type"),
    fieldColumn("Cluster-IP", "spec.clusterIP", { absent: "<none>" }),
    column("External-IP", externalAddress),
    column("Port(s)", servicePorts),
    ageColumn,
    column("Selector", (object) => pairs(at(object, "spec", "selector")), { priority: 1 }),
  ],
  configmaps: [nameColumn, column("Data", (object) => sizeOf(object.data) + sizeOf(object.binaryData)), ageColumn],
  secrets: [nameColumn, fieldColumn("Type", "type"), column("Data", (object) => sizeOf(object.data)), ageColumn],
  endpoints: [nameColumn, column("Endpoints", endpointsText), ageColumn],
  events: [
    column("Last Seen", (object, nowMs) => ageOf(object.lastTimestamp ?? object.eventTime ?? object.firstTimestamp, nowMs)),
    fieldColumn("Type", "type"),
    fieldColumn("Reason", "reason"),
    column("Object", (object) => `${String(at(object, "involvedObject", "kind") ?? "").toLowerCase()}/${String(at(object, "involvedObject", "name") ?? "")}`),
    fieldColumn("Subobject", "involvedObject.fieldPath", { priority: 1 }),
    fieldColumn("Source", "source.component", { priority: 1 }),
    column("Message", (object) => (textOf(object.message) ?? "").trim()),
    column("First Seen", (object, nowMs) => ageOf(object.firstTimestamp ?? object.eventTime, nowMs), { priority: 1 }),
    column("Count", (object) => (typeof object.count === "number" ? object.count : 1), { priority: 1 }),
    { ...nameColumn, priority: 1 },
  ],
  nodes: [
    nameColumn,
    column("Status", nodeStatus),
    column("Roles", (object) => Object.keys(object.metadata.labels ?? {}).filter((key) => key.startsWith("node-role.kubernetes.io/")).map((key) => key.slice(24)).sort().join(",") || "<none>"),
    ageColumn,
    fieldColumn("Version", "status.nodeInfo.kubeletVersion"),
    column("Internal-IP", (object) => nodeAddress(object, "InternalIP"), { priority: 1 }),
    column("External-IP", (object) => nodeAddress(object, "ExternalIP"), { priority: 1 }),
    fieldColumn("OS-Image", "status.nodeInfo.osImage", { absent: "<unknown>", priority: 1 }),
    fieldColumn("Kernel-Version", "status.nodeInfo.kernelVersion", { absent: "<unknown>", priority: 1 }),
    fieldColumn("Container-Runtime", "status.nodeInfo.containerRuntimeVersion", { absent: "<unknown>", priority: 1 }),
  ],
  "deployments.apps": [
    nameColumn,
    column("Ready", (object) => `${Number(at(object, "status", "readyReplicas") ?? 0)}/${Number(at(object, "spec", "replicas") ?? 0)}`),
    count("Up-to-date", "status.updatedReplicas"),
    count("Available", "status.availableReplicas"),
    ageColumn,
    ...templateColumns,
  ],
  "replicasets.apps": [
    nameColumn, count("Desired", "spec.replicas", "integer"), count("Current", "status.replicas", "integer"), count("Ready", "status.readyReplicas", "integer"), ageColumn, ...templateColumns,
  ],
  "daemonsets.apps": [
    nameColumn,
    count("Desired", "status.desiredNumberScheduled", "integer"),
    count("Current", "status.currentNumberScheduled", "integer"),
    count("Ready", "status.numberReady", "integer"),
    count("Up-to-date", "status.updatedNumberScheduled", "integer"),
    count("Available", "status.numberAvailable", "integer"),
    column("Node Selector", (object) => pairs(at(object, "spec", "template", "spec", "nodeSelector"))),
    ageColumn,
    ...templateColumns,
  ],
  "controllerrevisions.apps": [
    nameColumn,
    column("Controller", (object) => {
      const owner = object.metadata.ownerReferences?.find(({ controller }) => controller === true);
      return owner === undefined ? "<none>" : `${owner.kind.toLowerCase()}${owner.apiVersion.includes("/") ? `.${owner.apiVersion.split("/")[0] ?? ""}` : ""}/${owner.name}`;
    }),
    count("Revision", "revision"),
    ageColumn,
  ],
  "leases.coordination.k8s.io": [nameColumn, fieldColumn("Holder", "spec.holderIdentity"), ageColumn],
  "endpointslices.discovery.k8s.io": [
    nameColumn,
    fieldColumn("AddressType", "addressType"),
    column("Ports", (object) => recordsOf(object.ports).map(({ port }) => String(port)).join(",") || "<unset>"),
    column("Endpoints", (object) => recordsOf(object.endpoints).flatMap(({ addresses }) => arrayOf(addresses)).join(",") || "<unset>"),
    ageColumn,
  ],
  "horizontalpodautoscalers.autoscaling": [
    nameColumn,
    column("Reference", (object) => `${String(at(object, "spec", "scaleTargetRef", "kind"))}/${String(at(object, "spec", "scaleTargetRef", "name"))}`),
    column("Targets", autoscalerTargets),
    column("MinPods", (object) => String(at(object, "spec", "minReplicas") ?? "<unset>")),
    count("MaxPods", "spec.maxReplicas"),
    count("Replicas", "status.currentReplicas"),
    ageColumn,
  ],
  "roles.rbac.authorization.k8s.io": roleColumns,
  "clusterroles.rbac.authorization.k8s.io": roleColumns,
  "rolebindings.rbac.authorization.k8s.io": bindingColumns,
  "clusterrolebindings.rbac.authorization.k8s.io": bindingColumns,
  "customresourcedefinitions.apiextensions.k8s.io": roleColumns,
};
