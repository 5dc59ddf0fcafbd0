// How does APISIX say whether the canary does well? By the status and the latency of the route that was made beside the user's, which leads to primary and
// canary alike: it is the app's rate, and not the canary's alone.
import { countedQueries, percentile } from "./builtin.ts";

export const apisixQueries = countedQueries({
  requests: "apisix_http_status",
  selector: ({ namespace, route, apex }) => `route=~"${namespace}_${route}-${apex}-canary_.+"`,
  good: 'code!~"5.."',
  duration: (selector, interval) => percentile("apisix_http_latency_bucket", 1)(`type=~"request",${selector}`, interval),
});
