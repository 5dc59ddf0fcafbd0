// How do gateways and meshes that are made of Envoy say whether the canary does well? By what Envoy counts for the cluster of the canary's Service; how that
// cluster is called is each product's own.
import { countedQueries, percentile, type BuiltinScope } from "./builtin.ts";

const REQUESTS = { requests: "envoy_cluster_upstream_rq", good: 'envoy_response_code!~"5.*"', duration: percentile("envoy_cluster_upstream_rq_time_bucket", 1) };

function named(label: string, name: (scope: BuiltinScope) => string) {
  return countedQueries({ ...REQUESTS, selector: (scope) => `${label}=~"${name(scope)}"` });
}

export const kumaQueries = named("service", ({ namespace, apex }) => `${apex}-canary_${namespace}_svc_[0-9a-zA-Z-]+`);

export const contourQueries = named("envoy_cluster_name", ({ namespace, apex }) => `${namespace}_${apex}-canary_[0-9a-zA-Z-]+`);

/** The first is the name of an Upstream, the others are those of Services that routes of the Gateway API lead to, in an older and a newer version. */
export const glooQueries = named("envoy_cluster_name", ({ namespace, apex }) => `${namespace}-${apex}-canaryupstream-[0-9a-zA-Z-]+_[0-9a-zA-Z-]+|kube-svc[:_]${namespace}-${apex}-canary-[0-9]+_${namespace}|kube_${namespace}_${apex}-canary_[0-9]+`);

/** Of the Revision under analysis, which gets no requests under another name. */
export const knativeQueries = named("envoy_cluster_name", ({ namespace, route }) => `${namespace}/${route}`);
