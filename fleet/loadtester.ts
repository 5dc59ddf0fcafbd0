// What asks the canary when no user does yet? The load tester of this project, beside the workload or one for the whole cluster.
import type { KubeObject } from "../engine/ports.ts";
import { loadTesterName } from "./names.ts";

/** Where the Rollout plugin puts what it installs, by provider; Kurator's places. */
export const PROVIDER_NAMESPACES: Readonly<Record<string, string>> = { istio: "istio-system", kuma: "kuma-system", nginx: "ingress-nginx" };
/** Name of the public one's Service. */
export const PUBLIC_NAME = "testloader";

export function loadTesterUrl(own: boolean, { workload, namespace, provider }: { workload: string; namespace: string; provider: string }): string {
  return own ? `http://${loadTesterName(workload)}.${namespace}/` : `http://${PUBLIC_NAME}.${PROVIDER_NAMESPACES[provider] ?? namespace}/`;
}

/** Without rights in the cluster and without a disk: what it remembers is worth one run. */
export function loadTester(workload: string, namespace: string, image: string): KubeObject[] {
  const name = loadTesterName(workload);
  const labels = { app: name };
  const probe = { httpGet: { path: "/healthz", port: "http" }, timeoutSeconds: 5 };
  return [
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name, namespace, labels },
      spec: {
        replicas: 1,
        strategy: { type: "Recreate" },
        selector: { matchLabels: labels },
        template: {
          metadata: { labels, annotations: { "prometheus.io/scrape": "true", "prometheus.io/port": "8080" } },
          spec: {
            automountServiceAccountToken: false,
            enableServiceLinks: false,
            securityContext: { runAsNonRoot: true, runAsUser: 10_001, runAsGroup: 10_001, seccompProfile: { type: "RuntimeDefault" } },
            containers: [
              {
                name: "loadtester",
                image,
                imagePullPolicy: "IfNotPresent",
                command: ["node", "/app/kurator-rollout.mjs"],
                args: ["loadtester", "--port=8080", "--timeout=1h"],
                // Programs keep caches in it, and nothing else can be written to.
                env: [{ name: "HOME", value: "/tmp" }],
                ports: [{ name: "http", containerPort: 8080, protocol: "TCP" }],
                livenessProbe: { ...probe, periodSeconds: 10 },
                readinessProbe: { ...probe, periodSeconds: 5 },
                securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } },
                resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "512Mi" } },
                volumeMounts: [{ name: "tmp", mountPath: "/tmp" }],
              },
            ],
            volumes: [{ name: "tmp", emptyDir: { sizeLimit: "256Mi" } }],
          },
        },
      },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace, labels },
      spec: { selector: labels, ports: [{ name: "http", port: 80, targetPort: "http", protocol: "TCP" }] },
    },
  ];
}
