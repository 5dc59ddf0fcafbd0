// `npm run bench`: one point of the tables of docs/performance.md, on the cluster of KUBECONFIG, which should be an empty one. Figures go to standard output
// as one JSON object, what happens meanwhile to standard error.
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { renderCRDs } from "../crds/generate.ts";
import type { KubeObject } from "../engine/ports.ts";
import { Scenario } from "./scenario.ts";
import { create, target } from "./target.ts";

interface Options {
  canaries: string;
  foreign: string;
  namespaces: string;
  profile?: string;
  heap?: string;
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) throw new Error(`--${name} ${text}: a whole number of ${least} or more is needed`);
  return value;
}

const program = new Command("bench")
  .option("--canaries <n>", "Canaries", "100")
  .option("--foreign <n>", "Deployments that are nobody's target", "0")
  .option("--namespaces <n>", "over which both are spread", "1")
  .option("--profile <folder>", "writes a CPU profile of the rollouts there")
  .option("--heap <MiB>", "the most that V8 may keep (--max-old-space-size)")
  .action(async (options: Options) => {
    const say = (line: string): void => void process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
    const size = { canaries: whole("canaries", options.canaries, 1), foreign: whole("foreign", options.foreign, 0), namespaces: whole("namespaces", options.namespaces, 1) };
    const cluster = await target();
    for (const crd of renderCRDs("rollout.kurator.dev")) await create(cluster, { group: "apiextensions.k8s.io", version: "v1", plural: "customresourcedefinitions", kind: "CustomResourceDefinition" }, crd as unknown as KubeObject);
    const figures = await new Scenario(cluster, size, say, { profile: options.profile, heap: options.heap === undefined ? undefined : whole("heap", options.heap, 16) }).run();
    const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    process.stdout.write(`${JSON.stringify({ version, node: process.version, ...figures }, undefined, 2)}\n`);
    process.exit(0);
  });
await program.parseAsync();
