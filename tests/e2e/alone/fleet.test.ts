// The seed's walk-through from its first line to its last: an Application on a host cluster, whose controller is installed by its chart; one member with traffic,
// reached with the rights of the documented role and no others, and a second member that is only an API server.
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { deployment, hostOf, IMAGE, statusOf, Timeline } from "../support/app.ts";
import { apply, DEPLOYMENTS, eventually, get, installCrds, KUBECONFIG, kubectl, namespace, said, SERVICES, soon } from "../support/cluster.ts";
import { Load } from "../support/load.ts";
import { kubeconfigOf, MemberCluster } from "../support/member.ts";
import type { KubeObject, Resource } from "../../../engine/ports.ts";
import type { ApplicationStatus } from "../../../crds/applicationstatus.ts";
import type { CanaryStatus } from "../../../crds/status.ts";

const SYSTEM = "fleet-controller";
/** The seed's own namespace would be the cluster's default. */
const NS = "e2e-fleet";
const WEBAPP = "webapp";
const ROLE = "kurator-rollout-fleet-member";
const APPLICATIONS: Resource = { group: "apps.kurator.dev", version: "v1alpha1", plural: "applications", kind: "Application" };
const VIRTUAL_SERVICES: Resource = { group: "networking.istio.io", version: "v1", plural: "virtualservices", kind: "VirtualService" };
const RULES: Resource = { group: "networking.istio.io", version: "v1", plural: "destinationrules", kind: "DestinationRule" };
const app = { namespace: WEBAPP };
const image = (process.env.KR_IMAGE ?? "kurator-rollout:e2e").split(":");
let second: MemberCluster;
let load: Load;
const exampleText = (file: string): string =>
  readFileSync(`examples/${file}.yaml`, "utf8")
    .replace(/namespace: default/g, `namespace: ${NS}`)
    .replace(/checkIntervalSeconds: 90/, "checkIntervalSeconds: 10")
    .replace(/intervalSeconds: 90/g, "intervalSeconds: 20")
    .replace(/rolloutTimeoutSeconds: 600/, "rolloutTimeoutSeconds: 60");

async function applyText(text: string): Promise<string> {
  const { code, stdout, stderr } = await said("kubectl", ["apply", "-f", "-"], text);
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

async function application(): Promise<KubeObject & { status: ApplicationStatus }> {
  const found = await get(APPLICATIONS, NS, "rollout-demo");
  return { apiVersion: "", kind: "", metadata: { name: "" }, ...found, status: (found?.status ?? {}) as ApplicationStatus };
}

function rollout(status: ApplicationStatus, cluster: string): { name?: string; in?: CanaryStatus } {
  const entry = (status.syncStatus ?? []).find(({ rolloutStatus }) => rolloutStatus?.clusterName === cluster);
  return { name: entry?.name, in: entry?.rolloutStatus?.rolloutStatusInCluster as CanaryStatus | undefined };
}

async function inStatus(cluster: string, phase: string, seconds = 120): Promise<CanaryStatus> {
  let last: ApplicationStatus = {};
  return eventually(`${cluster} ${phase} in the Application's status`, seconds, async () => {
    last = (await application()).status;
    const found = rollout(last, cluster).in;
    return found?.phase === phase ? found : undefined;
  }, () => last);
}

async function helm(...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await said("helm", args);
  if (code !== 0) throw new Error(`helm ${args.join(" ")}: ${stderr}${stdout}`);
}

beforeAll(async () => {
  await installCrds();
  for (const release of ["fleet", "engine"]) await said("helm", ["uninstall", release, "-n", SYSTEM, "--wait"]);
  for (const each of [NS, WEBAPP, SYSTEM]) await namespace(each);
  // The clean slate of a member: no label yet, and the app with its Service.
  await apply(deployment(app), { apiVersion: "v1", kind: "Service", metadata: { name: "backend", namespace: WEBAPP }, spec: { selector: { app: "backend" }, ports: [{ name: "http", port: 9898, targetPort: "http" }, { name: "grpc", port: 9999, targetPort: 9999 }] } });
  await kubectl("-n", WEBAPP, "rollout", "status", "deployment/backend", "--timeout=120s");
  second = await MemberCluster.start();
  const crds = (await said(process.execPath, ["dist/kurator-rollout.mjs", "crds"])).stdout;
  const role = readFileSync("charts/kurator-rollout-fleet/files/member-role.yaml", "utf8");
  for (const [kubeconfig, text] of [[second.kubeconfig, crds], [second.kubeconfig, role], [KUBECONFIG, role]] as const) {
    const { code, stderr } = await said("kubectl", ["--kubeconfig", kubeconfig, "apply", "--server-side", "--force-conflicts", "-f", "-"], text);
    if (code !== 0) throw new Error(stderr);
  }
  const values = ["-n", SYSTEM, "--set", `image.repository=${image[0]},image.tag=${image[1]},image.pullPolicy=Never`, "--wait", "--timeout", "3m"];
  // In the cluster, because webhooks lead to a Service by its name.
  await helm("install", "engine", "charts/kurator-rollout", ...values, "--set", `fullnameOverride=engine,crds.install=false,watchNamespaces={${WEBAPP}}`);
  await helm("install", "fleet", "charts/kurator-rollout-fleet", ...values, "--set", "fullnameOverride=fleet,hostCluster.enabled=false", "--take-ownership");
}, 360_000);

afterAll(async () => {
  await load?.stop();
  // Its finalizer is the controller's, so it goes first.
  await said("kubectl", ["-n", NS, "delete", "applications.apps.kurator.dev", "--all", "--timeout=60s"]);
  for (const release of ["fleet", "engine"]) await said("helm", ["uninstall", release, "-n", SYSTEM, "--wait"]);
  await kubectl("delete", "namespace", NS, WEBAPP, SYSTEM, "fleet-system", "--wait=false", "--ignore-not-found");
  await second?.stop();
});

test("members are attached by Secrets, and the Fleet says which of them can be reached", async () => {
  const members = { "kurator-member1": await kubeconfigOf(KUBECONFIG, ROLE), "kurator-member2": await kubeconfigOf(second.kubeconfig, ROLE) };
  for (const [name, text] of Object.entries(members)) {
    await apply({ apiVersion: "v1", kind: "Secret", metadata: { name, namespace: NS }, stringData: { [`${name}.config`]: text } });
  }
  await applyText(exampleText("fleet"));
  await eventually("both are ready", 30, async () => ((await kubectl("-n", NS, "get", "fleet", "quickstart", "-o", "jsonpath={.status.readyClusters}")) === "2" ? true : undefined), () => kubectl("-n", NS, "get", "fleet", "quickstart", "-o", "json"));
  await soon(async () => expect(await kubectl("-n", NS, "get", "attachedcluster", "kurator-member2", "-o", "jsonpath={.status.ready}")).toBe("true"));
  // The plugin of the example cannot be installed without Flux, which is said.
  await soon(async () => expect(await kubectl("-n", NS, "get", "fleet", "quickstart", "-o", 'jsonpath={.status.conditions[?(@.type=="RolloutPlugin")].reason}')).toBe("FluxNotInstalled"));
});

test("the Application is taken, with its defaults and its finalizer", async () => {
  expect(await applyText(exampleText("application-canary"))).toContain("application.apps.kurator.dev/rollout-demo created");
  const found = await eventually("the finalizer", 20, async () => {
    const one = await application();
    return (one.metadata.finalizers as string[] | undefined)?.includes("apps.kurator.dev") === true ? one : undefined;
  });
  expect(found.spec).toMatchObject({ source: { gitRepository: { gitImplementation: "go-git" } }, syncPolicies: [{ kustomization: { force: false, interval: "0s" } }, { kustomization: { force: false } }] });
});

test("a member initializes, and the Application's status has it as the seed prints it", async () => {
  load = await Load.toService(WEBAPP, "backend", 9898);
  const canary = await inStatus("kurator-member1", "Initialized");
  const { status } = await application();
  expect(status.syncStatus?.map(({ name, rolloutStatus }) => `${name} ${rolloutStatus?.rolloutNameInCluster}`)).toEqual([
    "rollout-demo-0-attachedcluster-kurator-member1 backend",
    "rollout-demo-0-attachedcluster-kurator-member2 backend",
    "rollout-demo-1-attachedcluster-kurator-member1 undefined",
    "rollout-demo-1-attachedcluster-kurator-member2 undefined",
  ]);
  expect(canary).toMatchObject({ canaryWeight: 0, failedChecks: 0, iterations: 0, trackedConfigs: {} });
  expect(canary.lastAppliedSpec).toBe(canary.lastPromotedSpec);
  expect(canary.conditions?.find(({ type }) => type === "Promoted")).toMatchObject({ status: "True", reason: "Initialized", message: "Deployment initialization completed." });
  expect(status.conditions?.find(({ type }) => type === "SourceSynced")).toMatchObject({ status: "False", reason: "FluxNotInstalled" });
  const [header, row] = (await kubectl("-n", WEBAPP, "get", "canaries.rollout.kurator.dev")).split("\n");
  expect(header?.trim().split(/\s+/)).toEqual(["NAME", "STATUS", "WEIGHT", "LASTTRANSITIONTIME"]);
  expect(row).toMatch(/^backend\s+Initialized\s+0\s+\d{4}-/);
});

test("what the member was given is what the seed promises", async () => {
  await soon(async () => expect(await kubectl("get", "namespace", WEBAPP, "-o", "jsonpath={.metadata.labels.istio-injection}")).toBe("enabled"));
  await soon(async () => expect((await get(DEPLOYMENTS, WEBAPP, "backend"))?.spec).toMatchObject({ replicas: 0 }));
  await soon(async () => expect((await get(DEPLOYMENTS, WEBAPP, "backend-primary"))?.status).toMatchObject({ readyReplicas: 2 }));
  await soon(async () => expect((await get(SERVICES, WEBAPP, "backend"))?.spec).toMatchObject({ ports: [{ name: "http", port: 9898, targetPort: "http" }, { name: "grpc", port: 9999 }] }));
  for (const name of ["backend-primary", "backend-canary", "backend-testloader"]) expect(await get(SERVICES, WEBAPP, name)).toBeDefined();
  await soon(async () => expect((await get(VIRTUAL_SERVICES, WEBAPP, "backend"))?.spec).toMatchObject({ gateways: ["istio-system/public-gateway"], hosts: expect.arrayContaining(["backend.webapp", "backend"]) as unknown as string[] }));
  for (const name of ["backend-primary", "backend-canary"]) expect(await get(RULES, WEBAPP, name)).toBeDefined();
  await kubectl("-n", WEBAPP, "rollout", "status", "deployment/backend-testloader", "--timeout=60s");
});

test("the second member waits for an app that is not there, is named, and holds up nobody", async () => {
  const { status } = await application();
  expect(status.clusters?.map(({ name, state }) => `${name} ${state}`)).toEqual(["kurator-member1 Ready", "kurator-member2 Ready"]);
  expect(status.conditions?.find(({ type }) => type === "Reconciling")).toMatchObject({ status: "True" });
  await second.apply(deployment(app), { apiVersion: "v1", kind: "Service", metadata: { name: "backend", namespace: WEBAPP }, spec: { selector: { app: "backend" }, ports: [{ name: "http", port: 9898, targetPort: "http" }] } });
  await eventually("its Canary", 30, async () => ((await second.kubectl("-n", WEBAPP, "get", "canaries.rollout.kurator.dev", "-o", "name")) === "canary.rollout.kurator.dev/backend\n" ? true : undefined));
  expect(JSON.parse(await second.kubectl("-n", WEBAPP, "get", "canaries.rollout.kurator.dev", "backend", "-o", "json"))).toMatchObject({
    metadata: { annotations: { "kurator.dev/rollout": "rollout-demo-0" } },
    spec: {
      provider: "istio",
      targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "backend" },
      progressDeadlineSeconds: 60,
      service: { name: "backend", port: 9898, targetPort: "http", timeout: "60s", gateways: ["istio-system/public-gateway"], hosts: ["backend.webapp"] },
      analysis: { interval: "10s", threshold: 2, maxWeight: 50, stepWeight: 10, webhooks: [{ name: "generated-testload-0", url: "http://backend-testloader.webapp/", timeout: "60s", metadata: { type: "cmd", cmd: "hey -z 1m -q 10 -c 2 http://backend-canary.webapp:9898/" } }] },
    },
  });
});

test("an image that is set in the member climbs as the seed prints it, and a pipeline on the host hears the verdict", async () => {
  const users = await Load.start(hostOf(app));
  const timeline = await Timeline.of(WEBAPP);
  const waiting = said(process.execPath, ["dist/kurator-rollout.mjs", "wait", "application/rollout-demo", "-n", NS, "--image", `${IMAGE}:6.0.1`, "--timeout", "20s"]);
  await kubectl("-n", WEBAPP, "set", "image", "deployment/backend", `backend=${IMAGE}:6.0.1`);
  await inStatus("kurator-member1", "Succeeded", 240);
  const lines = await timeline.until("Succeeded 0");
  expect(lines.filter((line, index) => index > 0 || !line.startsWith("Initialized"))).toEqual(["Progressing 0", "Progressing 10", "Progressing 20", "Progressing 30", "Progressing 40", "Progressing 50", "Promoting 0", "Finalising 0", "Succeeded 0"]);
  const status = await inStatus("kurator-member1", "Succeeded");
  expect(status.lastAppliedSpec).toBe(status.lastPromotedSpec);
  expect(status.conditions?.find(({ type }) => type === "Promoted")).toMatchObject({ status: "True", reason: "Succeeded", message: "Canary analysis completed successfully, promotion finished." });
  expect((await users.stop()).losses).toEqual({});
  // The second member has no nodes, so nobody may say that every cluster has it.
  expect((await waiting).code).toBe(4);
}, 360_000);

test("a member that is frozen is named, and holds up nobody; when it answers again all is well", async () => {
  second.freeze();
  // What is asked of it is not answered; nobody else waits for that.
  await kubectl("-n", NS, "patch", "application", "rollout-demo", "--type=json", "-p", '[{"op":"replace","path":"/spec/syncPolicies/0/rollout/rolloutPolicy/trafficRouting/timeoutSeconds","value":30}]');
  await eventually("the first member has the change", 10, async () => ((await kubectl("-n", WEBAPP, "get", "canaries.rollout.kurator.dev", "backend", "-o", "jsonpath={.spec.service.timeout}")) === "30s" ? true : undefined));
  await eventually("the second is named", 60, async () => ((await application()).status.clusters?.find(({ name }) => name === "kurator-member2")?.state === "Unreachable" ? true : undefined), async () => (await application()).status.clusters);
  second.thaw();
  await eventually("the second has the change", 90, async () => ((await second.kubectl("-n", WEBAPP, "get", "canaries.rollout.kurator.dev", "backend", "-o", "jsonpath={.spec.service.timeout}")) === "30s" ? true : undefined));
  await eventually("and is named no more", 30, async () => ((await application()).status.clusters?.every(({ state }) => state === "Ready") === true ? true : undefined), async () => (await application()).status);
});

test("without the rollout section the app goes back to its own Deployment, in every member, and comes again with it; no request is lost", async () => {
  const section = ((await application()).spec as { syncPolicies: { rollout?: object }[] }).syncPolicies[0]?.rollout;
  await kubectl("-n", NS, "patch", "application", "rollout-demo", "--type=json", "-p", '[{"op":"remove","path":"/spec/syncPolicies/0/rollout"}]');
  await eventually("nothing of it is left", 90, async () => ((await application()).status.clusters === undefined ? true : undefined), async () => (await application()).status);
  expect(await get(DEPLOYMENTS, WEBAPP, "backend-primary")).toBeUndefined();
  expect(await get(DEPLOYMENTS, WEBAPP, "backend-testloader")).toBeUndefined();
  expect((await get(DEPLOYMENTS, WEBAPP, "backend"))?.spec).toMatchObject({ replicas: 2 });
  expect((await get(SERVICES, WEBAPP, "backend"))?.spec).toMatchObject({ selector: { app: "backend" } });
  expect((await second.kubectl("-n", WEBAPP, "get", "canaries.rollout.kurator.dev,deployments", "-o", "name")).trim()).toBe("deployment.apps/backend");
  await kubectl("-n", NS, "patch", "application", "rollout-demo", "--type=json", "-p", JSON.stringify([{ op: "add", path: "/spec/syncPolicies/0/rollout", value: section }]));
  await inStatus("kurator-member1", "Initialized");
});

test("the Application is deleted, and nothing that it made is left anywhere", async () => {
  await kubectl("-n", NS, "delete", "application", "rollout-demo", "--timeout=120s");
  const left = await kubectl("-n", WEBAPP, "get", "deployments,services,canaries.rollout.kurator.dev,metrictemplates.rollout.kurator.dev", "-o", "name");
  expect(left.trim().split("\n").sort()).toEqual(["deployment.apps/backend", "service/backend"]);
  expect((await load.stop()).losses).toEqual({});
  expect(await statusOf(WEBAPP)).toEqual({});
});

test("the role of the documents was enough, and nothing of a kubeconfig is in a log", async () => {
  const logs = await kubectl("-n", SYSTEM, "logs", "-l", "app.kubernetes.io/name=kurator-rollout-fleet", "--tail=-1");
  expect(logs).not.toMatch(/forbidden|Forbidden/);
  expect(logs).toContain('"msg":"started"');
  for (const secret of ["certificate-authority-data", "eyJ"]) expect(logs).not.toContain(secret);
});
