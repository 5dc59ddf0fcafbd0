// Does a hostile Canary cost nothing but itself? Each is made beside a healthy one, which must be rolled out in the time that it takes alone.
import { afterEach, describe, expect, test } from "@jest/globals";
import type { KubeObject } from "../../sandbox/api/types.ts";
import { GROUPS } from "../../crds/canary.ts";
import type { HttpRequest } from "../../engine/ports.ts";
import { guard } from "../../engine/adapters/forbidden.ts";
import { createHttp } from "../../engine/adapters/http.ts";
import { Scene } from "../../sandbox/simulation/scene.ts";
import { canaryOf, deploymentOf, furnish, setImage } from "../../sandbox/simulation/furniture.ts";

const scenes: Scene[] = [];
afterEach(async () => {
  for (const scene of scenes.splice(0)) await scene.end();
});

type Group = "own" | "flagger";
type Spec = Record<string, unknown> & { service: Record<string, unknown>; analysis: Record<string, unknown> };

/** Of a target of its own, with whatever is hostile about it. */
function hostile(group: Group, change: (spec: Spec) => void): KubeObject {
  const object = canaryOf({ targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "evil" }, service: { port: 8080 } });
  const { analysis, ...rest } = object.spec as Spec;
  const spec = { ...rest, analysis: { ...analysis } } as Spec;
  change(spec);
  return { ...object, apiVersion: `${GROUPS[group].group}/${GROUPS[group].version}`, metadata: { name: "evil", namespace: "test" }, spec };
}

function release(scene: Scene, tag: string): void {
  const found = structuredClone(scene.store.get("deployments.apps", "test", "evil"));
  if (found === undefined) return;
  for (const container of (found.spec as { template: { spec: { containers: { image: string }[] } } }).template.spec.containers) container.image = `sandbox/app:${tag}`;
  scene.store.update("deployments.apps", found);
}

interface Life {
  scene: Scene;
  /** Simulated time from the release of the healthy one to its end. */
  tookMs: number;
  /** Of the engine about objects, from beginning to end. */
  requests: number;
  stalled: string | undefined;
  /** Of the hostile one. */
  status: { phase?: string; route?: { canaryWeight: number }; run?: { outcome?: string } };
  /** Most requests at one time. */
  most: number;
  asked: HttpRequest[];
}

const PROMETHEUS = { ok: true as const, value: { status: 200, headers: {}, body: JSON.stringify({ status: "success", data: { resultType: "vector", result: [{ metric: {}, value: [0, "100"] }] } }) } };

interface World {
  prepare?: (scene: Scene) => void;
  hooks?: (request: HttpRequest) => ReturnType<ReturnType<typeof createHttp>>;
}

/** Both are made and released; ends a minute after the healthy one is rolled out. */
async function life(canary: KubeObject, { prepare, hooks }: World = {}): Promise<Life> {
  const scene = new Scene(5);
  scenes.push(scene);
  const asked: HttpRequest[] = [];
  let [now, most] = [0, 0];
  scene.told = { port: 0, groups: new Map(Object.values(GROUPS).map(({ group, version }) => [group, version])) };
  scene.far = async (request) => {
    asked.push(request);
    most = Math.max(most, (now += 1));
    await new Promise((resolve) => setImmediate(resolve));
    now -= 1;
    return request.url.startsWith("http://prometheus") || hooks === undefined ? PROMETHEUS : hooks(request);
  };
  await furnish(scene, "1.0.0");
  const target = deploymentOf("1.0.0");
  const spec = structuredClone(target.spec) as { selector: { matchLabels: object }; template: { metadata: { labels: object } } };
  Object.assign(spec.selector, { matchLabels: { app: "evil" } });
  Object.assign(spec.template.metadata, { labels: { app: "evil" } });
  scene.store.create("deployments.apps", { ...target, metadata: { name: "evil", namespace: "test" }, spec });
  prepare?.(scene);
  scene.start("one");
  const resource = `canaries.${canary.apiVersion.split("/")[0] ?? ""}`;
  scene.store.create(resource, canary);
  scene.store.create(scene.canaries, canaryOf());
  expect(await scene.until(() => scene.status().phase === "Initialized", 60)).toBe(true);
  const beganMs = scene.nowMs;
  setImage(scene, "2.0.0");
  release(scene, "2.0.0");
  expect(await scene.until(() => scene.status().phase === "Succeeded", 200)).toBe(true);
  const tookMs = scene.nowMs - beganMs;
  await scene.advance(60_000);
  expect(scene.lost).toEqual([]);
  expect(scene.logged.filter((line) => / a (pass|place) broke| a question failed/.test(line))).toEqual([]);
  const status = (scene.store.get(resource, "test", "evil")?.status ?? {}) as Life["status"] & { conditions?: { type: string; status: string; reason: string; message: string }[] };
  const condition = status.conditions?.find((one) => one.type === "Stalled" && one.status === "True");
  return { scene, asked, most, tookMs, requests: scene.network.requests, stalled: condition === undefined ? undefined : `${condition.reason}: ${condition.message}`, status };
}

const nested = (depth: number): object => JSON.parse(`${'{"a":'.repeat(depth)}"b"${"}".repeat(depth)}`) as object;
const many = <T>(count: number, one: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => one(index));
const metric = (index: number): object => ({ name: `m${index}`, query: "vector(1)", thresholdRange: { min: 0 } });
const numbers = (fields: Record<string, unknown>) => (spec: Spec): object => Object.assign(spec.analysis, fields);

/** What the Stalled condition says; undefined where the manifest is worked on. */
const CASES: [string, Group, (spec: Spec) => object, RegExp | undefined][] = [
  ["nothing hostile", "own", (spec) => spec, undefined],
  ["a megabyte for the mesh", "own", (spec) => Object.assign(spec.service, { trafficPolicy: { tls: { note: "x".repeat(1_000_000) } } }), undefined],
  ["a megabyte of hosts", "own", (spec) => Object.assign(spec.service, { hosts: many(15_000, (index) => `host-${index}.evil.example.com`) }), undefined],
  ["thousands of levels", "own", (spec) => Object.assign(spec.service, { trafficPolicy: { tls: nested(3000) } }), /^InvalidSpec: spec\.service\.trafficPolicy\.tls: is nested deeper/],
  ["levels that a mesh may have", "own", (spec) => Object.assign(spec.service, { trafficPolicy: { tls: nested(60) } }), undefined],
  ["regular expressions that never end", "own", (spec) => Object.assign(spec.analysis, { stepWeight: undefined, maxWeight: undefined, iterations: 2, match: [{ headers: { "x-user": { regex: "(a+)+$".repeat(1000) } } }] }), undefined],
  ["thousands of metrics", "flagger", numbers({ metrics: many(5000, metric) }), /^InvalidSpec: spec\.analysis\.metrics: must be at most 256/],
  ["thousands of webhooks", "flagger", numbers({ webhooks: many(5000, (index) => ({ name: `w${index}`, url: "http://hook/", type: "event" })) }), /^InvalidSpec: spec\.analysis\.webhooks: must be at most 256/],
  ["thousands of alerts", "flagger", numbers({ alerts: many(5000, (index) => ({ name: `a${index}`, providerRef: { name: "chat" } })) }), /^InvalidSpec: spec\.analysis\.alerts: must be at most 256/],
  ["thousands of steps", "flagger", numbers({ stepWeight: undefined, stepWeights: many(5000, (index) => index) }), /^InvalidSpec: spec\.analysis\.stepWeights: must be at most 256/],
  ["hundreds of metrics, webhooks and alerts", "flagger", numbers({ metrics: many(256, metric), webhooks: many(256, (index) => ({ name: `w${index}`, url: "http://hook/", type: "event" })), alerts: many(256, (index) => ({ name: `a${index}`, providerRef: { name: "chat" } })) }), undefined],
  ["an interval of an age", "flagger", numbers({ interval: `${"9".repeat(400)}m` }), undefined],
  ["no interval", "flagger", numbers({ interval: "0s" }), undefined],
  ["a deadline of an age", "flagger", (spec) => Object.assign(spec, { progressDeadlineSeconds: 1e300 }), undefined],
  ["a deadline before the beginning", "flagger", (spec) => Object.assign(spec, { progressDeadlineSeconds: -1e300 }), undefined],
  ["steps that fall", "flagger", numbers({ stepWeight: -10, maxWeight: -5, stepWeightPromotion: -1e300 }), undefined],
  ["steps that are next to nothing", "flagger", numbers({ stepWeight: 1e-300, stepWeightPromotion: 1e-300 }), undefined],
  ["steps without end", "flagger", numbers({ stepWeight: 1e300, maxWeight: 1e308, stepWeightPromotion: 1e300, threshold: 1e300 }), undefined],
  ["iterations without end", "flagger", numbers({ stepWeight: undefined, iterations: 1e300 }), undefined],
  ["shares of pods that cannot be", "flagger", numbers({ primaryReadyThreshold: 1e300, canaryReadyThreshold: -1e300 }), undefined],
  ["a port that is none", "flagger", (spec) => Object.assign(spec.service, { port: -1e300 }), /^Refused: Service test\/evil-primary/],
  ["a window that goes on as a query", "flagger", numbers({ metrics: [{ name: "request-success-rate", interval: "1m]) or vector(100) or rate(x[1m", thresholdRange: { min: 99 } }] }), /^InvalidSpec: spec\.analysis\.metrics\[0\]\.interval: is no duration/],
];

describe("a healthy Canary is rolled out as ever beside", () => {
  test.each(CASES)("%s", async (_name, group, change, says) => {
    const { tookMs, requests, stalled, most } = await life(hostile(group, (spec) => void change(spec)));
    if (says === undefined) expect(stalled ?? "").not.toMatch(/^(InternalError|InvalidSpec)/);
    else expect(stalled).toMatch(says);
    expect(tookMs).toBeLessThanOrEqual(20_000);
    // Two Canaries, and what each may have open at one time: queries, event hooks and alerts.
    expect(most).toBeLessThanOrEqual(2 * 24);
    // About a hundred without anything hostile. What a pass over a long manifest costs is counted in tests/unit/controller/growth.test.ts.
    expect(requests).toBeLessThan(150);
  }, 60_000);
});

describe("what goes on as something else where it is written", () => {
  const template = (scene: Scene): void =>
    void scene.store.create("metrictemplates.rollout.kurator.dev", { apiVersion: "rollout.kurator.dev/v1alpha1", kind: "MetricTemplate", metadata: { name: "shared", namespace: "test" }, spec: { provider: { type: "prometheus" }, query: 'errors{tenant="{{ variables.tenant }}"}[{{ interval }}]' } });

  test.each(['x"} or vector(1) or up{a="', "x\"\n} or vector(1) #", "x'}", "x`", "x\\", "{{ namespace }}"])("a variable of %j is refused by its name, and the query is not made", async (tenant) => {
    const { stalled, asked } = await life(hostile("own", (spec) => Object.assign(spec.analysis, { metrics: [{ name: "m", thresholdRange: { min: 0 }, templateRef: { name: "shared" }, templateVariables: { tenant } }] })), { prepare: template });
    expect(stalled).toMatch(/^InvalidSpec: spec\.analysis\.metrics\[0\]\.templateRef: the value of \{\{ variables\.tenant \}\} holds quotes/);
    expect(asked.filter(({ url }) => url.includes("tenant"))).toEqual([]);
  });

  test("names are text in metrics, events and alerts", async () => {
    const name = 'm"} 1\ninjected_metric 1\n# {{ .Secret }} <!channel> <https://evil|click> [click](https://evil) \\';
    const chat = (scene: Scene): void => {
      for (const type of ["slack", "msteams", "gchat", "webhook"]) scene.store.create("alertproviders.rollout.kurator.dev", { apiVersion: "rollout.kurator.dev/v1alpha1", kind: "AlertProvider", metadata: { name: type, namespace: "test" }, spec: { type, address: `http://${type}.chat/` } });
    };
    const bad = hostile("own", (spec) => Object.assign(spec.analysis, {
      threshold: 1,
      metrics: [{ name, query: "vector(1)", thresholdRange: { max: 1 } }],
      alerts: ["slack", "msteams", "gchat", "webhook"].map((type) => ({ name: type, providerRef: { name: type } })),
    }));
    const { scene, status, asked } = await life(bad, { prepare: chat, hooks: async () => ({ ok: true, value: { status: 200, headers: {}, body: "" } }) });
    expect(status.run?.outcome).toBe("RolledBack");
    const port = /"port":(\d+)/.exec(scene.logged.join("\n"))?.[1] ?? "";
    const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(page).toContain('metric="m\\"} 1\\ninjected_metric 1');
    expect(page.split("\n").filter((line) => line.startsWith("injected_metric"))).toEqual([]);
    expect(JSON.stringify(scene.store.list("events"))).toContain("{{ .Secret }}");
    for (const type of ["slack", "msteams", "gchat", "webhook"]) {
      const told = asked.filter(({ url }) => url === `http://${type}.chat/`).map(({ body = "" }) => body);
      expect(told.some((body) => body.includes("injected_metric"))).toBe(true);
      for (const body of told) expect(() => JSON.parse(body) as unknown).not.toThrow();
      // Slack and Google Chat know markup in brackets, Teams links of Markdown; a webhook gets what was said.
      if (type === "slack" || type === "gchat") expect(told.join()).not.toMatch(/<!channel>|<https/);
      if (type === "msteams") expect(told.join()).not.toContain("](");
    }
  });
});

test("a webhook that leads to the metadata of the cloud is not called where that is forbidden, and holds up nobody else", async () => {
  const http = createHttp(guard((_name, _options, done) => done(null, [{ address: "169.254.169.254", family: 4 }])));
  const answers: unknown[] = [];
  for (const url of ["http://169.254.169.254/latest/meta-data/", "http://[fe80::1]/", "http://metadata.google.internal/computeMetadata/v1/"]) {
    const evil = hostile("own", (spec) => Object.assign(spec.analysis, { webhooks: [{ name: "meta", type: "pre-rollout", url }] }));
    const { scene, status, tookMs } = await life(evil, { hooks: async (request) => http(request).then((answer) => (answers.push(answer), answer)) });
    expect(status.route?.canaryWeight).toBe(0);
    expect(JSON.stringify(scene.store.list("events"))).toContain("must not call");
    expect(tookMs).toBeLessThanOrEqual(20_000);
  }
  expect(answers.length).toBeGreaterThan(3);
  for (const answer of answers) expect(answer).toMatchObject({ ok: false });
}, 60_000);
