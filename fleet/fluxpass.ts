// Makes for Flux what an Application asks of it, and takes away what it asks no more: workloads after their rollouts, the source last.
import type { Application } from "../crds/application.ts";
import { map } from "../crds/json.ts";
import type { Fault, KubeObject } from "../engine/ports.ts";
import { canaryOf, type Bound, type Target } from "./bound.ts";
import { HOST, keyOf, secretOf } from "./clusters.ts";
import type { FleetContext } from "./context.ts";
import { FLUX_KINDS, renderSource, renderSync, unfitSync, type FluxObject } from "./flux.ts";
import { appText, CLUSTER_KEY, isSyncOfKurator, type AppName } from "./marks.ts";
import { isClean } from "./memberpass.ts";
import { syncName } from "./names.ts";
import type { FleetProblem } from "./problem.ts";
import { ensure, preconditionOf, takenBy } from "./write.ts";

export interface FluxEnd {
  source: KubeObject | undefined;
  missing: boolean;
  /** Objects that are still there and should not be. */
  left: number;
  fault?: Fault;
}

export interface SyncTask {
  /** Added to. */
  problems: FleetProblem[];
  removing: boolean;
  targets: ReadonlyMap<string, Target>;
  /** It is known where every policy goes. */
  certain: boolean;
}

export async function syncFlux(context: FleetContext, application: Application, app: AppName, bound: readonly Bound[], { problems, removing, targets, certain }: SyncTask): Promise<FluxEnd> {
  const { flux, memory } = context;
  const end: FluxEnd = { source: undefined, missing: false, left: 0 };
  const wanted = new Map<string, FluxObject & { hold: boolean }>();
  const want = (one: FluxObject | undefined, hold = false): void => void (one !== undefined && wanted.set(idOf(one), { ...one, hold }));
  const busy = (key: string): boolean => targets.has(key) && !isClean(memory.outcome(appText(app), key));
  // Flux prunes what an object brought when it goes, so none goes while something is missing or wrong that would say whether it is wanted.
  let sure = certain && bound.every(({ whole }) => whole);
  if (!removing) {
    want(renderSource(application, flux.version));
    for (const { policy, index, name, clusters } of bound) {
      if (policy.kustomization === undefined && policy.helm === undefined) continue;
      const unfit = unfitSync(application, policy, index, flux.version);
      if (unfit !== undefined) {
        problems.push(unfit);
        sure = false;
        continue;
      }
      for (const ref of clusters) {
        const key = keyOf(ref);
        const secret = ref.kind === HOST.kind ? undefined : secretOf(ref, context.lookup);
        const kubeconfig = secret?.ok === true ? secret.value : undefined;
        if (ref.kind !== HOST.kind && kubeconfig === undefined) {
          sure = false;
          continue;
        }
        const canary = canaryOf(context, app, policy, ref);
        const phase = map(canary?.status).phase;
        const rendered = renderSync({ application, policy, index, name: syncName(name, ref.kind, ref.name), cluster: key, kubeconfig, rolledOut: phase !== undefined && phase !== "" && phase !== "Initializing" }, flux.version);
        // Whether the engine there has the workload is not known, or it is giving it back: what Flux was told last still holds.
        const hold = policy.rollout === undefined ? busy(key) : context.members.trouble(key) !== undefined;
        want(rendered, hold);
      }
    }
  }
  end.missing = flux.known && missesFlux(application, flux.version);
  const { caches } = flux;
  if (caches === undefined) return end;
  for (const { resource, object, hold } of wanted.values()) {
    const found = caches.get(resource.plural, app.namespace, object.metadata.name);
    if (found !== undefined && hold) continue;
    const written = await ensure({ member: { api: context.api, caches }, mayWrite: context.mayWrite, taken: (there) => takenBy(there, app, "the host", "metadata.name") }, resource, object);
    if (written.kind === "problem") problems.push(written.problem);
    else if (written.kind === "fault") end.fault ??= written.fault;
  }
  // Workloads go after their rollouts, and the source after whatever comes from it.
  const mine = caches.everything().filter(({ object }) => isSyncOfKurator(object, app));
  const unwanted = mine.filter(({ plural, object }) => !wanted.has(`${plural}/${object.metadata.name}`));
  end.left = unwanted.length;
  const syncs = unwanted.filter(({ plural }) => plural === "kustomizations" || plural === "helmreleases");
  for (const { plural, object } of syncs.length > 0 ? syncs : unwanted) {
    const cluster = object.metadata.annotations?.[CLUSTER_KEY];
    const waits = cluster === undefined ? [...targets.keys()].some(busy) : busy(cluster);
    if (!sure || waits || object.metadata.deletionTimestamp !== undefined || !context.mayWrite()) continue;
    const resource = FLUX_KINDS.map(({ kind }) => flux.version(kind)).find((one) => one?.plural === plural);
    if (resource === undefined) continue;
    const deleted = await context.api.delete({ resource, namespace: app.namespace, name: object.metadata.name }, preconditionOf(object));
    if (!deleted.ok && deleted.fault.class !== "not-found") end.fault ??= deleted.fault;
  }
  const source = renderSource(application, flux.version);
  end.source = source === undefined ? undefined : caches.get(source.resource.plural, app.namespace, source.object.metadata.name);
  return end;
}

function missesFlux({ spec }: Application, version: FleetContext["flux"]["version"]): boolean {
  const { gitRepository, helmRepository, ociRepository } = spec.source;
  const syncs = spec.syncPolicies;
  return (
    (gitRepository !== undefined && version("GitRepository") === undefined) ||
    (helmRepository !== undefined && version("HelmRepository") === undefined) ||
    (ociRepository !== undefined && version("OCIRepository") === undefined) ||
    (syncs.some(({ kustomization }) => kustomization !== undefined) && version("Kustomization") === undefined) ||
    (syncs.some(({ helm }) => helm !== undefined) && version("HelmRelease") === undefined)
  );
}

function idOf({ resource, object }: FluxObject): string {
  return `${resource.plural}/${object.metadata.name}`;
}
