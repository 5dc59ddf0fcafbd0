// Which metric providers and which mesh's builtin queries are there? One line each; what is not here does not exist and is never guessed.
import type { Reporter } from "../crds/status.ts";
import { prometheus } from "./providers/prometheus.ts";
import type { BuiltinQueries } from "./queries/builtin.ts";
import { apisixQueries } from "./queries/apisix.ts";
import { contourQueries, glooQueries, kumaQueries } from "./queries/envoy.ts";
import { httpQueries } from "./queries/http.ts";
import { istioQueries } from "./queries/istio.ts";
import { linkerdQueries } from "./queries/linkerd.ts";
import { nginxQueries } from "./queries/nginx.ts";
import { skipperQueries } from "./queries/skipper.ts";
import { traefikQueries } from "./queries/traefik.ts";
import type { Provider } from "./types.ts";

export const PROVIDERS: readonly Provider[] = [prometheus];

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
]);

export function providerFor(name: string): Provider | undefined {
  return PROVIDERS.find((provider) => provider.name === name);
}

/** By the name of the mesh provider. Reporters are Istio's own: who names one reads its metrics, whatever leads the traffic, such as a gateway of the Gateway API. */
export function builtinsFor(mesh: string, reporter?: Reporter): BuiltinQueries | undefined {
  return reporter === undefined ? BUILTINS.get(mesh) : istioQueries;
}
