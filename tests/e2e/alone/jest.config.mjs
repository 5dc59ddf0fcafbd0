import { shared } from "../jest.config.mjs";

// Their engine works in all namespaces, where it would be a second one for everybody else's.
export default { ...shared, rootDir: "../../..", testMatch: ["<rootDir>/tests/e2e/alone/*.test.ts"], maxWorkers: 1 };
