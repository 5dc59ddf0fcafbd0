// The chart as an operator installs it: two replicas from the image, a release under its own role, and an end of namespace and installation without a hang.
import { beforeAll, afterAll, expect, test } from "@jest/globals";
import { bump, canary, deploy, deployment, hostOf, phase, replicasOf, service, virtualService } from "../support/app.ts";
import { apply, eventually, get, kubectl, namespace, said, SERVICES } from "../support/cluster.ts";
import { Load } from "../support/load.ts";

const SYSTEM = "kurator-system";
const NS = "e2e-chart";
const app = { namespace: NS };
const image = (process.env.KR_IMAGE ?? "kurator-rollout:e2e").split(":");

async function helm(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await said("helm", args);
  if (code !== 0) throw new Error(`helm ${args.join(" ")}: ${stderr}${stdout}`);
  return stdout;
}

const values = ["--set", `image.repository=${image[0]},image.tag=${image[1]},image.pullPolicy=Never`, "--set", "fullnameOverride=kurator-rollout"];

/** CRDs that another way has installed (here `kurator-rollout crds`, by the other suites) are taken over by the release. */
const takeOver = ["--take-ownership", "--force-conflicts"];

async function replicas(count: number): Promise<void> {
  await kubectl("-n", SYSTEM, "scale", "deployment/kurator-rollout", `--replicas=${count}`);
  await eventually(`${count} pods of the engine`, 60, async () => {
    const pods = (await kubectl("-n", SYSTEM, "get", "pods", "-o", "name")).trim();
    return (pods === "" ? 0 : pods.split("\n").length) === count ? true : undefined;
  });
}

beforeAll(async () => {
  await said("helm", ["uninstall", "rollout", "-n", SYSTEM, "--wait"]);
  await namespace(SYSTEM);
  await namespace(NS);
  await deploy(app);
});

afterAll(async () => {
  await said("helm", ["uninstall", "rollout", "-n", SYSTEM]);
  await kubectl("delete", "namespace", SYSTEM, NS, "--wait=false", "--ignore-not-found");
});

test("helm install brings up two replicas, ready and under their own role", async () => {
  await helm("install", "rollout", "charts/kurator-rollout", "-n", SYSTEM, ...values, ...takeOver, "--wait", "--timeout", "3m");
  const ready = await kubectl("-n", SYSTEM, "get", "deployment", "kurator-rollout", "-o", "jsonpath={.status.readyReplicas}");
  expect(ready).toBe("2");
});

test("a release under the chart's role: nothing is forbidden, nothing is lost", async () => {
  const load = await Load.start(hostOf(app));
  await apply(canary(app));
  await phase(NS, "Initialized");
  await bump(app, "6.0.1");
  await phase(NS, "Succeeded", 180);
  const { losses } = await load.stop();
  expect(losses).toEqual({});
  const logs = await kubectl("-n", SYSTEM, "logs", "-l", "app.kubernetes.io/name=kurator-rollout", "--tail=-1");
  expect(logs).not.toMatch(/forbidden|Forbidden|list refused/);
});

test("helm upgrade and a deletion under the chart's role", async () => {
  await helm("upgrade", "rollout", "charts/kurator-rollout", "-n", SYSTEM, ...values, "--set", "logLevel=debug", ...takeOver, "--wait", "--timeout", "3m");
  await kubectl("-n", NS, "delete", "canaries.rollout.kurator.dev", "backend", "--timeout=10s");
  await eventually("given back", 60, async () => ((await replicasOf(NS, "backend-primary")) === undefined ? true : undefined));
  expect(await replicasOf(NS, "backend")).toBe(2);
});

test("a namespace with a Canary ends, with the engine running and without it", async () => {
  for (const count of [2, 0]) {
    const other = { namespace: `${NS}-${count}` };
    await replicas(2);
    await namespace(other.namespace);
    await deploy(other);
    await apply(canary(other));
    await phase(other.namespace, "Initialized");
    await replicas(count);
    await kubectl("delete", "namespace", other.namespace, "--wait=true", "--timeout=90s");
  }
});

test("helm uninstall ends, traffic stays where it is, and a Canary can be deleted without the engine", async () => {
  await replicas(2);
  await apply(deployment(app), service(app), virtualService(app), canary(app));
  await phase(NS, "Initialized");
  const load = await Load.start(hostOf(app));
  await helm("uninstall", "rollout", "-n", SYSTEM, "--wait", "--timeout", "2m");
  await kubectl("-n", NS, "delete", "canaries.rollout.kurator.dev", "backend", "--timeout=20s");
  expect(await replicasOf(NS, "backend-primary")).toBe(2);
  const apex = await get(SERVICES, NS, "backend");
  expect((apex?.spec as { selector?: object }).selector).toEqual({ app: "backend-primary" });
  const { losses, ok } = await load.stop();
  expect(losses).toEqual({});
  expect(ok).toBeGreaterThan(10);
  await kubectl("get", "crd", "canaries.rollout.kurator.dev");
});
