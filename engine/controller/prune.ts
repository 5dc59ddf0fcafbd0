// Which stored revisions, and which copies of what they read, does nobody need any more? They would be objects for each release, for ever.
// It never removes one that runs, that is promoted, that is under analysis or that the history names.
import { CHECKSUM, OWNER, ownerMark } from "../../crds/marks.ts";
import type { CanaryStatus } from "../../crds/status.ts";
import type { KubeObject, Resource } from "../ports.ts";
import { configOfKey, keyOfConfig, snapshotName } from "../workload/configs.ts";
import { readRevision, revisionName, type StoredRevision } from "../workload/revisions.ts";
import { preconditionOf } from "./commit.ts";
import { configResources } from "./configs.ts";
import type { Context } from "./context.ts";
import type { World } from "./world.ts";
import { REVISIONS } from "./wanted.ts";

/** One at a time; the deletion is an event that brings the next pass. @returns what went wrong */
export async function prune(context: Context, world: World, status: CanaryStatus, target: string): Promise<string | undefined> {
  if (status.target?.scale !== "Zero" || status.run === undefined || !context.leadership.mayWrite()) return undefined;
  const mine = (resource: Resource): KubeObject[] =>
    context.caches.list(resource.plural, world.namespace).filter((object) => object.metadata.annotations?.[OWNER] === ownerMark(world.owner));
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

/** The pods of the revision before, once nobody is led to them any more and nobody may want them. */
export async function retire(context: Context, { previous, workload, owner }: World, status: CanaryStatus): Promise<string | undefined> {
  if (previous === undefined || workload === undefined || status.rollbackWindow !== undefined || !context.leadership.mayWrite()) return undefined;
  return previous.metadata.annotations?.[OWNER] === ownerMark(owner) ? remove(context, workload.resource, previous) : undefined;
}

async function remove(context: Context, resource: Resource, object: KubeObject): Promise<string | undefined> {
  const deleted = await context.api.delete({ resource, namespace: object.metadata.namespace ?? "", name: object.metadata.name }, preconditionOf(object));
  if (!deleted.ok && deleted.fault.class !== "not-found") return deleted.fault.message;
  context.caches.forget(object);
  return undefined;
}
