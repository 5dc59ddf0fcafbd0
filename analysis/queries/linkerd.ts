// How do Linkerd's proxies say whether a workload does well? By the answers of the pods themselves, as the proxies beside them saw them come out.
import { countedQueries, percentile } from "./builtin.ts";

export const linkerdQueries = countedQueries({
  requests: "response_total",
  selector: ({ namespace, target }) => `namespace="${namespace}",deployment="${target}",direction="inbound"`,
  good: 'classification!="failure"',
  duration: percentile("response_latency_ms_bucket", 1),
});
