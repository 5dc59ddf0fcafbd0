// Restarts of old pods must not condemn a new revision.
import { expect, test } from "@jest/globals";
import type { KubeObject } from "../../../engine/ports.ts";
import { restarts } from "../../../engine/workload/podrestarts.ts";

function pod(creationTimestamp: string | undefined, counts: number[], init: number[] = []): KubeObject {
  const statuses = (list: number[]) => list.map((restartCount, i) => ({ name: `c${i}`, restartCount }));
  return { apiVersion: "v1", kind: "Pod", metadata: { name: "p", creationTimestamp }, status: { containerStatuses: statuses(counts), initContainerStatuses: statuses(init) } };
}

test.each([
  ["there are no pods", [], 0],
  ["a pod has no status yet", [{ ...pod("2026-01-01T10:00:05Z", []), status: undefined }], 0],
  ["the highest of several containers counts, not the sum", [pod("2026-01-01T10:00:05Z", [1, 4]), pod("2026-01-01T10:00:06Z", [3])], 4],
  ["older pods do not count", [pod("2026-01-01T09:59:59Z", [9]), pod("2026-01-01T10:00:05Z", [1])], 1],
  ["a pod made in the very second counts, since pods carry whole seconds", [pod("2026-01-01T10:00:00Z", [2])], 2],
  ["sidecars among the init containers count", [pod("2026-01-01T10:00:05Z", [0], [5])], 5],
  ["a pod that does not tell its age does not count", [pod(undefined, [5])], 0],
])("when %s", (_when, pods, highest) => {
  expect(restarts(pods, "2026-01-01T10:00:00.700Z")).toBe(highest);
});
