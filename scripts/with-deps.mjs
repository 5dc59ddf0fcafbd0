// Runs one of the README's commands on a fresh clone: installs the dependencies when they are absent or older
// than the lock file, then hands over. Uses Node alone, because nothing else is there yet.
import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, statSync } from "node:fs";

const [command, ...rest] = process.argv.slice(2);
const node = [process.execPath];
const jest = [...node, "--experimental-vm-modules", "--no-warnings", "node_modules/jest/bin/jest.js"];
const plans = {
  test: [[...jest, ...rest]],
  demo: [[...node, "scripts/build.mjs"], [...node, "dist/kurator-rollout.mjs", "demo", ...rest]],
  e2e: [[...node, "scripts/build.mjs"], [...jest, "--config", "tests/e2e/jest.config.mjs", ...rest]],
  conformance: [[...jest, "--config", "tests/conformance/jest.config.mjs", ...rest]],
};
const plan = plans[command];
if (plan === undefined) {
  console.error(`with-deps: no such command: ${command}; one of ${Object.keys(plans).join(", ")}`);
  process.exit(1);
}

const installed = "node_modules/.package-lock.json";
if (!existsSync(installed) || statSync(installed).mtimeMs < statSync("package-lock.json").mtimeMs) {
  // npm would empty the folder that the link leads to, under whoever else uses it.
  if (lstatSync("node_modules", { throwIfNoEntry: false })?.isSymbolicLink() === true) {
    console.error("with-deps: node_modules is a link to dependencies that are older than package-lock.json; run npm ci where it leads to");
    process.exit(1);
  }
  console.error("installing dependencies (npm ci) ...");
  run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]);
}
for (const step of plan) run(step);

function run([program, ...args]) {
  const { status, error } = spawnSync(program, args, { stdio: "inherit", shell: process.platform === "win32" });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
}
