// What every router has to offer, and nothing of any one of them: pure codecs between a wanted route and the objects of a mesh.
// I/O, ownership, retries, conflicts and events belong to the shell.
import type { KubeObject, Resource } from "../engine/ports.ts";
import type { CanarySpec } from "../crds/canary.ts";
import type { OwnerIdentity } from "../crds/marks.ts";
import type { Problem } from "../crds/problem.ts";

export interface RouteIntent {
  namespace: string;
  /** The apex name; its Services are `apex`, `apex-primary` and `apex-canary`. */
  apex: string;
  spec: CanarySpec;
  /** The Canary, to tell its own objects from those that another controller writes. */
  owner: OwnerIdentity;
  /** Percents, integers, sum 100. */
  primaryWeight: number;
  canaryWeight: number;
  /** Whom the weights speak of: everybody, or only the users whom `spec.analysis.match` chooses while all others get the primary; everybody when absent. */
  scope?: "all" | "matched";
  /** The canary gets a copy of what the primary gets, and its answers are thrown away. */
  mirror?: boolean;
  /** Absent without session affinity. */
  affinity?: Affinity;
  /** What the platform calls the two, for routers that lead to revisions; a name is missing where it is not known. */
  revisions?: { primary?: string; canary?: string };
}

/** Cookies as "name=value"; their attributes are in `spec.analysis.sessionAffinity`. */
export interface Affinity {
  /** Given with the canary's answers, and whoever sends it goes to the canary; absent while the canary has no weight. */
  canary?: string;
  /** The same for the primary, for one interval at a time. */
  primary?: string;
  /** How long the primary's cookie lasts. */
  primarySeconds?: number;
  /** Of the last run: browsers that still send it are told to forget it. */
  expired?: string;
}

/** `key` is `plural.group/namespace/name`, for example "virtualservices.networking.istio.io/test/podinfo". */
export type FoundObjects = ReadonlyMap<string, KubeObject>;

/** A mangled object reads as `unknown`, never as 0. */
export type RouteReading =
  | { kind: "absent" }
  | { kind: "unknown"; why: string }
  | { kind: "known"; primaryWeight: number; canaryWeight: number; scope?: "all" | "matched"; mirror?: boolean };

export interface Router {
  name: string;
  /** The kinds it reads and writes, most preferred version first: the shell watches the first version of each that is served. */
  kinds: readonly (readonly Resource[])[];
  /** Its kinds are watched from the first Canary on that asks for it: most clusters have none of them, and looking for what nobody needs would cost requests. */
  rare?: boolean;
  /** It leads to revisions of the target, which is the route itself, and to no Services. */
  revisions?: boolean;
  /** The kinds, in their most preferred version, without which this manifest cannot be worked on. */
  needs(intent: Pick<RouteIntent, "spec" | "owner">): readonly Resource[];
  /** Kinds among them that Canaries refer to across namespaces and that are never written, such as gateways. */
  refersTo: readonly string[];
  can: { weights: boolean; mirror: boolean; match: boolean; sessionAffinity: boolean };
  /** Keys (see FoundObjects) of the object that holds the weights, absent where none does, and of those beside it. */
  keys(intent: Pick<RouteIntent, "namespace" | "apex" | "spec" | "owner">): { route: string | undefined; others: string[] };
  /** Keys of the objects that only `check` looks at, such as gateways. */
  reads(intent: Pick<RouteIntent, "namespace" | "apex" | "spec" | "owner">): string[];
  /** What of the spec this router cannot do, with paths; what only the cluster can tell (a gateway that is missing) too. */
  check(intent: RouteIntent, found: FoundObjects): Problem[];
  /**
   * Whole objects, as they should be. An object that is found keeps every field, label and annotation that is not this router's; the
   * caller stamps ownership and sends the difference. Rendering what was rendered gives the same. The original spec of an
   * object that somebody else made is kept in an annotation, once. `version` gives the served version of a kind, for example "v1beta1".
   */
  render(intent: RouteIntent, found: FoundObjects, version: (kind: string) => string): KubeObject[];
  read(intent: Pick<RouteIntent, "namespace" | "apex" | "spec" | "owner" | "revisions">, found: FoundObjects): RouteReading;
  /**
   * What is to become of each object when the app is given back: restored to what was found, or deleted because the engine made it. A route that the
   * engine made is restored too, as one that leads to the apex Service: whoever reaches the app through it goes on reaching it.
   */
  restore(intent: Pick<RouteIntent, "namespace" | "apex" | "owner">, found: FoundObjects): { restored: KubeObject[]; deleted: KubeObject[] };
}

/** As FoundObjects is keyed. */
export function keyOf(resource: Pick<Resource, "group" | "plural">, namespace: string, name: string): string {
  return `${resource.plural}.${resource.group}/${namespace}/${name}`;
}
