// What does the API server add to a built-in object that its author left out? One function per kind; values only, no
// refusals.
import type { ResourceType } from "./resource-type.ts";

export const DEFAULTS: Record<string, ResourceType["defaulted"]> = {
  namespaces(object, { operation }) {
    if (operation !== "create") return;
    object.metadata.labels = { ...object.metadata.labels, "kubernetes.io/metadata.name": object.metadata.name };
    object.spec = { finalizers: ["kubernetes"] };
    object.status = { phase: "Active" };
  },
};
