// How do Istio's own metrics say whether a workload does well? Success rate in percent and the 99th percentile of the duration in milliseconds,
// as measured by the proxies of the workload (reporter "destination").
import type { BuiltinQueries } from "./builtin.ts";

export const istioQueries: BuiltinQueries = {
  "request-success-rate": ({ namespace, target, interval }) => {
    const selected = selector(namespace, target);
    const all = `sum(rate(istio_requests_total{${selected}}[${interval}]))`;
    // A version that answers nothing but 5xx has no series of good answers at all: that is none of them, and not silence.
    return `(sum(rate(istio_requests_total{${selected},response_code!~"5.*"}[${interval}])) or vector(0)) / ${all} * 100`;
  },
  "request-duration": ({ namespace, target, interval }) =>
    `histogram_quantile(0.99, sum(rate(istio_request_duration_milliseconds_bucket{${selector(namespace, target)}}[${interval}])) by (le))`,
  "request-count": ({ namespace, target, interval }) => `sum(increase(istio_requests_total{${selector(namespace, target)}}[${interval}]))`,
};

function selector(namespace: string, target: string): string {
  return `reporter="destination",destination_workload_namespace="${namespace}",destination_workload="${target}"`;
}
