// Which Canaries does a changed object concern? By its marks where it has them, by name where it belongs to the user.
// A trigger says only "look at this key"; what changed is found by looking.
import type { CanarySpec } from "../../crds/canary.ts";
import type { Router } from "../../routing/router.ts";
import type { Kind, KubeObject } from "../ports.ts";
import { scalerName, scalerResource } from "../workload/scalers.ts";
import { groupOf, OWNER } from "../../crds/marks.ts";
import { workloadOf } from "../workload/kinds.ts";

export class Triggers {
  /** `plural/namespace/name` to the keys that look at this object. */
  private readonly byObject = new Map<string, Set<string>>();
  private readonly byKey = new Map<string, string[]>();
  /** What a manifest does not name: what the pods of its target read. */
  private readonly more = new Map<string, readonly string[]>();

  /** What a Canary looks at, as its manifest has it; replaces what it looked at before. */
  watch(key: string, objects: string[]): void {
    this.drop(key, this.byKey.get(key));
    this.byKey.set(key, objects);
    this.add(key, [...objects, ...(this.more.get(key) ?? [])]);
  }

  /** Replaces what was looked at in this way before. */
  watchToo(key: string, objects: readonly string[]): void {
    const before = this.more.get(key) ?? [];
    if (before.length === objects.length && before.every((object, index) => object === objects[index])) return;
    this.drop(key, before);
    this.more.set(key, objects);
    this.add(key, [...objects, ...(this.byKey.get(key) ?? [])]);
  }

  forget(key: string): void {
    this.drop(key, this.byKey.get(key));
    this.drop(key, this.more.get(key));
    this.byKey.delete(key);
    this.more.delete(key);
  }

  private add(key: string, objects: readonly string[]): void {
    for (const object of objects) {
      const keys = this.byObject.get(object) ?? new Set<string>();
      keys.add(key);
      this.byObject.set(object, keys);
    }
  }

  private drop(key: string, objects: readonly string[] | undefined): void {
    for (const object of objects ?? []) {
      const keys = this.byObject.get(object);
      keys?.delete(key);
      if (keys?.size === 0) this.byObject.delete(object);
    }
  }

  keysOf(plural: string, object: KubeObject): string[] {
    const namespace = object.metadata.namespace ?? "";
    const keys = new Set(this.byObject.get(`${plural}/${namespace}/${object.metadata.name}`) ?? []);
    const owner = object.metadata.annotations?.[OWNER];
    if (owner !== undefined) {
      const [group = "", name = ""] = owner.split("/");
      keys.add(`${group}/${namespace}/${name}`);
    }
    return [...keys];
  }
}

/** The names of everything that a Canary's manifest speaks of, whether it exists or not; `router` undefined where the manifest cannot be read or has none. */
export function lookedAt(canary: KubeObject, router: Router | undefined): string[] {
  const namespace = canary.metadata.namespace ?? "";
  const spec = (canary.spec ?? {}) as { autoscalerRef?: { kind?: unknown; name?: unknown }; targetRef?: { apiVersion?: unknown; kind?: unknown; name?: unknown }; service?: { name?: unknown }; analysis?: { metrics?: unknown } };
  const target = typeof spec.targetRef?.name === "string" ? spec.targetRef.name : "";
  const apex = typeof spec.service?.name === "string" ? spec.service.name : target;
  const metrics = Array.isArray(spec.analysis?.metrics) ? spec.analysis.metrics : [];
  const templates = metrics.flatMap((metric: { templateRef?: { name?: unknown; namespace?: unknown } } | null) => {
    const { name, namespace: inside = namespace } = metric?.templateRef ?? {};
    return typeof name === "string" && typeof inside === "string" ? [`metrictemplates/${inside}/${name}`] : [];
  });
  const workloads = workloadOf(kindOf(spec.targetRef))?.resource.plural ?? "deployments";
  return [
    `${workloads}/${namespace}/${target}`,
    `${workloads}/${namespace}/${target}-primary`,
    ...["", "-primary", "-canary"].map((suffix) => `services/${namespace}/${apex}${suffix}`),
    ...templates,
    ...scalers(namespace, spec.autoscalerRef),
    ...(router === undefined ? [] : routed(router, namespace, apex, canary)),
  ];
}

function kindOf({ apiVersion, kind }: { apiVersion?: unknown; kind?: unknown } = {}): Kind {
  return { group: typeof apiVersion === "string" ? groupOf(apiVersion) : "", kind: typeof kind === "string" ? kind : "" };
}

function scalers(namespace: string, { kind, name }: { kind?: unknown; name?: unknown } = {}): string[] {
  const resource = typeof kind === "string" ? scalerResource(kind) : undefined;
  return resource === undefined || typeof name !== "string" ? [] : [name, scalerName(name)].map((scaler) => `${resource.plural}/${namespace}/${scaler}`);
}

function routed(router: Router, namespace: string, apex: string, canary: KubeObject): string[] {
  const owner = { apiVersion: canary.apiVersion, name: canary.metadata.name, uid: canary.metadata.uid ?? "" };
  const asked = { namespace, apex, spec: canary.spec as CanarySpec, owner };
  const { route, others } = router.keys(asked);
  const keys = [...(route === undefined ? [] : [route]), ...others, ...router.reads(asked)];
  // From "plural.group/namespace/name".
  return keys.map((key) => key.replace(/^([^./]+)[^/]*/, "$1"));
}
