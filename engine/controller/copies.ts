// How do the copies of ConfigMaps and Secrets come to be? A snapshot of what a run reads is taken before its pods start, and the primary's copies are made of
// snapshots, so that what was analysed is what is promoted, whatever has become of the originals.
import { CHECKSUM, HANDS_OFF, MARKS, ORIGIN, TOOLKIT } from "../../crds/marks.ts";
import { texts } from "../../crds/json.ts";
import type { KubeObject, ObjectRef, Result } from "../ports.ts";
import { ABSENT, configChecksum, configOfKey, keyOfConfig, snapshotName, UNREADABLE, type ConfigKey, type Configs } from "../workload/configs.ts";
import { mergePatch } from "../workload/mergepatch.ts";
import type { Wanted } from "./apply.ts";
import { isOurs, metadataOf, refOfConfig, type ConfigReader, type Contents } from "./configs.ts";
import type { Context } from "./context.ts";
import { owned, revisionAt, type Drawing } from "./project.ts";

/** Annotation on snapshots, which are all immutable: their original was as well, so the primary's copy is. */
const WAS_IMMUTABLE = `${MARKS}immutable`;

/**
 * What is to be written before the pods that read it: snapshots of the run and of what is promoted, then the primary's copies.
 * @param contents what this pass has read
 */
export function configsWanted(context: Context, reader: ConfigReader, drawing: Drawing, contents: Contents): Wanted[] {
  const { world, status, canary } = drawing;
  // The primary of a Canary without a decision is nobody's business.
  if (world.configs.target === undefined || status.primary === undefined) return [];
  const promoted = revisionAt(drawing, status.primary.revision);
  const running = revisionAt(drawing, status.run?.revision);
  const names = world.copiesOf(promoted);
  const wanted = new Map<string, Wanted>();
  /** Contents of the snapshots that this pass writes, for the copies behind them. */
  const taken = new Map<string, KubeObject>();
  for (const configs of [promoted?.configs, running?.configs]) {
    for (const [key, checksum] of held(configs)) {
      const entry = snapshot(context, reader, drawing, contents, key, checksum, names.get(key));
      if (entry !== undefined) wanted.set(entry.ref.name, { ...entry, written: (object) => void taken.set(`${object.kind}/${object.metadata.name}`, object) });
    }
  }
  const copies = held(promoted?.configs).flatMap(([key, checksum]) => copy(context, reader, drawing, taken, key, checksum, names.get(key)) ?? []);
  return canary.metadata.deletionTimestamp === undefined ? [...wanted.values(), ...copies] : [];
}

function held(configs: Configs | undefined): [ConfigKey, string][] {
  return Object.entries(configs ?? {}).filter(([, checksum]) => checksum !== ABSENT && checksum !== UNREADABLE);
}

/** Only ever of an original that still holds what the revision read, or of the primary's copy: where another engine made that, the original may have moved on since. */
function snapshot(context: Context, reader: ConfigReader, drawing: Drawing, contents: Contents, key: ConfigKey, checksum: string, copyName: string | undefined): Wanted | undefined {
  const { namespace, owner } = drawing.world;
  const ref = snapshotOf(drawing, key, checksum);
  const there = metadataOf(context, namespace, keyOfConfig({ ...configOfKey(key), name: ref.name }));
  const copied = copyName === undefined ? key : keyOfConfig({ ...configOfKey(key), name: copyName });
  const ours = metadataOf(context, namespace, copied);
  const from = [key, ...(ours !== undefined && isOurs(ours, owner) ? [copied] : [])].find((place) => reader.checksum(namespace, place)?.checksum === checksum);
  if (there !== undefined || from === undefined) return undefined;
  return {
    ref,
    found: undefined,
    object: placeholder(ref),
    load: async () => {
      const source = await withContent(context, refOfConfig(namespace, from), checksum, contents.get(from));
      if (!source.ok) return source.fault;
      const annotations: Record<string, string> = source.value.immutable === true ? { [WAS_IMMUTABLE]: "true" } : {};
      const kept = { ...source.value, metadata: { ...source.value.metadata, annotations } };
      return { found: undefined, object: { ...rendered(drawing, ref, kept, checksum, undefined), immutable: true } };
    },
  };
}

function copy(context: Context, reader: ConfigReader, drawing: Drawing, taken: ReadonlyMap<string, KubeObject>, key: ConfigKey, checksum: string, copyName: string | undefined): Wanted | undefined {
  const { world } = drawing;
  const { kind, name } = configOfKey(key);
  const place = keyOfConfig({ kind, name: copyName ?? name });
  const there = metadataOf(context, world.namespace, place);
  if (place === key || (there !== undefined && !isOurs(there, world.owner))) return undefined;
  const ref = refOfConfig(world.namespace, place);
  const holds = reader.checksum(world.namespace, place)?.checksum === checksum && reader.checksum(world.namespace, place)?.uid === there?.metadata.uid;
  if (there !== undefined && holds && isMarked(drawing, there, checksum)) return undefined;
  return {
    ref,
    found: there,
    object: placeholder(ref),
    written: (object) => reader.absorb(world.namespace, place, object),
    load: async () => {
      const kept = snapshotOf(drawing, key, checksum);
      const stored = await withContent(context, kept, checksum, taken.get(`${kept.resource.kind}/${kept.name}`));
      const source = stored.ok ? stored : await withContent(context, refOfConfig(world.namespace, key), checksum);
      if (!source.ok) return { ...source.fault, message: `what the promoted revision reads of ${ref.resource.kind} ${world.namespace}/${name} is stored nowhere (${source.fault.message}); roll out a new revision` };
      // One that came meanwhile refuses to be created, which ends the pass.
      const live: Result<KubeObject> = there === undefined ? { ok: false, fault: { class: "not-found", message: "" } } : await context.api.get(ref);
      if (!live.ok && live.fault.class !== "not-found") return live.fault;
      const found = live.ok ? live.value : undefined;
      const object = { ...found, ...rendered(drawing, ref, source.value, checksum, found) };
      // What is immutable, and the type of a Secret, cannot be patched.
      return { found, object, replace: found !== undefined && (found.immutable === true || found.type !== object.type) };
    },
  };
}

/** One that Flagger made is not, and would be collected with its Canary while the primary still reads it. */
function isMarked(drawing: Drawing, there: KubeObject, checksum: string): boolean {
  const marked = owned(drawing, { ...there, metadata: { ...there.metadata, annotations: { ...there.metadata.annotations, [CHECKSUM]: checksum, [ORIGIN]: "created" } } }, false);
  return mergePatch({ metadata: there.metadata }, { metadata: marked.metadata }) === undefined;
}

function snapshotOf({ world, settings }: Drawing, key: ConfigKey, checksum: string): ObjectRef {
  const { kind, name } = configOfKey(key);
  return refOfConfig(world.namespace, keyOfConfig({ kind, name: snapshotName(name, settings.target, checksum) }));
}

/** @param known what this pass has read or written of it; it is read where that is nothing, or something else */
async function withContent({ api }: Context, ref: ObjectRef, checksum: string, known?: KubeObject): Promise<Result<KubeObject>> {
  if (known !== undefined && configChecksum(known) === checksum) return { ok: true, value: known };
  const found = await api.get(ref);
  if (!found.ok || configChecksum(found.value) === checksum) return found;
  return { ok: false, fault: { class: "invalid", message: `${ref.resource.kind} ${ref.namespace}/${ref.name} holds something else by now` } };
}

function rendered(drawing: Drawing, { resource, namespace, name }: ObjectRef, source: KubeObject, checksum: string, found: KubeObject | undefined): KubeObject {
  const labels = Object.fromEntries(Object.entries(source.metadata.labels ?? {}).filter(([key]) => isCopiedLabel(key, drawing.includeLabelPrefixes)));
  const wasImmutable = source.metadata.annotations?.[WAS_IMMUTABLE];
  const binary = texts(source.binaryData);
  const marks: Record<string, string> = { [CHECKSUM]: checksum, [ORIGIN]: "created", ...(wasImmutable === undefined ? {} : { [WAS_IMMUTABLE]: wasImmutable }) };
  const object: KubeObject = {
    apiVersion: "v1",
    kind: resource.kind,
    metadata: { ...found?.metadata, name, namespace, labels: { ...found?.metadata.labels, ...labels }, annotations: { ...(found === undefined ? HANDS_OFF : found.metadata.annotations), ...marks } },
    ...(resource.kind === "Secret" ? { type: source.type ?? "Opaque" } : {}),
    data: texts(source.data),
    binaryData: Object.keys(binary).length === 0 ? undefined : binary,
    immutable: wasImmutable === "true" || (source.immutable === true && source.metadata.annotations?.[CHECKSUM] === undefined) ? true : undefined,
  };
  return owned(drawing, object, false);
}

function isCopiedLabel(key: string, prefixes: readonly string[]): boolean {
  return !key.includes(TOOLKIT) && prefixes.some((prefix) => prefix !== "" && (prefix === "*" || key.startsWith(prefix)));
}

/** Says which object it will be; its content is loaded when it is written. */
function placeholder({ resource, namespace, name }: ObjectRef): KubeObject {
  return { apiVersion: "v1", kind: resource.kind, metadata: { name, namespace } };
}
