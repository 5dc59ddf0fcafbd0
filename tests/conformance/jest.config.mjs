import base from "../../jest.config.mjs";

export default {
  ...base,
  rootDir: "../..",
  testMatch: ["<rootDir>/tests/conformance/**/*.test.ts"],
  // One scenario waits until a young cluster forgets its first minutes.
  testTimeout: 400_000,
};
