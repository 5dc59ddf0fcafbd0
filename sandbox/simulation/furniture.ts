// What the simulated lives and the tests are furnished with: an app, its Service, its user's route and its Canary.
import type { Resource } from "../../engine/ports.ts";
import type { KubeObject } from "../api/types.ts";
import type { Scene } from "./scene.ts";

export function deploymentOf(tag: string, replicas = 2): KubeObject {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "app", namespace: "test" },
    spec: {
      replicas,
      progressDeadlineSeconds: 30,
      strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      selector: { matchLabels: { app: "app" } },
      template: { metadata: { labels: { app: "app" } }, spec: { terminationGracePeriodSeconds: 5, containers: [{ name: "app", image: `sandbox/app:${tag}`, ports: [{ containerPort: 8080 }] }] } },
    },
  };
}

export function canaryOf(spec: object = {}): KubeObject {
  return {
    apiVersion: "rollout.kurator.dev/v1alpha1",
    kind: "Canary",
    metadata: { name: "app", namespace: "test" },
    spec: {
      targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "app" },
      progressDeadlineSeconds: 40,
      drainSeconds: 3,
      service: { port: 8080, gateways: ["istio-system/public-gateway"], hosts: ["app.test"] },
      analysis: {
        interval: "5s",
        threshold: 2,
        maxWeight: 60,
        stepWeight: 20,
        metrics: [
          { name: "request-success-rate", interval: "20s", thresholdRange: { min: 99 } },
          { name: "request-duration", interval: "20s", thresholdRange: { max: 500 } },
        ],
      },
      ...spec,
    },
  };
}

export function virtualServiceOf(): KubeObject {
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: { name: "app", namespace: "test" },
    spec: { hosts: ["app.test"], gateways: ["istio-system/public-gateway"], http: [{ route: [{ destination: { host: "app" } }] }] },
  };
}

/** The app and the route that its user made, before any Canary. */
export async function furnish(scene: Scene, tag: string, envFrom: object[] = []): Promise<void> {
  const deployment = deploymentOf(tag);
  for (const container of (deployment.spec as { template: { spec: { containers: object[] } } }).template.spec.containers) Object.assign(container, { envFrom });
  scene.store.create("deployments.apps", deployment);
  scene.store.create("services", { apiVersion: "v1", kind: "Service", metadata: { name: "app", namespace: "test" }, spec: { selector: { app: "app" }, ports: [{ name: "http", port: 8080 }] } });
  scene.store.create("virtualservices.networking.istio.io", virtualServiceOf());
  await scene.advance(3_000, false);
}

export function setImage(scene: Scene, tag: string): void {
  change(scene, "deployments.apps", (object) => {
    const { template } = object.spec as { template: { spec: { containers: { image: string }[] } } };
    for (const container of template.spec.containers) container.image = `sandbox/app:${tag}`;
  });
}

/** As a person does with an editor; nothing happens where there is no such object. */
export function change(scene: Scene, resource: string, edit: (object: KubeObject) => void, name = "app"): void {
  const found = scene.store.get(resource, "test", name);
  if (found === undefined) return;
  const copy = structuredClone(found);
  edit(copy);
  scene.store.update(resource, copy);
}

/** As the product's CRDs would, but for their rules. */
export function serve(scene: Pick<Scene, "store">, { group, version, plural, kind }: Resource): void {
  const schema = { openAPIV3Schema: { type: "object", properties: { spec: { type: "object", "x-kubernetes-preserve-unknown-fields": true } } } };
  scene.store.create("customresourcedefinitions.apiextensions.k8s.io", {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}`, annotations: { "api-approved.kubernetes.io": "https://github.com/kubernetes/kubernetes" } },
    spec: { group, scope: "Namespaced", names: { plural, singular: kind.toLowerCase(), kind, listKind: `${kind}List` }, versions: [{ name: version, served: true, storage: true, schema }] },
  });
}
