// How does an app that counts its own requests say whether it does well? By http_request_duration_seconds, with the labels that Prometheus gives to scraped
// pods; the names are those of the pods of a workload and of no other.
import { successRate, type BuiltinQueries } from "./builtin.ts";

export const httpQueries: BuiltinQueries = {
  "request-success-rate": (scope) => {
    const selected = selector(scope.namespace, scope.target);
    return successRate(`http_request_duration_seconds_count{${selected}}`, `http_request_duration_seconds_count{${selected},status!~"5.*"}`, scope);
  },
  "request-duration": ({ namespace, target, interval }) =>
    `histogram_quantile(0.99, sum(rate(http_request_duration_seconds_bucket{${selector(namespace, target)}}[${interval}])) by (le)) * 1000`,
  "request-count": ({ namespace, target, interval }) => `sum(increase(http_request_duration_seconds_count{${selector(namespace, target)}}[${interval}]))`,
};

function selector(namespace: string, target: string): string {
  return `kubernetes_namespace="${namespace}",kubernetes_pod_name=~"${target}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"`;
}
