// Which test files come first? Without the times of an earlier run jest begins with the largest files, and some of the longest are small: on a fresh
// clone they would be left over, one behind the other, while nothing else is left to do.
import Sequencer from "@jest/test-sequencer";

/** Those that wait for a real clock stand between those that compute, so that no processor waits with them. */
const LONGEST = [
  "sandbox/fleetdemo", "sandbox/secrets", "sandbox/hostile", "sandbox/sabotage", "sandbox/takeover", "sandbox/simulation", "sandbox/demo", "sandbox/waves", "sandbox/fleetexamples",
  "sandbox/routers", "sandbox/fleetmany", "analysis/providers.conformance",
  "e2e/killing",
];

export default class LongestFirst extends Sequencer {
  sort(tests) {
    const place = ({ path }) => {
      const index = LONGEST.findIndex((name) => path.endsWith(`/${name}.test.ts`));
      return index < 0 ? LONGEST.length : index;
    };
    return super.sort(tests).sort((left, right) => place(left) - place(right));
  }
}
