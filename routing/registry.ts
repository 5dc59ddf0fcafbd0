// Which router does a provider's name mean? The only list of them; a name that is not on it is never guessed.
import { istio } from "./istio.ts";
import { kubernetes } from "./kubernetes.ts";
import type { Router } from "./router.ts";

export const ROUTERS: readonly Router[] = [istio, kubernetes];

export function routerFor(name: string): Router | undefined {
  return ROUTERS.find((router) => router.name === name);
}
