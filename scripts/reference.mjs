// Writes docs/reference from the schemas and the registries. A unit test fails when the pages are older.
import { mkdirSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

async function load(entry, name) {
  const bundle = `dist/${name}.cjs`;
  await build({ entryPoints: [entry], outfile: bundle, bundle: true, platform: "node", format: "cjs", logLevel: "warning" });
  return (await import(`../${bundle}`)).default;
}

const { renderHostReference, renderReference } = await load("crds/reference.ts", "reference");
const { renderProviders } = await load("cli/providers.ts", "providers");
mkdirSync("docs/reference", { recursive: true });
for (const kind of ["Canary", "MetricTemplate", "AlertProvider"]) writeFileSync(`docs/reference/${kind.toLowerCase()}.md`, renderReference(kind));
for (const kind of ["Application", "Fleet", "AttachedCluster"]) writeFileSync(`docs/reference/${kind.toLowerCase()}.md`, renderHostReference(kind));
writeFileSync("docs/reference/providers.md", renderProviders());
