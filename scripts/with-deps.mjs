// Runs one of the README's commands on a fresh clone: installs the dependencies when they are absent or older
// than the lock file, then hands over. Uses Node alone, because nothing else is there yet.
import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, statSync } from "node:fs";

const [command, ...rest] = process.argv.slice(2);
const node = [process.execPath];
const jest = [...node, "--experimental-vm-modules", "--no-warnings", "--max-semi-space-size=32", "node_modules/jest/bin/jest.js"];
const plans = {
  test: [[...jest, ...rest]],
  long: [[...jest, "--config", "tests/long.config.mjs", ...rest]],
  demo: [[...node, "scripts/build.mjs"], [...node, "dist/kurator-rollout.mjs", "demo", ...rest]],
  sim: [[...node, "scripts/build.mjs", "dist/sim.mjs", "sandbox/simulation/main.ts"], [...node, "dist/sim.mjs", ...rest]],
  bench: [[...node, "scripts/build.mjs"], [...node, "scripts/build.mjs", "dist/bench.mjs", "bench/main.ts"], [...node, "dist/bench.mjs", ...rest]],
  e2e: [[...node, "scripts/build.mjs"], ...["tests/e2e", "tests/e2e/alone"].map((suite) => [...jest, "--config", `${suite}/jest.config.mjs`, "--passWithNoTests", ...rest.map((word) => named(suite, word))])],
  conformance: [[...jest, "--config", "tests/conformance/jest.config.mjs", ...rest]],
};
const plan = plans[command];
if (plan === undefined) {
  console.error(`with-deps: no such command: ${command}; one of ${Object.keys(plans).join(", ")}`);
  process.exit(1);
}

/** Jest looks for a word in the whole path, and a checkout may have it in its own name. */
function named(suite, word) {
  return word.startsWith("-") ? word : `${suite}/[^/]*${word}`;
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
// What a suite found is worth knowing also when another one failed before it; without a build there is nothing to know.
for (const step of plan) run(step, step.includes("--passWithNoTests"));

function run([program, ...args], goOn = false) {
  const { status, error } = spawnSync(program, args, { stdio: "inherit", shell: process.platform === "win32" });
  if (error !== undefined) throw error;
  if (status === 0) return;
  if (!goOn) process.exit(status ?? 1);
  process.exitCode = status ?? 1;
}
