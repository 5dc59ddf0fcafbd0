export const shared = {
  rootDir: "../..",
  testEnvironment: "<rootDir>/tests/environment.mjs",
  extensionsToTreatAsEsm: [".ts"],
  transform: {
    "^.+\\.ts$": ["@swc/jest", { jsc: { parser: { syntax: "typescript" }, target: "es2022" }, module: { type: "es6" } }],
  },
  testSequencer: "<rootDir>/tests/sequencer.mjs",
  testTimeout: 240_000,
  // A test that fails may leave a watch open, and a run that never ends tells nobody.
  forceExit: true,
};

// Each file has its own namespace and its own engine, limited to it.
export default { ...shared, testMatch: ["<rootDir>/tests/e2e/*.test.ts"], maxWorkers: 3 };
