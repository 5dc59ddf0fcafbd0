// Which custom resources does the mesh bring along? The definitions of the three Istio kinds that are routed by, or
// that engines create beside them. It must never replace a definition that is already there.
import type { KubeObject, SandboxStore } from "../api/types.ts";

const definitions = "customresourcedefinitions.apiextensions.k8s.io";
const group = "networking.istio.io";

const kinds = [
  { kind: "VirtualService", plural: "virtualservices", singular: "virtualservice", shortNames: ["vs"] },
  { kind: "Gateway", plural: "gateways", singular: "gateway", shortNames: ["gw"] },
  { kind: "DestinationRule", plural: "destinationrules", singular: "destinationrule", shortNames: ["dr"] },
];

export function installMeshDefinitions(store: SandboxStore): void {
  for (const names of kinds) {
    if (store.get(definitions, undefined, `${names.plural}.${group}`) === undefined) store.create(definitions, definitionOf(names));
  }
}

function definitionOf(names: (typeof kinds)[number]): KubeObject {
  const anything = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  const schema = { openAPIV3Schema: { type: "object", properties: { spec: anything, status: anything } } };
  const version = (name: string, storage: boolean) => ({ name, served: true, storage, schema, subresources: { status: {} } });
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${names.plural}.${group}`, labels: { app: "istio-pilot" } },
    spec: {
      group,
      names: { ...names, listKind: `${names.kind}List`, categories: ["istio-io", "networking-istio-io"] },
      scope: "Namespaced",
      versions: [version("v1", true), version("v1beta1", false), version("v1alpha3", false)],
    },
  };
}
