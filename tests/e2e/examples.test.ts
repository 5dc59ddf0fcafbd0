// Do the examples do what they say? Each is applied as it stands, in a namespace of its own and with shorter intervals, and its release ends `Succeeded`.
import { createServer, type Server } from "node:http";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { bump, hostOf, phase } from "./support/app.ts";
import { eventually, installCrds, kubectl, namespace, said, soon } from "./support/cluster.ts";
import { Engine } from "./support/engine.ts";
import { Load } from "./support/load.ts";

const OURS = "canaries.rollout.kurator.dev";
const FLAGGERS = "canaries.flagger.app";
const CANARIES = [
  { file: "canary-istio", resource: OURS },
  { file: "metric-success-rate", resource: OURS },
  { file: "metric-duration", resource: OURS },
  { file: "metric-promql", resource: OURS },
  { file: "webhooks", resource: OURS },
  { file: "flagger-canary", resource: FLAGGERS },
];
/** They run side by side: enough for the checks, and little enough for a small machine. */
const LOAD_PAUSE_MS = 200;
const NAMESPACES = [...CANARIES, { file: "ci-job" }].map(({ file }) => `example-${file}`);
const heard: { path: string; phase: string }[] = [];
let hooks: Server;
let engine: Engine;

/** The example's text for another namespace, at a test's pace, with the hooks where the test listens and the image that the cluster has. */
function manifest(file: string, into: string): string {
  const { port } = hooks.address() as AddressInfo;
  return readFileSync(`examples/${file}.yaml`, "utf8")
    .replace(/http:\/\/(tests|board)\.webapp/g, `http://127.0.0.1:${port}`)
    .replace(/\bwebapp\b/g, into)
    .replace(/interval: (30s|90s|1m)$/gm, "interval: 10s")
    .replace(/maxWeight: 50/, "maxWeight: 20")
    .replace(/kurator-rollout:0\.1\.0/g, process.env.KR_IMAGE ?? "kurator-rollout:e2e");
}

async function applyText(text: string): Promise<void> {
  const { code, stderr } = await said("kubectl", ["apply", "-f", "-"], text);
  if (code !== 0) throw new Error(stderr);
}

async function phaseOf(resource: string, into: string): Promise<string> {
  return (await kubectl("-n", into, "get", resource, "backend", "-o", "jsonpath={.status.phase}")).trim();
}

beforeAll(async () => {
  await installCrds();
  for (const each of NAMESPACES) await namespace(each);
  hooks = createServer((request, response) => {
    let body = "";
    request.on("data", (part: Buffer) => (body += part.toString()));
    request.on("end", () => {
      heard.push({ path: request.url ?? "", phase: (JSON.parse(body) as { phase: string }).phase });
      response.end("ok");
    });
  });
  await new Promise<void>((resolve) => hooks.listen(0, "127.0.0.1", resolve));
  engine = await Engine.start({ namespaces: NAMESPACES, leaseName: "examples", apiGroups: "rollout.kurator.dev,flagger.app" });
});

afterAll(async () => {
  await engine.stop();
  hooks.close();
  await kubectl("delete", "namespace", ...NAMESPACES, "--wait=false");
});

async function released(file: string, resource: string): Promise<Record<string, number>> {
  const into = `example-${file}`;
  await applyText(manifest("app", into));
  await applyText(manifest(file, into));
  let last = "";
  const reaches = (phase: string, seconds: number): Promise<true> =>
    eventually(`${into} ${phase}`, seconds, async () => ((last = await phaseOf(resource, into)) === phase ? true : undefined), () => last);
  await reaches("Initialized", 180);
  const load = await Load.start(hostOf({ namespace: into }), LOAD_PAUSE_MS);
  await bump({ namespace: into }, "6.0.1");
  await reaches("Succeeded", 240);
  return (await load.stop()).losses;
}

test("each release ends Succeeded without a lost request", async () => {
  const lost = await Promise.all(CANARIES.map(async ({ file, resource }) => [file, await released(file, resource)]));
  expect(Object.fromEntries(lost)).toEqual(Object.fromEntries(CANARIES.map(({ file }) => [file, {}])));
}, 480_000);

test("the webhooks of the example were called, each in its phase", async () => {
  // The verdict does not wait for the last one.
  await eventually("the board was told", 20, () => Promise.resolve(heard.some((call) => call.path === "/releases") ? true : undefined), () => heard);
  const at = (path: string): string[] => [...new Set(heard.filter((call) => call.path === path).map((call) => call.phase))];
  expect({ smoke: at("/smoke"), acceptance: at("/acceptance"), board: at("/releases") }).toEqual({ smoke: ["Progressing"], acceptance: ["Progressing"], board: ["Succeeded"] });
});

test("examples/ci-job.yaml: the Job sets the image and ends well only with the promotion", async () => {
  const into = "example-ci-job";
  await applyText(manifest("app", into));
  await applyText(manifest("canary-istio", into));
  await phase(into, "Initialized");
  const load = await Load.start(hostOf({ namespace: into }));
  await applyText(manifest("ci-job", into));
  await kubectl("-n", into, "wait", "--for=condition=Complete", "job/release", "--timeout=180s");
  expect((await load.stop()).losses).toEqual({});
  expect(await phaseOf(OURS, into)).toBe("Succeeded");
  await soon(async () => expect(await kubectl("-n", into, "logs", "job/release", "-c", "wait")).toMatch(/promoted/));
});
