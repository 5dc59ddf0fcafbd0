// Puts the engine together and runs it until it is told to stop: adapters at the edges, one controller per leadership in the middle.
import { hostname } from "node:os";
import { randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";
import { routerFor, ROUTERS } from "../routing/registry.ts";
import { CANARY_LABEL, type ConfigKind } from "../crds/marks.ts";
import { CacheSet, PodInformers, type Watched } from "./adapters/cachesets.ts";
import { guard } from "./adapters/forbidden.ts";
import { createHttp } from "./adapters/http.ts";
import { createKubeApi } from "./adapters/kube.ts";
import { leadOrRun, type Lease } from "./adapters/leading.ts";
import { createRecorder } from "./adapters/metrics.ts";
import { listen } from "./adapters/server.ts";
import { until } from "./adapters/waiting.ts";
import type { Transport } from "./adapters/transport.ts";
import type { Context, Leadership } from "./controller/context.ts";
import { Controller } from "./controller/controller.ts";
import { CONFIG_MAPS, configResources } from "./controller/configs.ts";
import { REVISIONS } from "./controller/wanted.ts";
import { HPAS } from "./workload/scalers.ts";
import { WORKLOADS } from "./workload/kinds.ts";
import { next as machine } from "./machine/next.ts";
import type { Clock, Http, KubeApi, KubeObject, Log, Random, Resource } from "./ports.ts";

export interface EngineOptions {
  transport: Transport;
  clock: Clock;
  random: Random;
  log: Log;
  version: string;
  /** API groups with their versions. */
  groups: ReadonlyMap<string, string>;
  metricsServer: string;
  meshProvider: string;
  includeLabelPrefixes: readonly string[];
  eventWebhook?: string;
  configKinds: readonly ConfigKind[];
  /** Nothing is asked at loopback, link-local and metadata addresses. */
  forbidLinkLocal?: boolean;
  /** Canaries may not use MetricTemplates and AlertProviders of other namespaces. */
  sameNamespaceOnly?: boolean;
  /** Empty watches all. */
  namespaces: readonly string[];
  /** Where Gateways are looked for beside the watched namespaces; all where all are watched. */
  gatewayNamespaces: readonly string[];
  /** Undefined runs without election. */
  lease: Lease | undefined;
  /** Undefined opens no listener. */
  port: number | undefined;
  /** The way to hooks and metric providers; the real one unless time is virtual. */
  http?: Http;
  /** Who the engine is to providers that may be asked in its name; nobody when absent. */
  identity?: Context["identity"];
  /** The machine; only the demo puts another one in its place. */
  next?: typeof machine;
  signal: AbortSignal;
}

const ROUTED_KINDS = [...new Map(ROUTERS.flatMap(({ kinds: all, refersTo }) => all.flat().filter(({ kind }) => !refersTo.includes(kind)).map((kind) => [`${kind.kind}.${kind.group}`, kind]))).values()];
/** Another name for ConfigMaps, for the one that freezes everything. */
const FREEZE: Resource = { ...CONFIG_MAPS };
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** Resolves when `signal` has aborted and everything has ended. */
export async function runEngine(options: EngineOptions): Promise<void> {
  const { transport, clock, log, signal } = options;
  // Every informer listens to it, one for each kind and namespace; they let go of it when they wait no more.
  setMaxListeners(0, signal);
  let controller: Controller | undefined;
  const { recorder, registry } = createRecorder(options.version, options.meshProvider, {
    process: options.port !== undefined,
    queueDepth: () => controller?.depth ?? 0,
    asksInFlight: () => controller?.asking ?? 0,
    canaries: () => perNamespace(options.groups, caches),
  });
  const observe = (verb: string, resource: string, status: number): void => recorder.request(verb, resource, status);
  const api = createKubeApi({ transport, clock, observe });
  const watched = await kinds(options, api);
  const caches: CacheSet = new CacheSet({ ...options, observe, packs: true }, watched, (resource, before, after) => tell(controller, () => everyCanary(options.groups, caches), resource, before, after));
  const pods = new PodInformers({ ...options, observe, namespaces: [] }, (key) => controller?.wakeSoon(key));
  const server = options.port === undefined ? undefined : await listen(options.port, { metrics: () => registry.metrics(), ready: () => caches.synced });
  const watching = caches.run(signal);
  log.info({ version: options.version, groups: [...options.groups.keys()], port: server?.port }, "started");
  await until(() => caches.synced, clock, signal);

  const instance = `${hostname()}_${randomUUID()}`;
  const start = (leadership: Leadership): void => {
    const context: Context = {
      api, caches, pods, leadership, clock, log, recorder, router: routerFor, routedKinds: ROUTED_KINDS, http: options.http ?? createHttp(options.forbidLinkLocal === true ? guard() : undefined), identity: options.identity, next: options.next ?? machine, groups: options.groups,
      options: { metricsServer: options.metricsServer, meshProvider: options.meshProvider, includeLabelPrefixes: options.includeLabelPrefixes, eventWebhook: options.eventWebhook, configKinds: options.configKinds, sameNamespaceOnly: options.sameNamespaceOnly },
    };
    controller = new Controller(context, instance);
    recorder.leading(true);
    replay(controller, options.groups, caches);
    controller.start();
  };
  const stop = async (): Promise<void> => {
    const stopping = controller;
    controller = undefined;
    recorder.leading(false);
    pods.stopAll();
    await stopping?.stop();
  };
  await leadOrRun({ api, clock, log, random: options.random, signal, lease: options.lease, identity: instance, start, stop });
  await server?.close();
  await watching;
  log.info({}, "stopped");
}

async function kinds(options: EngineOptions, api: KubeApi): Promise<Watched[]> {
  const watched: Watched[] = [...options.groups].flatMap(([group, version]) => [
    { resource: { group, version, plural: "canaries", kind: "Canary" } },
    // Canaries refer to templates across namespaces; where only some namespaces are watched, to those in these.
    { resource: { group, version, plural: "metrictemplates", kind: "MetricTemplate" } },
    { resource: { group, version, plural: "alertproviders", kind: "AlertProvider" } },
  ]);
  // Whoever may write this one ConfigMap may stop every rollout of the cluster, and nothing else.
  if (options.lease !== undefined) watched.push({ resource: FREEZE, alone: true, namespaces: [options.lease.namespace], fieldSelector: `metadata.name=${options.lease.name}-freeze` });
  for (const { resource, rare } of WORKLOADS) if (rare !== true) watched.push({ resource });
  watched.push({ resource: HPAS }, { resource: REVISIONS, labelSelector: CANARY_LABEL });
  for (const resource of configResources(options.configKinds)) {
    // Helm keeps each of its releases in a Secret, some of them megabytes long.
    watched.push({ resource, metadataOnly: true, trim: metadataTrimmed, ...(resource.kind === "Secret" ? { fieldSelector: "type!=helm.sh/release.v1" } : {}) });
  }
  for (const router of ROUTERS) {
    for (const versions of router.rare === true ? [] : router.kinds) {
      // Routers share kinds.
      if (watched.some(({ resource }) => versions.some((version) => version.group === resource.group && version.plural === resource.plural))) continue;
      // Where none is served yet all are looked for: nobody knows which version the mesh will have that is installed later.
      const served = await firstServed(versions, api, options);
      // Canaries refer to Gateways across namespaces.
      const namespaces = router.refersTo.includes(versions[0]?.kind ?? "") && options.namespaces.length > 0 ? [...new Set([...options.namespaces, ...options.gatewayNamespaces])] : options.namespaces;
      for (const resource of served === undefined ? versions : [served]) watched.push({ resource, namespaces });
    }
  }
  return watched;
}

/** Whole objects come by, as answers to writes, and kubectl writes contents into an annotation. */
function metadataTrimmed({ apiVersion, kind, metadata }: KubeObject): KubeObject {
  const { [LAST_APPLIED]: _, ...annotations } = metadata.annotations ?? {};
  return { apiVersion, kind, metadata: { ...metadata, annotations } };
}

/** The most preferred version that the API server serves. */
async function firstServed(versions: readonly Resource[], api: KubeApi, { clock, log, signal }: EngineOptions): Promise<Resource | undefined> {
  for (const version of versions) {
    for (let tries = 0; !signal.aborted; tries += 1) {
      const served = await api.served(`${version.group}/${version.version}`);
      if (served.ok && served.value) return version;
      if (served.ok) break;
      log.warn({ fault: served.fault.message, tries }, "API server not ready");
      await pause(clock, Math.min(500 * 2 ** tries, 10_000), signal);
    }
  }
  return undefined;
}

function tell(controller: Controller | undefined, everyCanary: () => { group: string; object: KubeObject }[], resource: Resource, before: KubeObject | undefined, after: KubeObject | undefined): void {
  const object = after ?? before;
  if (controller === undefined || object === undefined) return;
  if (resource.plural === "canaries") controller.canaryChanged(resource.group, object, after === undefined);
  else if (resource === FREEZE) for (const canary of everyCanary()) controller.canaryChanged(canary.group, canary.object, false);
  else controller.objectChanged(resource.plural, object);
}

function everyCanary(groups: ReadonlyMap<string, string>, caches: CacheSet): { group: string; object: KubeObject }[] {
  return [...groups.keys()].flatMap((group) => caches.canaries(group).list().map((object) => ({ group, object })));
}

/** A new leader looks at everything: each Canary, and each object whose Canary may be gone. */
function replay(controller: Controller, groups: ReadonlyMap<string, string>, caches: CacheSet): void {
  for (const { group, object } of everyCanary(groups, caches)) controller.canaryChanged(group, object, false);
  for (const { plural, object } of caches.everyOwned()) controller.objectChanged(plural, object);
}

function perNamespace(groups: ReadonlyMap<string, string>, caches: CacheSet): Map<string, number> {
  const counts = new Map<string, number>();
  for (const group of groups.keys()) {
    for (const canary of caches.canaries(group).list()) {
      const namespace = canary.metadata.namespace ?? "";
      counts.set(namespace, (counts.get(namespace) ?? 0) + 1);
    }
  }
  return counts;
}

async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  let over = false;
  const cancel = clock.after(ms, () => (over = true));
  await until(() => over, clock, signal);
  cancel();
}
