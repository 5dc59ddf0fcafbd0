// May a Canary use what is in another namespace? Where the engine was told that it may not, each pass refuses the manifest by the field's name, and nothing that
// asks or tells the outside follows such a reference either: what was accepted once may have been edited since.
// Gateways and backends are not among them: whom they let in is said by their own namespace, in allowedRoutes, ReferenceGrants and exportTo.
import type { Canary } from "../../crds/canary.ts";
import type { Problem } from "../../crds/problem.ts";
import type { Context, Options } from "./context.ts";

export function foreignRefs({ sameNamespaceOnly }: Pick<Options, "sameNamespaceOnly">, { metadata, spec }: Canary): Problem[] {
  if (sameNamespaceOnly !== true) return [];
  const own = metadata.namespace ?? "";
  const { metrics = [], alerts = [] } = spec.analysis ?? {};
  const named: [string, string | undefined, string][] = [
    ...metrics.map(({ templateRef }, index): [string, string | undefined, string] => [`spec.analysis.metrics[${index}].templateRef.namespace`, templateRef?.namespace, "copy the MetricTemplate"]),
    ...alerts.map(({ providerRef }, index): [string, string | undefined, string] => [`spec.analysis.alerts[${index}].providerRef.namespace`, providerRef.namespace, "copy the AlertProvider"]),
    ["spec.upstreamRef.namespace", spec.upstreamRef?.namespace, "copy the Upstream"],
  ];
  return named
    .filter(([, namespace]) => namespace !== undefined && namespace !== own)
    .map(([path, , cure]) => ({ reason: "InvalidSpec", path, message: `names another namespace, which this engine forbids; ${cure} into ${own} and remove the field` }));
}

/** A MetricTemplate or AlertProvider that a Canary of `from` may use: where it may not, it is as if there were none. */
export function referred({ caches, options }: Pick<Context, "caches" | "options">, plural: "metrictemplates" | "alertproviders", group: string, from: string, namespace: string, name: string): ReturnType<Context["caches"]["template"]> {
  return options.sameNamespaceOnly !== true || namespace === from ? caches.template(plural, group, namespace, name) : undefined;
}
