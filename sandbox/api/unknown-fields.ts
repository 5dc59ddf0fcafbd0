// What happens to fields that a kind does not have: refused, warned of, or dropped in silence? The client chooses with
// fieldValidation. It must never change the object; dropping is the store's part.
import { badRequest, invalid } from "./errors.ts";
import { copyJson } from "./json.ts";
import type { ResourceType } from "./resource-type.ts";
import type { ResourcePath } from "./routes.ts";
import type { KubeObject } from "./types.ts";

interface Judged {
  type: ResourceType;
  path: ResourcePath;
  query: URLSearchParams;
  warnings: string[];
}

/** @throws ApiError 400 for a whole object, 422 for a patch, when the client asked to be strict */
export function checkUnknownFields(call: Judged, object: KubeObject, isPatch = false): void {
  const { type, path, query, warnings } = call;
  const mode = query.get("fieldValidation") ?? "Warn";
  if (type.prune === undefined || mode === "Ignore") return;
  const told = type.prune(copyJson(object), path.version).map((field) => `unknown field "${field}"`);
  if (told.length === 0) return;
  if (mode !== "Strict") warnings.push(...told);
  else if (!isPatch) {
    throw badRequest(`${type.kind} in version "${path.version}" cannot be handled as a ${type.kind}: strict decoding error: ${told.join(", ")}`);
  } else {
    // The real server names nothing here but the whole object that the patch made.
    throw invalid({ group: "", plural: "", kind: "" }, "", [{ type: "Invalid value", field: "patch", value: JSON.stringify(object), detail: `strict decoding error: ${told.join(", ")}` }]);
  }
}
