// What forbids work on this Canary that its CRD could not reject? Each answer names the field and the cure, and while there is one the workload is left alone.
import { GROUPS, type Canary } from "../../crds/canary.ts";
import { mapFromText, text } from "../../crds/json.ts";
import type { Problem } from "../../crds/problem.ts";
import { planMetrics } from "../../analysis/plan.ts";
import { deadProvider, ROUTERS } from "../../routing/registry.ts";
import { checkService } from "../workload/service.ts";
import { foreignController, groupOf, originOf, ownerMark, HANDBACK, OWNER } from "../../crds/marks.ts";
import { primaryLabel } from "../workload/primary.ts";
import { scalesOther } from "../workload/scalers.ts";
import { workloadOf } from "../workload/kinds.ts";
import type { Context } from "./context.ts";
import { foreignRefs, referred } from "./crossrefs.ts";
import { keepsRevisions } from "./platform.ts";
import { leads, routeIntent, serviceIntent, type Drawing } from "./project.ts";
import { windowProblems } from "./windows.ts";
import { ROLES } from "./world.ts";

/** While one of these holds, not even what was rendered before is repaired: somebody else may be writing the same objects. */
export const HANDS_OFF: ReadonlySet<Problem["reason"]> = new Set(["InvalidSpec", "DuplicateTarget", "ForeignController", "NameTaken", "CRDOutdated"]);

export function problemsOf(context: Context, drawing: Drawing, rival: string | undefined): Problem[] {
  const { canary, world, settings } = drawing;
  const problems = [...unsupported(canary), ...foreignRefs(context.options, canary)];
  if (canary.spec.service === undefined && !keepsRevisions(world)) {
    problems.push({ reason: "InvalidSpec", path: "spec.service", message: "a workload needs spec.service with a port, so that there is something to route; add it" });
  }
  if (rival !== undefined) {
    problems.push({ reason: "DuplicateTarget", path: "spec.targetRef.name", message: `${rival} is older and already rolls out ${settings.kind} ${settings.target}; delete one of the two` });
  }
  if (world.target !== undefined && world.label === undefined && world.workload?.primary === "pods") {
    problems.push({
      reason: "SelectorLabelMissing",
      path: "spec.targetRef.name",
      message: `${settings.kind} ${settings.target} selects its pods by none of the labels app, name, app.kubernetes.io/name; add one of them to spec.selector.matchLabels (the ${settings.kind} must be made anew for it)`,
    });
  }
  problems.push(...renamed(drawing), ...windowProblems(canary.spec.windows, context.clock.now()), ...routing(context, drawing), ...rerouted(context, drawing), ...names(drawing), ...scaling(drawing), ...metrics(context, drawing));
  return problems;
}

function routing({ caches }: Context, drawing: Drawing): Problem[] {
  const { world, provider } = drawing;
  const misfit = world.router !== undefined && !leads(world);
  if (misfit) {
    const what = `${drawing.settings.kind} of ${drawing.settings.group}`;
    const fitting = ROUTERS.filter((router) => leads({ ...world, router })).map(({ name }) => name);
    return [{ reason: "InvalidSpec", path: "spec.provider", message: `${provider} cannot lead a ${what}; use ${fitting.join(" or ")}` }];
  }
  if (world.router === undefined) {
    const dead = deadProvider(provider);
    if (dead !== undefined) return [{ reason: "Unsupported", path: "spec.provider", message: dead }];
    return [{ reason: "RouterMissing", path: "spec.provider", message: `there is no router "${provider}"; use ${ROUTERS.map(({ name }) => name).join(" or ")}` }];
  }
  const unserved = world.router.needs({ spec: drawing.canary.spec, owner: world.owner }).filter((kind) => drawing.version(kind.kind) === "");
  if (unserved.length > 0) {
    const hidden = unserved.filter((kind) => caches.forbidden(kind)).map(({ plural, group }) => `${plural}.${group}`);
    if (hidden.length > 0) return [{ reason: "Forbidden", path: "spec.provider", message: `the engine may not list and watch ${hidden.join(", ")}; give it the rules of the chart's role` }];
    const kinds = unserved.map(({ kind, group }) => `${kind} of ${group}`).join(", ");
    return [{ reason: "RouterMissing", path: "spec.provider", message: `the API server serves no ${kinds}: install ${provider} and its CRDs` }];
  }
  return world.router.check(routeIntent(drawing), world.found);
}

function names(drawing: Drawing): Problem[] {
  const { world, settings } = drawing;
  const problems: Problem[] = world.workload?.primary === "copy" ? serviceTarget(drawing) : keepsRevisions(world) ? revisionTarget(drawing) : [];
  if (world.primary !== undefined && world.label !== undefined) {
    const foreign = foreignController(world.primary, world.owner, "spec.targetRef.name");
    const { key, value } = primaryLabel(world.label);
    const selector = (world.primary.spec as { selector?: { matchLabels?: Record<string, string> } } | undefined)?.selector?.matchLabels ?? {};
    if (foreign !== undefined) problems.push(foreign);
    else if (selector[key] !== value) {
      problems.push({
        reason: "NameTaken",
        path: "spec.targetRef.name",
        message: `${settings.kind} ${settings.primary} exists and is not a copy of ${settings.target} (its selector has no ${key}=${value}); rename one of the two`,
      });
    }
  }
  const intent = serviceIntent(drawing);
  if (intent !== undefined) for (const role of ROLES) problems.push(...checkService(intent, role, world.services[role]));
  return problems;
}

/** Routers lead to the Services that are named after the apex, and here these are the copies of the target. */
function serviceTarget({ canary, world, settings }: Drawing): Problem[] {
  const problems: Problem[] = [];
  if (settings.apex !== settings.target) problems.push({ reason: "InvalidSpec", path: "spec.service.name", message: `the target is a Service, which is the apex itself; remove it, or make it ${settings.target}` });
  if (!settings.routed) problems.push({ reason: "Unsupported", path: "spec.provider", message: "a Service as the target needs a mesh or a gateway that leads to its copies; use another provider" });
  if (canary.spec.rollbackWindow !== undefined) problems.push({ reason: "InvalidSpec", path: "spec.rollbackWindow", message: "a Service has no pods to keep; remove it, the action rollback works without it" });
  for (const copy of [world.services.primary, world.services.canary]) {
    if (copy === undefined || originOf(copy, world.owner.uid) !== undefined) continue;
    problems.push(foreignController(copy, world.owner, "spec.targetRef.name") ?? { reason: "NameTaken", path: "spec.targetRef.name", message: `Service ${world.namespace}/${copy.metadata.name} exists and is somebody else's; delete or rename it` });
  }
  return problems;
}

/** What is kept for going back is the platform's own: every revision that still exists. */
function revisionTarget({ canary, settings }: Drawing): Problem[] {
  if (canary.spec.rollbackWindow === undefined) return [];
  return [{ reason: "InvalidSpec", path: "spec.rollbackWindow", message: `revisions of a ${settings.kind} are kept by ${settings.group}; remove it, the action rollback goes back at once without it` }];
}

function scaling({ canary, world, settings }: Drawing): Problem[] {
  const ref = canary.spec.autoscalerRef;
  const { scaler } = world;
  if (ref === undefined || scaler?.known === false) return [];
  const path = "spec.autoscalerRef";
  if (settings.kind !== "Deployment") return [{ reason: "InvalidSpec", path, message: `a ${settings.kind} has no replicas to scale; remove it` }];
  if (scaler?.source === undefined) return [{ reason: "AutoscalerMissing", path: `${path}.name`, message: `${ref.kind} ${world.namespace}/${ref.name} does not exist; create it, or remove spec.autoscalerRef` }];
  const other = scalesOther(scaler.source, settings.target);
  if (other !== undefined) return [{ reason: "InvalidSpec", path: `${path}.name`, message: `${ref.kind} ${world.namespace}/${ref.name} ${other}; name the autoscaler of the target` }];
  if (scaler.copy === undefined || originOf(scaler.copy, world.owner.uid) !== undefined) return [];
  return [foreignController(scaler.copy, world.owner, `${path}.name`) ?? { reason: "NameTaken", path: `${path}.name`, message: `${ref.kind} ${world.namespace}/${scaler.copy.metadata.name} exists and is somebody else's; delete or rename it` }];
}

function metrics(context: Context, { canary, settings, provider }: Drawing): Problem[] {
  const { options } = context;
  if (settings.skipAnalysis) return [];
  const planned = planMetrics({
    group: groupOf(canary.apiVersion),
    name: canary.metadata.name,
    namespace: canary.metadata.namespace ?? "",
    spec: canary.spec,
    metricsServer: options.metricsServer,
    meshProvider: provider,
    template: (namespace, name) => referred(context, "metrictemplates", groupOf(canary.apiVersion), canary.metadata.namespace ?? "", namespace, name)?.spec,
  });
  return planned.ok ? [] : planned.problems;
}

/** Services and routes of another name would be made beside those that users call, which nobody would lead back any more. */
function renamed({ settings, world }: Drawing): Problem[] {
  const known = world.primary?.metadata.annotations?.[HANDBACK];
  const before = known === undefined ? undefined : text(mapFromText(known)?.apex);
  if (before === undefined || before === settings.apex) return [];
  const message = `cannot be changed from ${before} while the app is rolled out; put it back, or delete the Canary, wait until the app is given back, and make it anew`;
  return [{ reason: "NameTaken", path: "spec.service.name", message }];
}

/** Another provider, Ingress or route would be led beside the one that is, which nobody would lead back any more: its weight would outlive the pods. */
function rerouted({ caches }: Context, drawing: Drawing): Problem[] {
  const { world, provider, canary } = drawing;
  const known = mapFromText(world.primary?.metadata.annotations?.[HANDBACK]);
  const before = text(known?.route);
  if (before === undefined || world.router === undefined || before === world.router.keys(routeIntent(drawing)).route) return [];
  const [kind = "", inside = "", name = ""] = before.split("/");
  const left = caches.get(kind, inside, name);
  if (left?.metadata.annotations?.[OWNER] !== ownerMark(world.owner)) return [];
  const path = known?.provider !== provider ? "spec.provider" : canary.spec.ingressRef !== undefined ? "spec.ingressRef" : canary.spec.routeRef !== undefined ? "spec.routeRef" : "spec.provider";
  const message = `cannot be changed while ${left.kind} ${inside}/${name} leads the app's traffic; put it back, or delete the Canary, wait until the app is given back, and make it anew`;
  return [{ reason: "NameTaken", path, message }];
}

/** What the contract has and this engine does not do yet is refused by name: a field that is silently ignored would promote what nobody checked. What a router cannot do it says itself. */
function unsupported({ apiVersion, spec }: Canary): Problem[] {
  const flagger = apiVersion.startsWith(`${GROUPS.flagger.group}/`);
  const found: [string, boolean, string][] = [
    ["spec.targetRef.kind", workloadOf({ group: groupOf(spec.targetRef.apiVersion), kind: spec.targetRef.kind }) === undefined, "only Deployments, DaemonSets and Services are rolled out"],
  ];
  const problems: Problem[] = found.filter(([, present]) => present).map(([path, , message]) => ({ reason: "Unsupported", path, message }));
  const steps = spec.analysis?.stepWeight ?? spec.analysis?.stepWeights?.length ?? spec.analysis?.iterations ?? 0;
  if (!flagger && spec.skipAnalysis !== true && steps === 0 && problems.length === 0) {
    problems.push({ reason: "InvalidSpec", path: "spec.analysis", message: "names no step: set stepWeight, stepWeights or iterations" });
  }
  return problems;
}
