// Bundles the program into the one file that the image and the npm package carry, or what else is named into the file that is named: build.mjs [FILE [ENTRY]].
import { build } from "esbuild";
import { readFileSync } from "node:fs";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

await build({
  entryPoints: [process.argv[3] ?? "engine/main.ts"],
  outfile: process.argv[2] ?? "dist/kurator-rollout.mjs",
  bundle: true,
  platform: "node",
  target: "node20",
  format: "esm",
  define: { KURATOR_ROLLOUT_VERSION: JSON.stringify(version) },
  // Some dependencies are CommonJS and call require at run time.
  banner: {
    js: '#!/usr/bin/env node\nimport { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
  legalComments: "none",
  logLevel: "warning",
});
