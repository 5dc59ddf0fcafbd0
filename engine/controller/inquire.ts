// Is it good? Answers one question of the machine: calls the hooks, queries the metrics, and puts what came back into one verdict.
// An outage is an error and silence is inconclusive, unless the manifest chose otherwise: only what was measured and found bad is a failure.
import { hookOutcome, hookRequest, retryDelayMs, type HookPayload } from "../../analysis/hooks.ts";
import { combine, judge } from "../../analysis/judge.ts";
import { planMetrics } from "../../analysis/plan.ts";
import { providerFor } from "../../analysis/registry.ts";
import type { PlannedMetric, Reading } from "../../analysis/types.ts";
import type { Canary, CanaryWebhook } from "../../crds/canary.ts";
import { parseCanary } from "../../crds/canary.ts";
import { parseDuration } from "../../crds/durations.ts";
import type { Measurement, Verdict } from "../../crds/status.ts";
import { settingsOf, type Settings } from "../machine/settings.ts";
import type { Answer, Ask } from "../machine/types.ts";
import type { Clock } from "../ports.ts";
import type { Context } from "./context.ts";
import { parseKey } from "./key.ts";

const METRIC_TIMEOUT_MS = 5_000;
const METRIC_BYTES_MAX = 1_000_000;
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
  const external = await hooks(canary, ask.id, "rollout", context, signal);
  if (external.verdict !== "pass") return external;
  return metrics(canary, context, signal);
}

async function metrics(canary: Canary, context: Context, signal: AbortSignal): Promise<Answer> {
  const group = canary.apiVersion.split("/")[0] ?? "";
  const settings = settingsOf(group, canary.spec);
  const planned = planMetrics({
    group,
    name: canary.metadata.name,
    namespace: canary.metadata.namespace ?? "",
    spec: canary.spec,
    metricsServer: context.options.metricsServer,
    meshProvider: canary.spec.provider ?? context.options.meshProvider,
    lookBackMs: lookBack(canary, settings, context.clock),
  });
  if (!planned.ok) return { verdict: "error", message: planned.problems[0]?.message ?? "the metrics cannot be planned", measurements: [] };
  const policies = { onNoData: settings.onNoData, onProviderError: settings.onProviderError };
  const measurements = await Promise.all(planned.metrics.map(async (metric) => judge(metric, await read(metric, context, signal), policies)));
  const verdict = combine(measurements);
  for (const [index, measurement] of measurements.entries()) context.recorder.measured(canary, measurement, planned.metrics[index]);
  return { verdict, message: worst(measurements, verdict), measurements };
}

/** Where silence is a failure or a pass, a window that was cut short would decide the run: there it stays as the manifest has it. */
function lookBack(canary: Canary, settings: Settings, clock: Clock): number | undefined {
  const since = canary.status?.run?.weightedAt;
  return since === undefined || settings.onNoData !== "hold" ? undefined : clock.now() - Date.parse(since);
}

function worst(measurements: readonly Measurement[], verdict: Verdict): string {
  const found = measurements.filter((measurement) => measurement.verdict === verdict && verdict !== "pass");
  return found.map((measurement) => `${measurement.name}: ${measurement.message ?? measurement.verdict}`).join("; ");
}

async function read(metric: PlannedMetric, { http }: Context, signal: AbortSignal): Promise<Reading> {
  const provider = providerFor(metric.provider);
  if (provider === undefined) return { kind: "error", why: `there is no metric provider "${metric.provider}"` };
  const response = await http({ ...provider.request(metric), timeoutMs: METRIC_TIMEOUT_MS, maxBytes: METRIC_BYTES_MAX, signal });
  return response.ok ? provider.read(response.value) : { kind: "error", why: response.fault.message };
}

/** In list order; the first that does not open ends the list. */
async function hooks(canary: Canary, id: string, type: string, context: Context, signal: AbortSignal): Promise<Answer> {
  const wanted = (canary.spec.analysis?.webhooks ?? []).filter((webhook) => (webhook.type === undefined || webhook.type === "" ? "rollout" : webhook.type) === type);
  for (const webhook of wanted) {
    const answer = await call(webhook, payloadOf(canary, id, type, webhook), canary, context, signal);
    if (answer.verdict !== "pass") return answer;
  }
  return PASS;
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

async function call(webhook: CanaryWebhook, payload: HookPayload, canary: Canary, context: Context, signal: AbortSignal): Promise<Answer> {
  const { http, clock } = context;
  const request = hookRequest(webhook, payload);
  const timeoutMs = parseDuration(webhook.timeout ?? "") ?? HOOK_TIMEOUT_MS;
  for (let attempt = 0; ; attempt += 1) {
    const response = await http({ ...request, timeoutMs, maxBytes: HOOK_BYTES_MAX, insecureSkipVerify: webhook.disableTLS, signal });
    const outcome = response.ok ? hookOutcome(response.value) : { kind: "retry" as const, why: response.fault.message };
    if (outcome.kind === "open") return PASS;
    if (outcome.kind === "retry" && attempt < (webhook.retries ?? 0) && !signal.aborted) {
      await pause(clock, retryDelayMs(attempt), signal);
      continue;
    }
    const message = `webhook ${webhook.name}: ${outcome.why}`;
    // A hook that said no is a failure, a failed test's 500 too; one that did not answer, or whose gateway did, is unknown and counts as the policy has it.
    const said = response.ok && !UNANSWERED.has(response.value.status);
    const group = canary.apiVersion.split("/")[0] ?? "";
    const policy = settingsOf(group, canary.spec).onProviderError;
    const verdict: Verdict = said || policy === "fail" ? "fail" : policy === "pass" ? "pass" : "error";
    return { verdict, message, measurements: [] };
  }
}

function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(ms, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    const onAbort = (): void => {
      cancel();
      resolve();
    };
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
