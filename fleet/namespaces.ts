// Do the pods of a namespace get a proxy? It is made where it is missing and marked where nobody has said anything; what somebody else has said stays.
import type { Rollout } from "../crds/application.ts";
import type { Fault } from "../engine/ports.ts";
import { NAMESPACES, type Member } from "./members.ts";
import type { FleetProblem } from "./problem.ts";
import { injectionOf } from "./providers.ts";
import { preconditionOf } from "./write.ts";

export interface NamespaceWork {
  cluster: string;
  member: Pick<Member, "api">;
  mayWrite: () => boolean;
  memo: Map<string, unknown>;
}

/** For what is known of a namespace; another provider asks for other marks. */
export function namespaceKey(name: string, { trafficRoutingProvider }: Rollout): string {
  return `namespace/${trafficRoutingProvider}/${name}`;
}

export async function prepareNamespace({ member, memo, mayWrite, cluster }: NamespaceWork, name: string, rollout: Rollout): Promise<FleetProblem | Fault | undefined> {
  const key = namespaceKey(name, rollout);
  const injection = injectionOf(rollout);
  if (injection === undefined || memo.get(key) === true) return undefined;
  const ref = { resource: NAMESPACES, namespace: "", name };
  const read = await member.api.get(ref);
  if (!mayWrite()) return { class: "conflict", message: "the lease may have run out" };
  const places = injection.annotated ? (["labels", "annotations"] as const) : (["labels"] as const);
  const marks = (unsaid: readonly ("labels" | "annotations")[]): object => Object.fromEntries(unsaid.map((place) => [place, { [injection.key]: injection.value }]));
  if (!read.ok) {
    if (read.fault.class !== "not-found") return read.fault;
    const created = await member.api.create(NAMESPACES, { apiVersion: "v1", kind: "Namespace", metadata: { name, ...marks(places) } });
    if (!created.ok) return created.fault;
  } else {
    const { metadata } = read.value;
    const other = places.map((place) => metadata[place]?.[injection.key]).find((value) => value !== undefined && value !== injection.value && !injection.alike.includes(value));
    if (other !== undefined) return { reason: "Refused", path: "", message: `Namespace ${name} in ${cluster} says ${injection.key}=${other}, so its pods have no proxy and nobody would measure them; remove that, or set it to ${injection.value}` };
    const unsaid = places.filter((place) => metadata[place]?.[injection.key] === undefined);
    const instead = injection.instead !== undefined && metadata.labels?.[injection.instead] !== undefined;
    if (unsaid.length > 0 && !instead) {
      const patched = await member.api.patch(ref, { metadata: marks(unsaid) }, preconditionOf(read.value));
      if (!patched.ok) return patched.fault;
    }
  }
  memo.set(key, true);
  return undefined;
}
