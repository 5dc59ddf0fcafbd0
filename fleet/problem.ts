// Why is an Application, or a part of it, not delivered? The closed list of reasons, and what each tells the user.
// docs/fleet.md has one entry for each; a test holds the two together.
import type { Problem } from "../crds/problem.ts";

export const FLEET_REASONS = [
  "InvalidSpec",
  "Unsupported",
  "FleetMissing",
  "ClusterMissing",
  "KubeconfigUnusable",
  "Unreachable",
  "Forbidden",
  "EngineMissing",
  "ServiceMissing",
  "DuplicateTarget",
  "NameTaken",
  "Refused",
  "RolledBack",
] as const;

export type FleetReason = (typeof FLEET_REASONS)[number];

export interface FleetProblem {
  reason: FleetReason;
  /** Field of the Application; "" where none is wrong. */
  path: string;
  /** A whole sentence with what is wrong and what to do; it names the cluster where there is one. */
  message: string;
  /** It goes away without anybody changing the Application: waited for, not stalled. */
  passing?: boolean;
}

/** Of what is read by the Canary's own schema. */
export function fromSpec({ reason, path, message }: Problem): FleetProblem {
  return { reason: reason === "Unsupported" ? "Unsupported" : "InvalidSpec", path, message };
}

export function sentence({ path, message }: FleetProblem): string {
  return path === "" ? message : `${path}: ${message}`;
}
