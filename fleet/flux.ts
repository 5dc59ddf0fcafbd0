// Which objects does Flux need, so that it brings an app to the clusters? Pure: the Application's own sections, with the source, the kubeconfig and, where a
// rollout is under way, patches that leave to the engine what is the engine's. Versions are those that the host serves.
import type { Application, SyncPolicy } from "../crds/application.ts";
import type { SecretKey } from "../crds/fleet.ts";
import { defined, isMap, list, map, without, type Json } from "../crds/json.ts";
import type { KubeObject, Resource } from "../engine/ports.ts";
import { APPLICATION } from "../crds/application.ts";
import { CLUSTER_KEY, labelsOf, type AppName } from "./marks.ts";
import type { FleetProblem } from "./problem.ts";

export type SourceKind = "GitRepository" | "HelmRepository" | "OCIRepository";
export type FluxKind = SourceKind | "Kustomization" | "HelmRelease";

export interface FluxKindInfo {
  kind: FluxKind;
  group: string;
  plural: string;
  /** Newest first; all that are known to be written alike. */
  versions: readonly string[];
}

export const FLUX_KINDS: readonly FluxKindInfo[] = [
  { kind: "GitRepository", group: "source.toolkit.fluxcd.io", plural: "gitrepositories", versions: ["v1", "v1beta2"] },
  { kind: "HelmRepository", group: "source.toolkit.fluxcd.io", plural: "helmrepositories", versions: ["v1", "v1beta2"] },
  { kind: "OCIRepository", group: "source.toolkit.fluxcd.io", plural: "ocirepositories", versions: ["v1", "v1beta2"] },
  { kind: "Kustomization", group: "kustomize.toolkit.fluxcd.io", plural: "kustomizations", versions: ["v1", "v1beta2"] },
  { kind: "HelmRelease", group: "helm.toolkit.fluxcd.io", plural: "helmreleases", versions: ["v2", "v2beta2", "v2beta1"] },
];

/** The version in which the host serves the kind; undefined where it does not. */
export type FluxVersions = (kind: FluxKind) => Resource | undefined;

export interface FluxObject {
  resource: Resource;
  object: KubeObject;
}

export interface SyncInput {
  application: Application;
  policy: SyncPolicy;
  index: number;
  /** Of the object. */
  name: string;
  /** Key of the member, by which its objects are found again when it leaves. */
  cluster: string;
  kubeconfig: SecretKey | undefined;
  /** The engine of that member has taken the workload over. */
  rolledOut: boolean;
}

/** The sections of `spec.source` in their order of preference, and what is in `status.sourceStatus` of each. */
export const SOURCES = [
  { section: "gitRepository", kind: "GitRepository", status: "gitRepoStatus" },
  { section: "helmRepository", kind: "HelmRepository", status: "helmRepoStatus" },
  { section: "ociRepository", kind: "OCIRepository", status: "ociRepoStatus" },
] as const;

export function sourceKind({ spec: { source } }: Application): SourceKind | undefined {
  return SOURCES.find(({ section }) => source[section] !== undefined)?.kind;
}

export function renderSource(application: Application, versions: FluxVersions): FluxObject | undefined {
  const known = SOURCES.find(({ section }) => application.spec.source[section] !== undefined);
  const resource = known === undefined ? undefined : versions(known.kind);
  if (known === undefined || resource === undefined) return undefined;
  const said = map(application.spec.source[known.section]);
  // Only the beta version knows it.
  const spec = resource.version === "v1" ? without(said, ["gitImplementation"]) : said;
  return { resource, object: owned(application, resource, application.metadata.name, spec) };
}

/** What pairs of source and policy no Flux can do, so that the user hears of it here and not from a refusal. */
export function unfitSync(application: Application, policy: SyncPolicy, index: number, versions: FluxVersions): FleetProblem | undefined {
  const source = sourceKind(application);
  const section = policy.kustomization !== undefined ? "kustomization" : policy.helm !== undefined ? "helm" : undefined;
  if (section === undefined) return undefined;
  const path = `spec.syncPolicies[${index}].${section}`;
  if (source === undefined) return { reason: "InvalidSpec", path, message: "has no source; give spec.source one of gitRepository, helmRepository and ociRepository" };
  if (section === "kustomization" && source === "HelmRepository") return { reason: "InvalidSpec", path, message: "cannot come from a HelmRepository, which holds charts; use gitRepository or ociRepository, or a helm section" };
  if (section === "helm" && source === "OCIRepository" && versions("HelmRelease")?.version !== "v2") return { reason: "Unsupported", path, message: "cannot come from an ociRepository with this version of Flux; use helmRepository with type: oci" };
  return undefined;
}

export function renderSync(input: SyncInput, versions: FluxVersions): FluxObject | undefined {
  const { application, policy, name } = input;
  const kind: FluxKind | undefined = policy.kustomization !== undefined ? "Kustomization" : policy.helm !== undefined ? "HelmRelease" : undefined;
  const resource = kind === undefined ? undefined : versions(kind);
  const source = sourceKind(application);
  if (resource === undefined || source === undefined) return undefined;
  const object = owned(application, resource, name, kind === "Kustomization" ? kustomization(input, source) : helmRelease(input, source));
  return { resource, object: { ...object, metadata: { ...object.metadata, annotations: { [CLUSTER_KEY]: input.cluster } } } };
}

function kustomization({ application, policy, kubeconfig, rolledOut }: SyncInput, source: SourceKind): Json {
  const said = map(policy.kustomization);
  const patches = [...list(said.patches), ...(rolledOut ? handsOff(policy) : [])];
  return defined({ ...said, patches: patches.length === 0 ? undefined : patches, sourceRef: { kind: source, name: application.metadata.name }, kubeConfig: kubeConfig(kubeconfig) });
}

function helmRelease({ application, policy, kubeconfig }: SyncInput, source: SourceKind): Json {
  const said = map(policy.helm);
  const base = { ...said, kubeConfig: kubeConfig(kubeconfig) };
  const sourceRef = { kind: source, name: application.metadata.name };
  if (source === "OCIRepository") return defined({ ...without(base, ["chart"]), chartRef: sourceRef });
  const chart = map(said.chart);
  return defined({ ...base, chart: { ...chart, spec: { ...map(chart.spec), sourceRef } } });
}

function kubeConfig(secret: SecretKey | undefined): Json | undefined {
  return secret === undefined ? undefined : { secretRef: { name: secret.name, key: secret.key } };
}

/**
 * Replicas of the target and the selector of its Service are the engine's once it has taken them over, and a sync that set them would lead users to no
 * pods. Left out of the manifests, they stay as they are, because whoever wrote a field last owns it. Before, they have to be there: the primary gets as
 * many replicas as the target was given.
 */
function handsOff({ rollout }: SyncPolicy): Json[] {
  if (rollout === undefined) return [];
  const { workload, serviceName } = rollout;
  const patch = (apiVersion: string, kind: string, name: string, field: string): Json => ({
    patch: `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata:\n  name: ${name}\nspec:\n  ${field}: null\n`,
    target: { kind, name },
  });
  const kind = workload.kind ?? "Deployment";
  return [...(kind === "Deployment" ? [patch(workload.apiVersion ?? "apps/v1", kind, workload.name, "replicas")] : []), patch("v1", "Service", serviceName, "selector")];
}

function owned({ metadata }: Application, { group, version, kind }: Resource, name: string, spec: Json): KubeObject {
  const app: AppName = { namespace: metadata.namespace ?? "", name: metadata.name };
  const owner = { apiVersion: `${APPLICATION.group}/${APPLICATION.version}`, kind: "Application", name: metadata.name, uid: metadata.uid ?? "" };
  return { apiVersion: `${group}/${version}`, kind, metadata: { name, namespace: app.namespace, labels: labelsOf(app), ownerReferences: [owner] }, spec };
}

/** Whether Flux is through with what it was given; undefined where it says nothing. */
export function readiness(object: KubeObject): { ready: boolean; message: string } | undefined {
  const { generation } = object.metadata;
  const status = map(object.status);
  const condition = list(status.conditions).map(map).find(({ type }) => type === "Ready");
  if (!isMap(object.status) || condition === undefined) return undefined;
  const current = generation === undefined || status.observedGeneration === undefined || Number(status.observedGeneration) >= generation;
  return { ready: current && condition.status === "True", message: String(condition.message ?? condition.reason ?? "") };
}
