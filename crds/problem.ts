// Why a Canary cannot be worked on: the closed list of Stalled reasons, and what each tells the user.
// docs/operations.md has one runbook entry for each; a test holds the two together.

export const STALLED_REASONS = [
  "InvalidSpec",
  "Unsupported",
  "UnknownMetric",
  "TargetMissing",
  "AutoscalerMissing",
  "SelectorLabelMissing",
  "DuplicateTarget",
  "GatewayMissing",
  "RouterMissing",
  "ForeignController",
  "NameTaken",
  "PrimaryUnavailable",
  "DriftFight",
  "Forbidden",
  "Refused",
  "CRDOutdated",
  "RolledBack",
  "PromotionBlocked",
  "InternalError",
] as const;

export type StalledReason = (typeof STALLED_REASONS)[number];

/** `message` is a whole sentence with what is wrong and what to do; `path` is the field as kubectl would print it, for example "spec.analysis.metrics[0].name". */
export interface Problem {
  reason: StalledReason;
  path: string;
  message: string;
}
