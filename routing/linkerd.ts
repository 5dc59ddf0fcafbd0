// How does Linkerd split traffic? By the same routes as gateways do, attached to the Service that callers call: proxies beside the callers carry them out.
import type { Problem } from "../crds/problem.ts";
import { gatewayApi } from "./gateway-api.ts";
import { isFlaggers } from "./refusals.ts";
import type { RouteIntent } from "./router.ts";

export const linkerd = gatewayApi("linkerd", {
  // Its proxies neither copy requests nor tell browsers anything per backend.
  can: { mirror: false, sessionAffinity: false },
  parents: ({ apex, spec }) => [{ group: "core", kind: "Service", name: apex, port: spec.service?.port }],
  refuses,
});

function refuses({ spec, owner }: RouteIntent): Problem[] {
  if (isFlaggers(owner)) return [];
  const unable = (["mirror", "corsPolicy", "rewrite"] as const).filter((word) => spec.service?.[word] !== undefined);
  const problems: Problem[] = unable.map((word) => ({ reason: "Unsupported", path: `spec.service.${word}`, message: `Linkerd's proxies are not known to carry out ${word} of an HTTPRoute. Remove it.` }));
  const within = (spec.service?.gatewayRefs ?? []).length === 0 && (spec.service?.hosts ?? []).length > 0;
  if (within) problems.push({ reason: "Unsupported", path: "spec.service.hosts", message: "Callers in the mesh reach the app by its Service, whatever host they name. Remove hosts, or name a Gateway in gatewayRefs." });
  return problems;
}
