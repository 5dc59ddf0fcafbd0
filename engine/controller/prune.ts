// Which stored revisions does nobody need any more? They would be one object for each release, for ever.
// It never removes one that runs, that is promoted, that is under analysis or that the history names.
import { OWNER, groupOf } from "../../crds/marks.ts";
import type { Canary } from "../../crds/canary.ts";
import type { CanaryStatus } from "../../crds/status.ts";
import { revisionName } from "../workload/revisions.ts";
import { preconditionOf } from "./commit.ts";
import type { Context } from "./context.ts";
import { REVISIONS } from "./wanted.ts";

/** One at a time; the deletion is an event that brings the next pass. @returns what went wrong */
export async function prune(context: Context, { metadata, apiVersion }: Canary, status: CanaryStatus, target: string): Promise<string | undefined> {
  if (status.target?.scale !== "Zero" || status.run === undefined) return undefined;
  const owner = `${groupOf(apiVersion)}/${metadata.name}`;
  const needed = [status.primary?.revision, status.run.revision, status.lastPromotedSpec, status.lastAppliedSpec, status.previousPromotedSpec, status.target.revision, ...(status.history ?? []).map(({ revision }) => revision)];
  const names = new Set(needed.map((hash) => revisionName(target, hash ?? "")));
  const stale = context.caches.list("controllerrevisions", metadata.namespace ?? "").find((object) => object.metadata.annotations?.[OWNER] === owner && !names.has(object.metadata.name));
  if (stale === undefined || !context.leadership.mayWrite()) return undefined;
  const deleted = await context.api.delete({ resource: REVISIONS, namespace: metadata.namespace ?? "", name: stale.metadata.name }, preconditionOf(stale));
  if (!deleted.ok && deleted.fault.class !== "not-found") return deleted.fault.message;
  context.caches.forget(stale);
  return undefined;
}
