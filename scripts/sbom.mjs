// Writes what the program is made of, as CycloneDX 1.6 JSON: every package that package-lock.json has at run time, with its checksum, licence and what it needs itself.
// From the lock file alone, without a network, and the same for the same lock file. `npm sbom` writes 1.5, with the time and the folder's name in it.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

const lock = JSON.parse(readFileSync(new URL("../package-lock.json", import.meta.url), "utf8"));
const { "": root, ...packages } = lock.packages;
const [BEFORE, LEAF] = ["node_modules/", /^(?:.*\/)?node_modules\//];
const runtime = Object.entries(packages).filter(([, { dev, link }]) => dev !== true && link !== true).sort(([left], [right]) => (left < right ? -1 : 1));

const purl = (name, version) => `pkg:npm/${name.replace(/^@/, "%40")}@${version}`;
/** Two copies of one version are one component. */
const refOf = (path) => purl(path.replace(LEAF, ""), packages[path].version);

/** As Node finds it: beside the package, then further up. */
function resolved(from, name) {
  for (let at = from; ; at = at.includes(`/${BEFORE}`) ? at.slice(0, at.lastIndexOf(`/${BEFORE}`)) : "") {
    const path = at === "" ? `${BEFORE}${name}` : `${at}/${BEFORE}${name}`;
    if (packages[path] !== undefined) return path;
    if (at === "") return undefined;
  }
}

const needsOf = (from, { dependencies = {}, optionalDependencies = {}, peerDependencies = {} }) =>
  [...new Set(Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies }).map((name) => resolved(from, name)).filter((path) => path !== undefined && packages[path].dev !== true).map(refOf))].sort();

function component(path, { version, integrity = "", license, resolved: url }) {
  const whole = path.replace(LEAF, "");
  const [group, name] = whole.startsWith("@") ? whole.split("/") : [undefined, whole];
  const [algorithm, base64 = ""] = integrity.split(" ")[0].split("-");
  return {
    type: "library",
    "bom-ref": refOf(path),
    ...(group === undefined ? {} : { group }),
    name,
    version,
    scope: "required",
    ...(base64 === "" ? {} : { hashes: [{ alg: algorithm.toUpperCase().replace(/^SHA/, "SHA-"), content: Buffer.from(base64, "base64").toString("hex") }] }),
    ...(license === undefined ? {} : { licenses: [/[ ()]/.test(license) ? { expression: license } : { license: { id: license } }] }),
    purl: refOf(path),
    ...(url === undefined ? {} : { externalReferences: [{ type: "distribution", url }] }),
  };
}

const once = (entries) => [...new Map(entries.map((entry) => [entry["bom-ref"] ?? entry.ref, entry])).values()];
const self = purl(root.name, root.version);
const parts = {
  metadata: { component: { type: "application", "bom-ref": self, name: root.name, version: root.version, licenses: [{ license: { id: root.license } }], purl: self } },
  components: once(runtime.map(([path, found]) => component(path, found))),
  dependencies: once([{ ref: self, dependsOn: needsOf("", { dependencies: root.dependencies }) }, ...runtime.map(([path, found]) => ({ ref: refOf(path), dependsOn: needsOf(path, found) }))]),
};
// A name for exactly this content, in the shape of a UUID of version 8.
const digest = createHash("sha256").update(JSON.stringify(parts)).digest("hex");
const serial = `${digest.slice(0, 8)}-${digest.slice(8, 12)}-8${digest.slice(13, 16)}-8${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
const text = `${JSON.stringify({ $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", bomFormat: "CycloneDX", specVersion: "1.6", serialNumber: `urn:uuid:${serial}`, version: 1, ...parts }, undefined, 2)}\n`;

if (process.argv[2] === undefined) process.stdout.write(text);
else writeFileSync(process.argv[2], text);
