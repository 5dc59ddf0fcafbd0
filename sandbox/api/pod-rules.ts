// What does the API server refuse in the spec of a pod or of a template? The checks that an author of manifests meets:
// names, images, ports, volumes, probes. It must never change the spec.
import { isRecord, numberOf, recordsOf, textOf } from "./json.ts";
import type { FieldError } from "./errors.ts";
import type { JsonRecord } from "./json.ts";

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const LABEL_TEXT = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const PULL_POLICIES = ["Always", "IfNotPresent", "Never"];

export function podSpecErrors(spec: JsonRecord, field: string): FieldError[] {
  const errors: FieldError[] = [];
  const volumes = recordsOf(spec.volumes).map((volume) => textOf(volume.name) ?? "");
  recordsOf(spec.volumes).forEach((volume, index) => errors.push(...nameErrors(volume.name, volumes, index, `${field}.volumes[${index}].name`)));
  const containers = recordsOf(spec.containers);
  if (containers.length === 0) errors.push({ type: "Required value", field: `${field}.containers` });
  for (const list of ["containers", "initContainers"]) {
    const group = recordsOf(spec[list]);
    const names = group.map((container) => textOf(container.name) ?? "");
    group.forEach((container, index) => {
      const path = `${field}.${list}[${index}]`;
      errors.push(...nameErrors(container.name, names, index, `${path}.name`), ...containerErrors(container, path, volumes));
    });
  }
  if (!["Always", "OnFailure", "Never"].includes(textOf(spec.restartPolicy) ?? "")) {
    errors.push({ type: "Unsupported value", field: `${field}.restartPolicy`, value: spec.restartPolicy, detail: 'supported values: "Always", "OnFailure", "Never"' });
  }
  return errors;
}

function nameErrors(name: unknown, all: readonly string[], index: number, field: string): FieldError[] {
  if (typeof name !== "string" || name === "") return [{ type: "Required value", field }];
  if (!LABEL.test(name)) return [{ type: "Invalid value", field, value: name, detail: LABEL_TEXT }];
  return all.indexOf(name) < index ? [{ type: "Duplicate value", field, value: name }] : [];
}

function containerErrors(container: JsonRecord, field: string, volumes: readonly string[]): FieldError[] {
  const errors: FieldError[] = [];
  if ((textOf(container.image) ?? "") === "") errors.push({ type: "Required value", field: `${field}.image` });
  const policy = textOf(container.imagePullPolicy) ?? "";
  if (!PULL_POLICIES.includes(policy)) {
    errors.push({ type: "Unsupported value", field: `${field}.imagePullPolicy`, value: policy, detail: `supported values: ${PULL_POLICIES.map((name) => JSON.stringify(name)).join(", ")}` });
  }
  recordsOf(container.ports).forEach((port, index) => {
    const number = numberOf(port.containerPort) ?? 0;
    const path = `${field}.ports[${index}].containerPort`;
    if (number === 0) errors.push({ type: "Required value", field: path });
    else if (number < 1 || number > 65_535) errors.push({ type: "Invalid value", field: path, value: number, detail: "must be between 1 and 65535, inclusive" });
  });
  recordsOf(container.env).forEach((variable, index) => {
    if ((textOf(variable.name) ?? "") === "") errors.push({ type: "Required value", field: `${field}.env[${index}].name` });
  });
  recordsOf(container.volumeMounts).forEach((mount, index) => {
    const path = `${field}.volumeMounts[${index}]`;
    if ((textOf(mount.name) ?? "") === "") errors.push({ type: "Required value", field: `${path}.name` });
    if (!volumes.includes(textOf(mount.name) ?? "")) errors.push({ type: "Not found", field: `${path}.name`, value: mount.name });
    if ((textOf(mount.mountPath) ?? "") === "") errors.push({ type: "Required value", field: `${path}.mountPath` });
  });
  for (const probe of ["livenessProbe", "readinessProbe", "startupProbe"]) {
    if (isRecord(container[probe])) errors.push(...probeErrors(container[probe], `${field}.${probe}`));
  }
  return errors;
}

function probeErrors(probe: JsonRecord, field: string): FieldError[] {
  const errors: FieldError[] = [];
  const actions = ["exec", "httpGet", "tcpSocket", "grpc"].filter((action) => isRecord(probe[action]));
  if (actions.length === 0) errors.push({ type: "Required value", field, detail: "must specify a handler type" });
  if (actions.length > 1) errors.push({ type: "Forbidden", field: `${field}.${actions[1] ?? ""}`, detail: "may not specify more than 1 handler type" });
  for (const amount of ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"]) {
    const value = numberOf(probe[amount]) ?? 0;
    if (value < 0) errors.push({ type: "Invalid value", field: `${field}.${amount}`, value, detail: "must be greater than or equal to 0" });
  }
  return errors;
}
