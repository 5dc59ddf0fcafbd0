// How is traffic routed where there is no mesh? Not at all: the apex Service leads to the primary, and the canary is rehearsed behind its own Service until
// the primary takes its revision over. It must never claim that it could send users to the canary.
import type { Problem } from "../crds/problem.ts";
import type { RouteIntent, Router } from "./router.ts";

export const kubernetes: Router = {
  name: "kubernetes",
  kinds: [],
  needs: () => [],
  refersTo: [],
  can: { weights: false, mirror: false, match: false, sessionAffinity: false },
  keys: () => ({ route: undefined, others: [] }),
  reads: () => [],
  check,
  render: () => [],
  read: () => ({ kind: "known", primaryWeight: 100, canaryWeight: 0, scope: "all", mirror: false }),
  restore: () => ({ restored: [], deleted: [] }),
};

function check({ spec, owner }: RouteIntent): Problem[] {
  const { stepWeight, stepWeights, iterations, match, mirror, sessionAffinity } = spec.analysis ?? {};
  // Flagger runs such manifests as blue/green, and so does the engine for its group.
  const flagger = owner.apiVersion.startsWith("flagger.app/");
  const weighted = iterations === undefined && ((stepWeight ?? 0) > 0 || (stepWeights?.length ?? 0) > 0);
  const asked: [boolean, string, string][] = [
    [weighted && !flagger, "spec.analysis.stepWeight", "Weights need a mesh or a gateway. Use analysis.iterations for blue/green, or another provider."],
    [(match?.length ?? 0) > 0 && !flagger, "spec.analysis.match", "Choosing users needs a mesh or a gateway. Remove match, or use another provider."],
    [mirror === true, "spec.analysis.mirror", "Mirroring needs a mesh or a gateway. Remove mirror, or use another provider."],
    [sessionAffinity !== undefined, "spec.analysis.sessionAffinity", "Cookies need a mesh or a gateway. Remove sessionAffinity, or use another provider."],
  ];
  return asked.filter(([wanted]) => wanted).map(([, path, message]) => ({ reason: "Unsupported", path, message }));
}
