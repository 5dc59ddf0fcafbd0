// What does the API say it serves? Versions, groups and resources as kubectl discovers them; it must never list what a
// request would not find.
import { unknownPath } from "./errors.ts";
import { apiVersionOf } from "./resource-type.ts";
import type { JsonRecord } from "./json.ts";
import type { ResourceRegistry, ResourceType } from "./resource-type.ts";

export const SERVER_VERSION = {
  major: "1", minor: "35", gitVersion: "v1.35.4", gitCommit: "", gitTreeState: "clean", buildDate: "1970-01-01T00:00:00Z",
  goVersion: "none", compiler: "none", platform: "sandbox",
};

const ALL_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const SUBRESOURCE_VERBS = ["get", "patch", "update"];

/** Undefined for a path that is not about discovery. @throws ApiError 404 for a group or version that is not served */
export function discover(registry: ResourceRegistry, path: string): JsonRecord | undefined {
  const parts = path.split("/").filter((part) => part !== "");
  const [root, first, second, ...rest] = parts;
  if (rest.length > 0) return undefined;
  if (root === "api" && first === undefined) {
    return { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [] };
  }
  if (root === "api" && second === undefined) return resources(registry, "", first ?? "");
  if (root !== "apis") return undefined;
  if (first === undefined) return { kind: "APIGroupList", apiVersion: "v1", groups: groups(registry) };
  if (second !== undefined) return resources(registry, first, second);
  const group = groups(registry).find((candidate) => candidate.name === first);
  if (group === undefined) throw unknownPath();
  return { kind: "APIGroup", apiVersion: "v1", ...group };
}

function groups(registry: ResourceRegistry): JsonRecord[] {
  const versionsByGroup = new Map<string, string[]>();
  for (const type of registry.all()) {
    if (type.group === "") continue;
    const versions = versionsByGroup.get(type.group) ?? [];
    versions.push(...type.versions.filter((version) => !versions.includes(version)));
    versionsByGroup.set(type.group, versions);
  }
  return [...versionsByGroup].map(([name, versions]) => {
    const shown = [...versions].sort(byPriority).map((version) => ({ groupVersion: `${name}/${version}`, version }));
    return { name, versions: shown, preferredVersion: shown[0] };
  });
}

/** v2 before v1 before v1beta1 before v1alpha3, anything else last. */
export function byPriority(left: string, right: string): number {
  const rank = (version: string): number[] => {
    const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
    if (match === null) return [3, 0, 0];
    const [, major, stage, minor] = match;
    return [stage === undefined ? 0 : stage === "beta" ? 1 : 2, -Number(major), -Number(minor ?? 0)];
  };
  const [a, b] = [rank(left), rank(right)];
  return a.map((value, index) => value - (b[index] ?? 0)).find((difference) => difference !== 0) ?? left.localeCompare(right);
}

export function resourcesOf(registry: ResourceRegistry, group: string, version: string): ResourceType[] {
  return registry.all().filter((type) => type.group === group && type.versions.includes(version));
}

function resources(registry: ResourceRegistry, group: string, version: string): JsonRecord {
  const types = resourcesOf(registry, group, version);
  if (types.length === 0) throw unknownPath();
  return { kind: "APIResourceList", apiVersion: "v1", groupVersion: apiVersionOf(group, version), resources: types.flatMap(resourceRows) };
}

function resourceRows(type: ResourceType): JsonRecord[] {
  const { plural, singular, namespaced, kind, shortNames, categories } = type;
  const verbs = type.id === "namespaces" ? ALL_VERBS.filter((verb) => verb !== "deletecollection") : ALL_VERBS;
  const rows: JsonRecord[] = [{
    name: plural, singularName: singular, namespaced, kind, verbs,
    ...(shortNames.length === 0 ? {} : { shortNames }),
    ...(categories.length === 0 ? {} : { categories }),
  }];
  if (type.id === "namespaces") rows.push({ name: "namespaces/finalize", singularName: "", namespaced, kind, verbs: ["update"] });
  if (type.scale !== undefined) rows.push({ name: `${plural}/scale`, singularName: "", namespaced, group: "autoscaling", version: "v1", kind: "Scale", verbs: SUBRESOURCE_VERBS });
  if (type.hasStatus) rows.push({ name: `${plural}/status`, singularName: "", namespaced, kind, verbs: SUBRESOURCE_VERBS });
  return rows;
}
