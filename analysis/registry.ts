// Which metric providers and which mesh's builtin queries are there? One line each; what is not here does not exist and is never guessed.
import type { Reporter } from "../crds/status.ts";
import { cloudwatch } from "./providers/cloudwatch.ts";
import { datadog } from "./providers/datadog.ts";
import { dynatrace } from "./providers/dynatrace.ts";
import { externalmetrics } from "./providers/externalmetrics.ts";
import { graphite } from "./providers/graphite.ts";
import { influxdb } from "./providers/influxdb.ts";
import { newrelic } from "./providers/newrelic.ts";
import { prometheus } from "./providers/prometheus.ts";
import { skywalking } from "./providers/skywalking.ts";
import { splunk } from "./providers/splunk.ts";
import { stackdriver } from "./providers/stackdriver.ts";
import { web } from "./providers/web.ts";
import type { BuiltinQueries } from "./queries/builtin.ts";
import { apisixQueries } from "./queries/apisix.ts";
import { contourQueries, glooQueries, knativeQueries, kumaQueries } from "./queries/envoy.ts";
import { httpQueries } from "./queries/http.ts";
import { istioQueries } from "./queries/istio.ts";
import { linkerdQueries } from "./queries/linkerd.ts";
import { nginxQueries } from "./queries/nginx.ts";
import { skipperQueries } from "./queries/skipper.ts";
import { traefikQueries } from "./queries/traefik.ts";
import type { Provider } from "./types.ts";

export const PROVIDERS: readonly Provider[] = [prometheus, cloudwatch, datadog, dynatrace, externalmetrics, graphite, influxdb, newrelic, skywalking, splunk, stackdriver, web];

const BUILTINS: ReadonlyMap<string, BuiltinQueries> = new Map([
  ["istio", istioQueries],
  ["kubernetes", httpQueries],
  ["gatewayapi:v1", httpQueries],
  ["gatewayapi:v1beta1", httpQueries],
  ["nginx", nginxQueries],
  ["kuma", kumaQueries],
  ["traefik", traefikQueries],
  ["linkerd", linkerdQueries],
  ["contour", contourQueries],
  ["gloo", glooQueries],
  ["apisix", apisixQueries],
  ["skipper", skipperQueries],
  ["knative", knativeQueries],
]);

export function providerFor(name: string): Provider | undefined {
  return PROVIDERS.find((provider) => provider.name === name);
}

/** By the name of the mesh provider. Reporters are Istio's own: who names one reads its metrics, whatever leads the traffic, such as a gateway of the Gateway API. */
export function builtinsFor(mesh: string, reporter?: Reporter): BuiltinQueries | undefined {
  return reporter === undefined ? BUILTINS.get(mesh) : istioQueries;
}
