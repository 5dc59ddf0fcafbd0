// How does Traefik say whether the canary does well? By the durations of its Services, which are named after namespace, Service and port.
import { countedQueries, percentile } from "./builtin.ts";

export const traefikQueries = countedQueries({
  requests: "traefik_service_request_duration_seconds_bucket",
  selector: ({ namespace, apex }) => `service=~"${namespace}-${apex}-canary-[0-9a-zA-Z-]+@kubernetescrd"`,
  // Each answer is once in the widest bucket, and counters without durations need not be switched on.
  only: 'le="+Inf"',
  good: 'code!~"5.."',
  duration: percentile("traefik_service_request_duration_seconds_bucket", 1000),
});
