// How is a CustomResourceDefinition read as a kind? Its schema, subresources and printer columns, per version. It must
// never touch the store.
import { arrayOf, at, isRecord, recordOf, recordsOf, textOf } from "./json.ts";
import { byPriority } from "./discovery.ts";
import { jsonPath } from "./json-path.ts";
import { applyDefaults, prune, validate } from "./schema.ts";
import { ageColumn, ageOf, nameColumn } from "./table.ts";
import type { JsonRecord } from "./json.ts";
import type { CellValue, Column, ResourceType, ScalePaths } from "./resource-type.ts";
import type { Schema } from "./schema.ts";
import type { KubeObject } from "./types.ts";

export function customType(definition: KubeObject): ResourceType {
  const spec = recordOf(definition.spec);
  const names = recordOf(spec.names);
  const versions = recordsOf(spec.versions);
  const byName = new Map(versions.map((version) => [textOf(version.name) ?? "", version]));
  const storage = versions.find((version) => version.storage === true) ?? {};
  const storageVersion = textOf(storage.name) ?? "";
  const kind = textOf(names.kind) ?? "";
  const schemaFor = (version: string): Schema => schemaOf(byName.get(version) ?? storage);
  const hasStatus = versions.some((version) => at(version, "subresources", "status") !== undefined);
  const columns = new Map(versions.map((version) => [textOf(version.name) ?? "", columnsOf(version)]));
  const scale = scaleOf(storage);
  return {
    id: definition.metadata.name,
    group: textOf(spec.group) ?? "",
    versions: versions.filter((version) => version.served === true).map((version) => textOf(version.name) ?? "").sort(byPriority),
    storageVersion,
    kind,
    ...(textOf(names.listKind) === undefined ? {} : { listKind: textOf(names.listKind) }),
    plural: textOf(names.plural) ?? "",
    singular: textOf(names.singular) ?? kind.toLowerCase(),
    shortNames: texts(names.shortNames),
    categories: texts(names.categories),
    namespaced: spec.scope === "Namespaced",
    hasStatus,
    ...(scale === undefined ? {} : { scale }),
    generation: "all",
    unconditionalUpdate: false,
    returnsDeleted: false,
    custom: true,
    prune: (object, version) => prune(schemaFor(version), object),
    defaulted: (object, { version }) => applyDefaults(schemaFor(version), object),
    validate: (object, _old, { version }) => validate(withoutMetadata(schemaFor(version)), { ...object, metadata: undefined }),
    columns: columns.get(storageVersion) ?? [nameColumn, customAge],
    columnsFor: (version) => columns.get(version) ?? [nameColumn, customAge],
    selectableFields: recordsOf(storage.selectableFields).map((field) => (textOf(field.jsonPath) ?? "").replace(/^\./, "")),
  };
}

function texts(value: unknown): string[] {
  return arrayOf(value).filter((text) => typeof text === "string");
}

function schemaOf(version: JsonRecord): Schema {
  return recordOf(at(version, "schema", "openAPIV3Schema"));
}

/** A schema may constrain the name, but what metadata looks like is not its business. */
function withoutMetadata(schema: Schema): Schema {
  if (!isRecord(schema.properties)) return schema;
  const properties = Object.fromEntries(Object.entries(schema.properties).filter(([field]) => field !== "metadata"));
  return { ...schema, properties, required: arrayOf(schema.required).filter((field) => field !== "metadata") };
}

function scaleOf(version: JsonRecord): ScalePaths | undefined {
  const scale = at(version, "subresources", "scale");
  if (!isRecord(scale)) return undefined;
  const labelSelector = textOf(scale.labelSelectorPath);
  return {
    specReplicas: textOf(scale.specReplicasPath) ?? "",
    statusReplicas: textOf(scale.statusReplicasPath) ?? "",
    labelSelector: labelSelector ?? "",
  };
}

const customAge: Column = { ...ageColumn, type: "date" };

function columnsOf(version: JsonRecord): readonly Column[] {
  const declared = recordsOf(version.additionalPrinterColumns);
  return [nameColumn, ...(declared.length === 0 ? [customAge] : declared.map(declaredColumn))];
}

function declaredColumn(declared: JsonRecord): Column {
  const type = textOf(declared.type) ?? "string";
  const read = jsonPath(textOf(declared.jsonPath) ?? "");
  const description = textOf(declared.description);
  const format = textOf(declared.format);
  return {
    name: textOf(declared.name) ?? "",
    type,
    ...(format === undefined ? {} : { format }),
    ...(description === undefined ? {} : { description }),
    priority: typeof declared.priority === "number" ? declared.priority : 0,
    cell: (object, nowMs) => cellOf(type, read(object), nowMs),
  };
}

/** Only a date becomes an age; a string column prints what is there, and what is missing or of another type is null. */
function cellOf(type: string, values: readonly unknown[], nowMs: number): CellValue {
  const [value] = values;
  if (value === undefined || value === null) return null;
  switch (type) {
    case "integer": return typeof value === "number" ? Math.trunc(value) : null;
    case "number": return typeof value === "number" ? value : null;
    case "boolean": return typeof value === "boolean" ? value : null;
    case "date": return typeof value === "string" ? ageOf(value, nowMs) : null;
    default: return shown(value);
  }
}

function shown(value: unknown): string {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
