// An idle Canary costs nothing: not one request of the engine's user in the audit log over a minute, the lease aside.
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { canary, deploy, phase, release } from "./support/app.ts";
import { apply, AUDITED, installCrds, kubectl, namespace, sleep } from "./support/cluster.ts";
import { Engine } from "./support/engine.ts";

const NS = "e2e-idle";
const app = { namespace: NS };
let engine: Engine;

interface Audited {
  verb: string;
  requestURI: string;
  requestReceivedTimestamp: string;
  stage: string;
}

function required(name: string, value: string | undefined): string {
  if (value === undefined) throw new Error(`${name} is not set: this test reads the API server's audit log of the engine's own user (see CONTRIBUTING.md)`);
  return value;
}

/** Requests of the audited user that reached the API server from `fromMs` on. */
function requestsSince(fromMs: number): Audited[] {
  const lines = readFileSync(required("KR_AUDIT_LOG", AUDITED.log), "utf8").trim().split("\n");
  return lines
    .filter((line) => line.includes('"username":"engine"'))
    .map((line) => JSON.parse(line) as Audited)
    .filter((event) => Date.parse(event.requestReceivedTimestamp) >= fromMs && event.stage === "ResponseComplete");
}

beforeAll(async () => {
  await namespace(NS);
  await installCrds();
  await deploy(app);
  engine = await Engine.start({ namespaces: [NS], leaseName: "idle", kubeconfig: required("KR_ENGINE_KUBECONFIG", AUDITED.kubeconfig) });
});

afterAll(async () => {
  await engine.stop();
  await kubectl("delete", "namespace", NS, "--wait=false");
});

test("the audit log sees the engine at work, and nothing but its lease while all is quiet", async () => {
  const startedMs = Date.now();
  await apply(canary(app, { skipAnalysis: true }));
  await phase(NS, "Initialized");
  await release({ ...app, version: "6.0.1" });
  await phase(NS, "Succeeded");
  await sleep(5000);
  expect(requestsSince(startedMs).filter((event) => event.requestURI.includes("/canaries/")).length).toBeGreaterThan(5);
  const quietMs = Date.now();
  await sleep(60_000);
  const heard = requestsSince(quietMs);
  expect(heard.filter((event) => !event.requestURI.includes("/leases/")).map((event) => `${event.verb} ${event.requestURI}`)).toEqual([]);
  // The lease itself shows that the engine lived and that the log was written.
  expect(heard.length).toBeGreaterThan(10);
});
