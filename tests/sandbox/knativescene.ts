// What tests of Knative play on: its Service in the sandbox' API, and of its controllers only what an engine meets. Each template becomes a Revision, which is ready
// later or never; traffic is led where it is asked for, later still; and the status says how far it is.
import { list, map, text, type Json } from "../../crds/json.ts";
import type { KubeObject } from "../../sandbox/api/types.ts";
import { canaryOf } from "../../sandbox/simulation/furniture.ts";
import { Scene } from "../../sandbox/simulation/scene.ts";

export const CANARIES = "canaries.rollout.kurator.dev";
export const KSERVICES = "services.serving.knative.dev";
export const NEWEST = [{ latestRevision: true, percent: 100 }];

const SEEN_MS = 200;
const READY_MS = 2000;
const LED_MS = 400;

interface Revision {
  name: string;
  image: string;
  madeMs: number;
}

export class Knative {
  readonly revisions: Revision[] = [];
  /** Images to percents of users, each time that traffic was led anew. */
  readonly led: Record<string, number>[] = [];
  private template = "";
  private applied: Json[] = [];
  private leading = "";

  constructor(private readonly scene: Scene) {
    scene.store.create("customresourcedefinitions.apiextensions.k8s.io", definition());
    scene.store.subscribe(({ resource, type }) => {
      if (resource !== KSERVICES) return;
      if (type === "DELETED") this.forget();
      else this.soon(SEEN_MS);
    });
  }

  /** The image of a Revision. */
  imageOf(name: string): string {
    return this.revisions.find((revision) => revision.name === name)?.image ?? "";
  }

  /** Revisions go with their Service, and the next one's are counted from the beginning. */
  private forget(): void {
    this.revisions.length = 0;
    this.template = "";
    this.applied = [];
    this.leading = "";
  }

  private soon(ms: number): void {
    this.scene.clock.after(ms, () => this.look());
  }

  private look(): void {
    const service = this.scene.store.get(KSERVICES, "test", "app");
    if (service === undefined) return;
    const spec = map(service.spec);
    if (JSON.stringify(spec.template) !== this.template) this.make(map(spec.template));
    const { created, conditions, ready } = this.configured();
    this.lead(list(spec.traffic).map(map), ready);
    const led = this.leading === JSON.stringify(this.wished(list(spec.traffic).map(map), ready));
    const status = {
      observedGeneration: service.metadata.generation,
      latestCreatedRevisionName: created,
      ...(ready === undefined ? {} : { latestReadyRevisionName: ready }),
      conditions: [...conditions, led ? { type: "RoutesReady", status: "True" } : { type: "RoutesReady", status: "Unknown", message: "Traffic is not yet migrated." }],
      traffic: this.applied,
    };
    if (JSON.stringify(status) !== JSON.stringify(service.status)) this.scene.store.update(KSERVICES, { ...structuredClone(service), status }, "status");
  }

  private make(template: Json): void {
    this.template = JSON.stringify(template);
    const image = text(map(list(map(template.spec).containers)[0]).image) ?? "";
    this.revisions.push({ name: `app-${String(this.revisions.length + 1).padStart(5, "0")}`, image, madeMs: this.scene.nowMs });
    this.soon(READY_MS);
  }

  private isReady({ image, madeMs }: Revision): boolean {
    return !image.endsWith("-broken") && this.scene.nowMs >= madeMs + READY_MS;
  }

  private configured(): { created: string; ready: string | undefined; conditions: Json[] } {
    const newest = this.revisions.at(-1);
    const ready = this.revisions.findLast((revision) => this.isReady(revision))?.name;
    const failed = newest?.image.endsWith("-broken") === true && this.scene.nowMs >= newest.madeMs + READY_MS;
    const status = ready === newest?.name ? "True" : failed ? "False" : "Unknown";
    return { created: newest?.name ?? "", ready, conditions: [{ type: "ConfigurationsReady", status, ...(failed ? { reason: "RevisionFailed", message: "the container crashed" } : {}) }] };
  }

  /** By the names of Revisions; undefined while one of them cannot serve. */
  private wished(traffic: Json[], ready: string | undefined): Json[] | undefined {
    const named = traffic.map(({ latestRevision, revisionName, ...rest }) => (latestRevision === true ? { ...rest, latestRevision, revisionName: ready } : { ...rest, revisionName }));
    const serves = (name: unknown): boolean => this.revisions.some((revision) => revision.name === name && this.isReady(revision));
    return named.length > 0 && named.every(({ revisionName }) => serves(revisionName)) ? named : undefined;
  }

  private lead(traffic: Json[], ready: string | undefined): void {
    const wished = this.wished(traffic, ready);
    if (wished === undefined || JSON.stringify(wished) === this.leading) return;
    this.scene.clock.after(LED_MS, () => {
      if (this.leading === JSON.stringify(wished)) return;
      this.leading = JSON.stringify(wished);
      this.applied = wished;
      const parts: Record<string, number> = {};
      for (const { revisionName, percent } of wished) {
        const tag = this.imageOf(String(revisionName)).replace(/.*:/, "");
        if (typeof percent === "number" && percent > 0) parts[tag] = (parts[tag] ?? 0) + percent;
      }
      this.led.push(parts);
      this.look();
    });
  }
}

function definition(): KubeObject {
  const open = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: KSERVICES },
    spec: {
      group: "serving.knative.dev",
      scope: "Namespaced",
      names: { plural: "services", singular: "service", kind: "Service", listKind: "ServiceList" },
      versions: [{ name: "v1", served: true, storage: true, subresources: { status: {} }, schema: { openAPIV3Schema: { type: "object", properties: { spec: open, status: open } } } }],
    },
  };
}

export function serviceOf(tag: string, traffic: object[] = NEWEST, annotations: Record<string, string> = {}): KubeObject {
  return {
    apiVersion: "serving.knative.dev/v1",
    kind: "Service",
    metadata: { name: "app", namespace: "test", annotations: { team: "web", ...annotations } },
    spec: { template: { spec: { containerConcurrency: 0, containers: [{ image: `sandbox/app:${tag}`, envFrom: [{ configMapRef: { name: "settings" } }] }] } }, traffic },
  };
}

export function knativeCanary(more: object = {}, analysis: object = {}): KubeObject {
  const { spec, ...canary } = canaryOf();
  const { service: _, ...rest } = spec as { service: unknown; analysis: object };
  const targetRef = { apiVersion: "serving.knative.dev/v1", kind: "Service", name: "app" };
  return { ...canary, spec: { ...rest, provider: "knative", targetRef, analysis: { ...rest.analysis, ...analysis }, ...more } };
}

export function serviceIn(scene: Scene): KubeObject {
  const found = scene.store.get(KSERVICES, "test", "app");
  if (found === undefined) throw new Error("no Knative Service");
  return structuredClone(found);
}

export function trafficIn(scene: Scene): unknown {
  return map(serviceIn(scene).spec).traffic;
}

/** As kubectl apply does with a manifest that says nothing of traffic. */
export function release(scene: Scene, tag: string): void {
  const service = serviceIn(scene);
  scene.store.update(KSERVICES, { ...service, spec: { ...map(service.spec), template: map(serviceOf(tag).spec).template } });
}

/** Prometheus, which knows nothing but how Revisions do, by the names that are asked for: those with an image of errors fail. */
export function measured(scene: Scene, knative: Knative): Set<string> {
  const asked = new Set<string>();
  scene.far = async ({ url }) => {
    const query = new URL(url).searchParams.get("query") ?? "";
    const name = /envoy_cluster_name=~"test\/([^"]+)"/.exec(query)?.[1] ?? "";
    asked.add(name);
    const bad = knative.imageOf(name).endsWith("-errors");
    const value = query.includes("histogram_quantile") ? 20 : bad ? 50 : 100;
    const known = knative.revisions.some((revision) => revision.name === name);
    const result = known ? [{ metric: {}, value: [scene.nowMs / 1000, String(value)] }] : [];
    return Promise.resolve({ ok: true, value: { status: 200, headers: {}, body: JSON.stringify({ status: "success", data: { resultType: "vector", result } }) } });
  };
  return asked;
}
