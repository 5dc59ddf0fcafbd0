// Is there another Canary for the same Deployment? The older one goes on; the younger one must not touch anything.
import type { Canary } from "../../crds/canary.ts";
import { groupOf } from "../../crds/marks.ts";
import type { Settings } from "../machine/settings.ts";
import type { KubeObject } from "../ports.ts";
import { workloadOf } from "../workload/kinds.ts";
import type { Context } from "./context.ts";
import type { Key } from "./key.ts";

/** The older Canary with this target, as "canaries.GROUP NAME"; undefined when this one is the oldest. */
export function rivalOf(context: Context, key: Key, canary: Canary, settings: Settings): string | undefined {
  for (const group of context.groups.keys()) {
    for (const other of context.caches.canaries(group).about(key.namespace, settings.target)) {
      if (other.metadata.uid === canary.metadata.uid) continue;
      const { apiVersion = "", kind = "" } = (other.spec as { targetRef?: { apiVersion?: string; kind?: string } } | undefined)?.targetRef ?? {};
      if (workloadOf({ group: groupOf(apiVersion), kind }) !== workloadOf(settings)) continue;
      if (older(other, group, canary as unknown as KubeObject, key.group)) return `canaries.${group} ${other.metadata.name}`;
    }
  }
  return undefined;
}

function older(other: KubeObject, otherGroup: string, mine: KubeObject, myGroup: string): boolean {
  const created = [other.metadata.creationTimestamp ?? "", mine.metadata.creationTimestamp ?? ""] as const;
  if (created[0] !== created[1]) return created[0] < created[1];
  return `${otherGroup}/${other.metadata.name}` < `${myGroup}/${mine.metadata.name}`;
}
