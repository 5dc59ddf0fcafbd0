// Writes docs/reference from the schemas. A unit test fails when the pages are older than the schemas.
import { mkdirSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const bundle = "dist/reference.cjs";
await build({ entryPoints: ["crds/reference.ts"], outfile: bundle, bundle: true, platform: "node", format: "cjs", logLevel: "warning" });
const { renderHostReference, renderReference } = (await import(`../${bundle}`)).default;
mkdirSync("docs/reference", { recursive: true });
for (const kind of ["Canary", "MetricTemplate", "AlertProvider"]) writeFileSync(`docs/reference/${kind.toLowerCase()}.md`, renderReference(kind));
for (const kind of ["Application", "Fleet", "AttachedCluster"]) writeFileSync(`docs/reference/${kind.toLowerCase()}.md`, renderHostReference(kind));
