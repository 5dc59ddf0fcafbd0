// What does an idle member cost the fleet's controller? Runs the program against a host and 0, 50 and 200 members that are API servers alone, each with one
// rollout, waits until nothing happens any more, and prints its memory and its requests in a minute. Linux only: memory is read from /proc.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";

const sizes = process.argv.slice(2).map(Number);
const SETTLE_MS = 20_000;
const MINUTE_MS = 60_000;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const common = { bundle: true, platform: "node", format: "esm", logLevel: "warning", banner: { js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);' } };
await build({ ...common, stdin: { contents: members(), resolveDir: process.cwd(), loader: "ts" }, outfile: "dist/fleet-members.mjs" });
await build({ ...common, entryPoints: ["engine/main.ts"], outfile: "dist/kurator-rollout.mjs" });

console.log("| members | memory, MiB | per member, KiB | requests in a minute | CPU seconds in a minute |\n| --- | --- | --- | --- | --- |");
let base;
for (const count of sizes.length === 0 ? [0, 50, 200] : sizes) {
  const clusters = spawn(process.execPath, ["dist/fleet-members.mjs", String(count)], { stdio: ["ignore", "pipe", "inherit"] });
  const kubeconfig = await new Promise((resolve) => clusters.stdout.once("data", (text) => resolve(text.toString())));
  const file = join(mkdtempSync(join(tmpdir(), "kurator-rollout-")), "host");
  writeFileSync(file, kubeconfig);
  const port = 18080;
  const fleet = spawn(process.execPath, ["dist/kurator-rollout.mjs", "fleet", "--kubeconfig", file, "--no-leader-elect", "--port", String(port), "--log-level", "error"], { stdio: ["ignore", "inherit", "inherit"] });
  await sleep(SETTLE_MS);
  const before = await requests(port);
  const cpu = ticks(fleet.pid);
  await sleep(MINUTE_MS);
  const after = await requests(port);
  const rss = memory(fleet.pid);
  base ??= rss;
  console.log(`| ${count} | ${(rss / 1024).toFixed(0)} | ${count === 0 ? "" : ((rss - base) / count).toFixed(0)} | ${after.total - before.total} | ${((ticks(fleet.pid) - cpu) / 100).toFixed(2)} |`);
  if (after.ready !== count) console.log(`only ${after.ready} of ${count} members were reached`);
  fleet.kill();
  clusters.kill();
  await sleep(1000);
}

/** Resident memory in KiB. */
function memory(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

function ticks(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(" ");
  return Number(fields[13]) + Number(fields[14]);
}

async function requests(port) {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const sum = (pattern) => [...text.matchAll(pattern)].reduce((total, [, value]) => total + Number(value), 0);
  return { total: sum(/^kurator_rollout_fleet_api_requests_total\{.*\} (\d+)$/gm), ready: sum(/^kurator_rollout_fleet_members\{state="Ready"\} (\d+)$/gm) };
}

function members() {
  return `
import { renderCRDs } from "./crds/generate.ts";
import { realClock } from "./sandbox/clock.ts";
import { ApiServer } from "./sandbox/api/server.ts";
import { ApiStore } from "./sandbox/api/store.ts";
import { startHost } from "./sandbox/host.ts";
import { serve } from "./sandbox/simulation/furniture.ts";
import { kubeconfigOf } from "./sandbox/start.ts";
const clock = realClock();
const random = Math.random;
const host = await startHost({ clock, random });
const names = Array.from({ length: Number(process.argv[2]) }, (_, index) => "member" + index);
for (const name of names) {
  const store = new ApiStore({ clock, random });
  for (const crd of renderCRDs("rollout.kurator.dev")) store.create("customresourcedefinitions.apiextensions.k8s.io", crd);
  serve({ store }, { group: "networking.k8s.io", version: "v1", plural: "ingresses", kind: "Ingress" });
  store.create("namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  store.create("services", { apiVersion: "v1", kind: "Service", metadata: { name: "shop", namespace: "shop" }, spec: { selector: { app: "shop" }, ports: [{ port: 8080 }] } });
  const api = await new ApiServer(store).listen(0);
  host.store.create("secrets", { apiVersion: "v1", kind: "Secret", metadata: { name, namespace: "default" }, data: { value: Buffer.from(kubeconfigOf(api.url)).toString("base64") } });
  host.store.create("attachedclusters.cluster.kurator.dev", { apiVersion: "cluster.kurator.dev/v1alpha1", kind: "AttachedCluster", metadata: { name, namespace: "default" }, spec: { kubeconfig: { name } } });
}
host.store.create("fleets.fleet.kurator.dev", { apiVersion: "fleet.kurator.dev/v1alpha1", kind: "Fleet", metadata: { name: "all", namespace: "default" }, spec: { clusters: names.map((name) => ({ kind: "AttachedCluster", name })) } });
host.store.create("applications.apps.kurator.dev", { apiVersion: "apps.kurator.dev/v1alpha1", kind: "Application", metadata: { name: "shop", namespace: "default" }, spec: { source: {}, destination: { fleet: "all" }, syncPolicies: [{ rollout: { trafficRoutingProvider: "istio", workload: { name: "shop", namespace: "shop" }, serviceName: "shop", port: 8080, rolloutPolicy: { trafficRouting: { canaryStrategy: { stepWeight: 10 } } } } }] } });
process.stdout.write(host.kubeconfig);
`;
}
