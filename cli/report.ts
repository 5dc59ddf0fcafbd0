// What does a demo say at its end? What was expected and what was seen, for people or as one JSON object.
import type { Expectation } from "../sandbox/demo/scenario.ts";
import type { Output } from "../sandbox/demo/screen.ts";

export interface Reported {
  expectations: Expectation[];
  requests: object;
  elapsedMs: number;
}

/** @param more goes into the last sentence, after the time that it took */
export function report({ expectations, requests, elapsedMs }: Reported, json: boolean, output: Output, more = ""): void {
  const met = expectations.every((expectation) => expectation.met);
  if (json) {
    output.write(`${JSON.stringify({ verdict: met ? "as expected" : "not as expected", expectations, requests, elapsedMs: Math.round(elapsedMs) })}\n`);
    return;
  }
  output.write("\n");
  for (const { what, met: one, seen } of expectations) output.write(`${one ? "PASS" : "FAIL"}  ${what}: ${seen}\n`);
  output.write(`\n${met ? "Everything went as it should" : "Not as it should be"}, in ${Math.round(elapsedMs / 1000)} s${more}.\n`);
}
