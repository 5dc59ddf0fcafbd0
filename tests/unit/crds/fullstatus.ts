// A status with every field that the engine may ever write: what a CRD must give back whole. A test holds it complete.
import type { CanaryStatus } from "../../../crds/status.ts";

const at = "2024-05-01T10:00:00Z";

export const FULL_STATUS: CanaryStatus = {
  phase: "Progressing",
  canaryWeight: 20,
  failedChecks: 1,
  iterations: -1,
  lastAppliedSpec: "7c9f",
  lastPromotedSpec: "5b1d",
  lastTransitionTime: at,
  trackedConfigs: { "configmap/settings": "0f0e0d0c0b0a0908", "secret/token": "0102030405060708" },
  sessionAffinityCookie: "cookie=a",
  primarySessionAffinityCookie: "primary=b",
  previousSessionAffinityCookie: "cookie=c",
  conditions: [
    { type: "Promoted", status: "Unknown", reason: "Progressing", message: "under way", observedGeneration: 3, lastTransitionTime: at, lastUpdateTime: at },
  ],
  observedGeneration: 3,
  route: { primaryWeight: 80, canaryWeight: 20, matched: true, mirror: true, appliedAt: at, drainUntil: at },
  target: { uid: "c0ffee", generation: 7, revision: "7c9f", images: ["podinfo:6.0.1"], replicas: 2, scale: "Up", paused: true },
  primary: { revision: "5b1d", images: ["podinfo:6.0.0"] },
  run: {
    id: "4",
    revision: "7c9f",
    images: ["podinfo:6.0.1"],
    startedAt: at,
    strategy: "canary",
    step: 2,
    attempt: 1,
    nextCheckAt: at,
    weightedAt: at,
    deadlineAt: at,
    holdingSince: at,
    passed: true,
    haltedBy: "confirm-promotion",
    preRollout: "Passed",
    postRollout: "Pending",
    outcome: "Inconclusive",
    reason: "NoData",
    measurements: [{ name: "request-success-rate", verdict: "pass", value: 99.5, min: 99, max: 100, message: "within bounds" }],
  },
  history: [{ id: "3", revision: "5b1d", images: ["podinfo:6.0.0"], outcome: "Promoted", reason: "ChecksPassed", finishedAt: at }],
  outbox: [{ id: 9, at, type: "Warning", reason: "CheckFailed", message: "too many errors" }],
  counters: { runs: 4, announcements: 9 },
};
