// Does the sandbox answer like a real API server? Every scenario runs against both, and what they answered must be equal
// word for word, apart from identities, versions, times and addresses.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Recorder } from "./recorder.ts";
import { clusterTarget, sandboxTarget } from "./target.ts";
import { customScenarios, definitions } from "./scenarios/custom.ts";
import { deletionScenarios } from "./scenarios/deletion.ts";
import { objectScenarios } from "./scenarios/objects.ts";
import { patchScenarios } from "./scenarios/patches.ts";
import { refusalScenarios } from "./scenarios/refusals.ts";
import { watchScenarios } from "./scenarios/watches.ts";
import { workloadScenarios } from "./scenarios/workloads.ts";
import type { Scenario } from "./recorder.ts";
import type { Target } from "./target.ts";

const kubeconfig = (process.env.KUBECONFIG ?? "").split(":")[0] ?? "";
if (kubeconfig === "") {
  throw new Error("KUBECONFIG is not set: conformance compares the sandbox with the real API server that KUBECONFIG names, and cannot run without one.");
}

const run = `conf-${Date.now().toString(36)}`;
const group = `${run}.test`;
const namespaces: string[] = [];
const targets: Target[] = [];

const suites: Record<string, readonly Scenario[]> = {
  objects: objectScenarios,
  patches: patchScenarios,
  refusals: refusalScenarios,
  deletion: deletionScenarios,
  watches: watchScenarios,
  workloads: workloadScenarios,
  custom: customScenarios,
};

beforeAll(async () => {
  targets.push(await sandboxTarget(), clusterTarget(kubeconfig));
  for (const target of targets) await installDefinitions(target);
}, 60_000);

afterAll(async () => {
  for (const target of targets) {
    await Promise.all(namespaces.map((name) => target.send("DELETE", `/api/v1/namespaces/${name}`)));
    for (const { metadata } of definitions(group)) await target.send("DELETE", `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${metadata.name}`);
    await target.close();
  }
}, 60_000);

async function installDefinitions(target: Target): Promise<void> {
  for (const definition of definitions(group)) {
    const { status, body } = await target.send("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition);
    if (status !== 201) throw new Error(`the definition ${definition.metadata.name} was refused: ${JSON.stringify(body)}`);
  }
  const plurals = definitions(group).map(({ spec }) => spec.names.plural);
  const deadline = Date.now() + 20_000;
  for (const plural of plurals) {
    while ((await target.send("GET", `/apis/${group}/v1/${plural}`)).status !== 200) {
      if (Date.now() > deadline) throw new Error(`${plural}.${group} is not served`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function answers(target: Target, scenario: Scenario, ns: string): Promise<unknown[]> {
  const created = await target.send("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: ns } });
  if (created.status !== 201) throw new Error(`the namespace ${ns} was refused: ${JSON.stringify(created.body)}`);
  const recorder = new Recorder(target, ns, group);
  try {
    await scenario.run(recorder);
  } finally {
    recorder.close();
  }
  return recorder.log;
}

describe.each(Object.entries(suites))("%s", (suite, scenarios) => {
  test.each(scenarios.map((scenario, index) => ({ ...scenario, index })))("$name", async (scenario) => {
    const ns = `${run}-${suite}-${scenario.index}`;
    namespaces.push(ns);
    const [sandbox, cluster] = await Promise.all(targets.map((target) => answers(target, scenario, ns)));
    expect(cluster?.length).toBeGreaterThan(0);
    expect(sandbox).toEqual(cluster);
  });
});
