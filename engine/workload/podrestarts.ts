// How often did the pods of a revision crash? Reads restart counts; whether a count is too high is the machine's business.
import { list, map, number } from "../../crds/json.ts";
import type { KubeObject } from "../ports.ts";

/**
 * The highest restart count of any container of one pod that was created at or after `since` (RFC 3339); pods of older revisions do not count.
 * Pods carry whole seconds, so `since` is taken down to its second.
 */
export function restarts(pods: readonly KubeObject[], since: string): number {
  const sinceMs = Math.floor(Date.parse(since) / 1000) * 1000;
  let highest = 0;
  for (const pod of pods) {
    const createdMs = Date.parse(pod.metadata.creationTimestamp ?? "");
    if (!(createdMs >= sinceMs)) continue;
    const status = map(pod.status);
    // Init containers too: sidecars are among them since Kubernetes 1.28, and a crash in any of them keeps the pod from serving.
    for (const container of [...list(status.containerStatuses), ...list(status.initContainerStatuses)]) {
      highest = Math.max(highest, number(map(container).restartCount) ?? 0);
    }
  }
  return highest;
}
