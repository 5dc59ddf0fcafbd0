// What one process remembers beside the status, and may lose at any time: answers, sent announcements, repairs, and what was refused.
import type { CanarySpec } from "../../crds/canary.ts";
import type { Problem } from "../../crds/problem.ts";
import type { Announcer } from "./announce.ts";
import type { Asks } from "./asks.ts";
import { ConfigReader } from "./configs.ts";
import type { Drift } from "./drift.ts";

/** How long an outdated CRD is taken for granted before it is tried again. */
const OUTDATED_MS = 60_000;

export class Memory {
  /** The epoch under which a Canary was first read live. */
  readonly confirmed = new Map<string, number>();
  /** What a Canary said when it could be read last: enough to keep its users safe while it cannot. */
  readonly lastGood = new Map<string, { uid: string | undefined; generation: number | undefined; spec: CanarySpec }>();
  /** Contents of ConfigMaps and Secrets, by their checksums. */
  readonly configs = new ConfigReader();
  private readonly refused = new Map<string, Problem>();
  private readonly outdated = new Map<string, { problem: Problem; untilMs: number }>();

  constructor(
    readonly announcer: Announcer,
    readonly asks: Asks,
    readonly drift: Drift,
    /** Has a key woken by changes of these objects too, which its manifest does not name. */
    readonly watch: (key: string, objects: readonly string[]) => void,
  ) {}

  refusal(key: string): Problem | undefined {
    return this.refused.get(key);
  }

  setRefusal(key: string, problem: Problem | undefined): void {
    if (problem === undefined) this.refused.delete(key);
    else this.refused.set(key, problem);
  }

  outdatedCRD(key: string, nowMs: number): Problem | undefined {
    const known = this.outdated.get(key);
    if (known === undefined || known.untilMs > nowMs) return known?.problem;
    this.outdated.delete(key);
    return undefined;
  }

  setOutdatedCRD(key: string, problem: Problem, nowMs: number): void {
    this.outdated.set(key, { problem, untilMs: nowMs + OUTDATED_MS });
  }

  forget(key: string, uid: string | undefined): void {
    this.confirmed.delete(key);
    this.refused.delete(key);
    this.lastGood.delete(key);
    this.outdated.delete(key);
    this.asks.set(key, []);
    this.drift.forget(key);
    if (uid !== undefined) this.announcer.forget(uid);
  }
}
