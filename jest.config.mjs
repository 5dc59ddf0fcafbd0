export default {
  testMatch: ["<rootDir>/tests/unit/**/*.test.ts", "<rootDir>/tests/sandbox/**/*.test.ts"],
  testEnvironment: "node",
  extensionsToTreatAsEsm: [".ts"],
  transform: {
    "^.+\\.ts$": ["@swc/jest", { jsc: { parser: { syntax: "typescript" }, target: "es2022" }, module: { type: "es6" } }],
  },
  maxWorkers: 2,
  // A bound for what hangs, far above what a busy machine needs.
  testTimeout: 60_000,
};
