// Is it good? Answers one question of the machine: calls the hooks, queries the metrics, and puts what came back into one verdict.
// An outage is an error and silence is inconclusive, unless the manifest chose otherwise: only what was measured and found bad is a failure.
import { groupOf } from "../../crds/marks.ts";
import { hookOutcome, hookRequest, retryDelayMs, type HookPayload } from "../../analysis/hooks.ts";
import { combine, judge } from "../../analysis/judge.ts";
import { planMetrics, reporterQuestions, type Plan } from "../../analysis/plan.ts";
import type { Reading } from "../../analysis/types.ts";
import type { Canary, CanaryWebhook } from "../../crds/canary.ts";
import { parseCanary } from "../../crds/canary.ts";
import { parseDuration } from "../../crds/durations.ts";
import type { Measurement, Reporter, Verdict } from "../../crds/status.ts";
import { settingsOf } from "../machine/settings.ts";
import type { Answer, Ask } from "../machine/types.ts";
import type { Context } from "./context.ts";
import { referred } from "./crossrefs.ts";
import { hiderOf, secretsOf } from "../../analysis/hiding.ts";
import { accessOf } from "./hookaccess.ts";
import { parseKey } from "./key.ts";
import { measure } from "./measure.ts";
import { pause } from "./pause.ts";
import { inTurns } from "./turns.ts";
import { workloadOf } from "../workload/kinds.ts";
import { readRevision, revisionName } from "../workload/revisions.ts";
import { REVISIONS } from "./wanted.ts";

const HOOK_TIMEOUT_MS = 10_000;
const HOOK_BYTES_MAX = 64_000;

/** Statuses that speak of the way to the hook and not of its verdict. */
const UNANSWERED: ReadonlySet<number> = new Set([429, 502, 503, 504]);

const PASS: Answer = { verdict: "pass", message: "", measurements: [] };

export async function inquire(keyText: string, ask: Ask, context: Context, signal: AbortSignal): Promise<Answer> {
  const key = parseKey(keyText);
  const object = context.caches.canaries(key.group).get(key.namespace, key.name);
  const parsed = object === undefined ? undefined : parseCanary(object);
  if (parsed === undefined || !parsed.ok) return { verdict: "error", message: "the Canary cannot be read", measurements: [] };
  const { canary } = parsed;
  if (ask.kind === "hooks") return hooks(canary, ask.id, ask.type, context, signal);
  if (ask.kind === "gate") return ask.type === "rollback" ? rollbackWanted(canary, ask.id, context, signal) : gate(canary, ask.id, ask.type, context, signal);
  if (ask.of === "primary") return metrics(aboutPrimary(canary), context, signal, canary.status?.rollbackWindow?.since);
  const external = await hooks(canary, ask.id, "rollout", context, signal);
  if (external.verdict !== "pass") return external;
  return metrics(canary, context, signal, canary.status?.run?.weightedAt);
}

/** @param since when the revision in question got its first users: no measurement may look further back */
async function metrics(canary: Canary, context: Context, signal: AbortSignal, since: string | undefined): Promise<Answer> {
  const group = groupOf(canary.apiVersion);
  const settings = settingsOf(group, canary.spec);
  const plan: Plan = {
    group,
    name: canary.metadata.name,
    namespace: canary.metadata.namespace ?? "",
    spec: canary.spec,
    metricsServer: context.options.metricsServer,
    meshProvider: canary.spec.provider ?? context.options.meshProvider,
    template: (namespace, name) => referred(context, "metrictemplates", group, canary.metadata.namespace ?? "", namespace, name)?.spec,
    lookBackMs: since === undefined ? undefined : context.clock.now() - Date.parse(since),
    onNoData: settings.onNoData,
    revision: revisionOf(canary, context),
  };
  const found = await findReporter(plan, context, signal);
  const planned = planMetrics({ ...plan, reporter: found.reporter });
  if (!planned.ok) return { verdict: "error", message: planned.problems[0]?.message ?? "the metrics cannot be planned", measurements: [] };
  const policies = { onNoData: settings.onNoData, onProviderError: settings.onProviderError };
  const measurements = await inTurns(planned.metrics, async (metric) => judge(metric, (metric.reporterUnknown === true ? found.instead : undefined) ?? (await measure(metric, context, signal)), policies));
  const verdict = combine(measurements);
  for (const [index, measurement] of measurements.entries()) context.recorder.measured(canary, measurement, planned.metrics[index]);
  return { verdict, message: worst(measurements, verdict), measurements };
}

/** What the platform calls the one under analysis; undefined where no platform keeps revisions. */
function revisionOf({ metadata, spec, status }: Canary, { caches }: Context): string | undefined {
  if (workloadOf({ group: groupOf(spec.targetRef.apiVersion), kind: spec.targetRef.kind })?.primary !== "revision") return undefined;
  const stored = caches.get(REVISIONS.plural, metadata.namespace ?? "", revisionName(spec.targetRef.name, status?.run?.revision ?? ""));
  return stored === undefined ? undefined : readRevision(stored, spec.targetRef.name)?.name;
}

/**
 * Who counts the requests of this app? One for all metrics of a check. Asked anew with each, because a sidecar or a waypoint may come and go with any rollout.
 * Where nobody does, `instead` is what every metric reads that would have asked.
 */
async function findReporter(plan: Plan, context: Context, signal: AbortSignal): Promise<{ reporter?: Reporter; instead?: Reading }> {
  const questions = reporterQuestions(plan);
  for (const question of questions) {
    const reading = await measure(question, context, signal);
    // Who did not answer may be the one to believe, so the next one is not asked in its place.
    if (reading.kind === "error") return { instead: reading };
    if (reading.kind === "value" && reading.value > 0) return { reporter: question.reporter };
  }
  const names = questions.map(({ reporter }) => reporter).join(", ");
  return questions.length === 0 ? {} : { instead: { kind: "no-data", why: `none of Istio's reporters (${names}) saw a request of ${plan.spec.targetRef.name} or its primary` } };
}

/** The same questions about the primary, whose Services keep their names. */
function aboutPrimary(canary: Canary): Canary {
  const { spec } = canary;
  const { apex, primary } = settingsOf(groupOf(canary.apiVersion), spec);
  return { ...canary, spec: { ...spec, targetRef: { ...spec.targetRef, name: primary }, ...(spec.service === undefined ? {} : { service: { ...spec.service, name: apex } }) } };
}

function worst(measurements: readonly Measurement[], verdict: Verdict): string {
  const found = measurements.filter((measurement) => measurement.verdict === verdict && verdict !== "pass");
  return found.map((measurement) => `${measurement.name}: ${measurement.message ?? measurement.verdict}`).join("; ");
}

/** In list order; the first that does not open ends the list. */
async function hooks(canary: Canary, id: string, type: string, context: Context, signal: AbortSignal): Promise<Answer> {
  const group = groupOf(canary.apiVersion);
  const policy = settingsOf(group, canary.spec).onProviderError;
  for (const webhook of typed(canary, type)) {
    const { said, why } = await call(webhook, payloadOf(canary, id, type, webhook), context, signal);
    if (said === "yes") continue;
    // A hook that said no is a failure; one that did not answer, or whose gateway did, is unknown and counts as the policy has it.
    const verdict: Verdict = said === "no" || policy === "fail" ? "fail" : policy === "pass" ? "pass" : "error";
    if (verdict !== "pass") return { verdict, message: `webhook ${webhook.name}: ${why}`, measurements: [] };
  }
  return PASS;
}

/** Open only when every one of its webhooks says so itself: no policy opens a gate that did not answer. */
async function gate(canary: Canary, id: string, type: string, context: Context, signal: AbortSignal): Promise<Answer> {
  for (const webhook of typed(canary, type)) {
    const { said, why } = await call(webhook, payloadOf(canary, id, type, webhook), context, signal);
    if (said !== "yes") return { verdict: said === "no" ? "fail" : "error", message: `webhook ${webhook.name}: ${why}`, measurements: [] };
  }
  return PASS;
}

/** A pass means that a webhook asked for it; the first one that does is enough. */
async function rollbackWanted(canary: Canary, id: string, context: Context, signal: AbortSignal): Promise<Answer> {
  for (const webhook of typed(canary, "rollback")) {
    const { said } = await call(webhook, payloadOf(canary, id, "rollback", webhook), context, signal);
    if (said === "yes") return { ...PASS, message: `webhook ${webhook.name} asked for it` };
  }
  return { verdict: "fail", message: "no webhook asks for a rollback", measurements: [] };
}

export function typed(canary: Canary, type: string): CanaryWebhook[] {
  return (canary.spec.analysis?.webhooks ?? []).filter((webhook) => (webhook.type === undefined || webhook.type === "" ? "rollout" : webhook.type) === type);
}

function payloadOf(canary: Canary, id: string, type: string, webhook: CanaryWebhook): HookPayload {
  const [run = "", step = "0", attempt = "0"] = id.split("/");
  return {
    name: canary.metadata.name,
    namespace: canary.metadata.namespace ?? "",
    phase: canary.status?.phase ?? "Initializing",
    lastAppliedSpec: canary.status?.lastAppliedSpec ?? "",
    trackedConfigs: canary.status?.trackedConfigs ?? {},
    metadata: webhook.metadata,
    type,
    run,
    step: Number.isNaN(Number(step)) ? 0 : Number(step),
    attempt: Number.isNaN(Number(attempt)) ? 0 : Number(attempt),
  };
}

/** `unknown`: it did not answer, or only its gateway did. */
async function call(webhook: CanaryWebhook, payload: HookPayload, { http, clock, api }: Context, signal: AbortSignal): Promise<{ said: "yes" | "no" | "unknown"; why: string }> {
  const access = await accessOf(api, payload.namespace, webhook);
  if (!access.ok) return { said: "unknown", why: access.why };
  const plain = hookRequest(webhook, payload);
  const request = { ...plain, headers: { ...access.headers, ...plain.headers }, tls: access.tls };
  const hide = hiderOf(secretsOf(request));
  const timeoutMs = parseDuration(webhook.timeout ?? "") ?? HOOK_TIMEOUT_MS;
  for (let attempt = 0; ; attempt += 1) {
    const response = await http({ ...request, timeoutMs, maxBytes: HOOK_BYTES_MAX, insecureSkipVerify: webhook.disableTLS, signal });
    const outcome = response.ok ? hookOutcome({ ...response.value, body: hide(response.value.body) }) : { kind: "retry" as const, why: response.fault.message };
    if (outcome.kind === "open") return { said: "yes", why: "" };
    if (outcome.kind === "retry" && attempt < (webhook.retries ?? 0) && !signal.aborted) {
      await pause(clock, retryDelayMs(attempt), signal);
      continue;
    }
    return { said: response.ok && !UNANSWERED.has(response.value.status) ? "no" : "unknown", why: outcome.why };
  }
}
