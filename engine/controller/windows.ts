// May a rollout go on now? Cron windows in their own time zones, read at one instant. It never looks at a clock of its own.
import { CronExpressionParser } from "cron-parser";
import type { CanarySpec } from "../../crds/canary.ts";
import { parseDuration } from "../../crds/durations.ts";
import type { Problem } from "../../crds/problem.ts";
import type { WindowSeen } from "../machine/types.ts";

type Window = NonNullable<CanarySpec["windows"]>[number];

/**
 * Open when any window is. Worked example: `0 9 * * 1-5` for 8h in Europe/Berlin opens at 09:00 there and closes at 17:00; on the day on which clocks
 * are put forward too, because the hours between are counted and not read off.
 */
export function windowSeen(windows: readonly Window[] | undefined, nowMs: number): WindowSeen | undefined {
  if (windows === undefined || windows.length === 0) return undefined;
  const closings: number[] = [];
  const openings: number[] = [];
  // One that cannot be read is a problem of the Canary, and never an open window.
  for (const { schedule, duration, timeZone } of windows.filter((window) => windowProblems([window], nowMs).length === 0)) {
    const lengthMs = parseDuration(duration) ?? 0;
    // An opening at this very instant is one that has happened.
    const before = instants(schedule, timeZone, nowMs + 1).prev();
    if (before !== undefined && nowMs < before + lengthMs) closings.push(before + lengthMs);
    const after = instants(schedule, timeZone, nowMs).next();
    if (after !== undefined) openings.push(after);
  }
  if (closings.length > 0) return { open: true, changesAtMs: Math.max(...closings) };
  return openings.length === 0 ? { open: false } : { open: false, changesAtMs: Math.min(...openings) };
}

/** What of the windows cannot be read. */
export function windowProblems(windows: readonly Window[] | undefined, nowMs: number): Problem[] {
  return (windows ?? []).flatMap(({ schedule, timeZone }, index) => {
    const path = `spec.windows[${index}]`;
    if (timeZone !== undefined && !isTimeZone(timeZone)) {
      return [{ reason: "InvalidSpec" as const, path: `${path}.timeZone`, message: `"${timeZone}" is no time zone of the IANA list; write one such as Europe/Berlin` }];
    }
    try {
      instants(schedule, timeZone, nowMs);
      return [];
    } catch {
      return [{ reason: "InvalidSpec" as const, path: `${path}.schedule`, message: `"${schedule}" is no cron expression of five fields such as "0 9 * * 1-5"` }];
    }
  });
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** @throws where the schedule is none */
function instants(schedule: string, timeZone: string | undefined, atMs: number) {
  if (schedule.trim().split(/\s+/).length !== 5) throw new Error("five fields are wanted");
  const expression = CronExpressionParser.parse(schedule, { currentDate: new Date(atMs), tz: timeZone ?? "UTC" });
  const instant = (step: () => { getTime(): number }): number | undefined => {
    try {
      return step().getTime();
    } catch {
      // A date that never comes, such as the 30th of February.
      return undefined;
    }
  };
  return { prev: () => instant(() => expression.prev()), next: () => instant(() => expression.next()) };
}
