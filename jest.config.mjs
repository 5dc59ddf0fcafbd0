/** Of tests/sandbox, what takes longest; `npm run long` runs these and nothing else. */
export const LONG = ["fleetexamples", "fleetmany", "handover", "hostile", "sabotage", "secrets", "takeover", "upgrade", "waves"];

export default {
  testMatch: ["<rootDir>/tests/unit/**/*.test.ts", "<rootDir>/tests/sandbox/**/*.test.ts"],
  testPathIgnorePatterns: ["/node_modules/", ...LONG.map((name) => `<rootDir>/tests/sandbox/${name}\\.test\\.ts$`)],
  testEnvironment: "<rootDir>/tests/environment.mjs",
  extensionsToTreatAsEsm: [".ts"],
  transform: {
    "^.+\\.ts$": ["@swc/jest", { jsc: { parser: { syntax: "typescript" }, target: "es2022" }, module: { type: "es6" } }],
  },
  // One more than a small machine has processors: some of the files wait for a real clock and leave theirs idle.
  maxWorkers: 3,
  testSequencer: "<rootDir>/tests/sequencer.mjs",
  // A bound for what hangs, far above what a busy machine needs.
  testTimeout: 60_000,
};
