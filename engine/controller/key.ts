// Which Canary? A key names one; it is all that the queue, the caches and the logs ever pass around.
import { groupOf } from "../../crds/marks.ts";
import type { Kind, KubeObject } from "../ports.ts";

export interface Key {
  group: string;
  namespace: string;
  name: string;
}

export function keyText(key: Key): string {
  return `${key.group}/${key.namespace}/${key.name}`;
}

export function parseKey(text: string): Key {
  const [group = "", namespace = "", name = ""] = text.split("/");
  return { group, namespace, name };
}

/** Of an object, as caches are asked for it. */
export function kindOf({ apiVersion, kind }: Pick<KubeObject, "apiVersion" | "kind">): Kind {
  return { group: groupOf(apiVersion), kind };
}

/** By which caches know a kind: `plural.group`, `plural` for the core group. */
export function placeOf(resource: { group: string; plural: string }): string {
  return resource.group === "" ? resource.plural : `${resource.plural}.${resource.group}`;
}

/** How objects are found in `FoundObjects`: `plural.group/namespace/name`, `plural/namespace/name` for the core group. */
export function objectKey(resource: { group: string; plural: string }, namespace: string, name: string): string {
  return `${placeOf(resource)}/${namespace}/${name}`;
}
