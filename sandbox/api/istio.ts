// Which of Istio's kinds does the sandbox serve? The three that routes are made of, in every version that Istio serves,
// without schemas: what is in them is judged by the mesh, not here.
import type { ApiStore } from "./store.ts";
import type { KubeObject } from "./types.ts";

interface IstioKind {
  kind: string;
  plural: string;
  shortName: string;
  columns: readonly { name: string; type: string; jsonPath: string }[];
}

const AGE = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };

const KINDS: readonly IstioKind[] = [
  { kind: "VirtualService", plural: "virtualservices", shortName: "vs", columns: [
    { name: "Gateways", type: "string", jsonPath: ".spec.gateways" },
    { name: "Hosts", type: "string", jsonPath: ".spec.hosts" },
    AGE,
  ] },
  { kind: "DestinationRule", plural: "destinationrules", shortName: "dr", columns: [{ name: "Host", type: "string", jsonPath: ".spec.host" }, AGE] },
  { kind: "Gateway", plural: "gateways", shortName: "gw", columns: [] },
];

const GROUP = "networking.istio.io";

/** Does nothing for a definition that is there already. */
export function installIstioCRDs(store: ApiStore): void {
  for (const kind of KINDS) {
    const definition = definitionOf(kind);
    if (store.get("customresourcedefinitions.apiextensions.k8s.io", undefined, definition.metadata.name) !== undefined) continue;
    store.create("customresourcedefinitions.apiextensions.k8s.io", definition);
  }
}

function definitionOf({ kind, plural, shortName, columns }: IstioKind): KubeObject {
  const free = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  const versions = ["v1", "v1beta1", "v1alpha3"].map((name) => ({
    name,
    served: true,
    storage: name === "v1",
    subresources: { status: {} },
    schema: { openAPIV3Schema: { type: "object", properties: { spec: free, status: free } } },
    ...(columns.length === 0 ? {} : { additionalPrinterColumns: columns }),
  }));
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${GROUP}` },
    spec: {
      group: GROUP,
      scope: "Namespaced",
      names: { kind, plural, singular: kind.toLowerCase(), shortNames: [shortName], categories: ["istio-io", "networking-istio-io"] },
      versions,
    },
  };
}
