// One command that shows one manifest in many clusters: a host and three members in the sandbox, an engine in each, and the fleet's controller.
import { GROUPS } from "../crds/canary.ts";
import { CONFIG_KINDS } from "../crds/marks.ts";
import { realClock, realRandom } from "../engine/adapters/clock.ts";
import { createKubeApi } from "../engine/adapters/kube.ts";
import { clusterOfText } from "../engine/adapters/kubeconfig.ts";
import { httpTransport } from "../engine/adapters/transport.ts";
import type { KubeApi, KubeObject, Log, Resource } from "../engine/ports.ts";
import { runEngine } from "../engine/run.ts";
import { runFleet } from "../fleet/run.ts";
import { castOf, defaultCanary, SANDBOX_RELEASES, type Cast } from "../sandbox/demo/cast.ts";
import { FleetScenario, type FleetMember } from "../sandbox/demo/fleetscenario.ts";
import { fleetScreen } from "../sandbox/demo/fleetscreen.ts";
import type { Output } from "../sandbox/demo/screen.ts";
import { startHost } from "../sandbox/host.ts";
import { startSandbox, type Sandbox } from "../sandbox/start.ts";
import { report } from "./report.ts";

export interface FleetDemoRequest {
  json: boolean;
  version: string;
  /** Faster than a person could follow, for tests: the checks' interval, and how long an act may take. */
  pace?: { seconds: number; patienceMs: number };
}

const NAMESPACE = "kurator-demo";
const MEMBERS = [{ name: "member1", wave: "pilot" }, { name: "member2", wave: "rest" }, { name: "member3", wave: "rest" }] as const;
const PATIENCE_MS = 90_000;
const CHECK_SECONDS = 2;
const SILENT: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const NAMESPACES: Resource = { group: "", version: "v1", plural: "namespaces", kind: "Namespace" };
const SECRETS: Resource = { group: "", version: "v1", plural: "secrets", kind: "Secret" };
const ATTACHED: Resource = { group: "cluster.kurator.dev", version: "v1alpha1", plural: "attachedclusters", kind: "AttachedCluster" };
const FLEETS: Resource = { group: "fleet.kurator.dev", version: "v1alpha1", plural: "fleets", kind: "Fleet" };

/** @returns the exit code: 0 when everything went as it should, 1 otherwise */
export async function fleetDemo(request: FleetDemoRequest, output: Output, signal: AbortSignal): Promise<number> {
  const stop = new AbortController();
  const host = await startHost({ clock: realClock, random: realRandom });
  const sandboxes = await Promise.all(MEMBERS.map(() => startSandbox({ clock: realClock, random: realRandom, prometheus: "builtin" })));
  const running: Promise<void>[] = [];
  try {
    const cast = castOf(defaultCanary(NAMESPACE, `${CHECK_SECONDS}s`), NAMESPACE, SANDBOX_RELEASES);
    const hostApi = createKubeApi({ transport: httpTransport(new URL(host.apiUrl), "demo"), clock: realClock });
    const members: FleetMember[] = [];
    for (const [index, { name, wave }] of MEMBERS.entries()) {
      const sandbox = sandboxes[index];
      if (sandbox === undefined) continue;
      const transport = httpTransport(new URL(sandbox.apiUrl), "demo");
      const api = createKubeApi({ transport, clock: realClock });
      await api.create(NAMESPACES, { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } });
      running.push(engine(sandbox, request.version, stop.signal));
      members.push({ name, wave, api, gatewayUrl: sandbox.world.gatewayUrl });
      await attach(hostApi, name, wave, sandbox.kubeconfig);
    }
    await create(hostApi, FLEETS, { apiVersion: "fleet.kurator.dev/v1alpha1", kind: "Fleet", metadata: { name: "quickstart", namespace: "default" }, spec: { clusters: MEMBERS.map(({ name }) => ({ kind: "AttachedCluster", name })) } });
    running.push(
      runFleet({
        transport: httpTransport(new URL(host.apiUrl), "demo"),
        connect: async (kubeconfig) => httpTransport(await clusterOfText(kubeconfig), "demo"),
        clock: realClock, random: realRandom, log: SILENT, version: request.version, namespaces: [], lease: undefined, port: undefined, loadTesterImage: "", chartRepository: undefined, signal: stop.signal,
      }),
    );
    const scenario = new FleetScenario({ host: hostApi, members, application: application(cast, request.pace?.seconds ?? CHECK_SECONDS), clock: realClock, cast, screen: fleetScreen(output, request.json), patienceMs: request.pace?.patienceMs ?? PATIENCE_MS, signal });
    const ended = await scenario.play();
    report(ended, request.json, output);
    return ended.expectations.every(({ met }) => met) ? 0 : 1;
  } finally {
    stop.abort();
    await Promise.all(running);
    await Promise.all([host.stop(), ...sandboxes.map((sandbox) => sandbox.stop())]);
  }
}

function engine(sandbox: Sandbox, version: string, signal: AbortSignal): Promise<void> {
  return runEngine({
    transport: httpTransport(new URL(sandbox.apiUrl), "demo"),
    clock: realClock,
    random: realRandom,
    log: SILENT,
    version,
    groups: new Map([[GROUPS.own.group, GROUPS.own.version]]),
    metricsServer: sandbox.world.prometheusUrl,
    meshProvider: "istio",
    includeLabelPrefixes: [],
    configKinds: CONFIG_KINDS,
    namespaces: [],
    gatewayNamespaces: [],
    lease: undefined,
    port: undefined,
    signal,
  });
}

async function attach(host: KubeApi, name: string, stage: string, kubeconfig: string): Promise<void> {
  await create(host, SECRETS, { apiVersion: "v1", kind: "Secret", metadata: { name, namespace: "default" }, data: { value: Buffer.from(kubeconfig).toString("base64") } });
  await create(host, ATTACHED, { apiVersion: "cluster.kurator.dev/v1alpha1", kind: "AttachedCluster", metadata: { name, namespace: "default", labels: { stage } }, spec: { kubeconfig: { name } } });
}

function application({ target, namespace, host }: Cast, seconds: number): KubeObject {
  return {
    apiVersion: "apps.kurator.dev/v1alpha1",
    kind: "Application",
    metadata: { name: target, namespace: "default" },
    spec: {
      source: {},
      destination: { fleet: "quickstart" },
      syncPolicies: [
        {
          rollout: {
            trafficRoutingProvider: "istio",
            workload: { name: target, namespace },
            serviceName: target,
            port: 9898,
            // Enough for pods without proxies.
            canarySpec: { drainSeconds: 2 },
            rolloutPolicy: {
              rolloutTimeoutSeconds: 60,
              trafficRouting: { gateways: ["istio-system/public-gateway"], hosts: [host], canaryStrategy: { stepWeight: 20, maxWeight: 60 } },
              trafficAnalysis: { checkIntervalSeconds: seconds, checkFailedTimes: 2, metrics: [{ name: "request-success-rate", intervalSeconds: 30, thresholdRange: { min: 99 } }] },
              waves: [
                { name: "pilot", clusterSelector: { matchLabels: { stage: "pilot" } }, bakeSeconds: 2 },
                { name: "rest", clusterSelector: { matchLabels: { stage: "rest" } } },
              ],
            },
          },
        },
      ],
    },
  };
}

async function create(api: KubeApi, resource: Resource, object: KubeObject): Promise<void> {
  const made = await api.create(resource, object);
  if (!made.ok) throw new Error(made.fault.message);
}
