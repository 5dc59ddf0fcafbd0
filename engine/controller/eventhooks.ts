// Who else hears of a decision? Webhooks of type event, or where a Canary has none the one that the engine was started with. Nothing waits for them, and
// what they answer changes nothing.
import { hookOutcome, hookRequest } from "../../analysis/hooks.ts";
import type { Canary, CanaryWebhook } from "../../crds/canary.ts";
import { parseDuration } from "../../crds/durations.ts";
import type { Announcement } from "../../crds/status.ts";
import type { Http, KubeApi, KubeObject } from "../ports.ts";
import type { Place } from "./announce.ts";
import { accessOf } from "./hookaccess.ts";
import { typed } from "./inquire.ts";
import { inTurns } from "./turns.ts";

const TIMEOUT_MS = 10_000;
const BYTES_MAX = 64_000;

/** @param everyones URL of the hook for Canaries that have none of their own */
export function eventHooks(http: Http, api: KubeApi, everyones: string | undefined): Place {
  return {
    name: "event hooks",
    wanted: (canary) => hooksOf(canary, everyones).length > 0,
    givesUp: true,
    async send(canary, announcement) {
      const answers = await inTurns(hooksOf(canary, everyones), (webhook) => call(http, api, webhook, canary, announcement));
      return answers.every(Boolean) ? "sent" : "retry";
    },
  };
}

function hooksOf(canary: KubeObject, everyones: string | undefined): CanaryWebhook[] {
  const own = typed(canary as unknown as Canary, "event");
  return own.length > 0 || everyones === undefined ? own : [{ name: "event-webhook", url: everyones, type: "event" }];
}

/** True when there is nothing to try again. */
async function call(http: Http, api: KubeApi, webhook: CanaryWebhook, object: KubeObject, announcement: Announcement): Promise<boolean> {
  const { status } = object as unknown as Canary;
  const [run = "", step = 0] = [status?.run?.id, status?.run?.step];
  const access = await accessOf(api, object.metadata.namespace ?? "", webhook);
  if (!access.ok) return false;
  const plain = hookRequest(webhook, {
    name: object.metadata.name,
    namespace: object.metadata.namespace ?? "",
    phase: status?.phase ?? "Initializing",
    lastAppliedSpec: status?.lastAppliedSpec ?? "",
    trackedConfigs: status?.trackedConfigs ?? {},
    metadata: {
      ...webhook.metadata,
      eventMessage: announcement.message,
      eventType: announcement.type,
      eventReason: announcement.reason,
      eventId: `${object.metadata.uid ?? ""}.${announcement.id}`,
      timestamp: String(Date.parse(announcement.at)),
    },
    type: "event",
    run,
    step,
    attempt: 0,
  });
  const timeoutMs = parseDuration(webhook.timeout ?? "") ?? TIMEOUT_MS;
  const response = await http({ ...plain, headers: { ...access.headers, ...plain.headers }, tls: access.tls, timeoutMs, maxBytes: BYTES_MAX, insecureSkipVerify: webhook.disableTLS });
  return response.ok && hookOutcome(response.value).kind !== "retry";
}
