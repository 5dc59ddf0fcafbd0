// The longer half of the tests on the sandbox: whole lives of hostile manifests, old installations and many clusters. CI runs them beside `npm test`.
import base, { LONG } from "../jest.config.mjs";

export default { ...base, rootDir: "..", testMatch: LONG.map((name) => `<rootDir>/tests/sandbox/${name}.test.ts`), testPathIgnorePatterns: [] };
