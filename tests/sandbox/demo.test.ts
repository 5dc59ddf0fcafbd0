// Does the demo show what it promises? On the sandbox with real sockets and real time, as a user runs it.
import { expect, test } from "@jest/globals";
import { run } from "./demo-run.ts";
import { COLUMNS, draw, PLAIN } from "../../sandbox/demo/view.ts";

test("a good release succeeds, a bad one fails, and nothing is lost", async () => {
  const { code, lines } = await run();
  const last = lines.at(-1);
  expect([code, last?.expectations?.filter(({ met }) => !met)]).toEqual([0, []]);
  expect(last?.requests).toMatchObject({ lost: 0 });
  expect(Object.keys(last?.requests?.byVersion ?? {}).sort()).toEqual(["1.0.0", "2.0.0", "3.0.0-errors"]);
  const weights = lines.filter(({ phase }) => phase === "Progressing").map(({ weight }) => weight);
  expect(weights).toEqual(expect.arrayContaining([0, 20, 40, 60]));
}, 90_000);

test("the picture fits 80 columns whatever is in it", () => {
  const long = "x".repeat(300);
  const lines = draw(
    {
      title: long,
      elapsedMs: 12_345,
      status: { phase: "Progressing", failedChecks: 1, route: { primaryWeight: 60, canaryWeight: 40 }, run: { id: "a", revision: "a", images: [], startedAt: "", step: 1, attempt: 0, measurements: [{ name: "request-success-rate", verdict: "error", min: 99, message: long }] } },
      requests: { total: 10, lost: 1, byVersion: { [long]: 10 }, badAnswers: 0, losses: [long] },
      events: [long],
    },
    PLAIN,
  );
  expect(lines.filter((line) => [...line].length > COLUMNS)).toEqual([]);
  expect(lines.join("\n")).toMatch(/weight.*40 %/);
});
