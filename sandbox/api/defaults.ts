// What does the API server add to a built-in object that its author left out? One function per kind; values only, no
// refusals. Pod templates are completed in pod-defaults.ts, Services in service-defaults.ts.
import { at, childOf, fallback, isRecord, recordsOf, textOf } from "./json.ts";
import { completeDefinition } from "./definition-rules.ts";
import { completePod, completePodSpec } from "./pod-defaults.ts";
import { completeService } from "./service-defaults.ts";
import type { JsonRecord } from "./json.ts";
import type { ResourceType } from "./resource-type.ts";

function templateOf(spec: JsonRecord): void {
  const template = childOf(spec, "template");
  const metadata = childOf(template, "metadata");
  for (const field of Object.keys(metadata)) if (metadata[field] === null) delete metadata[field];
  completePodSpec(childOf(template, "spec"));
}

export const DEFAULTS: Record<string, ResourceType["defaulted"]> = {
  namespaces(object, { operation }) {
    object.metadata.labels = { ...object.metadata.labels, "kubernetes.io/metadata.name": object.metadata.name };
    if (operation !== "create") return;
    object.spec = { finalizers: ["kubernetes"] };
    object.status = { phase: "Active" };
  },
  pods: completePod,
  services: completeService,
  nodes(object) {
    childOf(object, "spec");
    childOf(object, "status");
  },
  secrets(object) {
    const plain = object.stringData;
    if (isRecord(plain)) {
      const data = childOf(object, "data");
      for (const [key, value] of Object.entries(plain)) data[key] = Buffer.from(String(value)).toString("base64");
    }
    delete object.stringData;
    fallback(object, "type", "Opaque");
  },
  endpoints(object) {
    for (const subset of recordsOf(object.subsets)) for (const port of recordsOf(subset.ports)) fallback(port, "protocol", "TCP");
  },
  events(object) {
    const involved = childOf(object, "involvedObject");
    if (involved.namespace === undefined && object.metadata.namespace !== undefined && involved.kind !== "Node") delete involved.namespace;
    fallback(object, "source", {});
    for (const field of ["firstTimestamp", "lastTimestamp", "eventTime"]) fallback(object, field, null);
    for (const field of ["reportingComponent", "reportingInstance"]) fallback(object, field, "");
  },
  "deployments.apps"(object) {
    const spec = childOf(object, "spec");
    fallback(spec, "replicas", 1);
    fallback(spec, "revisionHistoryLimit", 10);
    fallback(spec, "progressDeadlineSeconds", 600);
    rolling(childOf(spec, "strategy"), { maxSurge: "25%", maxUnavailable: "25%" });
    templateOf(spec);
    fallback(object, "status", {});
  },
  "replicasets.apps"(object) {
    const spec = childOf(object, "spec");
    fallback(spec, "replicas", 1);
    if (at(spec, "template") !== undefined) templateOf(spec);
    fallback(object, "status", { replicas: 0 });
  },
  "daemonsets.apps"(object, { operation, old, subresource }) {
    const spec = childOf(object, "spec");
    fallback(spec, "revisionHistoryLimit", 10);
    rolling(childOf(spec, "updateStrategy"), { maxSurge: 0, maxUnavailable: 1 });
    templateOf(spec);
    fallback(object, "status", { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 });
    if (operation === "create") setTemplateGeneration(object.metadata, 1);
    else if (subresource === undefined && old !== undefined) setTemplateGeneration(object.metadata, templateGeneration(old.metadata, old.spec, spec));
  },
  "controllerrevisions.apps"(object) {
    fallback(object, "revision", 0);
  },
  "leases.coordination.k8s.io"(object) {
    childOf(object, "spec");
  },
  "endpointslices.discovery.k8s.io"(object) {
    for (const endpoint of recordsOf(object.endpoints)) childOf(endpoint, "conditions");
    for (const port of recordsOf(object.ports)) {
      fallback(port, "name", "");
      fallback(port, "protocol", "TCP");
    }
    fallback(object, "endpoints", null);
    fallback(object, "ports", null);
  },
  "horizontalpodautoscalers.autoscaling"(object) {
    const spec = childOf(object, "spec");
    fallback(spec, "minReplicas", 1);
    if (recordsOf(spec.metrics).length === 0) {
      spec.metrics = [{ type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } } }];
    }
    fallback(object, "status", { currentMetrics: null, desiredReplicas: 0 });
  },
  "rolebindings.rbac.authorization.k8s.io": completeBinding,
  "clusterrolebindings.rbac.authorization.k8s.io": completeBinding,
  "roles.rbac.authorization.k8s.io": (object) => fallback(object, "rules", null),
  "clusterroles.rbac.authorization.k8s.io": (object) => fallback(object, "rules", null),
  "customresourcedefinitions.apiextensions.k8s.io": completeDefinition,
};

function rolling(strategy: JsonRecord, bounds: JsonRecord): void {
  fallback(strategy, "type", "RollingUpdate");
  if (strategy.type !== "RollingUpdate") return;
  const rollingUpdate = childOf(strategy, "rollingUpdate");
  for (const [field, value] of Object.entries(bounds)) fallback(rollingUpdate, field, value);
}

const TEMPLATE_GENERATION = "deprecated.daemonset.template.generation";

function setTemplateGeneration(metadata: JsonRecord, generation: number): void {
  childOf(metadata, "annotations")[TEMPLATE_GENERATION] = String(generation);
}

function templateGeneration(oldMeta: JsonRecord, oldSpec: unknown, spec: JsonRecord): number {
  const before = Number(textOf(at(oldMeta, "annotations", TEMPLATE_GENERATION)) ?? 1);
  return JSON.stringify(at(oldSpec, "template")) === JSON.stringify(spec.template) ? before : before + 1;
}

function completeBinding(object: JsonRecord): void {
  const group = "rbac.authorization.k8s.io";
  fallback(childOf(object, "roleRef"), "apiGroup", group);
  for (const subject of recordsOf(object.subjects)) if (subject.kind !== "ServiceAccount") fallback(subject, "apiGroup", group);
}
