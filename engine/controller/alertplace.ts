// How does an alert reach the chats that a Canary names? Its AlertProviders are looked up, their Secrets read when they are needed, and nothing of either is
// ever in a log. What a chat answers changes nothing.
import { alertOf, isDue } from "../../alerts/alert.ts";
import { NOTIFIERS, type Address } from "../../alerts/notifiers.ts";
import type { Canary, CanaryAlert } from "../../crds/canary.ts";
import { groupOf } from "../../crds/marks.ts";
import { alertProviderSpecSchema } from "../../crds/templates.ts";
import type { KubeObject } from "../ports.ts";
import type { Place } from "./announce.ts";
import type { Context } from "./context.ts";
import { referred } from "./crossrefs.ts";
import { readSecret } from "./secrets.ts";
import { inTurns } from "./turns.ts";

const TIMEOUT_MS = 5_000;
const BYTES_MAX = 64_000;

export function alertPlace(context: Pick<Context, "http" | "api" | "caches" | "options" | "log">): Place {
  return {
    name: "alerts",
    wanted: (canary) => alertsOf(canary).length > 0,
    givesUp: true,
    async send(object, announcement) {
      const canary = object as unknown as Canary;
      const alert = alertOf(canary, announcement);
      if (alert === undefined) return "sent";
      const due = alertsOf(object).filter(({ severity }) => isDue(alert, severity));
      const sent = await inTurns(due, async (entry) => {
        const to = await addressOf(context, canary, entry);
        if (typeof to === "string") {
          context.log.warn({ canary: alert.subject, alert: entry.name, why: to }, "alert not sent");
          return true;
        }
        const response = await context.http({ ...to.notify(alert, to.address), proxy: to.proxy, timeoutMs: TIMEOUT_MS, maxBytes: BYTES_MAX });
        return response.ok && response.value.status < 500 && response.value.status !== 429;
      });
      return sent.every(Boolean) ? "sent" : "retry";
    },
  };
}

function alertsOf(canary: KubeObject): CanaryAlert[] {
  return (canary as unknown as Canary).spec.analysis?.alerts ?? [];
}

/** A sentence where there is none. */
async function addressOf(context: Pick<Context, "api" | "caches" | "options">, canary: Canary, { providerRef }: CanaryAlert): Promise<{ notify: (typeof NOTIFIERS)[string]; address: Address; proxy: string | undefined } | string> {
  const namespace = providerRef.namespace ?? canary.metadata.namespace ?? "";
  const where = `AlertProvider ${namespace}/${providerRef.name}`;
  const object = referred(context, "alertproviders", groupOf(canary.apiVersion), canary.metadata.namespace ?? "", namespace, providerRef.name);
  if (object === undefined) return `${where} does not exist, or is in another namespace and may not be used`;
  const parsed = alertProviderSpecSchema.safeParse(object.spec);
  if (!parsed.success) return `${where} cannot be read`;
  const { type, address, channel, username, secretRef, proxy } = parsed.data;
  if (proxy !== undefined && !/^https?:\/\//.test(proxy)) return `${where}: its proxy is no URL such as http://proxy:3128`;
  const notify = NOTIFIERS[type];
  if (notify === undefined) return `${where}: there is no notifier ${type}`;
  const keys = secretRef === undefined ? { ok: true as const, value: {} as Record<string, string> } : await readSecret(context.api, namespace, secretRef.name);
  if (!keys.ok) return keys.why;
  const url = keys.value.address?.trim() ?? address ?? "";
  if (!URL.canParse(url)) return secretRef === undefined ? `${where} has no address that is a URL` : `Secret ${namespace}/${secretRef.name} has no key address that holds a URL`;
  const token = keys.value.token?.trim();
  return { notify, proxy, address: { url, ...(token === undefined ? {} : { token }), ...(channel === undefined ? {} : { channel }), ...(username === undefined ? {} : { username }) } };
}
