// What does a metric measure now? Reads the Secret, asks the provider and gives exactly one reading. An error names the MetricTemplate and its field, and
// holds nothing of the Secret, whatever the provider says.
import { asked, placed } from "../../analysis/confidential.ts";
import { providerFor } from "../../analysis/registry.ts";
import type { Credentials, Field, PlannedMetric, Provider, Question, Reading } from "../../analysis/types.ts";
import type { HttpResponse } from "../ports.ts";
import type { Context } from "./context.ts";
import { readSecret } from "./secrets.ts";

const TIMEOUT_MS = 5_000;
const BYTES_MAX = 1_000_000;

type Reach = Pick<Context, "api" | "http" | "clock" | "identity">;

/** Guarantees: two requests at the most, no retry, and no throw. */
export async function measure(metric: PlannedMetric, reach: Reach, signal: AbortSignal): Promise<Reading> {
  const provider = providerFor(metric.provider);
  if (provider === undefined) return { kind: "error", why: `there is no metric provider "${metric.provider}"` };
  const secret = await credentialsOf(provider, metric, reach);
  if (!secret.ok) return placed(metric, { kind: "error", field: "spec.provider.secretRef", why: secret.why });
  const question = await provider.request(metric, secret.value, reach.clock.now());
  return placed(metric, await answered(provider, metric, "first" in question ? await followed(question, reach, signal) : question, secret.value, reach, signal));
}

async function credentialsOf({ own }: Provider, { secret }: PlannedMetric, { api, identity }: Reach): Promise<{ ok: true; value: Credentials | undefined } | { ok: false; why: string }> {
  if (secret !== undefined) return readSecret(api, secret.namespace, secret.name);
  if (own === undefined) return { ok: true, value: undefined };
  return identity === undefined ? { ok: false, why: "is missing, and the engine has no credentials of its own" } : identity(own);
}

/** What the answer to the first request, which is about who asks, makes of the second. */
async function followed({ first, next }: Extract<Question, { first: object }>, { http }: Reach, signal: AbortSignal): Promise<Question> {
  const response = await http({ ...first, timeoutMs: TIMEOUT_MS, maxBytes: BYTES_MAX, signal });
  return response.ok ? next(response.value) : { ok: false, field: "spec.provider.secretRef", why: response.fault.message };
}

async function answered(provider: Provider, metric: PlannedMetric, question: Question, credentials: Credentials | undefined, { api, http }: Reach, signal: AbortSignal): Promise<Reading> {
  const wrong = (why: string, field: Field = "spec.provider.address"): Reading => ({ kind: "error", field, why });
  if (!question.ok) return wrong(question.why, question.field);
  if ("first" in question) return wrong("is asked for too often");
  if ("list" in question) {
    const { resource, namespace, labelSelector } = question.list;
    const found = await api.list(resource, namespace, labelSelector);
    if (found.ok) return provider.read({ status: 200, headers: {}, body: JSON.stringify({ items: found.value }) }, metric);
    return found.fault.status === undefined ? wrong(found.fault.message) : provider.read({ status: found.fault.status, headers: {}, body: JSON.stringify({ message: found.fault.message }) }, metric);
  }
  const response = await http({ ...question.request, insecureSkipVerify: metric.insecureSkipVerify, timeoutMs: provider.timeoutMs ?? TIMEOUT_MS, maxBytes: BYTES_MAX, signal });
  return response.ok ? asked((answer: HttpResponse) => provider.read(answer, metric), response.value, metric, question.request, credentials) : wrong(response.fault.message);
}
