// Is the target at a new revision? A run needs another canonical hash and a moved generation or uid, so that neither an upgrade of this engine
// nor a field that the API server starts to default begins a rollout (design.md, P13).
import type { CanaryStatus } from "../../crds/status.ts";
import type { TargetSeen } from "./types.ts";

export function isNewRevision(status: CanaryStatus, target: TargetSeen): boolean {
  return moved(status, target) && target.hash !== status.lastAppliedSpec && target.hash !== status.lastPromotedSpec;
}

/** The object, or something that its pods read, was written by somebody since it was judged. */
export function moved(status: CanaryStatus, target: TargetSeen): boolean {
  return status.target?.uid !== target.uid || status.target.generation !== target.generation || rewritten(status, target);
}

/** Contents are compared only where they were known before, and known in the same way: to begin with tracking them is no release. */
function rewritten({ target: before }: CanaryStatus, { configs }: TargetSeen): boolean {
  const [scheme] = configs?.digest.split(":") ?? [];
  return before?.configs !== undefined && configs !== undefined && before.configs.split(":")[0] === scheme && before.configs !== configs.digest;
}

/** A primary at rest that reads the originals goes on reading them until the next promotion: its pods are not made anew for an option of ours. */
function keepsPrimary({ phase, target: before, route }: CanaryStatus, { configs }: TargetSeen): boolean {
  const resting = (phase === "Initialized" || phase === "Succeeded" || phase === "Failed") && (route?.canaryWeight ?? 0) === 0;
  return resting && before?.configs !== configs?.digest;
}

/**
 * The same object, unwritten, with another hash: what changed is how it is read. Every place that names the old hash is given the new one.
 * Undefined when there is nothing to rename.
 */
export function rebased(status: CanaryStatus, target: TargetSeen): CanaryStatus | undefined {
  const before = status.target;
  if (before === undefined || moved(status, target) || before.revision === target.hash) return undefined;
  const rename = (revision: string | undefined): string | undefined => (revision === before.revision ? target.hash : revision);
  return {
    ...status,
    target: { ...before, revision: target.hash, configs: target.configs?.digest },
    lastAppliedSpec: rename(status.lastAppliedSpec),
    lastPromotedSpec: rename(status.lastPromotedSpec),
    ...(status.primary === undefined || keepsPrimary(status, target) ? {} : { primary: { ...status.primary, revision: rename(status.primary.revision) ?? status.primary.revision } }),
    ...(status.run === undefined ? {} : { run: { ...status.run, revision: rename(status.run.revision) ?? status.run.revision } }),
  };
}
