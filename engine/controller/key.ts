// Which Canary? A key names one; it is all that the queue, the caches and the logs ever pass around.

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

/** How objects are found in `FoundObjects`: `plural.group/namespace/name`, `plural/namespace/name` for the core group. */
export function objectKey(resource: { group: string; plural: string }, namespace: string, name: string): string {
  return `${resource.group === "" ? resource.plural : `${resource.plural}.${resource.group}`}/${namespace}/${name}`;
}
