// What does the API server of the host cluster have to be told? CRDs of Application, Fleet and AttachedCluster, from the same schemas that read them.
// Names, scope and status subresource are Kurator's, so that its objects fit; whoever runs Kurator has these CRDs already.
import { stringify } from "yaml";
import type { z } from "zod";
import { APPLICATION, applicationSpecSchema } from "./application.ts";
import { applicationStatusSchema } from "./applicationstatus.ts";
import { attachedClusterSpecSchema, attachedClusterStatusSchema, CLUSTER, FLEET, fleetSpecSchema, fleetStatusSchema } from "./fleet.ts";
import { definitionOf, OBJECT, type CustomResourceDefinition, type PrinterColumn } from "./generate.ts";
import { structuralSchema } from "./structural.ts";

interface HostKind {
  kind: string;
  plural: string;
  group: string;
  version: string;
  description: string;
  columns: PrinterColumn[];
  spec: z.ZodType;
  status: z.ZodType;
}

const AGE: PrinterColumn = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };
const READY: PrinterColumn = { name: "Ready", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].status' };

const HOST_KINDS: readonly HostKind[] = [
  {
    ...APPLICATION,
    kind: "Application",
    plural: "applications",
    description: "An app, where it comes from, which clusters it goes to, and how each change is rolled out there.",
    columns: [READY, { name: "Status", type: "string", jsonPath: ".status.summary" }, { name: "Message", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].message', priority: 1 }, AGE],
    spec: applicationSpecSchema,
    status: applicationStatusSchema,
  },
  {
    ...FLEET,
    kind: "Fleet",
    plural: "fleets",
    description: "Clusters that get the same applications.",
    columns: [READY, { name: "Clusters", type: "integer", jsonPath: ".status.readyClusters" }, { name: "Missing", type: "integer", jsonPath: ".status.unReadyClusters" }, AGE],
    spec: fleetSpecSchema,
    status: fleetStatusSchema,
  },
  {
    ...CLUSTER,
    kind: "AttachedCluster",
    plural: "attachedclusters",
    description: "A cluster that exists, and the Secret with the kubeconfig that leads to it.",
    columns: [{ name: "Ready", type: "boolean", jsonPath: ".status.ready" }, AGE],
    spec: attachedClusterSpecSchema,
    status: attachedClusterStatusSchema,
  },
];

export function renderHostCRDs({ keep = false }: { keep?: boolean } = {}): CustomResourceDefinition[] {
  return HOST_KINDS.map(({ description, spec, status, ...kind }) =>
    definitionOf({ ...kind, categories: ["kurator-dev"], keep, schema: { description, type: "object", properties: { ...OBJECT, spec: structuralSchema(spec), status: structuralSchema(status) } } }),
  );
}

/** One document for each kind. */
export function renderHostYaml(options: { keep?: boolean } = {}): string {
  return renderHostCRDs(options).map((crd) => `---\n${stringify(crd, { lineWidth: 0, aliasDuplicateObjects: false })}`).join("");
}
