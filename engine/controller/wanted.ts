// In what order is the cluster made as it was rendered, and what must be proved before pods go? Turns a projection into fenced writes.
import type { KubeObject, Resource } from "../ports.ts";
import { primaryLabel } from "../workload/primary.ts";
import type { Wanted } from "./apply.ts";
import type { ConfigReader, Contents } from "./configs.ts";
import type { SelectorLabel } from "../workload/deployment.ts";
import { SERVICES } from "../workload/kinds.ts";
import type { Router } from "../../routing/router.ts";
import type { Context } from "./context.ts";
import { configsWanted } from "./copies.ts";
import { kindOf, objectKey } from "./key.ts";
import { keyOf } from "./observe.ts";
import { keepsRevisions } from "./platform.ts";
import { project, routeIntent, type Drawing } from "./project.ts";

export const REVISIONS: Resource = { group: "apps", version: "v1", plural: "controllerrevisions", kind: "ControllerRevision" };

/** Revisions, primary, Services, routes, target: whatever traffic is led to is there before the traffic, and a pause is there before a weight. */
export function wantedOf(context: Context, reader: ConfigReader, drawing: Drawing, contents: Contents): Wanted[] {
  const { world, settings } = drawing;
  const projected = project(drawing);
  const found = (object: KubeObject): KubeObject | undefined => world.found.get(keyOf(object));
  const wanted: Wanted[] = [...projected.revisions.map((object) => entry(REVISIONS, object, undefined)), ...configsWanted(context, reader, drawing, contents)];
  if (projected.primary !== undefined && world.workload !== undefined) wanted.push(entry(world.workload.resource, projected.primary, world.primary));
  // Before the Services: they may lead to it.
  if (projected.previous !== undefined && world.workload !== undefined) wanted.push(entry(world.workload.resource, projected.previous, world.previous));
  for (const object of projected.services) {
    wanted.push(entry(SERVICES, object, object.metadata.name === `${settings.apex}-primary` ? world.services.primary : world.services.canary));
  }
  const target = projected.target === undefined || world.target === undefined || world.workload === undefined ? [] : [entry(world.workload.resource, projected.target, world.target, removal(context, drawing, projected.target))];
  // What the route refers to comes before the route.
  const route = world.router?.keys(routeIntent(drawing)).route;
  const ordered = [...projected.routes].sort((left, right) => Number(keyOf(left) === route) - Number(keyOf(right) === route));
  const routes = ordered.flatMap((object) => {
    const resource = context.caches.resource(kindOf(object));
    return resource === undefined ? [] : [entry(resource, object, found(object))];
  });
  const { scaler } = world;
  if (scaler !== undefined && projected.scalers.copy !== undefined) wanted.push(entry(scaler.resource, projected.scalers.copy, scaler.copy));
  const rest = scaler === undefined || projected.scalers.source === undefined ? [] : [entry(scaler.resource, projected.scalers.source, scaler.source)];
  // KEDA takes pods away by itself as soon as it is told to rest, so it is told after it is proved that they may go.
  const scaled = drawing.status.target?.scale === "Zero" ? [...target, ...rest] : [...rest, ...target];
  const apex = projected.apex === undefined ? [] : [entry(SERVICES, projected.apex, world.services.apex)];
  // Taking traffic off waits for nothing: a primary or a Service that cannot be written must not keep a bad version in front of users.
  const routed = route === undefined || world.found.has(route);
  const backwards = drawing.status.route?.canaryWeight === 0 && routed && (world.services.primary !== undefined || keepsRevisions(world)) && drawing.status.phase !== "Initializing";
  return backwards ? [...routes, ...apex, ...wanted, ...scaled] : [...wanted, ...scaled, ...routes, ...apex];
}

function entry(resource: Resource, object: KubeObject, found: KubeObject | undefined, before?: Wanted["before"]): Wanted {
  return { ref: { resource, namespace: object.metadata.namespace ?? "", name: object.metadata.name }, object, found, before };
}

/** The proof that is due before a target with pods goes to zero; undefined where none goes. */
function removal(context: Context, drawing: Drawing, target: KubeObject): Wanted["before"] {
  const { workload, target: found } = drawing.world;
  const goes = workload !== undefined && found !== undefined && workload.replicas(found) > 0 && workload.replicas(target) === 0;
  return goes ? () => stillRouted(context, drawing) : undefined;
}

/**
 * Reads route and apex Service live. Undefined when no traffic can reach the target's pods; otherwise why it still might.
 * A cache that lags would take a route for gone that a stalled leader has just brought back.
 */
async function stillRouted(context: Context, drawing: Drawing): Promise<string | undefined> {
  const { router } = drawing.world;
  if (router === undefined) return "no router to read the route with";
  const { route } = router.keys(routeIntent(drawing));
  return (route === undefined ? undefined : await stillWeighted(context, drawing, router, route)) ?? stillSelected(context, drawing);
}

async function stillWeighted(context: Context, drawing: Drawing, router: Router, route: string): Promise<string | undefined> {
  const [, namespace = "", name = ""] = route.split("/");
  const resource = router.kinds.flatMap((versions) => versions.slice(0, 1)).find((kind) => objectKey(kind, namespace, name) === route);
  if (resource === undefined) return "no kind to read the route as";
  const live = await context.api.get({ resource: context.caches.resource(resource) ?? resource, namespace, name });
  if (!live.ok) return `route not read: ${live.fault.message}`;
  context.caches.absorb(live.value);
  const reading = router.read(routeIntent(drawing), new Map([[route, live.value]]));
  return reading.kind === "known" && reading.canaryWeight === 0 && reading.mirror !== true ? undefined : "the route still leads to the target";
}

async function stillSelected(context: Context, { world, settings }: Drawing): Promise<string | undefined> {
  const apex = await context.api.get({ resource: SERVICES, namespace: world.namespace, name: settings.apex });
  if (!apex.ok) return `apex Service not read: ${apex.fault.message}`;
  context.caches.absorb(apex.value);
  const selector = (apex.value.spec as { selector?: Record<string, string> } | undefined)?.selector ?? {};
  if (world.label === undefined) return "the target has no selector label";
  const copies = (["primary", "previous"] as const).map((role) => primaryLabel(world.label as SelectorLabel, role));
  return copies.some(({ key, value }) => selector[key] === value) ? undefined : "the apex Service still leads to the target";
}
