// Puts the fleet's controller together and runs it until it is told to stop: watches of the host, connections to members, one controller per leadership.
import { hostname } from "node:os";
import { randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";
import { CacheSet, type Watched } from "../engine/adapters/cachesets.ts";
import { createKubeApi } from "../engine/adapters/kube.ts";
import { leadOrRun, type Lease } from "../engine/adapters/leading.ts";
import { listen } from "../engine/adapters/server.ts";
import type { Transport } from "../engine/adapters/transport.ts";
import { until } from "../engine/adapters/waiting.ts";
import type { Clock, KubeObject, Log, Random, Resource } from "../engine/ports.ts";
import { APPLICATIONS, ATTACHED_CLUSTERS, CLUSTERS, FLEETS, type Lookup } from "./clusters.ts";
import { connectMember, SECRETS } from "./connect.ts";
import { FleetMemory, type FleetContext, type FluxView } from "./context.ts";
import { FleetController } from "./controller.ts";
import type { FluxKind } from "./flux.ts";
import { FLUX_KINDS } from "./flux.ts";
import { servedFluxKinds } from "./fluxkinds.ts";
import { APP_LABEL } from "./marks.ts";
import { Members, type Connect } from "./members.ts";
import { createFleetRecorder } from "./metrics.ts";
import { FLEET_LABEL } from "./plugin.ts";

export interface FleetOptions {
  /** To the host cluster. */
  transport: Transport;
  connect: Connect;
  clock: Clock;
  random: Random;
  log: Log;
  version: string;
  /** Empty watches all. */
  namespaces: readonly string[];
  /** Undefined runs without election. */
  lease: Lease | undefined;
  /** Undefined opens no listener. */
  port: number | undefined;
  loadTesterImage: string;
  chartRepository: string | undefined;
  signal: AbortSignal;
}

/** How often a host without Flux is asked whether it has it by now. */
const FLUX_LOOK_MS = 60_000;
const FLUX_RETRY_MS = 2_000;

/** Resolves when `signal` has aborted and everything has ended. */
export async function runFleet(options: FleetOptions): Promise<void> {
  const { transport, clock, random, log, signal, connect, namespaces } = options;
  setMaxListeners(0, signal);
  let controller: FleetController | undefined;
  const { recorder, registry } = createFleetRecorder(options.version, { process: options.port !== undefined, queueDepth: () => controller?.depth ?? 0, members: () => memberStates(members) });
  const observe = (verb: string, resource: string, status: number): void => recorder.request(verb, resource, status);
  const api = createKubeApi({ transport, clock, observe });
  const watched: Watched[] = [
    ...[APPLICATIONS, FLEETS, ATTACHED_CLUSTERS].map((resource) => ({ resource })),
    // Helm keeps each of its releases in a Secret; of all others it is enough to hear that they changed.
    { resource: SECRETS, metadataOnly: true, trim: metadataOf, fieldSelector: "type!=helm.sh/release.v1" },
  ];
  const caches: CacheSet = new CacheSet({ transport, clock, random, log, namespaces, observe }, watched, (resource, before, after) => {
    const object = after ?? before;
    if (object !== undefined) controller?.hostChanged(resource.plural, object);
  });
  const members: Members = new Members({ clock, random, log, connect, host: transport, observe, onChange: (member, object) => controller?.memberChanged(member, object) });
  const lookup: Lookup = (plural, namespace, name) => {
    // Kurator's own kind of cluster is rarely there, and not looked for before a Fleet names one.
    if (plural === CLUSTERS.plural) caches.seek(CLUSTERS);
    return caches.get(plural, namespace, name);
  };
  const flux = followFlux(options, observe, () => controller);
  const server = options.port === undefined ? undefined : await listen(options.port, { metrics: () => registry.metrics(), ready: () => caches.synced });
  const watching = caches.run(signal);
  log.info({ version: options.version, port: server?.port }, "started");
  await until(() => caches.synced && flux.known, clock, signal);

  await leadOrRun({
    api, clock, log, random, signal, lease: options.lease, identity: `${hostname()}_${randomUUID()}`,
    start: ({ mayWrite }) => {
      const memory = new FleetMemory();
      const context: FleetContext = {
        api, caches, lookup, flux, members, clock, log, mayWrite, memory,
        loadTesterImage: options.loadTesterImage,
        chartRepository: options.chartRepository,
        connect: (ref) => connectMember({ api, caches, lookup, members }, ref),
      };
      controller = new FleetController(context);
      recorder.leading(true);
      controller.start();
    },
    stop: async () => {
      const stopping = controller;
      controller = undefined;
      recorder.leading(false);
      await stopping?.stop();
      members.stop();
    },
  });
  members.stop();
  await server?.close();
  await watching;
  log.info({}, "stopped");
}

/** Begins to watch what the fleet makes for Flux when Flux is there. */
function followFlux({ transport, clock, random, log, namespaces, signal }: FleetOptions, observe: (verb: string, resource: string, status: number) => void, controller: () => FleetController | undefined): FluxView {
  let served = new Map<FluxKind, Resource>();
  const view: FluxView = { known: false, version: (kind) => served.get(kind), caches: undefined, plugins: undefined };
  let ended = new AbortController();
  let cancel = (): void => undefined;
  signal.addEventListener("abort", () => {
    cancel();
    ended.abort();
  }, { once: true });
  const look = async (): Promise<void> => {
    const found = await servedFluxKinds(transport, signal);
    if (signal.aborted) return;
    if (found !== undefined && found.size > served.size) {
      served = found;
      ended.abort();
      ended = new AbortController();
      setMaxListeners(0, ended.signal);
      const set = (kinds: readonly FluxKind[], labelSelector: string, onChange: (object: KubeObject) => void): CacheSet => {
        const resources = kinds.flatMap((kind) => served.get(kind) ?? []);
        const made = new CacheSet({ transport, clock, random, log, namespaces, observe }, resources.map((resource) => ({ resource, labelSelector })), (_resource, before, after) => {
          const object = after ?? before;
          if (object !== undefined) onChange(object);
        });
        void made.run(ended.signal);
        return made;
      };
      const caches = set(FLUX_KINDS.map(({ kind }) => kind), APP_LABEL, (object) => controller()?.syncChanged(object));
      const plugins = set(["HelmRepository", "HelmRelease"], FLEET_LABEL, () => controller()?.everything());
      await until(() => caches.synced && plugins.synced, clock, ended.signal);
      view.caches = caches;
      view.plugins = plugins;
      log.info({ kinds: [...served.keys()] }, "Flux is there");
      controller()?.everything();
    }
    view.known ||= found !== undefined;
    if (served.size === FLUX_KINDS.length) return;
    cancel = clock.after(found === undefined ? FLUX_RETRY_MS : FLUX_LOOK_MS, () => void look());
  };
  void look();
  return view;
}

function metadataOf({ apiVersion, kind, metadata: { name, namespace, uid, resourceVersion } }: KubeObject): KubeObject {
  return { apiVersion, kind, metadata: { name, namespace, uid, resourceVersion } };
}

function memberStates(members: Members): Map<string, number> {
  const states = new Map<string, number>([["Ready", 0]]);
  for (const key of members.keys()) {
    const state = members.trouble(key)?.reason ?? "Ready";
    states.set(state, (states.get(state) ?? 0) + 1);
  }
  return states;
}
