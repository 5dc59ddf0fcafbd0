// Writes the CRDs that the chart installs, from the schemas. A unit test fails when the files are older than the schemas.
import { writeFileSync } from "node:fs";
import { build } from "esbuild";

async function load(entry) {
  const outfile = `dist/${entry}.cjs`;
  await build({ entryPoints: [`crds/${entry}.ts`], outfile, bundle: true, platform: "node", format: "cjs", logLevel: "warning" });
  return (await import(`../${outfile}`)).default;
}

const { renderYaml } = await load("generate");
for (const group of ["rollout.kurator.dev", "flagger.app"]) writeFileSync(`charts/kurator-rollout/files/crds-${group}.yaml`, renderYaml([group], { keep: true }));
const { renderHostYaml } = await load("fleetcrds");
writeFileSync("charts/kurator-rollout-fleet/files/crds.yaml", renderHostYaml({ keep: true }));
