// Which revisions has the platform made of a target, where it keeps revisions by itself? By which names do the promoted one and the one under analysis go, and
// what is known of the promoted one, of which there is no workload to look at.
import type { CanaryStatus } from "../../crds/status.ts";
import type { PrimarySeen } from "../machine/types.ts";
import { IMAGES_MAX } from "../machine/moves.ts";
import { revisionNamed, type StoredRevision } from "../workload/revisions.ts";
import type { World } from "./world.ts";

type Known = Pick<World, "workload" | "target" | "revision" | "revisions">;

/** Nothing is made for the promoted revision: the platform has it. */
export function keepsRevisions({ workload }: Pick<World, "workload">): boolean {
  return workload?.primary === "revision";
}

/** What is promoted as the target itself tells, for where no status remembers it; undefined where the newest revision gets all traffic. */
function pinned({ workload, target, revision }: Known): StoredRevision | undefined {
  const name = target === undefined ? undefined : workload?.pinned?.(target);
  if (name === undefined) return undefined;
  return revision?.name === name ? revision : revisionNamed(name, target?.metadata.uid);
}

/** What may be stored: only what the platform has a name for. */
export function namedRevisions(world: Known): StoredRevision[] {
  const { workload, target, revision } = world;
  const name = target === undefined ? undefined : workload?.pinned?.(target);
  return [...(revision?.name === undefined ? [] : [revision]), ...(name === undefined ? [] : [revisionNamed(name, target?.metadata.uid)])];
}

/** As it was stored: a template that comes back has another name by now, and what was analysed is what is promoted. A target that was made anew has other names. */
function nameOf({ revisions, revision, target }: Known, hash: string | undefined): string | undefined {
  const stored = revisions.get(hash ?? "")?.revision;
  const name = stored?.uid === undefined || stored.uid === target?.metadata.uid ? stored?.name : undefined;
  return name ?? (revision?.hash === hash ? revision?.name : undefined);
}

/** For routers that lead to them. Where what is stored of the promoted one was destroyed, the target still tells where the traffic was. */
export function revisionNames(world: Known, status: CanaryStatus): { primary?: string; canary?: string } | undefined {
  if (!keepsRevisions(world)) return undefined;
  const promoted = status.primary?.revision;
  const told = promoted === status.lastPromotedSpec ? pinned(world)?.name : undefined;
  return { primary: nameOf(world, promoted) ?? told, canary: nameOf(world, status.run?.revision) };
}

/** It scales with its traffic, so one that is there has as many pods as it needs; the live target speaks of it for as long as it is at this revision. */
export function promotedSeen(world: Known, status: CanaryStatus, readyPercent: number): PrimarySeen | undefined {
  const { workload, target, revision } = world;
  const hash = status.primary?.revision ?? pinned(world)?.hash;
  if (hash === undefined || workload === undefined || target === undefined) return undefined;
  const live = revision?.hash === hash ? workload.read(target, readyPercent).readiness : undefined;
  const named = status.primary === undefined || revisionNames(world, status)?.primary !== undefined;
  const readiness = live ?? { ready: true };
  const unnamed = { ready: false, why: "it is stored nowhere which revision it is", deadlineExceeded: false } as const;
  const images = (revision?.hash === hash ? revision.images : (world.revisions.get(hash)?.revision.images ?? [])).slice(0, IMAGES_MAX);
  return { undersized: undefined, revision: hash, images, replicas: 1, availableReplicas: named ? 1 : 0, readiness: named || !readiness.ready ? readiness : unnamed };
}
