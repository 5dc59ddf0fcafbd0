// Are the objects for Flux those that Kurator makes, in the versions that the host serves, and do they leave a rollout alone?
import { describe, expect, test } from "@jest/globals";
import type { Application } from "../../../crds/application.ts";
import { FLUX_KINDS, readiness, renderSource, renderSync, unfitSync, type FluxVersions } from "../../../fleet/flux.ts";
import { renderPlugin } from "../../../fleet/plugin.ts";

/** The version at the given place of each kind's list. */
const served = (place: number): FluxVersions => (kind) => {
  const known = FLUX_KINDS.find((one) => one.kind === kind);
  const version = known?.versions[Math.min(place, known.versions.length - 1)];
  return known === undefined || version === undefined ? undefined : { group: known.group, version, plural: known.plural, kind };
};
const newest = served(0);

function application(source: object, policy: object): Application {
  return { apiVersion: "apps.kurator.dev/v1alpha1", kind: "Application", metadata: { name: "shop", namespace: "fleet", uid: "u1" }, spec: { source, syncPolicies: [policy] }, status: {} } as unknown as Application;
}

const git = { gitRepository: { url: "https://git.test/app", interval: "3m0s", gitImplementation: "go-git", secretRef: { name: "git" } } };
const helmRepository = { helmRepository: { url: "https://charts.test", interval: "5m" } };
const rollout = { trafficRoutingProvider: "istio", workload: { name: "backend", namespace: "webapp" }, serviceName: "front", port: 80, rolloutPolicy: {} };

function sync(source: object, policy: object, { rolledOut = false, versions = newest } = {}): { apiVersion: string; kind: string; spec: Record<string, unknown> } | undefined {
  const one = application(source, policy);
  const [first] = one.spec.syncPolicies;
  if (first === undefined) throw new Error("no policy");
  return renderSync({ application: one, policy: first, index: 0, name: "shop-0-attachedcluster-a", cluster: "AttachedCluster/fleet/a", kubeconfig: { name: "a", key: "value" }, rolledOut }, versions)?.object as never;
}

describe("sources", () => {
  test("carry their section whole, but for what the version does not know", () => {
    expect(renderSource(application(git, {}), newest)?.object).toEqual({
      apiVersion: "source.toolkit.fluxcd.io/v1",
      kind: "GitRepository",
      metadata: { name: "shop", namespace: "fleet", labels: { "apps.kurator.dev/app-name": "shop", "apps.kurator.dev/app-namespace": "fleet" }, ownerReferences: [{ apiVersion: "apps.kurator.dev/v1alpha1", kind: "Application", name: "shop", uid: "u1" }] },
      spec: { url: "https://git.test/app", interval: "3m0s", secretRef: { name: "git" } },
    });
    expect(renderSource(application(git, {}), served(1))?.object).toMatchObject({ apiVersion: "source.toolkit.fluxcd.io/v1beta2", spec: { gitImplementation: "go-git" } });
  });

  test("with several the first of git, helm and oci counts; with none, or without Flux, there is none", () => {
    expect(renderSource(application({ ...helmRepository, ...git }, {}), newest)?.object.kind).toBe("GitRepository");
    expect(renderSource(application({}, {}), newest)).toBeUndefined();
    expect(renderSource(application(git, {}), () => undefined)).toBeUndefined();
  });
});

describe("what is synced", () => {
  const kustomization = { interval: "0s", prune: true, path: "./deploy", postBuild: { substitute: { a: "b" } } };

  test("a Kustomization has its section, the source and the way to the member", () => {
    expect(sync(git, { kustomization, rollout })).toMatchObject({ apiVersion: "kustomize.toolkit.fluxcd.io/v1", kind: "Kustomization", spec: { ...kustomization, sourceRef: { kind: "GitRepository", name: "shop" }, kubeConfig: { secretRef: { name: "a", key: "value" } } } });
    expect(sync(git, { kustomization, rollout })?.spec).not.toHaveProperty("patches");
  });

  test("once the engine has the workload, its replicas and the Service's selector are left out, after the user's own patches", () => {
    const mine = { patch: "x", target: { kind: "Deployment" } };
    expect(sync(git, { kustomization: { ...kustomization, patches: [mine] }, rollout }, { rolledOut: true })?.spec.patches).toEqual([
      mine,
      { patch: "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: backend\nspec:\n  replicas: null\n", target: { kind: "Deployment", name: "backend" } },
      { patch: "apiVersion: v1\nkind: Service\nmetadata:\n  name: front\nspec:\n  selector: null\n", target: { kind: "Service", name: "front" } },
    ]);
  });

  test("a HelmRelease has its chart from the source; from an OCI source by reference", () => {
    const helm = { interval: "5m", chart: { spec: { chart: "app", version: "1.x" } }, values: { a: 1 } };
    expect(sync(helmRepository, { helm })).toMatchObject({ apiVersion: "helm.toolkit.fluxcd.io/v2", spec: { interval: "5m", values: { a: 1 }, chart: { spec: { chart: "app", version: "1.x", sourceRef: { kind: "HelmRepository", name: "shop" } } } } });
    const oci = sync({ ociRepository: { url: "oci://x/y", interval: "5m" } }, { helm });
    expect(oci?.spec).toMatchObject({ chartRef: { kind: "OCIRepository", name: "shop" } });
    expect(oci?.spec).not.toHaveProperty("chart");
  });

  test.each([
    ["a Kustomization of charts", helmRepository, { kustomization }, newest, "cannot come from a HelmRepository"],
    ["nothing to come from", {}, { kustomization }, newest, "has no source"],
    ["an OCI chart for an old Flux", { ociRepository: { url: "oci://x/y", interval: "5m" } }, { helm: { interval: "5m", chart: { spec: { chart: "x" } } } }, served(2), "cannot come from an ociRepository"],
  ] as const)("%s is refused", (_what, source, policy, versions, said) => {
    const one = application(source, policy);
    expect(unfitSync(one, one.spec.syncPolicies[0] as never, 0, versions)?.message).toContain(said);
  });
});

test("Flux is through when its Ready is about what it was given", () => {
  const object = (status: object): never => ({ apiVersion: "x/v1", kind: "X", metadata: { name: "x", generation: 2 }, status }) as never;
  expect(readiness(object({ observedGeneration: 2, conditions: [{ type: "Ready", status: "True", message: "ok" }] }))).toEqual({ ready: true, message: "ok" });
  expect(readiness(object({ observedGeneration: 1, conditions: [{ type: "Ready", status: "True", message: "ok" }] }))?.ready).toBe(false);
  expect(readiness(object({}))).toBeUndefined();
});

test("the Rollout plugin is a HelmRelease for each member, and one of the load tester where it is asked for", () => {
  const fleet = { apiVersion: "fleet.kurator.dev/v1alpha1", kind: "Fleet", metadata: { name: "quickstart", namespace: "fleet", uid: "u2" } };
  const members = [{ ref: { kind: "AttachedCluster", name: "member1", namespace: "fleet", labels: {} }, kubeconfig: { name: "s", key: "k" } }];
  const made = renderPlugin({ fleet, plugin: { trafficRoutingProvider: "istio", publicTestloader: true, extraArgs: { logLevel: "debug" } }, repository: "oci://charts.test", members }, newest).map(({ object }) => object);
  expect(made.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual(["HelmRepository quickstart-rollout", "HelmRelease rollout-member1", "HelmRelease testloader-member1"]);
  expect(made[0]?.spec).toMatchObject({ type: "oci", url: "oci://charts.test" });
  expect(made[1]?.spec).toMatchObject({ releaseName: "kurator-rollout", targetNamespace: "istio-system", chart: { spec: { chart: "kurator-rollout" } }, values: { logLevel: "debug" }, kubeConfig: { secretRef: { name: "s", key: "k" } } });
  expect(made[2]?.spec).toMatchObject({ releaseName: "testloader", values: { fullnameOverride: "testloader" } });
  expect(renderPlugin({ fleet, plugin: { trafficRoutingProvider: "istio" }, repository: "oci://x", members }, () => undefined)).toEqual([]);
});

test.each([
  ["nginx", "ingress-nginx", "http://prometheus-server.ingress-nginx:9090"],
  ["kuma", "kuma-system", "http://prometheus-server.mesh-observability:80"],
] as const)("for %s the plugin puts the engine into %s and tells it what leads there, unless the Fleet says otherwise", (trafficRoutingProvider, namespace, metricsServer) => {
  const fleet = { apiVersion: "fleet.kurator.dev/v1alpha1", kind: "Fleet", metadata: { name: "quickstart", namespace: "fleet", uid: "u2" } };
  const members = [{ ref: { kind: "AttachedCluster", name: "member1", namespace: "fleet", labels: {} }, kubeconfig: { name: "s", key: "k" } }];
  const specs = (extraArgs?: object) => renderPlugin({ fleet, plugin: { trafficRoutingProvider, publicTestloader: true, extraArgs: extraArgs as never }, repository: "oci://charts.test", members }, newest).map(({ object }) => object.spec);
  const [, engine, loadTester] = specs();
  expect(engine).toMatchObject({ targetNamespace: namespace, values: { meshProvider: trafficRoutingProvider, metricsServer } });
  // Where the address of the hooks leads.
  expect(loadTester).toMatchObject({ targetNamespace: namespace, releaseName: "testloader" });
  expect(specs({ metricsServer: "http://mine:9090" })[1]).toMatchObject({ values: { meshProvider: trafficRoutingProvider, metricsServer: "http://mine:9090" } });
});
