// Which metric providers and which mesh's builtin queries are there? One line each; what is not here does not exist and is never guessed.
import { prometheus } from "./providers/prometheus.ts";
import type { BuiltinQueries } from "./queries/builtin.ts";
import { httpQueries } from "./queries/http.ts";
import { istioQueries } from "./queries/istio.ts";
import type { Provider } from "./types.ts";

export const PROVIDERS: readonly Provider[] = [prometheus];

const BUILTINS: ReadonlyMap<string, BuiltinQueries> = new Map([["istio", istioQueries], ["kubernetes", httpQueries], ["gatewayapi:v1", httpQueries], ["gatewayapi:v1beta1", httpQueries]]);

export function providerFor(name: string): Provider | undefined {
  return PROVIDERS.find((provider) => provider.name === name);
}

/** By the name of the mesh provider. */
export function builtinsFor(mesh: string): BuiltinQueries | undefined {
  return BUILTINS.get(mesh);
}
