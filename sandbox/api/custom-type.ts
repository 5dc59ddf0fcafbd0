// How is a CustomResourceDefinition read as a kind? It must never touch the store.
import { arrayOf, at, recordOf, recordsOf, textOf } from "./json.ts";
import { plainColumns } from "./columns.ts";
import type { ResourceType } from "./resource-type.ts";
import type { KubeObject } from "./types.ts";

export function customType(definition: KubeObject): ResourceType {
  const spec = recordOf(definition.spec);
  const names = recordOf(spec.names);
  const versions = recordsOf(spec.versions);
  const storage = versions.find((version) => version.storage === true) ?? {};
  const served = versions.filter((version) => version.served === true).map((version) => textOf(version.name) ?? "");
  const hasStatus = versions.some((version) => at(version, "subresources", "status") !== undefined);
  const kind = textOf(names.kind) ?? "";
  return {
    id: definition.metadata.name,
    group: textOf(spec.group) ?? "",
    versions: served,
    storageVersion: textOf(storage.name) ?? "",
    kind,
    plural: textOf(names.plural) ?? "",
    singular: textOf(names.singular) ?? kind.toLowerCase(),
    shortNames: arrayOf(names.shortNames).filter((name) => typeof name === "string"),
    categories: arrayOf(names.categories).filter((name) => typeof name === "string"),
    namespaced: spec.scope === "Namespaced",
    hasStatus,
    generation: "all",
    unconditionalUpdate: false,
    returnsDeleted: false,
    custom: true,
    defaulted: () => undefined,
    validate: () => [],
    columns: plainColumns,
  };
}
