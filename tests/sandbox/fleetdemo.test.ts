// Does the demo of many clusters show what it promises? On sandboxes with real sockets and real time, as a user runs it.
import { expect, test } from "@jest/globals";
import { fleetDemo } from "../../cli/fleet-demo.ts";
import { drawFleet } from "../../sandbox/demo/fleetscreen.ts";
import { COLUMNS } from "../../sandbox/demo/view.ts";

interface Line {
  expectations?: { what: string; met: boolean; seen: string }[];
  requests?: Record<string, { lost: number; byVersion: Record<string, number> }>;
  waves?: { name: string; phase: string }[];
}

test("a good release goes from the pilot to the others, a bad one stops there, and nothing is lost", async () => {
  let text = "";
  const code = await fleetDemo({ json: true, version: "test", pace: { seconds: 1, patienceMs: 60_000 } }, { write: (part) => void (text += part), terminal: false, colours: false }, new AbortController().signal);
  const lines = text.trim().split("\n").map((line) => JSON.parse(line) as Line);
  const last = lines.at(-1);
  expect([code, last?.expectations?.filter(({ met }) => !met)]).toEqual([0, []]);
  expect(Object.keys(last?.requests?.member1?.byVersion ?? {}).sort()).toEqual(["1.0.0", "2.0.0", "3.0.0-errors"]);
  expect(Object.keys(last?.requests?.member3?.byVersion ?? {}).sort()).toEqual(["1.0.0", "2.0.0"]);
  expect(lines.some(({ waves }) => waves?.some(({ name, phase }) => name === "pilot" && phase === "Baking") === true)).toBe(true);
}, 120_000);

test("the picture fits 78 columns whatever is in it", () => {
  const long = "x".repeat(300);
  const lines = drawFleet({ title: long, elapsedMs: 1, members: [{ name: long, wave: long, phase: "Progressing", weight: 40, failedChecks: 0, requests: { total: 1, lost: 0, byVersion: { [long]: 1 }, badAnswers: 0, losses: [] } }], waves: [{ name: "pilot", phase: "Held", message: long }] }, [long]);
  expect(lines.filter((line) => [...line].length > COLUMNS)).toEqual([]);
});
