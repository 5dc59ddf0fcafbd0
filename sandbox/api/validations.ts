// What does the API server refuse in a built-in object? One function per kind; it must never change the object.
import { arrayOf, at, isRecord, numberOf, recordOf, recordsOf, sameJson, textOf } from "./json.ts";
import { definitionErrors } from "./definition-rules.ts";
import { labelErrors } from "./metadata.ts";
import { podSpecErrors } from "./pod-rules.ts";
import type { FieldError } from "./errors.ts";
import type { JsonRecord } from "./json.ts";
import type { ResourceType } from "./resource-type.ts";

export const VALIDATIONS: Record<string, ResourceType["validate"]> = {
  pods(object, old) {
    const errors = podSpecErrors(recordOf(object.spec), "spec");
    if (old !== undefined && !sameJson(frozenPart(old.spec), frozenPart(object.spec))) {
      errors.push({ type: "Forbidden", field: "spec", detail: "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)" });
    }
    return errors;
  },
  services: (object, old) => serviceErrors(recordOf(object.spec), old === undefined ? undefined : recordOf(old.spec)),
  configmaps: (object, old) => [...keyErrors(object), ...immutableErrors(object, old)],
  secrets(object, old) {
    const errors = [...keyErrors(object), ...immutableErrors(object, old)];
    if (old !== undefined && old.type !== object.type) errors.push({ type: "Invalid value", field: "type", value: object.type, detail: "field is immutable" });
    return errors;
  },
  "deployments.apps": workloadErrors,
  "replicasets.apps": workloadErrors,
  "daemonsets.apps": workloadErrors,
  "controllerrevisions.apps"(object, old) {
    if (old !== undefined && !sameJson(old.data, object.data)) return [{ type: "Invalid value", field: "data", value: object.data, detail: "field is immutable" }];
    return [];
  },
  "horizontalpodautoscalers.autoscaling"(object) {
    const errors: FieldError[] = [];
    const max = numberOf(at(object, "spec", "maxReplicas")) ?? 0;
    const min = numberOf(at(object, "spec", "minReplicas")) ?? 1;
    if (max < 1) errors.push({ type: "Invalid value", field: "spec.maxReplicas", value: max, detail: "must be greater than 0" });
    if (max < min) errors.push({ type: "Invalid value", field: "spec.maxReplicas", value: max, detail: "must be greater than or equal to `minReplicas`" });
    const target = recordOf(at(object, "spec", "scaleTargetRef"));
    for (const field of ["kind", "name"]) {
      if ((textOf(target[field]) ?? "") === "") errors.push({ type: "Required value", field: `spec.scaleTargetRef.${field}` });
    }
    if (!(textOf(target.apiVersion) ?? "").includes("/")) errors.push({ type: "Invalid value", field: "spec.scaleTargetRef.apiVersion", value: target.apiVersion ?? "", detail: "apiVersion must specify API group" });
    return errors;
  },
  "endpointslices.discovery.k8s.io"(object, old) {
    const errors: FieldError[] = [];
    if ((textOf(object.addressType) ?? "") === "") errors.push({ type: "Required value", field: "addressType" });
    if (old !== undefined && old.addressType !== object.addressType) errors.push({ type: "Invalid value", field: "addressType", value: object.addressType, detail: "field is immutable" });
    return errors;
  },
  "customresourcedefinitions.apiextensions.k8s.io": definitionErrors,
};

const CHANGEABLE = new Set(["activeDeadlineSeconds", "tolerations", "nodeName", "terminationGracePeriodSeconds"]);

/** The part of a pod's spec that no update may touch. */
function frozenPart(spec: unknown): JsonRecord {
  const frozen = Object.fromEntries(Object.entries(recordOf(spec)).filter(([field]) => !CHANGEABLE.has(field)));
  const withoutImage = (list: unknown): unknown => recordsOf(list).map((container) => ({ ...container, image: "", imagePullPolicy: "", resources: {} }));
  return { ...frozen, containers: withoutImage(frozen.containers), initContainers: withoutImage(frozen.initContainers) };
}

const CONFIG_KEY = /^[-._a-zA-Z0-9]+$/;

function keyErrors(object: JsonRecord): FieldError[] {
  return ["data", "binaryData"].flatMap((field) => Object.keys(recordOf(object[field])).filter((key) => !CONFIG_KEY.test(key)).map((key): FieldError => ({
    type: "Invalid value", field: `${field}[${key}]`, value: key,
    detail: "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
  })));
}

function immutableErrors(object: JsonRecord, old: JsonRecord | undefined): FieldError[] {
  if (old?.immutable !== true) return [];
  const errors: FieldError[] = [];
  if (object.immutable !== true) errors.push({ type: "Forbidden", field: "immutable", detail: "field is immutable when `immutable` is set" });
  for (const field of ["data", "binaryData"]) {
    if (!sameJson(old[field], object[field])) errors.push({ type: "Forbidden", field, detail: "field is immutable when `immutable` is set" });
  }
  return errors;
}

function workloadErrors(object: JsonRecord, old: JsonRecord | undefined): FieldError[] {
  const spec = recordOf(object.spec);
  const errors: FieldError[] = [];
  if (old !== undefined && !sameJson(at(old, "spec", "selector"), spec.selector)) {
    errors.push({ type: "Invalid value", field: "spec.selector", value: spec.selector, detail: "field is immutable" });
  }
  const replicas = numberOf(spec.replicas);
  if (replicas !== undefined && replicas < 0) errors.push({ type: "Invalid value", field: "spec.replicas", value: replicas, detail: "must be greater than or equal to 0" });
  const selector = spec.selector;
  const labels = recordOf(at(spec, "template", "metadata", "labels"));
  const shown = Object.keys(labels).length === 0 ? null : labels;
  if (!isRecord(selector)) errors.push({ type: "Required value", field: "spec.selector" });
  else if (Object.keys(recordOf(selector.matchLabels)).length + arrayOf(selector.matchExpressions).length === 0) {
    errors.push({ type: "Invalid value", field: "spec.selector", value: {}, detail: "empty selector is invalid for deployment" });
  }
  if (!isRecord(selector) || !selects(selector, labels)) {
    errors.push({ type: "Invalid value", field: "spec.template.metadata.labels", value: shown, detail: "`selector` does not match template `labels`" });
  }
  errors.push(...labelErrors(labels, "spec.template.labels"), ...podSpecErrors(recordOf(at(spec, "template", "spec")), "spec.template.spec"));
  const restartPolicy = at(spec, "template", "spec", "restartPolicy");
  if (restartPolicy !== "Always") errors.push({ type: "Unsupported value", field: "spec.template.spec.restartPolicy", value: restartPolicy, detail: 'supported values: "Always"' });
  return errors;
}

function selects(selector: JsonRecord, labels: JsonRecord): boolean {
  const equal = Object.entries(recordOf(selector.matchLabels)).every(([key, value]) => labels[key] === value);
  return equal && recordsOf(selector.matchExpressions).every(({ key, operator, values }) => {
    const value = labels[textOf(key) ?? ""];
    switch (operator) {
      case "In": return value !== undefined && arrayOf(values).includes(value);
      case "NotIn": return value === undefined || !arrayOf(values).includes(value);
      case "Exists": return value !== undefined;
      case "DoesNotExist": return value === undefined;
      default: return false;
    }
  });
}

const SERVICE_TYPES = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];

function serviceErrors(spec: JsonRecord, old: JsonRecord | undefined): FieldError[] {
  const errors: FieldError[] = [];
  const ports = recordsOf(spec.ports);
  const type = textOf(spec.type) ?? "";
  if (!SERVICE_TYPES.includes(type)) errors.push({ type: "Unsupported value", field: "spec.type", value: type, detail: `supported values: ${SERVICE_TYPES.map((name) => JSON.stringify(name)).join(", ")}` });
  if (ports.length === 0 && type !== "ExternalName" && spec.clusterIP !== "None") errors.push({ type: "Required value", field: "spec.ports" });
  if (type === "ExternalName" && (textOf(spec.externalName) ?? "") === "") {
    errors.push({ type: "Invalid value", field: "spec.externalName", value: "", detail: "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')" });
  }
  const names = new Set<unknown>();
  ports.forEach((port, index) => {
    const field = `spec.ports[${index}]`;
    if (ports.length > 1 && (textOf(port.name) ?? "") === "") errors.push({ type: "Required value", field: `${field}.name` });
    else if (port.name !== undefined && names.has(port.name)) errors.push({ type: "Duplicate value", field: `${field}.name`, value: port.name });
    names.add(port.name);
    errors.push(...portErrors(port.port ?? 0, `${field}.port`));
    if (!["TCP", "UDP", "SCTP"].includes(textOf(port.protocol) ?? "")) errors.push({ type: "Unsupported value", field: `${field}.protocol`, value: port.protocol, detail: 'supported values: "SCTP", "TCP", "UDP"' });
    if (typeof port.targetPort === "number") errors.push(...portErrors(port.targetPort, `${field}.targetPort`));
    const twin = ports.findIndex((other) => other.port === port.port && other.protocol === port.protocol);
    if (twin < index) errors.push({ type: "Duplicate value", field, value: { port: port.port, protocol: port.protocol } });
  });
  if (old !== undefined && old.type !== "ExternalName" && type !== "ExternalName" && old.clusterIP !== spec.clusterIP) {
    errors.push({ type: "Invalid value", field: "spec.clusterIPs[0]", value: arrayOf(spec.clusterIPs), detail: "may not change once set" });
  }
  return errors;
}

function portErrors(port: unknown, field: string): FieldError[] {
  const inRange = typeof port === "number" && port >= 1 && port <= 65_535;
  return inRange ? [] : [{ type: "Invalid value", field, value: port, detail: "must be between 1 and 65535, inclusive" }];
}
