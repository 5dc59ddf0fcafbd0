// How do Istio's own metrics say whether a workload does well? Success rate in percent and the 99th percentile of the duration in milliseconds. The same
// request may be counted by several proxies, its reporters: no query reads two of them, or it would count twice.
import { successRate, type BuiltinQueries, type BuiltinScope } from "./builtin.ts";

/**
 * UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE and DATA_LOSS, all of which travel as HTTP 200. The others are answers to what the
 * client did: this is where the semantic conventions of OpenTelemetry for gRPC draw the line on the server's side.
 * https://opentelemetry.io/docs/specs/semconv/rpc/grpc/
 */
const GRPC_SERVER_ERRORS = "2|4|12|13|14|15";

export const istioQueries: BuiltinQueries = {
  "request-success-rate": (scope) => {
    const selected = selector(scope);
    // A series without a status of gRPC, as HTTP on the same port has, is matched by the empty text.
    const good = `response_code!~"5.*"${scope.grpc ? `,grpc_response_status!~"${GRPC_SERVER_ERRORS}"` : ""}`;
    return successRate(`istio_requests_total{${selected}}`, `istio_requests_total{${selected},${good}}`, scope);
  },
  "request-duration": (scope) => `histogram_quantile(0.99, sum(rate(istio_request_duration_milliseconds_bucket{${selector(scope)}}[${scope.interval}])) by (le))`,
  "request-count": (scope) => `sum(increase(istio_requests_total{${selector(scope)}}[${scope.interval}]))`,
  // The primary is looked at too. It has the same proxies and steady traffic, while the first requests of a new version may be known to the gateway before
  // Prometheus has found the new pods: the reporter must not change from one check to the next.
  "reported-count": ({ namespace, target, interval, reporter, service }) => {
    const both = service === true ? `destination_service_namespace="${namespace}",destination_service_name=~"${target}-(primary|canary)"` : `destination_workload_namespace="${namespace}",destination_workload=~"${target}|${target}-primary"`;
    return `sum(increase(istio_requests_total{reporter="${reporter}",${both}}[${interval}]))`;
  },
};

function selector({ reporter, namespace, target, service }: BuiltinScope): string {
  if (service === true) return `reporter="${reporter}",destination_service_namespace="${namespace}",destination_service_name="${target}-canary"`;
  return `reporter="${reporter}",destination_workload_namespace="${namespace}",destination_workload="${target}"`;
}
