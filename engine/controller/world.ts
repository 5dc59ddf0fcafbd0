// What does the cluster look like around one Canary? Gathers the cached objects it is about; reads nothing else and judges nothing.
import type { CanarySpec } from "../../crds/canary.ts";
import type { OwnerIdentity } from "../../crds/marks.ts";
import type { Settings } from "../machine/settings.ts";
import type { KubeObject } from "../ports.ts";
import { selectorLabel, type SelectorLabel } from "../workload/deployment.ts";
import { labelOfPrimary } from "../workload/primary.ts";
import { readRevision, revisionName, type StoredRevision } from "../workload/revisions.ts";
import { serviceName, type ServiceRole } from "../workload/service.ts";
import type { Router } from "../../routing/router.ts";
import type { Context } from "./context.ts";

export const ROLES: readonly ServiceRole[] = ["primary", "canary", "apex"];

export interface World {
  namespace: string;
  owner: OwnerIdentity;
  target: KubeObject | undefined;
  primary: KubeObject | undefined;
  label: SelectorLabel | undefined;
  services: Record<ServiceRole, KubeObject | undefined>;
  router: Router | undefined;
  /** Routing objects and gateways. */
  found: ReadonlyMap<string, KubeObject>;
  revisions: ReadonlyMap<string, { object: KubeObject; revision: StoredRevision }>;
}

export function worldOf(context: Context, canary: KubeObject, spec: CanarySpec, settings: Settings, hashes: readonly (string | undefined)[]): World {
  const { caches, options } = context;
  const namespace = canary.metadata.namespace ?? "";
  const target = caches.get("deployments", namespace, settings.target);
  const primary = caches.get("deployments", namespace, settings.primary);
  const router = context.router(spec.provider ?? options.meshProvider);
  const owner = { apiVersion: canary.apiVersion, name: canary.metadata.name, uid: canary.metadata.uid ?? "" };
  const revisions = new Map<string, { object: KubeObject; revision: StoredRevision }>();
  for (const hash of hashes) {
    const object = hash === undefined || hash === "" ? undefined : caches.get("controllerrevisions", namespace, revisionName(settings.target, hash));
    const revision = object === undefined ? undefined : readRevision(object, settings.target);
    if (object !== undefined && revision !== undefined) revisions.set(revision.hash, { object, revision });
  }
  return {
    namespace,
    owner,
    target,
    primary,
    // A target that was deleted in the middle of a run still has to get its traffic taken off.
    label: target === undefined ? labelOfPrimary(primary) : selectorLabel(target),
    services: {
      apex: caches.get("services", namespace, settings.apex),
      primary: caches.get("services", namespace, serviceName(settings.apex, "primary")),
      canary: caches.get("services", namespace, serviceName(settings.apex, "canary")),
    },
    router,
    found: router === undefined ? new Map() : routingObjects(context, router, { namespace, apex: settings.apex, spec, owner }),
    revisions,
  };
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
