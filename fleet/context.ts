// What the passes of the fleet work with.
import type { CacheSet } from "../engine/adapters/cachesets.ts";
import type { Clock, KubeApi, Log, Resource } from "../engine/ports.ts";
import type { ClusterRef, Lookup } from "./clusters.ts";
import type { FluxKind } from "./flux.ts";
import type { Outcome, Plan } from "./memberpass.ts";
import type { Members } from "./members.ts";
import type { FleetProblem } from "./problem.ts";

export interface FleetContext {
  /** Of the host cluster. */
  api: KubeApi;
  caches: CacheSet;
  lookup: Lookup;
  flux: FluxView;
  members: Members;
  clock: Clock;
  log: Log;
  mayWrite: () => boolean;
  loadTesterImage: string;
  /** Where the Rollout plugin finds the charts of a Fleet that names no place. */
  chartRepository: string | undefined;
  /** Connects to a member as its cluster object says now; an answer says why it cannot. */
  connect: (ref: ClusterRef) => Promise<FleetProblem | undefined>;
  memory: FleetMemory;
}

export interface FluxView {
  /** Undefined until the host has answered what it serves. */
  known: boolean;
  version: (kind: FluxKind) => Resource | undefined;
  /** Empty, but for what is served. */
  caches: CacheSet | undefined;
  /** What was made for Fleets. */
  plugins: CacheSet | undefined;
}

export interface Planned extends Plan {
  ref: ClusterRef;
  /** Counts up with each change, so that an outcome is known to be about this plan. */
  version: number;
}

/** Nothing of it is needed after a restart: plans are made anew, and what is in the clusters tells the rest. */
export class FleetMemory {
  /** By Fleet, its members. */
  readonly fleets = new Map<string, ReadonlySet<string>>();
  /** By application, then member. */
  readonly plans = new Map<string, Map<string, Planned>>();
  private readonly outcomes = new Map<string, { version: number; outcome: Outcome }>();
  private readonly memos = new Map<string, { connection: string; memo: Map<string, unknown> }>();

  /** @returns whether it is another one than before */
  plan(app: string, member: string, plan: Omit<Planned, "version">): boolean {
    const plans = this.plans.get(app) ?? new Map<string, Planned>();
    this.plans.set(app, plans);
    const before = plans.get(member);
    const text = (one: object): string => JSON.stringify({ ...one, version: 0 });
    if (before !== undefined && text(before) === text({ ...plan, version: 0 })) return false;
    plans.set(member, { ...plan, version: (before?.version ?? 0) + 1 });
    return true;
  }

  /** @returns whether it tells something new */
  conclude(app: string, member: string, version: number, outcome: Outcome): boolean {
    const key = `${app}|${member}`;
    const before = this.outcomes.get(key);
    this.outcomes.set(key, { version, outcome });
    return before === undefined || before.version !== version || JSON.stringify(before.outcome) !== JSON.stringify(outcome);
  }

  /** Of the plan as it is now; undefined until there is one. */
  outcome(app: string, member: string): Outcome | undefined {
    const found = this.outcomes.get(`${app}|${member}`);
    return found !== undefined && found.version === this.plans.get(app)?.get(member)?.version ? found.outcome : undefined;
  }

  /** What was said last, about whatever plan. */
  lastOutcome(app: string, member: string): Outcome | undefined {
    return this.outcomes.get(`${app}|${member}`)?.outcome;
  }

  /** For what is looked up once for each connection of a member. */
  memo(app: string, member: string, connection: string): Map<string, unknown> {
    const key = `${app}|${member}`;
    const known = this.memos.get(key);
    if (known?.connection === connection) return known.memo;
    const memo = new Map<string, unknown>();
    this.memos.set(key, { connection, memo });
    return memo;
  }

  uses(member: string): boolean {
    return [...this.plans.values()].some((plans) => plans.has(member)) || [...this.fleets.values()].some((members) => members.has(member));
  }

  forget(app: string, member: string): void {
    this.plans.get(app)?.delete(member);
    if (this.plans.get(app)?.size === 0) this.plans.delete(app);
    this.outcomes.delete(`${app}|${member}`);
    this.memos.delete(`${app}|${member}`);
  }
}
