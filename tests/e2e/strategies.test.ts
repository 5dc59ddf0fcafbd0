// Blue/green, gates, the rollback hook, actions, templates, event hooks and the freeze, with real traffic: who gets which version when, and nothing lost.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { ACTION } from "../../crds/action.ts";
import { bump, canary, deploy, hostOf, phase, statusOf, weight } from "./support/app.ts";
import { apply, eventually, installCrds, kubectl, namespace, replace, sleep, soon } from "./support/cluster.ts";
import { Engine } from "./support/engine.ts";
import { Load } from "./support/load.ts";

const NS = "e2e-strategies";
const LEASE = "strategies";
const app = { namespace: NS };
const CANARY = "canaries.rollout.kurator.dev";
/** Paths that answer 200; every other one answers 403. */
const open = new Set<string>();
const heard: { path: string; body: { phase: string; metadata?: Record<string, string> } }[] = [];
let hooks: Server;
let engine: Engine;
let load: Load;
/** What the primary ran before the release that is undone. */
let imageBefore: string;
/** Each is released once, so that whoever is first answered by it met it then. */
const versions = ["6.0.1", "6.0.2", "6.0.3", "6.0.4", "6.1.0"];

function hook(type: string): object {
  return { name: type, type, url: `http://127.0.0.1:${(hooks.address() as AddressInfo).port}/${type}`, timeout: "5s" };
}

/** Blue/green without metrics: in its rehearsal nobody calls the canary. */
function blueGreen(...types: string[]): object {
  return canary(app, {}, { interval: "2s", stepWeight: undefined, maxWeight: undefined, iterations: 2, metrics: [], webhooks: types.map(hook) });
}

async function next(): Promise<string> {
  const released = versions.shift() ?? "";
  await bump(app, released);
  return released;
}

function primaryImage(): Promise<string> {
  return kubectl("-n", NS, "get", "deployment", "backend-primary", "-o", "jsonpath={.spec.template.spec.containers[0].image}");
}

async function act(action: string): Promise<void> {
  const { run } = await statusOf(NS);
  await kubectl("-n", NS, "annotate", "--overwrite", CANARY, "backend", `${ACTION}=${action.replace("THIS", run?.id ?? "")}`);
}

beforeAll(async () => {
  await namespace(NS);
  await installCrds();
  await deploy(app);
  hooks = createServer((request, response) => {
    let body = "";
    request.on("data", (part: Buffer) => (body += part.toString()));
    request.on("end", () => {
      const path = (request.url ?? "").slice(1);
      heard.push({ path, body: JSON.parse(body) as { phase: string } });
      response.writeHead(open.has(path) ? 200 : 403).end();
    });
  });
  await new Promise<void>((resolve) => hooks.listen(0, "127.0.0.1", resolve));
  engine = await Engine.start({ namespaces: [NS], leaseName: LEASE });
  load = await Load.start(hostOf(app));
  await apply(canary(app, {}, { interval: "2s" }));
  await phase(NS, "Initialized");
});

afterAll(async () => {
  await load.stop();
  await engine.stop();
  hooks.close();
  await kubectl("delete", "namespace", NS, "--wait=false");
});

beforeEach(() => {
  open.clear();
  heard.length = 0;
});

test("blue/green: nobody meets the new version before its rehearsal is over and approved, then everybody does", async () => {
  await replace(blueGreen("confirm-promotion", "rollout"));
  open.add("rollout");
  const released = await next();
  await phase(NS, "WaitingPromotion");
  await sleep(5000);
  expect(load.firstSeen(released)).toBeUndefined();
  expect((await statusOf(NS)).iterations).toBe(2);
  open.add("confirm-promotion");
  await phase(NS, "Succeeded", 120);
  expect(load.firstSeen(released)).toBeDefined();
  expect(heard.filter(({ path }) => path === "rollout").length).toBeGreaterThanOrEqual(3);
  expect(load.counted.losses).toEqual({});
});

test("confirm-rollout holds a release in Waiting, and the rollback hook turns it away from there", async () => {
  await replace(blueGreen("confirm-rollout", "rollback"));
  const released = await next();
  await phase(NS, "Waiting");
  open.add("rollback");
  const status = await phase(NS, "Failed");
  expect(status.run?.reason).toBe("RollbackHook");
  expect(load.firstSeen(released)).toBeUndefined();
  expect(load.counted.losses).toEqual({});
});

test("confirm-traffic-increase holds the first weight; an approval lets it go on", async () => {
  await replace(canary(app, {}, { interval: "3s", stepWeight: 25, webhooks: [hook("confirm-traffic-increase"), hook("event")] }));
  const released = await next();
  await eventually("halted", 60, async () => ((await statusOf(NS)).run?.haltedBy === "confirm-traffic-increase" ? true : undefined));
  expect(load.firstSeen(released)).toBeUndefined();
  await act("approve run=THIS by=e2e");
  await weight(NS, 25);
  open.add("confirm-traffic-increase");
  await phase(NS, "Succeeded", 180);
  const told = (): (string | undefined)[] => heard.filter(({ path }) => path === "event").map(({ body }) => body.metadata?.eventReason);
  // The status is written first; who listens hears of it a moment later.
  await eventually("all events heard", 20, () => Promise.resolve(["WaitingForApproval", "Action", "Advanced", "Promoting", "Succeeded"].every((reason) => told().includes(reason)) ? true : undefined), told);
  expect(load.counted.losses).toEqual({});
});

test("pause holds, resume goes on, set-weight moves, abort brings everybody back; each recorded with who and why", async () => {
  await replace(canary(app, {}, { interval: "3s" }));
  await next();
  await weight(NS, 10);
  await act("pause run=THIS by=ann");
  await eventually("paused", 30, async () => ((await statusOf(NS)).run?.paused === true ? true : undefined));
  await sleep(8000);
  expect((await statusOf(NS)).route?.canaryWeight).toBe(10);
  await act("resume run=THIS by=ann");
  await weight(NS, 20);
  await act("set-weight run=THIS weight=50 by=ann");
  await weight(NS, 50);
  await act("abort run=THIS by=bob reason=wrong database");
  const status = await phase(NS, "Failed");
  expect(status.run).toMatchObject({ outcome: "RolledBack", reason: "Aborted" });
  expect(status.actions?.slice(0, 4).map(({ verb, by, result }) => `${verb} ${by} ${result}`)).toEqual(["abort bob Done", "set-weight ann Done", "resume ann Done", "pause ann Done"]);
  await act("promote run=THIS by=ann");
  await eventually("refused", 30, async () => ((await statusOf(NS)).actions?.[0]?.result === "Refused" ? true : undefined));
  expect(load.counted.losses).toEqual({});
});

test("retry runs the aborted revision again, judged by a MetricTemplate", async () => {
  const template = { provider: { type: "prometheus" }, query: 'sum(rate(istio_requests_total{reporter="destination",destination_workload_namespace="{{ namespace }}",destination_workload="{{ target }}",response_code=~"{{ variables.codes }}"}[{{ interval }}])) or vector(0)' };
  await apply({ apiVersion: "rollout.kurator.dev/v1alpha1", kind: "MetricTemplate", metadata: { name: "errors", namespace: NS }, spec: template });
  const metric = { name: "errors", interval: "20s", thresholdRange: { max: 0 }, templateRef: { name: "errors" }, templateVariables: { codes: "5.." } };
  await replace(canary(app, {}, { interval: "3s", stepWeight: 50, metrics: [metric] }));
  imageBefore = await primaryImage();
  await act("retry run=THIS by=ann");
  const status = await phase(NS, "Succeeded", 120);
  expect(status.run?.measurements).toMatchObject([{ name: "errors", verdict: "pass", value: 0, max: 0 }]);
  expect(load.counted.losses).toEqual({});
});

test("rollback after the promotion returns the primary to the revision before, at once", async () => {
  const { previousPromotedSpec, run } = await statusOf(NS);
  await act("rollback run=THIS by=ann reason=orders fail");
  const status = await phase(NS, "Failed");
  expect(status).toMatchObject({ lastPromotedSpec: previousPromotedSpec, run: { id: run?.id, outcome: "Undone" } });
  await eventually("the primary is given the revision before", 20, async () => ((await primaryImage()) === imageBefore ? true : undefined), primaryImage);
  await kubectl("-n", NS, "rollout", "status", "deployment/backend-primary", "--timeout=60s");
  expect(load.counted.losses).toEqual({});
});

test("a freeze holds every rollout, and its end lets them go on", async () => {
  await kubectl("-n", NS, "create", "configmap", `${LEASE}-freeze`, "--from-literal=reason=incident 7");
  const released = await next();
  await phase(NS, "Waiting");
  await sleep(3000);
  expect(load.firstSeen(released)).toBeUndefined();
  await kubectl("-n", NS, "delete", "configmap", `${LEASE}-freeze`);
  await phase(NS, "Succeeded", 120);
  expect(load.counted.losses).toEqual({});
});

test("skipAnalysis promotes a ready revision at once, and nobody meets it before the primary runs it", async () => {
  await replace(canary(app, { skipAnalysis: true }, { interval: "3s" }));
  await bump(app, "6.0.0");
  await eventually("promoted", 90, async () => {
    const { phase: now, run } = await statusOf(NS);
    return now === "Succeeded" && run?.images[0]?.endsWith(":6.0.0") === true ? true : undefined;
  });
  await soon(async () => expect(await statusOf(NS)).toMatchObject({ run: { outcome: "Promoted", reason: "AnalysisSkipped" }, route: { canaryWeight: 0 } }));
  await eventually("users meet it", 20, () => Promise.resolve(load.met.at(-1) === "6.0.0" ? true : undefined), () => load.met);
  expect(load.counted.losses).toEqual({});
});
