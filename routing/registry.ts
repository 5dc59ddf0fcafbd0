// Which router does a provider's name mean? The only list of them; a name that is not on it is never guessed.
import { apisix } from "./apisix.ts";
import { contour } from "./contour.ts";
import { gatewayApiV1, gatewayApiV1beta1 } from "./gateway-api.ts";
import { gloo } from "./gloo.ts";
import { istio } from "./istio.ts";
import { knative } from "./knative.ts";
import { kubernetes } from "./kubernetes.ts";
import { kuma } from "./kuma.ts";
import { linkerd } from "./linkerd.ts";
import { nginx } from "./nginx.ts";
import type { Router } from "./router.ts";
import { skipper } from "./skipper.ts";
import { traefik } from "./traefik.ts";

export const ROUTERS: readonly Router[] = [istio, gatewayApiV1, gatewayApiV1beta1, kubernetes, nginx, kuma, traefik, linkerd, contour, gloo, apisix, skipper, knative];

const DEAD: readonly { names: RegExp; product: string; instead: string }[] = [
  { names: /^appmesh(:|$)/, product: "AWS App Mesh, which has reached its end", instead: "gatewayapi:v1 with a gateway such as the one of Amazon VPC Lattice, or istio" },
  { names: /^osm(:|$)/, product: "Open Service Mesh, which is archived", instead: "istio, linkerd or kuma" },
  { names: /^smi(:|$)/, product: "the Service Mesh Interface, which is archived", instead: "gatewayapi:v1, which the meshes that spoke it know, or the mesh by its name (istio, linkerd, kuma)" },
];

/** A sentence about a provider whose product is no more; undefined for every other name. */
export function deadProvider(name: string): string | undefined {
  const found = DEAD.find(({ names }) => names.test(name));
  return found === undefined ? undefined : `${name} stands for ${found.product}. Use ${found.instead}.`;
}

export function routerFor(name: string): Router | undefined {
  return ROUTERS.find((router) => router.name === name);
}
