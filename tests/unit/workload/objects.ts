// Deployments and Services as the API server returns them, for the tests of this folder.
import { map } from "../../../crds/json.ts";
import type { KubeObject } from "../../../engine/ports.ts";

export function deployment(spec: object = {}, status: object = {}): KubeObject {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "podinfo", namespace: "test", uid: "u1", resourceVersion: "7", generation: 3, labels: { team: "web", "app.kubernetes.io/name": "podinfo" } },
    spec: {
      replicas: 2,
      selector: { matchLabels: { tier: "front", app: "podinfo" } },
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: 0 } },
      minReadySeconds: 3,
      progressDeadlineSeconds: 60,
      revisionHistoryLimit: 5,
      template: template(),
      ...spec,
    },
    status: { observedGeneration: 3, replicas: 2, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2, ...status },
  };
}

export function template(podSpec: object = {}): Record<string, unknown> {
  return {
    metadata: { labels: { app: "podinfo", tier: "front" }, annotations: { "prometheus.io/scrape": "true" } },
    spec: { containers: [{ name: "podinfo", image: "podinfo:6.0.0", ports: [{ name: "http", containerPort: 9898 }] }], ...podSpec },
  };
}

export function specOf(object: KubeObject | undefined): Record<string, unknown> {
  return map(object?.spec);
}
