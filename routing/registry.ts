// Which router does a provider's name mean? The only list of them; a name that is not on it is never guessed.
import { contour } from "./contour.ts";
import { gatewayApiV1, gatewayApiV1beta1 } from "./gateway-api.ts";
import { gloo } from "./gloo.ts";
import { istio } from "./istio.ts";
import { kubernetes } from "./kubernetes.ts";
import { kuma } from "./kuma.ts";
import { linkerd } from "./linkerd.ts";
import { nginx } from "./nginx.ts";
import type { Router } from "./router.ts";
import { traefik } from "./traefik.ts";

export const ROUTERS: readonly Router[] = [istio, gatewayApiV1, gatewayApiV1beta1, kubernetes, nginx, kuma, traefik, linkerd, contour, gloo];

export function routerFor(name: string): Router | undefined {
  return ROUTERS.find((router) => router.name === name);
}
