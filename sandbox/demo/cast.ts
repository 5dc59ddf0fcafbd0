// Which app, which Canary and which releases play in the demo? Manifests as data; the user's own Canary may take the lead.
import { parse as parseYaml, parseAllDocuments } from "yaml";
import { parseCanary, type Canary } from "../../crds/canary.ts";
import type { KubeObject } from "../../engine/ports.ts";

export interface Release {
  /** As the app answers it, or the image's tag where it never answers. */
  version: string;
  image: string;
  command?: string[];
}

export interface Cast {
  namespace: string;
  /** Name of the Deployment. */
  target: string;
  host: string;
  canary: KubeObject;
  app: KubeObject[];
  first: Release;
  good: Release;
  bad: Release;
}

const GATEWAY = "istio-system/public-gateway";

export const SANDBOX_RELEASES = {
  first: { version: "1.0.0", image: "sandbox/app:1.0.0" },
  good: { version: "2.0.0", image: "sandbox/app:2.0.0" },
  bad: { version: "3.0.0-errors", image: "sandbox/app:3.0.0-errors" },
};

const PODINFO = "ghcr.io/stefanprodan/podinfo";
const PODINFO_COMMAND = ["./podinfo", "--port=9898", "--port-metrics=9797", "--level=error"];

/** podinfo does not say its version when it fails, so the bad release on a real cluster is one that never starts. */
export const CLUSTER_RELEASES = {
  first: { version: "6.0.0", image: `${PODINFO}:6.0.0`, command: PODINFO_COMMAND },
  good: { version: "6.0.1", image: `${PODINFO}:6.0.1`, command: PODINFO_COMMAND },
  bad: { version: "6.0.2", image: `${PODINFO}:6.0.2`, command: [...PODINFO_COMMAND, "--no-such-flag"] },
};

export function defaultCanary(namespace: string, interval: string): KubeObject {
  return {
    apiVersion: "rollout.kurator.dev/v1alpha1",
    kind: "Canary",
    metadata: { name: "shop", namespace },
    spec: {
      targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "shop" },
      progressDeadlineSeconds: 60,
      drainSeconds: 2,
      service: { port: 9898, gateways: [GATEWAY], hosts: [`shop.${namespace}`] },
      analysis: {
        interval,
        threshold: 2,
        stepWeight: 20,
        maxWeight: 60,
        metrics: [
          { name: "request-success-rate", interval: "30s", thresholdRange: { min: 99 } },
          { name: "request-duration", interval: "30s", thresholdRange: { max: 500 } },
        ],
      },
    },
  };
}

/** The first Canary of a file. @throws a sentence for the user */
export function canaryOf(file: string, text: string): KubeObject {
  const documents = parseAllDocuments(text).map((document) => parseYaml(String(document)) as KubeObject | null);
  const found = documents.find((object) => object?.kind === "Canary");
  if (found === undefined || found === null) throw new Error(`${file} holds no Canary`);
  const parsed = parseCanary(found);
  if (!parsed.ok) throw new Error(`${file}: ${parsed.problems.map(({ path, message }) => `${path}: ${message}`).join("; ")}`);
  return found;
}

/** An app that fits the Canary: its Deployment, a Service, and the route that a user has before. */
export function castOf(canary: KubeObject, namespace: string, releases: Pick<Cast, "first" | "good" | "bad">): Cast {
  const { spec } = canary as unknown as Canary;
  const target = spec.targetRef.name;
  const apex = spec.service?.name ?? target;
  const port = spec.service?.port ?? 9898;
  const host = spec.service?.hosts?.find((name) => name !== "*") ?? `${apex}.${namespace}`;
  const label = { app: target };
  return {
    namespace,
    target,
    host,
    canary: { ...canary, metadata: { ...canary.metadata, namespace } },
    app: [
      deployment(target, namespace, label, port, releases.first),
      { apiVersion: "v1", kind: "Service", metadata: { name: apex, namespace }, spec: { selector: label, ports: [{ name: "http", port, targetPort: port, protocol: "TCP" }] } },
      {
        apiVersion: "networking.istio.io/v1",
        kind: "VirtualService",
        metadata: { name: apex, namespace },
        spec: { hosts: [host], gateways: spec.service?.gateways ?? [GATEWAY], http: [{ route: [{ destination: { host: apex, port: { number: port } } }] }] },
      },
    ],
    ...releases,
  };
}

function deployment(name: string, namespace: string, labels: Record<string, string>, port: number, release: Release): KubeObject {
  const metrics = release.command === undefined ? {} : { annotations: { "prometheus.io/scrape": "true", "prometheus.io/port": "9797" } };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace },
    spec: {
      replicas: 2,
      minReadySeconds: 1,
      strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      selector: { matchLabels: labels },
      template: {
        metadata: { labels, ...metrics },
        spec: {
          containers: [
            {
              name: "app",
              image: release.image,
              ...(release.command === undefined ? {} : { command: release.command, imagePullPolicy: "IfNotPresent", lifecycle: { preStop: { exec: { command: ["sleep", "3"] } } } }),
              ports: [{ name: "http", containerPort: port, protocol: "TCP" }, ...(release.command === undefined ? [] : [{ name: "http-metrics", containerPort: 9797, protocol: "TCP" }])],
              readinessProbe: { httpGet: { path: "/readyz", port }, periodSeconds: 1 },
            },
          ],
        },
      },
    },
  };
}
