// What does a router that knows little say to a manifest that asks for more? Every field that it would silently leave out is named, with the cure.
import type { CanarySpec } from "../crds/canary.ts";
import { groupOf } from "../crds/marks.ts";
import type { Problem } from "../crds/problem.ts";
import type { Router, RouteIntent } from "./router.ts";

type Word = keyof NonNullable<CanarySpec["service"]>;

/** Fields of `spec.service` that say something of requests or of where they come from. */
const ROUTING: readonly Word[] = ["timeout", "backendTimeout", "gateways", "gatewayRefs", "hosts", "delegation", "trafficPolicy", "match", "rewrite", "retries", "headers", "mirror", "corsPolicy"];

export function isFlaggers(owner: RouteIntent["owner"]): boolean {
  return groupOf(owner.apiVersion) === "flagger.app";
}

/** What `can` says no to. */
export function beyond({ spec }: Pick<RouteIntent, "spec">, can: Router["can"]): Problem[] {
  const { match, mirror, sessionAffinity } = spec.analysis ?? {};
  const asked: [boolean, string, string][] = [
    [!can.match && (match?.length ?? 0) > 0, "match", "This router cannot choose users by what they send"],
    [!can.mirror && mirror === true, "mirror", "This router cannot mirror requests"],
    [!can.sessionAffinity && sessionAffinity !== undefined, "sessionAffinity", "This router cannot keep users at a version"],
  ];
  return asked.filter(([wanted]) => wanted).map(([, word, what]) => ({ reason: "Unsupported", path: `spec.analysis.${word}`, message: `${what}. Remove ${word}, or use the provider istio or gatewayapi:v1.` }));
}

/** Manifests of Flagger's carry words about that it leaves out for these routers, and so are they left out here; ours have no reason to say them. */
export function unheard({ spec, owner }: Pick<RouteIntent, "spec" | "owner">, known: readonly Word[], cure: string): Problem[] {
  if (isFlaggers(owner)) return [];
  const given = ROUTING.filter((word) => !known.includes(word) && spec.service?.[word] !== undefined);
  return given.map((word) => ({ reason: "Unsupported", path: `spec.service.${word}`, message: `This router does not know ${word}. ${cure}` }));
}

/** TCP has no requests to split. */
export function notHttp({ spec }: Pick<RouteIntent, "spec">): Problem[] {
  if (spec.service?.appProtocol?.toLowerCase() !== "tcp") return [];
  return [{ reason: "Unsupported", path: "spec.service.appProtocol", message: "This router splits HTTP requests and no connections. Remove the appProtocol tcp, or use the provider istio." }];
}

export function isPercent(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 100;
}
