// How is an object kept that nobody has asked for? As its text: a cluster has thousands of them, and a text takes a fraction of the memory.
import type { KubeObject } from "../ports.ts";

export interface Packed {
  version: string;
  uid: string;
  text: string;
}

export function packed(object: KubeObject): Packed {
  const { resourceVersion = "", uid = "" } = object.metadata;
  return { version: resourceVersion, uid, text: JSON.stringify(object) };
}

export function isPacked(object: KubeObject | Packed): object is Packed {
  return "text" in object && !("metadata" in object);
}

export function unpacked({ text }: Packed): KubeObject {
  return JSON.parse(text) as KubeObject;
}

export function whole(object: KubeObject | Packed): KubeObject {
  return isPacked(object) ? unpacked(object) : object;
}

export function versionOf(object: KubeObject | Packed): string {
  return isPacked(object) ? object.version : (object.metadata.resourceVersion ?? "");
}
