// Is the verdict on all clusters that of the cluster which decides it?
import { expect, test } from "@jest/globals";
import { judgeApplication } from "../../../cli/waitapplication.ts";
import { parseTarget } from "../../../cli/wait.ts";
import type { ApplicationStatus } from "../../../crds/applicationstatus.ts";

const run = (image: string, outcome?: string): object => ({ run: { id: "r", revision: `rev-${image}`, images: [image], startedAt: "2030-01-01T00:00:00Z", ...(outcome === undefined ? {} : { outcome }) } });
const at = (phase: string, primary: string, more: object = {}): object => ({ phase, primary: { revision: `rev-${primary}`, images: [primary] }, ...more });

function status(clusters: Record<string, object | undefined>, more: Partial<ApplicationStatus> = {}): ApplicationStatus {
  return { syncStatus: Object.entries(clusters).map(([clusterName, canary]) => ({ name: clusterName, rolloutStatus: { clusterName, rolloutStatusInCluster: canary as never } })), ...more };
}

const wish = { image: "app:2" };
const done = at("Succeeded", "app:2", run("app:2", "Promoted"));

test.each<[string, ApplicationStatus, number | undefined]>([
  ["all have it", status({ a: done, b: at("Initialized", "app:2") }), 0],
  ["one has not been given it yet", status({ a: done, b: at("Succeeded", "app:1") }), undefined],
  ["one is on its way", status({ a: done, b: at("Progressing", "app:1", run("app:2")) }), undefined],
  ["one waits for its wave", status({ a: done, b: at("Waiting", "app:1") }), undefined],
  ["one went back, whatever the others do", status({ a: done, b: at("Failed", "app:1", run("app:2", "RolledBack")), c: at("Progressing", "app:1", run("app:2")) }), 2],
  ["another release failed before", status({ a: done, b: at("Failed", "app:1", run("app:0", "RolledBack")) }), undefined],
  ["one waits for a person", status({ a: done, b: at("WaitingPromotion", "app:1", run("app:2")) }), 3],
  ["one gave no verdict", status({ a: at("Failed", "app:1", run("app:2", "Inconclusive")) }), 5],
  ["one was overtaken", status({ a: at("Progressing", "app:1", run("app:2", "Superseded")) }), 6],
  ["one is not known", status({ a: done, b: undefined }), undefined],
  ["there is no rollout", status({}), undefined],
  ["a wave stopped before", status({ a: done, b: at("Succeeded", "app:1") }, { waves: [{ policy: "p", name: "pilot", phase: "Stopped", clusters: [] }] }), 2],
])("%s", (_what, seen, code) => expect(judgeApplication(wish, seen)?.code).toBe(code));

test("without an image it is waited for rest", () => {
  expect(judgeApplication({}, status({ a: done, b: at("Initialized", "app:7") }))?.code).toBe(0);
  expect(judgeApplication({}, status({ a: done, b: at("Progressing", "app:1", run("app:2")) }))).toBeUndefined();
});

test("what is waited for is a canary or an application", () => {
  expect([parseTarget("backend"), parseTarget("canary/backend"), parseTarget("application/shop")]).toEqual([{ kind: "canary", name: "backend" }, { kind: "canary", name: "backend" }, { kind: "application", name: "shop" }]);
  expect(() => parseTarget("pod/x")).toThrow("canary/NAME or application/NAME");
});
