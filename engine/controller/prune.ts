// Which stored revisions, and which copies of what they read, does nobody need any more? They would be objects for each release, for ever.
// It never removes one that runs, that is promoted, that is under analysis or that the history names.
import { CHECKSUM, OWNER, ownerMark } from "../../crds/marks.ts";
import type { CanaryStatus } from "../../crds/status.ts";
import type { KubeObject, Resource } from "../ports.ts";
import { configOfKey, keyOfConfig, snapshotName } from "../workload/configs.ts";
import { mergePatch } from "../workload/mergepatch.ts";
import { SCALERS, scalerName, withRest } from "../workload/scalers.ts";
import { readRevision, revisionName, type StoredRevision } from "../workload/revisions.ts";
import { preconditionOf } from "./commit.ts";
import { configResources } from "./configs.ts";
import type { Context } from "./context.ts";
import type { World } from "./world.ts";
import { REVISIONS } from "./wanted.ts";

/** One at a time; the deletion is an event that brings the next pass. @returns what went wrong */
export async function prune(context: Context, world: World, status: CanaryStatus, target: string): Promise<string | undefined> {
  if (status.target?.scale !== "Zero" || status.run === undefined || !context.leadership.mayWrite()) return undefined;
  const mine = (resource: Resource): readonly KubeObject[] => context.caches.owned(resource.plural, world.namespace, ownerMark(world.owner));
  const hashes = [status.primary?.revision, status.run.revision, status.lastPromotedSpec, status.lastAppliedSpec, status.previousPromotedSpec, status.rollbackWindow?.revision, status.target.revision, ...(status.history ?? []).map(({ revision }) => revision)];
  const names = new Set(hashes.map((hash) => revisionName(target, hash ?? "")));
  const stored = mine(REVISIONS);
  const stale = stored.find(({ metadata }) => !names.has(metadata.name));
  if (stale !== undefined) return remove(context, REVISIONS, stale);
  const needed = neededConfigs(stored.flatMap((object) => readRevision(object, target) ?? []), world, status, target);
  for (const resource of configResources(context.options.configKinds)) {
    const unused = mine(resource).find(({ kind, metadata }) => metadata.annotations?.[CHECKSUM] !== undefined && !needed.has(keyOfConfig({ kind: kind === "Secret" ? "secret" : "configmap", name: metadata.name })));
    if (unused !== undefined) return remove(context, resource, unused);
  }
  return undefined;
}

/** Snapshots of every stored revision, and the copies that the primary reads. */
function neededConfigs(stored: readonly StoredRevision[], world: World, status: CanaryStatus, target: string): Set<string> {
  const needed = new Set<string>();
  for (const { configs } of stored) {
    for (const [key, checksum] of Object.entries(configs)) {
      const { kind, name } = configOfKey(key);
      needed.add(keyOfConfig({ kind, name: snapshotName(name, target, checksum) }));
    }
  }
  const promoted = stored.find(({ hash }) => hash === status.primary?.revision);
  for (const [key, name] of world.copiesOf(promoted)) needed.add(keyOfConfig({ kind: configOfKey(key).kind, name }));
  return needed;
}

/** What the manifest, or the time, has taken back: pods of the revision before, once nobody is led to them, and autoscalers that it names no more. One at a time. */
export async function retire(context: Context, { previous, workload, owner, namespace, scaler }: World, status: CanaryStatus): Promise<string | undefined> {
  if (!context.leadership.mayWrite()) return undefined;
  const isOurs = ({ metadata }: KubeObject): boolean => metadata.annotations?.[OWNER] === ownerMark(owner);
  if (previous !== undefined && workload !== undefined && status.rollbackWindow === undefined && isOurs(previous)) return remove(context, workload.resource, previous);
  for (const resource of SCALERS) {
    const former = context.caches.owned(resource.plural, namespace, ownerMark(owner)).find((object) => !(resource === scaler?.resource && object.metadata.name === scaler.copy?.metadata.name));
    if (former !== undefined) return (await wake(context, resource, former)) ?? remove(context, resource, former);
  }
  return undefined;
}

/** The target's own scaler was told to rest, and nobody would tell it to go on. */
async function wake({ api, caches }: Context, resource: Resource, copy: KubeObject): Promise<string | undefined> {
  const source = caches.get(resource.plural, copy.metadata.namespace ?? "", copy.metadata.name.slice(0, -scalerName("").length));
  const patch = source === undefined ? undefined : mergePatch(source, withRest(source, false));
  if (source === undefined || patch === undefined) return undefined;
  const written = await api.patch({ resource, namespace: source.metadata.namespace ?? "", name: source.metadata.name }, patch, preconditionOf(source));
  if (!written.ok) return written.fault.message;
  caches.absorb(written.value);
  return undefined;
}

async function remove(context: Context, resource: Resource, object: KubeObject): Promise<string | undefined> {
  const deleted = await context.api.delete({ resource, namespace: object.metadata.namespace ?? "", name: object.metadata.name }, preconditionOf(object));
  if (!deleted.ok && deleted.fault.class !== "not-found") return deleted.fault.message;
  context.caches.forget(object);
  return undefined;
}
