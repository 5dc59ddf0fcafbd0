// Services: clients must not be cut off when one is taken over, and it must be possible to give it back.
import { describe, expect, test } from "@jest/globals";
import type { CanarySpec } from "../../../crds/canary.ts";
import { list } from "../../../crds/json.ts";
import { EPOCH, ORIGIN, ORIGINAL_SPEC } from "../../../crds/marks.ts";
import type { KubeObject } from "../../../engine/ports.ts";
import { checkService, renderService, restoreService, type ServiceIntent } from "../../../engine/workload/service.ts";
import { specOf, template } from "./objects.ts";

type Spec = NonNullable<CanarySpec["service"]>;

const label = { key: "app", value: "podinfo" };

function intent(service: Partial<Spec> = {}, over: Partial<ServiceIntent> = {}): ServiceIntent {
  const owner = { apiVersion: "flagger.app/v1beta1", name: "podinfo", uid: "c1" };
  return { namespace: "test", apex: "podinfo", service: { port: 80, targetPort: 9898, ...service }, owner, label, template: template(), ...over };
}

function users(spec: object = {}, metadata: object = {}): KubeObject {
  const ports = [{ name: "http", protocol: "TCP", port: 80, targetPort: 9898, nodePort: 30080 }];
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "podinfo", namespace: "test", uid: "s1", labels: { theirs: "yes" }, ...metadata },
    spec: { type: "NodePort", clusterIP: "10.0.0.7", sessionAffinity: "ClientIP", selector: { app: "podinfo", tier: "front" }, ports, ...spec },
  };
}

function portsOf(service: Partial<Spec>, containers: object[], found?: KubeObject): unknown[] {
  return list(specOf(renderService(intent(service, { template: template({ containers }) }), "canary", found)).ports);
}

describe("renderService", () => {
  test.each([
    ["apex", "podinfo", "podinfo-primary"],
    ["primary", "podinfo-primary", "podinfo-primary"],
    ["canary", "podinfo-canary", "podinfo"],
  ] as const)("the %s Service", (role, name, app) => {
    const service = renderService(intent(), role, undefined);
    expect(service).toEqual({
      apiVersion: "v1",
      kind: "Service",
      metadata: {
        name,
        namespace: "test",
        labels: { app: name },
        annotations: { "kustomize.toolkit.fluxcd.io/reconcile": "disabled", "helm.toolkit.fluxcd.io/driftDetection": "disabled", [ORIGIN]: "created" },
      },
      spec: { type: "ClusterIP", selector: { app }, ports: [{ name: "http", protocol: "TCP", port: 80, targetPort: 9898 }] },
    });
  });

  test("the apex leads to the target where it is asked to, and no other role does", () => {
    expect(specOf(renderService(intent(), "apex", undefined, "target")).selector).toEqual({ app: "podinfo" });
    expect(specOf(renderService(intent(), "primary", undefined, "target")).selector).toEqual({ app: "podinfo-primary" });
  });

  test("takes what the Canary says of ports, metadata and kind", () => {
    const service: Partial<Spec> = {
      portName: "grpc",
      appProtocol: "grpc",
      targetPort: "api",
      headless: true,
      trafficDistribution: "PreferClose",
      canary: { labels: { a: "1" }, annotations: { b: "2" } },
    };
    const rendered = renderService(intent(service), "canary", undefined);
    expect(rendered.metadata.labels).toEqual({ a: "1", app: "podinfo-canary" });
    expect(rendered.metadata.annotations).toMatchObject({ b: "2" });
    expect(specOf(rendered)).toMatchObject({ clusterIP: "None", trafficDistribution: "PreferClose", ports: [{ name: "grpc", appProtocol: "grpc", port: 80, targetPort: "api" }] });
    expect(renderService(intent(service), "primary", undefined).metadata.labels).toEqual({ app: "podinfo-primary" });
  });

  test.each([[undefined], [0], ["0"]])("targetPort %p means the port itself", (targetPort) => {
    expect(portsOf({ targetPort }, [])).toMatchObject([{ port: 80, targetPort: 80 }]);
  });

  test("rendered again, with what the API server added, is the same", () => {
    const once = renderService(intent(), "apex", undefined);
    const live = { ...once, metadata: { ...once.metadata, uid: "s1", annotations: { ...once.metadata.annotations, [EPOCH]: "4" } }, spec: { ...specOf(once), clusterIP: "10.0.0.9", sessionAffinity: "None" } };
    expect(renderService(intent(), "apex", live)).toEqual(live);
  });
});

describe("port discovery", () => {
  const containers = [
    { name: "podinfo", ports: [{ name: "http", containerPort: 9898 }, { name: "metrics", containerPort: 9797 }, { containerPort: 9999 }] },
    { name: "dns", ports: [{ name: "dns", containerPort: 53, protocol: "UDP" }] },
    { name: "istio-proxy", ports: [{ name: "http-envoy-prom", containerPort: 15090 }] },
  ];
  const others = [
    { name: "metrics", protocol: "TCP", port: 9797, targetPort: 9797 },
    { name: "tcp-podinfo-2", protocol: "TCP", port: 9999, targetPort: 9999 },
    { name: "dns", protocol: "UDP", port: 53, targetPort: 53 },
  ];

  test.each([
    ["the number", { port: 80, targetPort: 9898 }],
    ["the name", { port: 80, targetPort: "http" }],
    ["the port itself", { port: 9898, targetPort: undefined }],
  ])("adds every port but the main one, known by %s, and none of a mesh's sidecar", (_by, service) => {
    expect(portsOf({ ...service, portDiscovery: true }, containers).slice(1)).toEqual(others);
    expect(portsOf(service, containers)).toHaveLength(1);
  });

  test("gives no name and no number twice", () => {
    const twice = [{ name: "a", ports: [{ name: "http", containerPort: 1 }, { name: "x", containerPort: 2 }] }, { name: "b", ports: [{ name: "x", containerPort: 3 }, { name: "y", containerPort: 2 }] }];
    expect(portsOf({ portDiscovery: true }, twice).slice(1)).toMatchObject([{ name: "tcp-1", port: 1 }, { name: "x", port: 2 }, { name: "tcp-3", port: 3 }]);
  });
});

describe("a Service that somebody else made", () => {
  test("is given only selector and ports", () => {
    const adopted = renderService(intent({ apex: { labels: { ours: "no" } } }), "apex", users());
    expect(adopted.metadata.labels).toEqual({ theirs: "yes" });
    expect(adopted.metadata.annotations).toMatchObject({ [ORIGIN]: "adopted" });
    expect(adopted.metadata.annotations).not.toHaveProperty(["kustomize.toolkit.fluxcd.io/reconcile"]);
    expect(adopted.spec).toEqual({ ...specOf(users()), selector: { app: "podinfo-primary" } });
  });

  test("keeps a nodePort whose port was called something else, a protocol hint, and ports the Canary knows nothing of", () => {
    const ports = [
      { protocol: "TCP", port: 80, targetPort: 9898, nodePort: 30080, appProtocol: "http2" },
      { name: "metrics", protocol: "TCP", port: 9797, targetPort: 9797, nodePort: 30081 },
    ];
    const adopted = renderService(intent(), "apex", users({ ports }));
    expect(specOf(adopted).ports).toEqual([{ name: "http", ...ports[0] }, ports[1]]);
    expect(renderService(intent(), "apex", adopted)).toEqual(adopted);
  });

  test("has its first spec on record, whatever is rendered later", () => {
    const first = renderService(intent(), "apex", users());
    const later = renderService(intent({ port: 8080 }), "apex", { ...first, spec: { ...specOf(first), selector: { app: "fight" } } });
    expect(later.metadata.annotations?.[ORIGINAL_SPEC]).toBe(first.metadata.annotations?.[ORIGINAL_SPEC]);
    expect(specOf(later).ports).toMatchObject([{ port: 8080 }]);
  });

  test("is given back as it was", () => {
    const original = users({ ports: [{ port: 80, targetPort: 9898, protocol: "TCP" }, { name: "b", port: 81, targetPort: 81, protocol: "TCP" }] }, { annotations: { theirs: "too" } });
    const adopted = renderService(intent(), "apex", original);
    const stamped = { ...adopted, metadata: { ...adopted.metadata, labels: { ...adopted.metadata.labels, "rollout.kurator.dev/canary": "podinfo" } } };
    expect(restoreService(stamped, "c1", label)).toEqual({ kind: "restored", object: original });
  });

  test("is led back to the target when the record was destroyed", () => {
    const adopted = renderService(intent(), "apex", users());
    const mangled = { ...adopted, metadata: { ...adopted.metadata, annotations: { ...adopted.metadata.annotations, [ORIGINAL_SPEC]: "{" } } };
    expect(specOf(restoreService(mangled, "c1", label)?.object)).toMatchObject({ selector: { app: "podinfo" }, ports: [{ port: 80 }] });
  });

  test.each([
    [undefined, { app: "podinfo" }],
    [JSON.stringify({ spec: { selector: { app: "podinfo", tier: "front" } } }), { app: "podinfo", tier: "front" }],
    [JSON.stringify({ spec: { selector: { app: "podinfo-primary" } } }), { app: "podinfo" }],
    ["{", { app: "podinfo" }],
  ])("and that Flagger took over before is on record as applied by its owner: %p", (applied, selector) => {
    const annotations: Record<string, string> = applied === undefined ? {} : { "kubectl.kubernetes.io/last-applied-configuration": applied };
    const adopted = renderService(intent(), "apex", users({ selector: { app: "podinfo-primary" } }, { annotations }));
    expect(specOf(restoreService(adopted, "c1", label)?.object).selector).toEqual(selector);
  });
});

describe("restoreService", () => {
  test("deletes what the engine made, also before its marks, and leaves alone what is not its own", () => {
    const created = renderService(intent(), "canary", undefined);
    const flaggers = users({}, { ownerReferences: [{ apiVersion: "flagger.app/v1beta1", kind: "Canary", name: "podinfo", uid: "c1", controller: true }] });
    expect(restoreService(created, "c1", label)).toEqual({ kind: "deleted", object: created });
    expect(restoreService(flaggers, "c1", label)?.kind).toBe("deleted");
    expect(restoreService(users(), "c1", label)).toBeUndefined();
  });
});

describe("checkService", () => {
  test.each([
    ["nothing is there", undefined, []],
    ["it selects the target", users(), []],
    ["it selects the primary", users({ selector: { app: "podinfo-primary" } }), []],
    ["it was made by the engine and mangled since", { ...renderService(intent(), "apex", undefined), spec: { selector: { app: "other" } } }, []],
    ["it selects another app", users({ selector: { app: "other" } }), ["NameTaken"]],
    ["it selects fewer pods than the app's", users({ selector: { app: "podinfo", release: "b" } }), ["NameTaken"]],
    ["it selects nothing", users({ selector: undefined }), ["NameTaken"]],
    ["another Canary controls it", users({}, { ownerReferences: [{ apiVersion: "flagger.app/v1beta1", kind: "Canary", name: "b", uid: "c2", controller: true }] }), ["ForeignController"]],
  ])("when %s", (_when, found, reasons) => {
    const problems = checkService(intent(), "apex", found);
    expect(problems.map((problem) => problem.reason)).toEqual(reasons);
    for (const problem of problems) expect(problem.path).toBe("spec.service.name");
  });
});
