// Does the SBOM name every package that the program carries and no other, and is the image made of what is named exactly?
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";

const root = new URL("../../../", import.meta.url).pathname;
const run = (): string => execFileSync(process.execPath, [`${root}scripts/sbom.mjs`], { encoding: "utf8", maxBuffer: 10_000_000 });

interface Sbom {
  bomFormat: string;
  specVersion: string;
  serialNumber: string;
  metadata: { component: { name: string; version: string; "bom-ref": string } };
  components: { "bom-ref": string; group?: string; name: string; version: string; purl: string; hashes?: { alg: string; content: string }[]; licenses?: object[] }[];
  dependencies: { ref: string; dependsOn: string[] }[];
}

const text = run();
const sbom = JSON.parse(text) as Sbom;
const lock = JSON.parse(readFileSync(`${root}package-lock.json`, "utf8")) as { packages: Record<string, { version: string; dev?: boolean }> };
const manifest = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as { name: string; version: string; dependencies: object; devDependencies: object };

test("it is CycloneDX 1.6, and the same each time", () => {
  expect(sbom).toMatchObject({ bomFormat: "CycloneDX", specVersion: "1.6", metadata: { component: { name: manifest.name, version: manifest.version } } });
  expect(sbom.serialNumber).toMatch(/^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  expect(run()).toBe(text);
});

test("every package of the lock file that is there at run time, and no other", () => {
  const named = sbom.components.map(({ group, name, version }) => `${group === undefined ? "" : `${group}/`}${name}@${version}`);
  const locked = Object.entries(lock.packages).filter(([path, { dev }]) => path !== "" && dev !== true).map(([path, { version }]) => `${path.replace(/^(?:.*\/)?node_modules\//, "")}@${version}`);
  expect([...named].sort()).toEqual([...new Set(locked)].sort());
  for (const name of Object.keys(manifest.dependencies)) expect(named.some((one) => one.startsWith(`${name}@`))).toBe(true);
  for (const name of ["jest", "typescript", "eslint"]) expect(named.some((one) => one.startsWith(`${name}@`))).toBe(false);
});

test("each with a checksum, a licence and a purl", () => {
  expect(sbom.components.filter(({ hashes, licenses }) => hashes?.[0]?.alg !== "SHA-512" || !/^[0-9a-f]{128}$/.test(hashes[0].content) || licenses?.length !== 1)).toEqual([]);
  expect(sbom.components.find(({ name }) => name === "client-node")).toMatchObject({ group: "@kubernetes", purl: expect.stringMatching(/^pkg:npm\/%40kubernetes\/client-node@\d/) });
});

test("what each needs is a component too, and each is needed by somebody", () => {
  const known = new Set(sbom.components.map((component) => component["bom-ref"]));
  const needed = sbom.dependencies.flatMap(({ dependsOn }) => dependsOn);
  expect(new Set(sbom.components.map(({ purl }) => purl)).size).toBe(sbom.components.length);
  expect(needed.filter((ref) => !known.has(ref))).toEqual([]);
  expect([...known].filter((ref) => !needed.includes(ref))).toEqual([]);
  expect(sbom.dependencies.find(({ ref }) => ref === sbom.metadata.component["bom-ref"])?.dependsOn).toHaveLength(Object.keys(manifest.dependencies).length);
});

test("the image is built from one exact version, in both of its stages", () => {
  const bases = [...readFileSync(`${root}Dockerfile`, "utf8").matchAll(/^FROM (\S+)/gm)].map(([, base]) => base);
  expect(bases).toEqual(["${BASE}", "${BASE}"]);
  expect(readFileSync(`${root}Dockerfile`, "utf8")).toMatch(/^ARG BASE=node:\d+\.\d+\.\d+-[a-z]+-slim(@sha256:[0-9a-f]{64})?$/m);
});
