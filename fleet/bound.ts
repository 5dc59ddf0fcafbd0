// What passes between the parts of one look at an Application.
import type { SyncPolicy } from "../crds/application.ts";
import type { KubeObject } from "../engine/ports.ts";
import { keyOf, type ClusterRef } from "./clusters.ts";
import type { FleetContext } from "./context.ts";
import { appOf, appText, type AppName } from "./marks.ts";
import type { Outcome, PlannedDecision, PlannedRollout } from "./memberpass.ts";
import { canaries, troubleOf, type Trouble } from "./members.ts";
import { placeOf } from "./render.ts";
import { cachedOf } from "./write.ts";

/** A policy with its clusters. */
export interface Bound {
  policy: SyncPolicy;
  index: number;
  name: string;
  clusters: ClusterRef[];
  /** Every cluster that its Fleet names is known. */
  whole: boolean;
}

export interface Target {
  ref: ClusterRef;
  rollouts: PlannedRollout[];
  decisions: PlannedDecision[];
  /** Rollouts that were made there, or are about to be. */
  made: string[];
  /** Nothing is wanted there any more. */
  leaving: boolean;
}

/** That of this Application, as the member's watch has it. */
export function canaryOf(context: FleetContext, app: AppName, { rollout }: SyncPolicy, ref: ClusterRef): KubeObject | undefined {
  const member = context.members.get(keyOf(ref));
  if (rollout === undefined || member === undefined) return undefined;
  const { namespace, name } = placeOf(app, rollout);
  for (const group of member.groups) {
    const found = cachedOf(member, canaries(group), namespace, name);
    if (found !== undefined && appText(appOf(found) ?? { namespace: "", name: "" }) === appText(app)) return found;
  }
  return undefined;
}

/** Watches of a member that is cut off may stay silent for long; what is sent to it is not answered, and tells. */
export function silenceOf(outcome: Outcome | undefined): Trouble | undefined {
  const fault = outcome?.fault;
  return fault?.class === "deadline" || fault?.class === "transient" ? troubleOf(fault) : undefined;
}
