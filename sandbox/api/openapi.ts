// What does the API say about shapes? Just enough that kubectl knows there is nothing to validate on its side and asks
// the server. It must never claim a schema that the server does not hold itself.
import { resourcesOf } from "./discovery.ts";
import type { JsonRecord } from "./json.ts";
import type { ResourceRegistry } from "./resource-type.ts";

/** Undefined for a path that is not about OpenAPI or names a group version that is not served. */
export function openApi(registry: ResourceRegistry, pathname: string): JsonRecord | undefined {
  if (pathname === "/openapi/v2") {
    return { swagger: "2.0", info: { title: "Kubernetes", version: "v1.35.4" }, paths: {}, definitions: {} };
  }
  const groupVersions = new Set(registry.all().flatMap((type) =>
    type.versions.map((version) => (type.group === "" ? `api/${version}` : `apis/${type.group}/${version}`))));
  if (pathname === "/openapi/v3") {
    return { paths: Object.fromEntries([...groupVersions].map((path) => [path, { serverRelativeURL: `/openapi/v3/${path}` }])) };
  }
  const path = pathname.startsWith("/openapi/v3/") ? pathname.slice("/openapi/v3/".length) : "";
  if (!groupVersions.has(path)) return undefined;
  return { openapi: "3.0.0", info: { title: "Kubernetes", version: "v1.35.4" }, paths: writePaths(registry, path), components: { schemas: {} } };
}

/** kubectl looks here whether a kind takes fieldValidation, and sends everything unchecked when it does. */
function writePaths(registry: ResourceRegistry, path: string): JsonRecord {
  const parts = path.split("/");
  const [group = "", version = ""] = parts.length === 2 ? ["", parts[1]] : [parts[1], parts[2]];
  const parameters = ["dryRun", "fieldManager", "fieldValidation"].map((name) => ({ name, in: "query", schema: { type: "string", uniqueItems: true } }));
  return Object.fromEntries(resourcesOf(registry, group, version).map((type) => {
    const scope = type.namespaced ? "/namespaces/{namespace}" : "";
    const kind = { "x-kubernetes-group-version-kind": { group, version, kind: type.kind } };
    const responses = { 200: { description: "OK" } };
    return [`/${path}${scope}/${type.plural}/{name}`, {
      patch: { parameters, responses, "x-kubernetes-action": "patch", ...kind },
      put: { parameters, responses, "x-kubernetes-action": "put", ...kind },
    }];
  }));
}
