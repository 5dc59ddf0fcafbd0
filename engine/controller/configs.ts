// What do the ConfigMaps and Secrets hold that an app reads? Their metadata are watched; a content is read only when its resourceVersion has moved, and
// nothing of it outlives the pass but a checksum.
import { ownerMark, OWNER, type ConfigKind, type OwnerIdentity } from "../../crds/marks.ts";
import type { CanaryStatus } from "../../crds/status.ts";
import type { Fault, KubeApi, KubeObject, ObjectRef, Resource } from "../ports.ts";
import { ABSENT, configChecksum, configOfKey, configRefs, copyNames, isAppType, isCopied, keyOfConfig, UNREADABLE, type ConfigKey, type Configs } from "../workload/configs.ts";
import type { StoredRevision } from "../workload/revisions.ts";
import type { Context } from "./context.ts";
import { pause } from "./pause.ts";

export const CONFIG_MAPS: Resource = { group: "", version: "v1", plural: "configmaps", kind: "ConfigMap" };
export const SECRETS: Resource = { group: "", version: "v1", plural: "secrets", kind: "Secret" };

/** A pass waits no longer than this for contents: a rollback must not hang on a Secret. */
const READ_TIMEOUT_MS = 3_000;
const REMEMBERED_MAX = 20_000;

interface Known {
  uid: string;
  resourceVersion: string;
  /** `UNREADABLE` when the last attempt failed. */
  checksum: string;
  /** Of `data` alone, which is all that Flagger copies. */
  textChecksum: string;
  appType: boolean;
}

/** What went wrong: whatever is still unread counts as it was recorded last, and nothing is raised on it. */
export interface Unread {
  kind: string;
  namespace: string;
  name: string;
  fault: Fault;
}

/** What one pass has read of what is copied; it ends with the pass. */
export type Contents = ReadonlyMap<ConfigKey, KubeObject>;

export function resourceOf(key: ConfigKey): Resource {
  return configOfKey(key).kind === "secret" ? SECRETS : CONFIG_MAPS;
}

/** Of the kinds that are tracked. */
export function configResources(kinds: readonly ConfigKind[]): Resource[] {
  return kinds.map((kind) => (kind === "secret" ? SECRETS : CONFIG_MAPS));
}

export function metadataOf({ caches }: Context, namespace: string, key: ConfigKey): KubeObject | undefined {
  return caches.get(resourceOf(key).plural, namespace, configOfKey(key).name);
}

export function refOfConfig(namespace: string, key: ConfigKey): ObjectRef {
  return { resource: resourceOf(key), namespace, name: configOfKey(key).name };
}

export class ConfigReader {
  private readonly known = new Map<string, Known>();

  /** Reads those whose metadata have moved since they were read last. Returns what was read, and the first one that could not be. */
  async look(context: Context, namespace: string, keys: Iterable<ConfigKey>): Promise<{ contents: Contents; unread: Unread | undefined }> {
    const contents = new Map<ConfigKey, KubeObject>();
    const moved = [...new Set(keys)].filter((key) => {
      const metadata = metadataOf(context, namespace, key)?.metadata;
      const known = this.known.get(`${namespace}/${key}`);
      return metadata !== undefined && (known?.resourceVersion !== metadata.resourceVersion || known?.uid !== metadata.uid || known?.checksum === UNREADABLE);
    });
    if (moved.length === 0) return { contents, unread: undefined };
    const over = new AbortController();
    const late = pause(context.clock, READ_TIMEOUT_MS, over.signal).then((): (Unread | undefined)[] => moved.map((key) => unread(namespace, key, { class: "deadline", message: "no answer in time" })));
    const read = await Promise.race([Promise.all(moved.map((key) => this.read(context.api, namespace, key, contents))), late]);
    over.abort();
    return { contents, unread: read.find((entry) => entry !== undefined) };
  }

  /** As it was read last; undefined when that was never. */
  checksum(namespace: string, key: ConfigKey): Known | undefined {
    return this.known.get(`${namespace}/${key}`);
  }

  private async read(api: KubeApi, namespace: string, key: ConfigKey, contents: Map<ConfigKey, KubeObject>): Promise<Unread | undefined> {
    const found = await api.get(refOfConfig(namespace, key));
    // The watch will say so in a moment.
    if (!found.ok && found.fault.class === "not-found") return undefined;
    if (!found.ok) return unread(namespace, key, found.fault);
    this.absorb(namespace, key, found.value);
    if (isCopied(found.value.metadata) && isAppType(found.value)) contents.set(key, found.value);
    return undefined;
  }

  /** What a write of ours returned need not be read. */
  absorb(namespace: string, key: ConfigKey, object: KubeObject): void {
    const { uid = "", resourceVersion = "" } = object.metadata;
    const place = `${namespace}/${key}`;
    this.known.delete(place);
    this.known.set(place, { uid, resourceVersion, checksum: configChecksum(object), textChecksum: configChecksum(object, false), appType: isAppType(object) });
    const [oldest] = this.known.keys();
    if (this.known.size > REMEMBERED_MAX && oldest !== undefined) this.known.delete(oldest);
  }
}

function unread(namespace: string, key: ConfigKey, fault: Fault): Unread {
  return { kind: resourceOf(key).kind, namespace, name: configOfKey(key).name, fault };
}

/** What one Canary's pods read, and what the engine has copied of it. */
export interface ConfigsSeen {
  /** Of the live target; undefined where configs are not tracked. */
  target: Configs | undefined;
  /** Of a primary that does not say which revision it runs: what it reads in place of what, by the keys of the copies. */
  originals: ReadonlyMap<ConfigKey, string>;
  /** What that primary reads, by the keys of the originals. */
  primary: Configs;
}

export const NOT_TRACKED: ConfigsSeen = { target: undefined, originals: new Map(), primary: {} };

/** Every key, of something that exists or not, whose content says something about this Canary: what the target reads, what an unmarked primary reads, and the copies. */
export function keysToRead(template: unknown, primaryTemplate: unknown, target: string): ConfigKey[] {
  const refs = configRefs(template);
  const copies = refs.flatMap(({ kind, name }) => copyNames(name, target).map((copy) => keyOfConfig({ kind, name: copy })));
  return [...refs, ...configRefs(primaryTemplate)].map(keyOfConfig).concat(copies);
}

/** As triggers name objects. */
export function objectOfConfig(namespace: string, key: ConfigKey): string {
  return `${resourceOf(key).plural}/${namespace}/${configOfKey(key).name}`;
}

export function configsSeen(context: Context, reader: ConfigReader, namespace: string, template: unknown, primaryTemplate: unknown, target: string, status: CanaryStatus): ConfigsSeen {
  const sources = configRefs(template);
  const held = (key: ConfigKey): string | undefined => heldBy(context, reader, namespace, key, status.trackedConfigs?.[key]);
  const originals = new Map<ConfigKey, string>();
  for (const { kind, name } of sources) for (const copy of copyNames(name, target)) originals.set(keyOfConfig({ kind, name: copy }), name);
  const primary: Record<ConfigKey, string> = {};
  for (const ref of configRefs(primaryTemplate)) {
    const key = keyOfConfig(ref);
    const checksum = held(key);
    const name = originals.get(key);
    const original = name === undefined ? key : keyOfConfig({ kind: ref.kind, name });
    if (checksum !== undefined) primary[original] = (isPartialCopy(reader, namespace, key, original) ? held(original) : undefined) ?? checksum;
  }
  const entries = sources.map((ref) => [keyOfConfig(ref), held(keyOfConfig(ref))] as const).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return { target: Object.fromEntries(entries), originals, primary };
}

/** A copy of Flagger's, which has left binaryData out: no other release, and mended when it is taken over. */
function isPartialCopy(reader: ConfigReader, namespace: string, copy: ConfigKey, original: ConfigKey): boolean {
  const [left, right] = [reader.checksum(namespace, copy), reader.checksum(namespace, original)];
  return left !== undefined && left.checksum === left.textChecksum && left.checksum === right?.textChecksum;
}

/** Undefined for what is not copied: it says nothing about a revision. */
function heldBy(context: Context, reader: ConfigReader, namespace: string, key: ConfigKey, recorded: string | undefined): string | undefined {
  if (!context.options.configKinds.includes(configOfKey(key).kind)) return undefined;
  const object = metadataOf(context, namespace, key);
  if (object === undefined) return ABSENT;
  if (!isCopied(object.metadata)) return undefined;
  const known = reader.checksum(namespace, key);
  if (known?.appType === false) return undefined;
  return known?.uid === object.metadata.uid ? (known?.checksum ?? recorded ?? UNREADABLE) : (recorded ?? UNREADABLE);
}

/** Whether a copy was made for this Canary, by this engine or by another one that served the same API. One that two Canaries share belongs to the one that controls it. */
export function isOurs(object: KubeObject, owner: OwnerIdentity): boolean {
  const mark = object.metadata.annotations?.[OWNER];
  return mark === undefined ? object.metadata.ownerReferences?.some(({ uid, controller }) => uid === owner.uid && controller === true) === true : mark === ownerMark(owner);
}

/** By the keys of the originals, the names of the copies that the primary reads. Sticky: one that is there keeps its name. */
export function copiesOf(context: Context, namespace: string, target: string, owner: OwnerIdentity, revision: StoredRevision | undefined): Map<ConfigKey, string> {
  const copies = new Map<ConfigKey, string>();
  for (const [key, checksum] of Object.entries(revision?.configs ?? {})) {
    if (checksum === UNREADABLE) continue;
    const { kind, name } = configOfKey(key);
    const [usual, own] = copyNames(name, target);
    const found = (copy: string): KubeObject | undefined => metadataOf(context, namespace, keyOfConfig({ kind, name: copy }));
    const [inUse, mine] = [found(usual), found(own)];
    const taken = (mine !== undefined && isOurs(mine, owner)) || (inUse !== undefined && !isOurs(inUse, owner));
    copies.set(key, taken ? own : usual);
  }
  return copies;
}
