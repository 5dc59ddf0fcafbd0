// Which ConfigMaps and Secrets does a pod template read, what do they hold, and what is the primary's copy of one called?
// A change of their content is a new revision like a change of the template. It never sees a cluster and keeps no content.
import { createHash } from "node:crypto";
import { isMap, list, map, text, texts, type Json } from "../../crds/json.ts";
import { CONFIG_TRACKING, type ConfigKind } from "../../crds/marks.ts";
import type { KubeMeta, KubeObject } from "../ports.ts";
import { canonicalJson, hashText } from "./canonical.ts";

export interface ConfigRef {
  kind: ConfigKind;
  name: string;
  /** Every reference to it may find nothing. */
  optional: boolean;
}

/** "configmap/app-settings", as in `status.trackedConfigs`. */
export type ConfigKey = string;

/** What a revision was made of beside its pod template: checksums of what it reads, or `ABSENT`. Those that are not tracked are not in it. */
export type Configs = Readonly<Record<ConfigKey, string>>;

/** In place of a checksum: an object that does not exist. */
export const ABSENT = "absent";
/** In place of a checksum: an object that exists and could not be read. */
export const UNREADABLE = "unreadable";

const CHECKSUM_BYTES = 8;
const NAME_MAX = 253;
/** Secrets of other types belong to Kubernetes or to tools (service account tokens, Helm releases, registry credentials). */
const SECRET_TYPES: ReadonlySet<string> = new Set(["Opaque", "kubernetes.io/basic-auth", "kubernetes.io/ssh-auth", "kubernetes.io/tls"]);
/** Kinds that renew what they own by themselves, without a release: a copy would be out of date, and wrong, until the next one. */
const RENEWERS: ReadonlySet<string> = new Set(["ExternalSecret", "Certificate", "SealedSecret", "SecretProviderClass", "VaultStaticSecret", "VaultDynamicSecret", "VaultPKISecret"]);

export function keyOfConfig({ kind, name }: Pick<ConfigRef, "kind" | "name">): ConfigKey {
  return `${kind}/${name}`;
}

export function configOfKey(key: ConfigKey): Pick<ConfigRef, "kind" | "name"> {
  const [kind = "", name = ""] = key.split("/");
  return { kind: kind === "secret" ? "secret" : "configmap", name };
}

/** In the order of their keys, each once; mandatory where one of its references is. */
export function configRefs(template: unknown): ConfigRef[] {
  const found = new Map<ConfigKey, ConfigRef>();
  rewriteRefs(map(map(template).spec), (kind, name, optional) => {
    const key = keyOfConfig({ kind, name });
    found.set(key, { kind, name, optional: optional && (found.get(key)?.optional ?? true) });
    return name;
  });
  return [...found].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, ref]) => ref);
}

/**
 * Whether the primary gets a copy of it, by what its metadata say: `disabled` and `live` leave the primary at the original, `snapshot` copies in any case.
 * Without a word, what a tool renews by itself stays live (a rotated password must reach who serves, canary or not).
 */
export function isCopied(metadata: KubeMeta): boolean {
  const [own, flaggers] = CONFIG_TRACKING.map((key) => metadata.annotations?.[key]);
  const word = own ?? flaggers;
  if (word === "snapshot" || word === "enabled") return true;
  if (word !== undefined && (word === "live" || word.startsWith("disable"))) return false;
  if (metadata.annotations?.["cert-manager.io/certificate-name"] !== undefined) return false;
  return metadata.ownerReferences?.some(({ kind }) => RENEWERS.has(kind)) !== true;
}

/** Whether a Secret is of a type that apps read. */
export function isAppType(object: KubeObject): boolean {
  return object.kind !== "Secret" || SECRET_TYPES.has(text(object.type) ?? "Opaque");
}

/** Flagger's checksum of `data` (the first 8 bytes of SHA-256 over its JSON as Go writes it), so that its status can be taken over; binaryData, which it leaves out, is added where there is any. */
export function configChecksum(object: KubeObject, withBinary = true): string {
  const data = texts(object.data);
  const binary = withBinary ? texts(object.binaryData) : {};
  const hash = createHash("sha256").update(goJson(data));
  if (Object.keys(binary).length > 0) hash.update(goJson(binary));
  return hash.digest("hex").slice(0, 2 * CHECKSUM_BYTES);
}

/** An empty map is null to Go where it was never set. */
function goJson(entries: Record<string, string>): string {
  const keys = Object.keys(entries).sort();
  if (keys.length === 0) return "null";
  const members = keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(entries[key])}`);
  return `{${members.join(",")}}`.replace(/[<>&\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** One name for a template and all that it reads. Without tracked configs it is the template's own hash. */
export function revisionHash(templateHash: string, configs: Configs): string {
  return Object.keys(configs).length === 0 ? templateHash : hashText(`${templateHash} ${canonicalJson(configs)}`);
}

/** One word for all checksums, to tell whether any has moved; its prefix names how they are made, so that another way of making them is not taken for a change. */
export function configsDigest(configs: Configs): string {
  return `1:${hashText(canonicalJson(configs))}`;
}

/** The copy that the primary reads, and where another Canary's copy has that name, the one for this target alone. */
export function copyNames(name: string, target: string): [string, string] {
  return [suffixed(name, "-primary"), suffixed(name, `-${target}-primary`)];
}

/** What a revision read, kept for as long as somebody may return to it. */
export function snapshotName(name: string, target: string, checksum: string): string {
  return suffixed(name, `-${hashText(`${target} ${name} ${checksum}`)}`);
}

function suffixed(name: string, suffix: string): string {
  return `${name.slice(0, NAME_MAX - suffix.length)}${suffix}`;
}

/** The pod spec with other names of what it reads. */
export function renamedConfigs(podSpec: Json, rename: (key: ConfigKey) => string | undefined): Json {
  return rewriteRefs(podSpec, (kind, name) => rename(keyOfConfig({ kind, name })) ?? name);
}

type Visit = (kind: ConfigKind, name: string, optional: boolean) => string;

/** Volumes (projected ones too), env and envFrom of containers and init containers. Registry credentials, CSI and service accounts are not an app's settings. */
function rewriteRefs(spec: Json, visit: Visit): Json {
  const rewritten: Json = { ...spec };
  if (Array.isArray(spec.volumes)) rewritten.volumes = spec.volumes.map((volume) => rewriteVolume(map(volume), visit));
  for (const field of ["containers", "initContainers"]) {
    if (Array.isArray(spec[field])) rewritten[field] = list(spec[field]).map((container) => rewriteContainer(map(container), visit));
  }
  return rewritten;
}

function rewriteVolume(volume: Json, visit: Visit): Json {
  const rewritten: Json = { ...volume };
  if (isMap(volume.configMap)) rewritten.configMap = named(volume.configMap, "name", "configmap", visit);
  if (isMap(volume.secret)) rewritten.secret = named(volume.secret, "secretName", "secret", visit);
  if (isMap(volume.projected)) rewritten.projected = { ...volume.projected, sources: list(volume.projected.sources).map((source) => rewriteSource(map(source), visit)) };
  return rewritten;
}

function rewriteSource(source: Json, visit: Visit): Json {
  const rewritten: Json = { ...source };
  if (isMap(source.configMap)) rewritten.configMap = named(source.configMap, "name", "configmap", visit);
  if (isMap(source.secret)) rewritten.secret = named(source.secret, "name", "secret", visit);
  return rewritten;
}

function rewriteContainer(container: Json, visit: Visit): Json {
  const rewritten: Json = { ...container };
  if (Array.isArray(container.envFrom)) {
    rewritten.envFrom = container.envFrom.map((entry) => {
      const from: Json = { ...map(entry) };
      if (isMap(from.configMapRef)) from.configMapRef = named(from.configMapRef, "name", "configmap", visit);
      if (isMap(from.secretRef)) from.secretRef = named(from.secretRef, "name", "secret", visit);
      return from;
    });
  }
  if (Array.isArray(container.env)) {
    rewritten.env = container.env.map((entry) => {
      const variable = map(entry);
      if (!isMap(variable.valueFrom)) return variable;
      const valueFrom: Json = { ...variable.valueFrom };
      if (isMap(valueFrom.configMapKeyRef)) valueFrom.configMapKeyRef = named(valueFrom.configMapKeyRef, "name", "configmap", visit);
      if (isMap(valueFrom.secretKeyRef)) valueFrom.secretKeyRef = named(valueFrom.secretKeyRef, "name", "secret", visit);
      return { ...variable, valueFrom };
    });
  }
  return rewritten;
}

function named(ref: Json, field: string, kind: ConfigKind, visit: Visit): Json {
  const name = text(ref[field]);
  return name === undefined || name === "" ? ref : { ...ref, [field]: visit(kind, name, ref.optional === true) };
}
