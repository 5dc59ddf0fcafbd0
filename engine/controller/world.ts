// What does the cluster look like around one Canary? Gathers the cached objects it is about; reads nothing else and judges nothing.
import type { CanarySpec } from "../../crds/canary.ts";
import type { OwnerIdentity } from "../../crds/marks.ts";
import type { Settings } from "../machine/settings.ts";
import type { KubeObject, Resource } from "../ports.ts";
import { HANDBACK, REVISION } from "../../crds/marks.ts";
import { map, mapFromText, text } from "../../crds/json.ts";
import type { CanaryStatus } from "../../crds/status.ts";
import { configOfKey, type ConfigKey } from "../workload/configs.ts";
import { selectorLabel, type SelectorLabel } from "../workload/deployment.ts";
import { workloadOf, type Workload } from "../workload/kinds.ts";
import { labelOfPrimary, previousName } from "../workload/primary.ts";
import { scalerName, scalerResource, type AutoscalerRef } from "../workload/scalers.ts";
import { readRevision, revisionName, revisionOf, type StoredRevision } from "../workload/revisions.ts";
import { serviceName, type ServiceRole } from "../workload/service.ts";
import type { Router } from "../../routing/router.ts";
import { configsSeen, copiesOf, keysToRead, NOT_TRACKED, type ConfigReader, type ConfigsSeen } from "./configs.ts";
import type { Context } from "./context.ts";
import { placeOf } from "./key.ts";

export const ROLES: readonly ServiceRole[] = ["primary", "canary", "apex"];

export interface World {
  namespace: string;
  owner: OwnerIdentity;
  /** How the target's kind is read and scaled; undefined for a kind that is not rolled out. */
  workload: Workload | undefined;
  target: KubeObject | undefined;
  /** The revision that the live target is at. */
  revision: StoredRevision | undefined;
  configs: ConfigsSeen;
  /** By what a revision of the target reads, the names of what the primary reads in its place. */
  copiesOf: (revision: StoredRevision | undefined) => ReadonlyMap<ConfigKey, string>;
  primary: KubeObject | undefined;
  /** Pods that are kept of the revision before. */
  previous: KubeObject | undefined;
  scaler: ScalerSeen | undefined;
  label: SelectorLabel | undefined;
  services: Record<ServiceRole, KubeObject | undefined>;
  router: Router | undefined;
  /** Routing objects and gateways. */
  found: ReadonlyMap<string, KubeObject>;
  revisions: ReadonlyMap<string, { object: KubeObject; revision: StoredRevision }>;
}

/** The target's autoscaler and the primary's. */
export interface ScalerSeen {
  resource: Resource;
  /** False until it is known what there is. */
  known: boolean;
  source: KubeObject | undefined;
  copy: KubeObject | undefined;
}

function scalerSeen({ caches }: Context, namespace: string, ref: AutoscalerRef | undefined): ScalerSeen | undefined {
  const resource = ref === undefined ? undefined : scalerResource(ref.kind);
  if (ref === undefined || resource === undefined) return undefined;
  const known = caches.seek(resource) && !caches.forbidden(resource);
  return { resource, known, source: caches.get(resource.plural, namespace, ref.name), copy: caches.get(resource.plural, namespace, scalerName(ref.name)) };
}

/** Target and primary of a Canary, as they are cached. */
export function workloadsOf({ caches }: Context, namespace: string, settings: Settings): Pick<World, "workload" | "target" | "primary" | "previous"> {
  const workload = workloadOf(settings);
  const cached = (name: string): KubeObject | undefined => (workload === undefined ? undefined : caches.get(placeOf(workload.resource), namespace, name));
  const target = cached(settings.target);
  // One whose revisions the platform keeps has no copies, and what has their names is somebody else's.
  if (workload?.primary === "revision") return { workload, target, primary: undefined, previous: undefined };
  return { workload, target, primary: cached(settings.primary), previous: cached(previousName(settings.target)) };
}

/** Every content that says something about this Canary. A primary that says its revision need not be read for it. */
export function configKeys(context: Context, namespace: string, settings: Settings): ConfigKey[] {
  const { workload, target, primary } = workloadsOf(context, namespace, settings);
  const { configKinds } = context.options;
  return configKinds.length === 0 || !readsCopies(workload) ? [] : keysToRead(templateOf(target), unmarkedTemplate(primary), settings.target).filter((key) => configKinds.includes(configOfKey(key).kind));
}

/** No copy reads anything where there is none, and a content that changes makes no revision of the platform's. */
function readsCopies(workload: Workload | undefined): boolean {
  return workload?.primary !== "revision";
}

function templateOf(workload: KubeObject | undefined): unknown {
  return map(workload?.spec).template;
}

function unmarkedTemplate(primary: KubeObject | undefined): unknown {
  return primary?.metadata.annotations?.[REVISION] === undefined ? templateOf(primary) : undefined;
}

export function worldOf(context: Context, reader: ConfigReader, canary: KubeObject, spec: CanarySpec, settings: Settings): World {
  const { options } = context;
  const namespace = canary.metadata.namespace ?? "";
  const status = (canary.status ?? {}) as CanaryStatus;
  const { workload, target, primary, previous } = workloadsOf(context, namespace, settings);
  const configs = options.configKinds.length > 0 && readsCopies(workload) ? configsSeen(context, reader, namespace, templateOf(target), unmarkedTemplate(primary), settings.target, status) : NOT_TRACKED;
  const revision = target === undefined ? undefined : revisionOf(target, configs.target);
  const router = context.router(spec.provider ?? options.meshProvider);
  const owner = { apiVersion: canary.apiVersion, name: canary.metadata.name, uid: canary.metadata.uid ?? "" };
  const revisions = storedRevisions(context, namespace, settings, [status.primary?.revision, status.run?.revision, status.lastPromotedSpec, status.previousPromotedSpec, status.rollbackWindow?.revision, status.target?.revision]);
  return {
    namespace,
    owner,
    workload,
    target,
    revision,
    configs,
    copiesOf: (promoted) => copiesOf(context, namespace, settings.target, owner, promoted),
    primary,
    previous,
    scaler: scalerSeen(context, namespace, spec.autoscalerRef),
    // A target that was deleted in the middle of a run still has to get its traffic taken off.
    label: target === undefined ? labelOfPrimary(primary) : selectorLabel(target),
    services: {
      apex: context.caches.get("services", namespace, settings.apex),
      primary: context.caches.get("services", namespace, serviceName(settings.apex, "primary")),
      canary: context.caches.get("services", namespace, serviceName(settings.apex, "canary")),
    },
    router,
    found: router === undefined ? new Map() : routingObjects(context, router, { namespace, apex: settings.apex, spec, owner }),
    revisions,
  };
}

function storedRevisions({ caches }: Context, namespace: string, { target }: Settings, hashes: readonly (string | undefined)[]): Map<string, { object: KubeObject; revision: StoredRevision }> {
  const stored = new Map<string, { object: KubeObject; revision: StoredRevision }>();
  for (const hash of hashes) {
    const object = hash === undefined || hash === "" ? undefined : caches.get("controllerrevisions", namespace, revisionName(target, hash));
    const revision = object === undefined ? undefined : readRevision(object, target);
    if (object !== undefined && revision !== undefined) stored.set(revision.hash, { object, revision });
  }
  return stored;
}

/** Begins to watch the kinds of a rare router; false until it is known what there is. */
export function routesKnown({ caches }: Pick<Context, "caches">, router: Router | undefined): boolean {
  const sought = router?.rare === true ? router.kinds.flat().map((kind) => caches.seek(kind)) : [];
  return sought.every((known) => known);
}

/** The router that the app was led by so far, as its primary remembers: what it left is looked at before another one begins. */
export function lastRouter(context: Context, namespace: string, settings: Settings): Router | undefined {
  const provider = text(mapFromText(workloadsOf(context, namespace, settings).primary?.metadata.annotations?.[HANDBACK])?.provider);
  return provider === undefined ? undefined : context.router(provider);
}

function routingObjects(context: Context, router: Router, asked: Parameters<Router["keys"]>[0]): Map<string, KubeObject> {
  const found = new Map<string, KubeObject>();
  const { route, others } = router.keys(asked);
  for (const key of [...(route === undefined ? [] : [route]), ...others, ...router.reads(asked)]) {
    const [kind = "", inside = "", name = ""] = key.split("/");
    const object = context.caches.get(kind, inside, name);
    if (object !== undefined) found.set(key, object);
  }
  return found;
}
