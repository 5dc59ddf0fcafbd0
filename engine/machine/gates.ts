// Which webhooks must let a run go on, and have they? A gate is asked again and again outside of any pass until it opens; it never counts as a failed check.
import type { Gate } from "../../crds/status.ts";
import type { Stage } from "./ladder.ts";
import type { Ask, Situation, Wake } from "./types.ts";

export interface Gated {
  asks: Ask[];
  /** All of them answered with a pass, or there are none. */
  open: boolean;
  /** The first that said no. */
  closed?: { gate: Gate; message: string };
}

/** @param place what the question is about: a run and its step, or a revision that waits for its run */
export function gated({ seen, settings }: Situation, place: string, gates: readonly Gate[]): Gated {
  const asks = gates.map((type) => ({ id: `${place}/${type}`, kind: "gate" as const, type, everyMs: settings.intervalMs }));
  const shut = asks.find(({ id }) => seen.answers.get(id)?.verdict !== "pass");
  const said = asks.find(({ id }) => (seen.answers.get(id)?.verdict ?? "pass") !== "pass");
  const closed = said === undefined ? {} : { closed: { gate: said.type, message: seen.answers.get(said.id)?.message ?? "" } };
  return { asks, open: shut === undefined, ...closed };
}

/** Before users get more of the canary, and before everything becomes the canary. Leaving the mirrored stage is not held: it was held on the way in. */
export function gatesBefore({ settings }: Situation, from: Stage, to: Stage | undefined): Gate[] {
  const wanted: Gate[] = [];
  const more = to === undefined || to.canaryWeight > from.canaryWeight;
  if (settings.strategy === "canary" && more && !from.mirror) wanted.push("confirm-traffic-increase");
  if (to === undefined || (settings.strategy === "blue-green" && to.canaryWeight > 0)) wanted.push("confirm-promotion");
  return wanted.filter((gate) => settings.gates.has(gate));
}

/** A run that is under way holds where it is, frozen or outside of its windows; undefined while it may go on. */
export function closedWindow({ seen, settings }: Situation): Wake | undefined {
  if (seen.frozen !== undefined) return "on-change";
  if (!settings.holdOutside || seen.window?.open !== false) return undefined;
  return seen.window.changesAtMs === undefined ? "on-change" : { atMs: seen.window.changesAtMs };
}

/** The question whether somebody wants the run rolled back, and why if so. */
export function rollbackWanted({ seen, settings }: Situation, place: string): { asks: Ask[]; why: string | undefined } {
  if (!settings.rollbackHook) return { asks: [], why: undefined };
  const ask: Ask = { id: `${place}/rollback`, kind: "gate", type: "rollback", everyMs: settings.intervalMs };
  const answer = seen.answers.get(ask.id);
  return { asks: [ask], why: answer?.verdict === "pass" ? answer.message : undefined };
}
