// Writes the CRDs that the chart installs, from the schemas. A unit test fails when the files are older than the schemas.
import { writeFileSync } from "node:fs";
import { build } from "esbuild";

const bundle = "dist/crds.cjs";
await build({ entryPoints: ["crds/generate.ts"], outfile: bundle, bundle: true, platform: "node", format: "cjs", logLevel: "warning" });
const { renderYaml } = (await import(`../${bundle}`)).default;
for (const group of ["rollout.kurator.dev", "flagger.app"]) writeFileSync(`charts/kurator-rollout/files/crds-${group}.yaml`, renderYaml([group], { keep: true }));
