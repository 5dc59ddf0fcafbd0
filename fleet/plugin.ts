// Which objects put the engine, and a load tester where one is asked for, into the members of a Fleet? Pure: HelmReleases for Flux.
import { FLEET, type RolloutPlugin, type SecretKey } from "../crds/fleet.ts";
import { defined } from "../crds/json.ts";
import type { KubeObject } from "../engine/ports.ts";
import type { ClusterRef } from "./clusters.ts";
import type { FluxObject, FluxVersions } from "./flux.ts";
import { PROVIDER_NAMESPACES, PUBLIC_NAME } from "./loadtester.ts";
import { fitted } from "./names.ts";

/** Label on what is made for a Fleet: its name. */
export const FLEET_LABEL = "fleet.kurator.dev/name";
const PLUGIN_LABEL = "fleet.kurator.dev/plugin";
const PLUGIN = "rollout";

/** Values of the engine's chart whose defaults are for Istio: the router of Canaries that name none, and where each product's own guide puts Prometheus. */
const PROVIDER_VALUES: Readonly<Record<RolloutPlugin["trafficRoutingProvider"], object | undefined>> = {
  istio: undefined,
  kuma: { meshProvider: "kuma", metricsServer: "http://prometheus-server.mesh-observability:80" },
  nginx: { meshProvider: "nginx", metricsServer: "http://prometheus-server.ingress-nginx:9090" },
};

const ENGINE_CHART = "kurator-rollout";
const LOADTESTER_CHART = "loadtester";

export interface PluginInput {
  fleet: KubeObject;
  plugin: RolloutPlugin;
  repository: string;
  members: readonly { ref: ClusterRef; kubeconfig: SecretKey }[];
}

export function renderPlugin({ fleet, plugin, repository, members }: PluginInput, versions: FluxVersions): FluxObject[] {
  const [repositories, releases] = [versions("HelmRepository"), versions("HelmRelease")];
  if (repositories === undefined || releases === undefined) return [];
  const namespace = PROVIDER_NAMESPACES[plugin.trafficRoutingProvider] ?? "";
  const source = fitted(`${fleet.metadata.name}-${PLUGIN}`);
  const made = (kind: typeof repositories, name: string, spec: object): FluxObject => ({ resource: kind, object: marked(fleet, { apiVersion: `${kind.group}/${kind.version}`, kind: kind.kind, metadata: { name, namespace: fleet.metadata.namespace }, spec }) });
  const release = (name: string, kubeconfig: SecretKey, chart: object, releaseName: string, values: object | undefined): FluxObject =>
    made(releases, name, defined({
      interval: "5m",
      timeout: "15m",
      releaseName,
      targetNamespace: namespace,
      storageNamespace: namespace,
      chart: { spec: { ...chart, sourceRef: { kind: "HelmRepository", name: source } } },
      install: { createNamespace: true },
      kubeConfig: { secretRef: { name: kubeconfig.name, key: kubeconfig.key } },
      values,
    }));
  const told = PROVIDER_VALUES[plugin.trafficRoutingProvider];
  const values = told === undefined ? plugin.extraArgs : { ...told, ...plugin.extraArgs };
  const { name: chart = ENGINE_CHART, version } = plugin.chart ?? {};
  return [
    made(repositories, source, defined({ type: repository.startsWith("oci://") ? "oci" : undefined, url: repository, interval: "10m" })),
    ...members.flatMap(({ ref, kubeconfig }) => [
      release(fitted(`${PLUGIN}-${ref.name}`), kubeconfig, defined({ chart, version }), ENGINE_CHART, values),
      ...(plugin.publicTestloader === true ? [release(fitted(`testloader-${ref.name}`), kubeconfig, defined({ chart: LOADTESTER_CHART, version }), PUBLIC_NAME, { fullnameOverride: PUBLIC_NAME })] : []),
    ]),
  ];
}

function marked({ metadata }: KubeObject, object: KubeObject): KubeObject {
  const owner = { apiVersion: `${FLEET.group}/${FLEET.version}`, kind: "Fleet", name: metadata.name, uid: metadata.uid ?? "" };
  return { ...object, metadata: { ...object.metadata, labels: { [FLEET_LABEL]: metadata.name.slice(0, 63), [PLUGIN_LABEL]: PLUGIN }, ownerReferences: [owner] } };
}
