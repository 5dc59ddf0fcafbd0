// Which pods do the three Services of an app lead to? The apex and `-primary` lead to the engine's copy, `-canary` to the target. Of a Service that
// somebody else made only selector and ports are set, and both can be given back.
import type { CanarySpec } from "../../crds/canary.ts";
import { defined, list, map, mapFromText, texts, type Json } from "../../crds/json.ts";
import { foreignController, markedAnnotations, originalSpec, originOf, unmarked, type OwnerIdentity } from "../../crds/marks.ts";
import type { Problem } from "../../crds/problem.ts";
import type { KubeObject } from "../ports.ts";
import type { SelectorLabel } from "./deployment.ts";
import { primaryLabel } from "./primary.ts";
import { servicePorts } from "./serviceports.ts";

export type ServiceRole = "apex" | "primary" | "canary";

export interface ServiceIntent {
  namespace: string;
  apex: string;
  service: NonNullable<CanarySpec["service"]>;
  owner: OwnerIdentity;
  /** The label by which the target selects its pods. */
  label: SelectorLabel;
  /** Whose pods serve in the primary's place; the primary's own when absent. */
  serving?: "primary" | "previous";
  /** Pod template of the target: its container ports and labels. */
  template: Json;
}

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

export function serviceName(apex: string, role: ServiceRole): string {
  return role === "apex" ? apex : `${apex}-${role}`;
}

/** `leadsTo` is for the apex alone: it leads to the target before the primary serves and when the app is given back. */
export function renderService(intent: ServiceIntent, role: ServiceRole, found: KubeObject | undefined, leadsTo: "primary" | "target" = "primary"): KubeObject {
  const origin = found === undefined ? "created" : (originOf(found, intent.owner.uid) ?? "adopted");
  const original = found !== undefined && origin === "adopted" ? (originalSpec(found) ?? originalOf(found, intent.label)) : undefined;
  const toTarget = role === "canary" || (role === "apex" && leadsTo === "target");
  const label = toTarget ? intent.label : primaryLabel(intent.label, intent.serving);
  const name = serviceName(intent.apex, role);
  const foundSpec = map(found?.spec);
  const configured = origin === "created" ? intent.service[role] : undefined;
  const trafficDistribution = origin === "created" ? intent.service.trafficDistribution : undefined;
  return {
    ...found,
    apiVersion: "v1",
    kind: "Service",
    metadata: defined({
      ...found?.metadata,
      name,
      namespace: intent.namespace,
      labels: origin === "created" ? { ...found?.metadata.labels, ...configured?.labels, [intent.label.key]: name } : found?.metadata.labels,
      annotations: { ...markedAnnotations(found, origin, original), ...configured?.annotations },
    }),
    spec: {
      ...(found === undefined ? { type: "ClusterIP", ...(intent.service.headless === true ? { clusterIP: "None" } : {}) } : foundSpec),
      ...(trafficDistribution === undefined ? {} : { trafficDistribution }),
      selector: { [label.key]: label.value },
      ports: servicePorts({
        service: intent.service,
        template: intent.template,
        found: list(foundSpec.ports).map(map),
        original: list(original?.ports).map(map),
      }),
    },
  };
}

/** A Service that leads to other pods is another app's, whatever its name. */
export function checkService(intent: ServiceIntent, role: ServiceRole, found: KubeObject | undefined): Problem[] {
  if (found === undefined) return [];
  const foreign = foreignController(found, intent.owner, "spec.service.name");
  if (foreign !== undefined) return [foreign];
  if (originOf(found, intent.owner.uid) !== undefined || selectsApp(found, intent)) return [];
  const name = serviceName(intent.apex, role);
  const message =
    `Service ${intent.namespace}/${name} exists and does not select the pods of this app, so taking it over would cut off whoever uses it. ` +
    `Choose another spec.service.name, or make its selector match the target's pod labels.`;
  return [{ reason: "NameTaken", path: "spec.service.name", message }];
}

/** Undefined for an object that the engine neither made nor took over: nothing is to become of it. */
export function restoreService(found: KubeObject, ownerUid: string | undefined, label: SelectorLabel): { kind: "restored" | "deleted"; object: KubeObject } | undefined {
  const origin = originOf(found, ownerUid);
  if (origin === undefined) return undefined;
  if (origin === "created") return { kind: "deleted", object: found };
  const original = originalSpec(found) ?? {};
  // Where the record was lost, the target is the best guess: the copy that the Service leads to now is about to go.
  const spec = defined({ ...map(found.spec), selector: original.selector ?? { [label.key]: label.value }, ports: original.ports ?? map(found.spec).ports });
  return { kind: "restored", object: { ...unmarked(found), spec } };
}

/** What is about to be overwritten. A Service that already leads to a primary was taken over by another engine, so its selector is what was applied before that. */
function originalOf(found: KubeObject, label: SelectorLabel): Json {
  const { selector, ports } = map(found.spec);
  const primary = primaryLabel(label);
  if (texts(selector)[label.key] !== primary.value) return defined({ selector, ports });
  const applied = map(map(mapFromText(found.metadata.annotations?.[LAST_APPLIED])).spec);
  const before = texts(applied.selector);
  const usable = Object.keys(before).length > 0 && before[label.key] !== primary.value;
  return defined({ selector: usable ? before : { [label.key]: label.value }, ports });
}

function selectsApp(found: KubeObject, { template, label }: ServiceIntent): boolean {
  const selector = Object.entries(texts(map(found.spec).selector));
  const labels = texts(map(template.metadata).labels);
  const primary = { ...labels, [label.key]: primaryLabel(label).value };
  return selector.length > 0 && [labels, primary].some((pod: Record<string, string>) => selector.every(([key, value]) => pod[key] === value));
}
