// How does Gloo split traffic? As a gateway of the Gateway API; its older RouteTables and Upstreams are not written.
import type { Problem } from "../crds/problem.ts";
import { gatewayApi } from "./gateway-api.ts";
import type { RouteIntent, Router } from "./router.ts";

const gateways = gatewayApi("gloo");

export const gloo: Router = { ...gateways, check: (intent, found) => [...upstreams(intent), ...gateways.check(intent, found)] };

function upstreams({ spec }: RouteIntent): Problem[] {
  if (spec.upstreamRef === undefined) return [];
  return [{ reason: "Unsupported", path: "spec.upstreamRef", message: "RouteTables and Upstreams of Gloo are not written. Remove upstreamRef, and name a Gateway of the Gateway API that Gloo serves in spec.service.gatewayRefs." }];
}
