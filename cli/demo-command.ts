// One command that shows the main job: sandbox or real cluster, engine, app, traffic, a good release and a bad one.
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GROUPS } from "../crds/canary.ts";
import { realClock, realRandom } from "../engine/adapters/clock.ts";
import { createKubeApi } from "../engine/adapters/kube.ts";
import { httpTransport, loadTransport, type Transport } from "../engine/adapters/transport.ts";
import { next } from "../engine/machine/next.ts";
import type { KubeApi, KubeObject, Log } from "../engine/ports.ts";
import { CONFIG_KINDS } from "../crds/marks.ts";
import { runEngine } from "../engine/run.ts";
import { canaryOf, castOf, CLUSTER_RELEASES, defaultCanary, SANDBOX_RELEASES, type Cast } from "../sandbox/demo/cast.ts";
import { SABOTAGES } from "../sandbox/demo/sabotage.ts";
import { Scenario } from "../sandbox/demo/scenario.ts";
import { screenFor, type Output } from "../sandbox/demo/screen.ts";
import { startSandbox, type Sandbox } from "../sandbox/start.ts";
import { report } from "./report.ts";

export interface DemoRequest {
  keep: boolean;
  json: boolean;
  manifest?: string;
  sabotage?: string;
  /** A real cluster instead of the sandbox; then gateway and metrics server must be named. */
  kubeconfig?: string;
  gateway?: string;
  metricsServer?: string;
  version: string;
  /** Faster than a person could follow, for tests: the checks' interval, and how long an act may take. */
  pace?: { interval: string; patienceMs: number };
}

interface Place {
  transport: Transport;
  gatewayUrl: string;
  metricsServer: string;
  cast: Cast;
  sandbox?: Sandbox;
  /** Where a kubeconfig of the sandbox was written. */
}

const NAMESPACE = "kurator-demo";
const NAMESPACES = { group: "", version: "v1", plural: "namespaces", kind: "Namespace" };
const PATIENCE_MS = 60_000;
const PATIENCE_SANDBOX_MS = 30_000;
const PATIENCE_MANIFEST_MS = 3_600_000;
const SILENT: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** @returns the exit code: 0 when everything went as it should, 1 otherwise */
export async function demo(request: DemoRequest, output: Output, signal: AbortSignal): Promise<number> {
  const sabotage = request.sabotage === undefined ? undefined : SABOTAGES[request.sabotage];
  if (request.sabotage !== undefined && sabotage === undefined) {
    throw new Error(`there is no sabotage "${request.sabotage}"; known are ${Object.entries(SABOTAGES).map(([name, { about }]) => `${name} (${about})`).join(", ")}`);
  }
  const place = request.kubeconfig === undefined ? await inSandbox(request) : await onCluster(request);
  const api = createKubeApi({ transport: place.transport, clock: realClock });
  const stop = new AbortController();
  try {
    await api.create(NAMESPACES, { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } });
    const engine = startEngine(request, place, sabotage?.machine ?? next, stop.signal);
    const screen = screenFor(output, request.json);
    const patienceMs = request.pace !== undefined ? request.pace.patienceMs : request.manifest !== undefined ? PATIENCE_MANIFEST_MS : place.sandbox === undefined ? PATIENCE_MS : PATIENCE_SANDBOX_MS;
    const scenario = new Scenario({ api, clock: realClock, cast: place.cast, gatewayUrl: place.gatewayUrl, screen, patienceMs, signal });
    const ended = await scenario.play();
    screen.end();
    report(ended, request.json, output, ` and ${ended.requests.total} requests`);
    if (request.keep) await keep(place, output, signal);
    stop.abort();
    await engine;
    return ended.expectations.every(({ met }) => met) ? 0 : 1;
  } finally {
    stop.abort();
    if (place.sandbox === undefined) await removeNamespace(api);
    await place.sandbox?.stop();
  }
}

async function inSandbox(request: DemoRequest): Promise<Place> {
  const sandbox = await startSandbox({ clock: realClock, random: realRandom });
  return {
    transport: httpTransport(new URL(sandbox.apiUrl), "kurator-rollout-demo"),
    gatewayUrl: sandbox.world.gatewayUrl,
    metricsServer: sandbox.world.prometheusUrl,
    cast: castOf(manifestOf(request, request.pace?.interval ?? "2s"), NAMESPACE, SANDBOX_RELEASES),
    sandbox,
  };
}

async function onCluster(request: DemoRequest): Promise<Place> {
  const { gateway, metricsServer } = request;
  if (gateway === undefined || metricsServer === undefined) throw new Error("with --kubeconfig, --gateway URL and --metrics-server URL say where the ingress gateway and Prometheus are");
  const transport = await loadTransport({ kubeconfig: request.kubeconfig, userAgent: "kurator-rollout-demo" });
  return { transport, gatewayUrl: gateway, metricsServer, cast: castOf(manifestOf(request, "5s"), NAMESPACE, CLUSTER_RELEASES) };
}

function manifestOf({ manifest }: DemoRequest, interval: string): KubeObject {
  return manifest === undefined ? defaultCanary(NAMESPACE, interval) : canaryOf(manifest, readFileSync(manifest, "utf8"));
}

function startEngine(request: DemoRequest, place: Place, machine: typeof next, signal: AbortSignal): Promise<void> {
  return runEngine({
    transport: place.transport,
    clock: realClock,
    random: realRandom,
    log: SILENT,
    version: request.version,
    groups: new Map(Object.values(GROUPS).filter(({ group }) => place.cast.canary.apiVersion.startsWith(group)).map(({ group, version }) => [group, version])),
    metricsServer: place.metricsServer,
    meshProvider: "istio",
    includeLabelPrefixes: [],
    configKinds: CONFIG_KINDS,
    namespaces: [NAMESPACE],
    gatewayNamespaces: ["istio-system"],
    lease: { namespace: NAMESPACE, name: "kurator-rollout" },
    port: undefined,
    next: machine,
    signal,
  });
}

async function keep({ sandbox, gatewayUrl, cast }: Place, output: Output, signal: AbortSignal): Promise<void> {
  const kubeconfig = sandbox === undefined ? "" : `export KUBECONFIG=${written(sandbox.kubeconfig)}\n`;
  output.write(`\nEngine and cluster go on running; end them with Ctrl-C. To play:\n\n${kubeconfig}`);
  output.write(`kubectl get canaries.rollout.kurator.dev -n ${cast.namespace} -w\n`);
  output.write(`kubectl set image -n ${cast.namespace} deployment/${cast.target} app=${cast.first.image}\n`);
  output.write(`curl -H 'Host: ${cast.host}' ${gatewayUrl}\n`);
  if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

async function removeNamespace(api: KubeApi): Promise<void> {
  const ref = { resource: NAMESPACES, namespace: "", name: NAMESPACE };
  const found = await api.get(ref);
  if (found.ok) await api.delete(ref, { uid: found.value.metadata.uid ?? "", resourceVersion: found.value.metadata.resourceVersion ?? "" });
}

/** In a folder of its own, which the operating system clears away. */
function written(kubeconfig: string): string {
  const file = join(mkdtempSync(join(tmpdir(), "kurator-rollout-")), "kubeconfig");
  writeFileSync(file, kubeconfig);
  return file;
}
