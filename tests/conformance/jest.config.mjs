import base from "../../jest.config.mjs";

export default {
  ...base,
  rootDir: "../..",
  testMatch: ["<rootDir>/tests/conformance/**/*.test.ts"],
  testTimeout: 30_000,
};
