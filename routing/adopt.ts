// What do routers have in common whose route has the apex' name? One that is there is taken over, with a record of what it said, and given back; one that the
// engine made stays and leads to the apex Service.
import { isDeepStrictEqual } from "node:util";
import { defined, map, type Json } from "../crds/json.ts";
import { foreignController, markedAnnotations, originalSpec, originOf, unmarked } from "../crds/marks.ts";
import type { Problem } from "../crds/problem.ts";
import type { KubeObject } from "../engine/ports.ts";
import type { RouteIntent } from "./router.ts";

export interface Words {
  apiVersion: string;
  kind: string;
  labels?: Record<string, string>;
  /** The spec of a route that the engine made. */
  made(before: Json): Json;
  /** The spec of one that somebody else made; `ours` tells whether the engine has written it before. */
  taken(before: Json, ours: boolean): Json;
}

export function isTaken(object: KubeObject, { owner }: Pick<RouteIntent, "owner">): boolean {
  return (originOf(object, owner.uid) ?? "adopted") === "adopted";
}

export function foreign(object: KubeObject | undefined, { owner }: Pick<RouteIntent, "owner">): Problem[] {
  const problem = object === undefined ? undefined : foreignController(object, owner, "spec.service.name");
  return problem === undefined ? [] : [problem];
}

/** Labels and annotations that the manifest asks for go on objects that the engine made, and on no others: what an adopted one carries can then be given back as it was. */
export function routeObject(intent: RouteIntent, before: KubeObject | undefined, words: Words): KubeObject {
  const mark = before === undefined ? undefined : originOf(before, intent.owner.uid);
  const origin = before === undefined ? "created" : (mark ?? "adopted");
  const spec = map(before?.spec);
  const apex = origin === "created" ? intent.spec.service?.apex : undefined;
  const labels = { ...before?.metadata.labels, ...(before === undefined ? words.labels : {}), ...apex?.labels };
  return {
    ...before,
    apiVersion: words.apiVersion,
    kind: words.kind,
    metadata: defined({
      ...before?.metadata,
      name: intent.apex,
      namespace: intent.namespace,
      labels: Object.keys(labels).length === 0 ? undefined : labels,
      annotations: { ...markedAnnotations(before, origin, origin === "adopted" ? spec : undefined), ...apex?.annotations },
    }),
    spec: origin === "created" ? words.made(spec) : words.taken(spec, mark !== undefined),
  };
}

/**
 * As it was found. A route that the engine made, one whose record somebody destroyed and one that its owner has edited since keep what they say now, with
 * the apex Service in place of the backends, which are about to go.
 * @param toApex gives the spec with the apex in place of the backends; `ours` tells whether the engine wrote it
 * @param clean whether a record leads to no backend itself
 */
export function givenBack(object: KubeObject | undefined, { owner }: Pick<RouteIntent, "owner">, toApex: (spec: Json, ours: boolean) => Json, clean: (record: Json) => boolean): { restored: KubeObject[]; deleted: KubeObject[] } {
  if (object === undefined || originOf(object, owner.uid) === undefined) return { restored: [], deleted: [] };
  const now = toApex(map(object.spec), true);
  const record = originalSpec(object);
  const unedited = record !== undefined && isDeepStrictEqual(now, toApex(record, false));
  return { restored: [{ ...unmarked(object), spec: unedited && clean(record) ? record : now }], deleted: [] };
}
