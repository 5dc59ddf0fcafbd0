// What does the engine count? The interface that the shell reports to; the series themselves are an adapter's.
import type { PlannedMetric } from "../../analysis/types.ts";
import type { Canary } from "../../crds/canary.ts";
import type { CanaryStatus, Measurement } from "../../crds/status.ts";
import type { Settings } from "../machine/settings.ts";
import type { Key } from "./key.ts";

export interface Recorder {
  /** A pass ended: how, and after how many milliseconds. */
  reconciled(outcome: string, tookMs: number): void;
  /** A pass looked at a Canary: its series show it, also after a restart in which nothing is committed. */
  seen(key: Key, settings: Settings, status: CanaryStatus): void;
  /** A status was committed. */
  transition(key: Key, settings: Settings, before: CanaryStatus, after: CanaryStatus): void;
  measured(canary: Canary, measurement: Measurement, metric: PlannedMetric | undefined): void;
  /** An object was put back as it should be. */
  drift(key: Key, kind: string): void;
  request(verb: string, resource: string, status: number): void;
  leading(leads: boolean): void;
  /** Removes the series of a Canary that is gone. */
  forget(key: Key): void;
}
