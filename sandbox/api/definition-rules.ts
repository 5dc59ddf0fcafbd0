// Which CustomResourceDefinitions are served, and what does the API server add to one? It must never compile a schema;
// that is for the kind made of it.
import { arrayOf, at, childOf, isRecord, recordOf, recordsOf, textOf } from "./json.ts";
import { JsonPathError, jsonPath } from "./json-path.ts";
import { timestamp } from "./metadata.ts";
import type { FieldError } from "./errors.ts";
import type { JsonRecord } from "./json.ts";
import type { AdmissionContext } from "./resource-type.ts";
import type { KubeObject } from "./types.ts";

export function completeDefinition(object: KubeObject, { operation, nowMs }: AdmissionContext): void {
  const spec = childOf(object, "spec");
  const names = childOf(spec, "names");
  const kind = textOf(names.kind) ?? "";
  if (names.singular === undefined || names.singular === "") names.singular = kind.toLowerCase();
  if (names.listKind === undefined || names.listKind === "") names.listKind = `${kind}List`;
  if (!isRecord(spec.conversion)) spec.conversion = { strategy: "None" };
  if (spec.preserveUnknownFields === false) delete spec.preserveUnknownFields;
  if (operation === "create") object.status = servedStatus(names, recordsOf(spec.versions), timestamp(nowMs));
}

/** A cluster takes a moment for these conditions; here the definition is served with the reply. */
function servedStatus(names: JsonRecord, versions: readonly JsonRecord[], when: string): JsonRecord {
  const condition = (type: string, reason: string, message: string): JsonRecord =>
    ({ lastTransitionTime: when, message, reason, status: "True", type });
  return {
    acceptedNames: { ...names },
    conditions: [
      condition("NamesAccepted", "NoConflicts", "no conflicts found"),
      condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ],
    storedVersions: versions.filter((version) => version.storage === true).map((version) => version.name),
  };
}

export function definitionErrors(object: KubeObject, old: KubeObject | undefined): FieldError[] {
  const spec = recordOf(object.spec);
  const errors: FieldError[] = [];
  const required = (field: string, value: unknown): void => {
    if ((textOf(value) ?? "") === "") errors.push({ type: "Required value", field });
  };
  const names = recordOf(spec.names);
  required("spec.group", spec.group);
  required("spec.scope", spec.scope);
  required("spec.names.plural", names.plural);
  required("spec.names.kind", names.kind);
  const wanted = `${textOf(names.plural) ?? ""}.${textOf(spec.group) ?? ""}`;
  if (object.metadata.name !== wanted) {
    errors.push({ type: "Invalid value", field: "metadata.name", value: object.metadata.name, detail: 'must be spec.names.plural+"."+spec.group' });
  }
  if (old !== undefined) {
    for (const [field, path] of Object.entries({ "spec.group": ["group"], "spec.scope": ["scope"], "spec.names.kind": ["names", "kind"], "spec.names.plural": ["names", "plural"] })) {
      const value = at(spec, ...path);
      if (value !== at(old.spec, ...path)) errors.push({ type: "Invalid value", field, value, detail: "field is immutable" });
    }
  }
  const versions = recordsOf(spec.versions);
  if (versions.filter((version) => version.storage === true).length !== 1) {
    errors.push({ type: "Invalid value", field: "spec.versions", value: versions, detail: "must have exactly one version marked as storage version" });
  }
  versions.forEach((version, index) => errors.push(...versionErrors(version, `spec.versions[${index}]`)));
  return errors;
}

function versionErrors(version: JsonRecord, field: string): FieldError[] {
  const errors: FieldError[] = [];
  const schema = at(version, "schema", "openAPIV3Schema");
  if (!isRecord(schema)) errors.push({ type: "Required value", field: `${field}.schema.openAPIV3Schema`, detail: "schemas are required" });
  else if (schema.type !== "object") errors.push({ type: "Invalid value", field: `${field}.schema.openAPIV3Schema.type`, value: schema.type ?? "", detail: "must be object at the root" });
  else errors.push(...structuralErrors(schema, `${field}.schema.openAPIV3Schema`));
  recordsOf(version.additionalPrinterColumns).forEach((column, index) => {
    const path = textOf(column.jsonPath) ?? "";
    try {
      jsonPath(path);
    } catch (error) {
      if (!(error instanceof JsonPathError)) throw error;
      errors.push({ type: "Invalid value", field: `${field}.additionalPrinterColumns[${index}].jsonPath`, value: path, detail: error.message });
    }
  });
  return errors;
}

/** A structural schema names the type of every field, and closes no object. */
function structuralErrors(schema: JsonRecord, field: string): FieldError[] {
  const errors: FieldError[] = [];
  const untyped = schema["x-kubernetes-int-or-string"] === true || schema["x-kubernetes-preserve-unknown-fields"] === true;
  if ((textOf(schema.type) ?? "") === "" && !untyped) errors.push({ type: "Required value", field: `${field}.type`, detail: "must not be empty for specified object fields" });
  if (schema.additionalProperties === false) errors.push({ type: "Forbidden", field: `${field}.additionalProperties`, detail: "additionalProperties cannot be set to false" });
  for (const [name, property] of Object.entries(recordOf(schema.properties))) {
    if (isRecord(property)) errors.push(...structuralErrors(property, `${field}.properties[${name}]`));
  }
  if (isRecord(schema.items)) errors.push(...structuralErrors(schema.items, `${field}.items`));
  if (schema.type === "array" && !isRecord(schema.items)) errors.push({ type: "Required value", field: `${field}.items`, detail: "must be specified" });
  if (isRecord(schema.additionalProperties)) errors.push(...structuralErrors(schema.additionalProperties, `${field}.additionalProperties`));
  for (const name of ["$ref", "definitions", "id"]) if (schema[name] !== undefined) errors.push({ type: "Forbidden", field: `${field}.${name}`, detail: `${name} is not supported` });
  if (schema.uniqueItems === true) errors.push({ type: "Forbidden", field: `${field}.uniqueItems`, detail: "uniqueItems cannot be set to true since the runtime complexity becomes quadratic" });
  if (arrayOf(schema.type).length > 0) errors.push({ type: "Invalid value", field: `${field}.type`, value: schema.type, detail: "must be a string" });
  return errors;
}
