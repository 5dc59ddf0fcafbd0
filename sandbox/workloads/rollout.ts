// How many replicas should each ReplicaSet of a Deployment have next? Arithmetic alone, as the deployment controller
// of Kubernetes documents it. It must never take the available pods below the floor nor all pods above the ceiling.
import type { Deployment } from "./objects.ts";

/** One ReplicaSet as the arithmetic sees it. */
export interface SizedSet {
  name: string;
  /** spec.replicas */
  replicas: number;
  /** status.availableReplicas */
  available: number;
  createdAt: number;
  /** What the Deployment wanted, and its ceiling, when this set was last scaled. */
  desired?: number;
  ceiling?: number;
}

export interface Bounds {
  surge: number;
  unavailable: number;
}

/** Name of the ReplicaSet to its new size; only those that change. */
export type Resize = Map<string, number>;

export function boundsOf({ spec }: Deployment): Bounds {
  if (spec.strategy?.type === "Recreate") return { surge: 0, unavailable: 0 };
  const desired = spec.replicas ?? 1;
  const { maxSurge = "25%", maxUnavailable = "25%" } = spec.strategy?.rollingUpdate ?? {};
  const surge = share(maxSurge, desired, Math.ceil);
  const unavailable = share(maxUnavailable, desired, Math.floor);
  // Both zero could never move a pod; Kubernetes then gives one up.
  return { surge, unavailable: surge === 0 && unavailable === 0 ? 1 : Math.min(unavailable, desired) };
}

/** Percentages of surge round up and those of unavailability down: 25 % of 2 replicas is one more pod and none less. */
function share(value: number | string, desired: number, round: (value: number) => number): number {
  if (typeof value === "number") return value;
  return value.endsWith("%") ? round((Number(value.slice(0, -1)) * desired) / 100) : Number(value);
}

/** The size at which a new ReplicaSet may start. */
export function sizeOfNew(desired: number, { surge }: Bounds, current: number, total: number): number {
  if (current >= desired) return desired;
  return current + Math.max(0, Math.min(desired + surge - total, desired - current));
}

export function rollingStep(desired: number, bounds: Bounds, fresh: SizedSet, olds: readonly SizedSet[]): Resize {
  const all = [fresh, ...olds];
  const size = sizeOfNew(desired, bounds, fresh.replicas, sum(all, "replicas"));
  // One direction at a time: the next pass sees what this one did.
  return size === fresh.replicas ? shrinkOld(desired - bounds.unavailable, fresh, olds) : new Map([[fresh.name, size]]);
}

/**
 * Old pods that serve nobody go first; healthy ones only as far as the available pods stay at the floor.
 * Example: 4 wanted, floor 3, 2 new of which 1 is available, 4 old: 6 - 3 - 1 = 2 old pods may go.
 */
function shrinkOld(floor: number, fresh: SizedSet, olds: readonly SizedSet[]): Resize {
  const resize: Resize = new Map();
  const all = [fresh, ...olds];
  let spare = sum(all, "replicas") - floor - (fresh.replicas - fresh.available);
  const oldestFirst = [...olds].sort((a, b) => a.createdAt - b.createdAt);
  for (const old of oldestFirst) {
    const unhealthy = Math.min(Math.max(0, spare), old.replicas - old.available);
    if (unhealthy <= 0) continue;
    resize.set(old.name, old.replicas - unhealthy);
    spare -= unhealthy;
  }
  let surplus = Math.min(sum(all, "available") - floor, spare);
  for (const old of oldestFirst) {
    const size = resize.get(old.name) ?? old.replicas;
    const gone = Math.min(Math.max(0, surplus), size);
    if (gone <= 0) continue;
    resize.set(old.name, size - gone);
    surplus -= gone;
  }
  return resize;
}

/** Recreate: the new pods start only when no old one is left. */
export function recreateStep(desired: number, fresh: SizedSet | undefined, olds: readonly SizedSet[], oldPodsLeft: boolean): Resize {
  const resize: Resize = new Map();
  for (const old of olds) if (old.replicas > 0) resize.set(old.name, 0);
  if (resize.size === 0 && !oldPodsLeft && fresh !== undefined && fresh.replicas !== desired) resize.set(fresh.name, desired);
  return resize;
}

export function isScalingEvent(desired: number, all: readonly SizedSet[]): boolean {
  return all.some((set) => set.replicas > 0 && set.desired !== undefined && set.desired !== desired);
}

/** The wanted size changed, or the Deployment is paused: keep the mix of revisions and change only how many there are. */
export function scaleStep(desired: number, bounds: Bounds, fresh: SizedSet | undefined, olds: readonly SizedSet[]): Resize {
  const all = fresh === undefined ? [...olds] : [fresh, ...olds];
  const active = all.filter((set) => set.replicas > 0);
  if (active.length <= 1) {
    const newest = [...olds].sort((a, b) => b.createdAt - a.createdAt)[0];
    const only = active[0] ?? fresh ?? newest;
    return only === undefined || only.replicas === desired ? new Map() : new Map([[only.name, desired]]);
  }
  if (fresh !== undefined && fresh.replicas === desired && fresh.available === desired) {
    return new Map(olds.filter((old) => old.replicas > 0).map((old) => [old.name, 0]));
  }
  return proportional(desired === 0 ? 0 : desired + bounds.surge, active);
}

/** Each set gets its share of the new ceiling; what rounding leaves over goes to the first: the newest of the largest when growing, the oldest when shrinking. */
function proportional(ceiling: number, active: readonly SizedSet[]): Resize {
  const total = sum(active, "replicas");
  let left = ceiling - total;
  const age = left > 0 ? -1 : 1;
  const order = [...active].sort((a, b) => b.replicas - a.replicas || age * (a.createdAt - b.createdAt));
  const sizes: Resize = new Map();
  for (const set of order) {
    const ideal = Math.round((set.replicas * ceiling) / Math.max(1, set.ceiling ?? total)) - set.replicas;
    const step = left > 0 ? Math.min(Math.max(0, ideal), left) : Math.max(Math.min(0, ideal), left);
    sizes.set(set.name, set.replicas + step);
    left -= step;
  }
  for (const set of order) {
    const size = sizes.get(set.name) ?? set.replicas;
    const next = Math.max(0, size + left);
    sizes.set(set.name, next);
    left -= next - size;
  }
  return new Map([...sizes].filter(([name, size]) => active.some((set) => set.name === name && set.replicas !== size)));
}

function sum(sets: readonly SizedSet[], field: "replicas" | "available"): number {
  return sets.reduce((total, set) => total + set[field], 0);
}
