// How does ingress-nginx say whether the canary does well? It counts requests by the user's Ingress, and those that an Ingress beside it took carry the label
// canary. There is no percentile: durations are the mean.
import { countedQueries, mean } from "./builtin.ts";

export const nginxQueries = countedQueries({
  requests: "nginx_ingress_controller_requests",
  selector: ({ namespace, ingress }) => `namespace="${namespace}",ingress="${ingress}",canary!=""`,
  good: 'status!~"5.*"',
  duration: mean("nginx_ingress_controller_response_duration_seconds"),
});
