// What does the API server have to be told about these kinds? CustomResourceDefinitions made from the zod schemas, for Kubernetes 1.27 and newer.
// Pure and deterministic; nobody edits what comes out of it.
import { stringify } from "yaml";
import { GROUPS, specSchema } from "./canary.ts";
import { list, map, type Json } from "./json.ts";
import { canaryStatusSchema } from "./status.ts";
import { structuralSchema, type Structural } from "./structural.ts";
import { alertProviderSpecSchema, metricTemplateSpecSchema, templateStatusSchema } from "./templates.ts";

export type GroupName = (typeof GROUPS)[keyof typeof GROUPS]["group"];
export type KindName = "Canary" | "MetricTemplate" | "AlertProvider";

export interface RenderOptions {
  kind?: KindName;
  /** Helm then leaves the CRD, and with it every Canary of the cluster, when the chart is uninstalled. */
  keep?: boolean;
}

export interface PrinterColumn {
  name: string;
  type: "string" | "boolean" | "integer" | "date";
  jsonPath: string;
  /** 1 is shown with `-o wide` only. */
  priority?: 1;
}

export interface CustomResourceDefinition {
  apiVersion: "apiextensions.k8s.io/v1";
  kind: "CustomResourceDefinition";
  metadata: { name: string; annotations?: Record<string, string> };
  spec: {
    group: string;
    scope: "Namespaced";
    names: { plural: string; singular: string; kind: string; listKind: string; categories: string[] };
    versions: {
      name: string;
      served: true;
      storage: true;
      subresources: { status: Json };
      additionalPrinterColumns: PrinterColumn[];
      schema: { openAPIV3Schema: Structural };
    }[];
  };
}

interface KindShape {
  plural: string;
  columns: PrinterColumn[];
  description: string;
  /** Flagger's CRDs demand these of every object. */
  requiredInSpec: string[];
  spec: Structural;
  status: Structural;
}

/** Their names and order are an interface too: scripts read the output of kubectl get. */
const CANARY_COLUMNS: PrinterColumn[] = [
  { name: "Status", type: "string", jsonPath: ".status.phase" },
  { name: "Weight", type: "string", jsonPath: ".status.canaryWeight" },
  { name: "Suspended", type: "boolean", jsonPath: ".spec.suspend", priority: 1 },
  { name: "FailedChecks", type: "string", jsonPath: ".status.failedChecks", priority: 1 },
  { name: "Interval", type: "string", jsonPath: ".spec.analysis.interval", priority: 1 },
  { name: "Mirror", type: "boolean", jsonPath: ".spec.analysis.mirror", priority: 1 },
  { name: "StepWeight", type: "string", jsonPath: ".spec.analysis.stepWeight", priority: 1 },
  { name: "StepWeights", type: "string", jsonPath: ".spec.analysis.stepWeights", priority: 1 },
  { name: "MaxWeight", type: "string", jsonPath: ".spec.analysis.maxWeight", priority: 1 },
  { name: "LastTransitionTime", type: "string", jsonPath: ".status.lastTransitionTime" },
];

const MESSAGE_COLUMN: PrinterColumn = { name: "Message", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].message', priority: 1 };

/** Every group serves all of them: a Canary refers to templates and alert providers of its own group first. */
export const KINDS: readonly KindName[] = ["Canary", "MetricTemplate", "AlertProvider"];

/** The Canary's, unless another kind of the group is named. */
export function renderCRD(group: GroupName, { kind = "Canary", keep = false }: RenderOptions = {}): CustomResourceDefinition {
  const { version } = Object.values(GROUPS).find((known) => known.group === group) ?? GROUPS.own;
  const { plural, columns, description, requiredInSpec, spec, status } = shapeOf(group, kind);
  const required = [...new Set([...list(spec.required), ...requiredInSpec])];
  return definitionOf({
    group,
    version,
    kind,
    plural,
    categories: ["all"],
    columns,
    keep,
    schema: { description, type: "object", required: ["spec"], properties: { ...OBJECT, spec: required.length === 0 ? spec : { ...spec, required }, status } },
  });
}

/** What every object has beside spec and status. */
export const OBJECT: Structural = { apiVersion: { type: "string" }, kind: { type: "string" }, metadata: { type: "object" } };

export interface Definition {
  group: string;
  version: string;
  kind: string;
  plural: string;
  categories: string[];
  columns: PrinterColumn[];
  keep: boolean;
  schema: Structural;
}

/** A namespaced kind of one version, with a status subresource. */
export function definitionOf({ group, version, kind, plural, categories, columns, keep, schema }: Definition): CustomResourceDefinition {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}`, ...(keep ? { annotations: { "helm.sh/resource-policy": "keep" } } : {}) },
    spec: {
      group,
      scope: "Namespaced",
      names: { plural, singular: kind.toLowerCase(), kind, listKind: `${kind}List`, categories },
      versions: [{ name: version, served: true, storage: true, subresources: { status: {} }, additionalPrinterColumns: columns, schema: { openAPIV3Schema: schema } }],
    },
  };
}

export function renderCRDs(group: GroupName, options: Omit<RenderOptions, "kind"> = {}): CustomResourceDefinition[] {
  return KINDS.map((kind) => renderCRD(group, { ...options, kind }));
}

/** One document for each kind of the groups. */
export function renderYaml(groups: readonly GroupName[], options: Omit<RenderOptions, "kind"> = {}): string {
  const documents = groups.flatMap((group) => renderCRDs(group, options));
  return documents.map((crd) => `---\n${stringify(crd, { lineWidth: 0, aliasDuplicateObjects: false })}`).join("");
}

function shapeOf(group: GroupName, kind: KindName): KindShape {
  switch (kind) {
    case "Canary":
      return canaryShape(group);
    case "MetricTemplate":
      return {
        plural: "metrictemplates",
        columns: [{ name: "Provider", type: "string", jsonPath: ".spec.provider.type" }],
        description: "A query that the metrics of Canaries refer to by its name.",
        requiredInSpec: [],
        spec: structuralSchema(metricTemplateSpecSchema),
        status: structuralSchema(templateStatusSchema),
      };
    case "AlertProvider":
      return {
        plural: "alertproviders",
        columns: [{ name: "Type", type: "string", jsonPath: ".spec.type" }],
        description: "Where the alerts of Canaries are sent.",
        requiredInSpec: [],
        spec: structuralSchema(alertProviderSpecSchema),
        status: structuralSchema(templateStatusSchema),
      };
  }
}

function canaryShape(group: GroupName): KindShape {
  const own = group === GROUPS.own.group;
  const status = structuralSchema(canaryStatusSchema);
  return {
    plural: "canaries",
    columns: own ? [...CANARY_COLUMNS, MESSAGE_COLUMN] : CANARY_COLUMNS,
    description: "How a workload is rolled out: step by step, under watch, and back if it fails.",
    requiredInSpec: own ? [] : ["analysis"],
    spec: structuralSchema(specSchema(own ? "own" : "flagger")),
    status: own ? status : withEmptyPhase(status),
  };
}

/** Objects that Flagger stored before its first phase have an empty one, and must stay writable. */
function withEmptyPhase(status: Structural): Structural {
  const properties = map(status.properties);
  const phase = map(properties.phase);
  return { ...status, properties: { ...properties, phase: { ...phase, enum: ["", ...list(phase.enum)] } } };
}
