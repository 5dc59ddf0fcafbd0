// Who is told, and what? Chooses the announcements that are worth an alert, and says them in a sentence with a severity. Pure: sending belongs to the shell.
import type { Canary } from "../crds/canary.ts";
import type { Announcement } from "../crds/status.ts";

export type Severity = "info" | "warn" | "error";

export interface Alert {
  /** Unique for each announcement, so that a receiver can drop repetitions. */
  id: string;
  severity: Severity;
  /** "backend.webapp" */
  subject: string;
  text: string;
  fields: { name: string; value: string }[];
}

const RANK: Record<Severity, number> = { info: 0, warn: 1, error: 2 };
const TEXT_MAX = 1_000;

/** Undefined for what is not worth one: of the several announcements of one ending exactly one is an alert. */
export function alertOf(canary: Canary, announcement: Announcement): Alert | undefined {
  const said = saidOf(canary, announcement);
  if (said === undefined) return undefined;
  const { uid = "", name, namespace = "" } = canary.metadata;
  return { id: `${uid}.${announcement.id}`, severity: said.severity, subject: `${name}.${namespace}`, text: said.text.slice(0, TEXT_MAX), fields: said.detailed === true ? fieldsOf(canary) : [] };
}

/** Whether an alert of this severity goes to an entry of spec.analysis.alerts; an entry without severity hears everything. */
export function isDue(alert: Alert, severity: string | undefined): boolean {
  const wanted: Severity = severity === "warn" || severity === "error" ? severity : "info";
  return RANK[alert.severity] >= RANK[wanted];
}

function saidOf(canary: Canary, { reason, message }: Announcement): { severity: Severity; text: string; detailed?: boolean } | undefined {
  switch (reason) {
    case "Initialized":
      return { severity: "info", text: `New ${canary.spec.targetRef.kind} detected, initialization completed.`, detailed: true };
    case "Progressing":
      return { severity: "info", text: "New revision detected, progressing canary analysis.", detailed: true };
    case "Succeeded":
      return { severity: "info", text: /skipped/.test(message) ? "Canary analysis was skipped, promotion finished." : "Canary analysis completed successfully, promotion finished." };
    case "WaitingForApproval":
      return muted(canary, message) ? undefined : { severity: "warn", text: message };
    case "RollingBack":
      return { severity: "error", text: message };
    case "PromotionBlocked":
      return { severity: "error", text: message };
    default:
      return undefined;
  }
}

/** A gate says by name that it is closed, and may have asked for silence. */
function muted(canary: Canary, message: string): boolean {
  return (canary.spec.analysis?.webhooks ?? []).some(({ name, muteAlert }) => muteAlert === true && message.includes(`webhook ${name}:`));
}

function fieldsOf({ spec, metadata }: Canary): Alert["fields"] {
  const { analysis, targetRef } = spec;
  return [
    { name: "Target", value: `${targetRef.kind}/${targetRef.name}.${metadata.namespace ?? ""}` },
    { name: "Failed checks threshold", value: String(analysis?.threshold ?? 1) },
    { name: "Progress deadline", value: `${spec.progressDeadlineSeconds ?? 600}s` },
    { name: "Traffic routing", value: routing(analysis) },
  ];
}

function routing(analysis: Canary["spec"]["analysis"]): string {
  if ((analysis?.iterations ?? 0) > 0) return (analysis?.match?.length ?? 0) > 0 ? "A/B Testing" : "Blue/Green";
  if (analysis?.stepWeights !== undefined) return `Weight steps: ${analysis.stepWeights.join(",")}`;
  return `Weight step: ${analysis?.stepWeight ?? 0} max: ${analysis?.maxWeight ?? 100}`;
}
