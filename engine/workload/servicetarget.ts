// A core Service as the target: what it leads to is what is released, for example an ExternalName or a selector that somebody else changes. It has no pods of
// its own to scale or wait for, and the Service itself is never written: `-primary` and `-canary` are copies of it, and the mesh leads to them.
import { defined, map, type Json } from "../../crds/json.ts";
import { HANDS_OFF, MARKS, ORIGIN, REVISION, TOOLKIT } from "../../crds/marks.ts";
import type { KubeObject } from "../ports.ts";
import type { WorkloadSeen } from "./deployment.ts";
import type { StoredRevision } from "./revisions.ts";

/** Given by the API server to one Service, and wrong or refused on another. */
const ALLOCATED = ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort"];

/** Always as ready as it can be: what it leads to is somebody else's business. */
export function readServiceTarget(object: KubeObject): Omit<WorkloadSeen, "hash" | "images"> {
  // The API server counts no generations of Services. Its versions count every write, which is enough to tell that nobody wrote.
  const generation = object.metadata.generation ?? Number(object.metadata.resourceVersion ?? 0);
  return { uid: object.metadata.uid ?? "", generation, replicas: 1, paused: false, pods: 1, availableReplicas: 1, readiness: { ready: true } };
}

/** What of its spec is released: all that its owner chose. */
export function serviceRevision(object: KubeObject): Json {
  const spec = map(object.spec);
  const kept = Object.fromEntries(Object.entries(spec).filter(([key]) => !ALLOCATED.includes(key)));
  const ports = Array.isArray(spec.ports) ? spec.ports.map((port) => withoutNodePort(map(port))) : undefined;
  return defined({ ...kept, ports, ...(spec.clusterIP === "None" ? { clusterIP: "None" } : {}) });
}

export interface ServiceCopyIntent {
  target: KubeObject;
  revision: StoredRevision;
  name: string;
  found: KubeObject | undefined;
  includeLabelPrefixes: readonly string[];
}

export function renderServiceCopy({ target, revision, name, found, includeLabelPrefixes }: ServiceCopyIntent): KubeObject {
  const allocated = Object.fromEntries(Object.entries(map(found?.spec)).filter(([key]) => ALLOCATED.includes(key)));
  const labels = Object.entries(target.metadata.labels ?? {}).filter(([key]) => !key.includes(TOOLKIT) && !key.startsWith(MARKS) && includeLabelPrefixes.some((prefix) => prefix === "*" || (prefix !== "" && key.startsWith(prefix))));
  const external = revision.template.type === "ExternalName";
  return {
    ...found,
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      ...found?.metadata,
      name,
      namespace: target.metadata.namespace,
      labels: { ...found?.metadata.labels, ...Object.fromEntries(labels) },
      annotations: { ...(found === undefined ? HANDS_OFF : found.metadata.annotations), [ORIGIN]: "created", [REVISION]: revision.hash },
    },
    spec: { ...(external ? {} : allocated), ...revision.template },
  };
}

function withoutNodePort({ nodePort: _, ...port }: Json): Json {
  return port;
}
