// Which kinds of Flux does the host serve, and in which versions? Asked until all are there, because Flux may be installed later than we are.
import type { Transport } from "../engine/adapters/transport.ts";
import { list, map, text } from "../crds/json.ts";
import type { Resource } from "../engine/ports.ts";
import { FLUX_KINDS, type FluxKind } from "./flux.ts";

const TIMEOUT_MS = 10_000;

/** @returns undefined when the API server gave no answer that can be trusted */
export async function servedFluxKinds(transport: Transport, signal: AbortSignal): Promise<Map<FluxKind, Resource> | undefined> {
  const plurals = new Map<string, ReadonlySet<string>>();
  const served = new Map<FluxKind, Resource>();
  for (const { kind, group, plural, versions } of FLUX_KINDS) {
    for (const version of versions) {
      const path = `/apis/${group}/${version}`;
      const known = plurals.get(path) ?? (await pluralsOf(transport, path, signal));
      if (known === undefined) return undefined;
      plurals.set(path, known);
      if (!known.has(plural)) continue;
      served.set(kind, { group, version, plural, kind });
      break;
    }
  }
  return served;
}

async function pluralsOf(transport: Transport, path: string, signal: AbortSignal): Promise<ReadonlySet<string> | undefined> {
  try {
    const { status, body } = await transport.request({ method: "GET", path, timeoutMs: TIMEOUT_MS, signal });
    if (status === 404) return new Set();
    if (status !== 200) return undefined;
    const names = list(map(JSON.parse(body)).resources).map((resource) => text(map(resource).name) ?? "");
    return new Set(names);
  } catch {
    return undefined;
  }
}
