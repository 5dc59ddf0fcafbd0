// Which decisions are alerts, how does each chat get them, and what becomes of providers that are missing, wrong or down?
import { describe, expect, test } from "@jest/globals";
import { alertOf, isDue, type Alert } from "../../../alerts/alert.ts";
import { NOTIFIERS } from "../../../alerts/notifiers.ts";
import type { Canary } from "../../../crds/canary.ts";
import type { Announcement } from "../../../crds/status.ts";
import { alertPlace } from "../../../engine/controller/alertplace.ts";
import type { HttpRequest, KubeObject } from "../../../engine/ports.ts";
import { testLog } from "../controller/support.ts";

function canary(alerts: object[] = [], webhooks: object[] = []): Canary {
  return {
    apiVersion: "rollout.kurator.dev/v1alpha1",
    kind: "Canary",
    metadata: { name: "backend", namespace: "webapp", uid: "u1" },
    spec: { targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "backend" }, analysis: { threshold: 2, stepWeight: 10, maxWeight: 50, alerts, webhooks } },
  } as unknown as Canary;
}

const said = (reason: string, message = "words"): Announcement => ({ id: 7, at: "2030-01-01T00:00:00Z", type: "Normal", reason, message });

describe("what is an alert", () => {
  test.each([
    ["Initialized", "info"],
    ["Progressing", "info"],
    ["Succeeded", "info"],
    ["WaitingForApproval", "warn"],
    ["RollingBack", "error"],
    ["PromotionBlocked", "error"],
    ["Failed", undefined],
    ["Advanced", undefined],
    ["Finalising", undefined],
  ])("%s is %p", (reason, severity) => expect(alertOf(canary(), said(reason))?.severity).toBe(severity));

  test("carries an id, and what is rolled out how", () => {
    expect(alertOf(canary(), said("Progressing"))).toEqual({
      id: "u1.7",
      severity: "info",
      subject: "backend.webapp",
      text: "New revision detected, progressing canary analysis.",
      fields: [
        { name: "Target", value: "Deployment/backend.webapp" },
        { name: "Failed checks threshold", value: "2" },
        { name: "Progress deadline", value: "600s" },
        { name: "Traffic routing", value: "Weight step: 10 max: 50" },
      ],
    });
  });

  test("a gate that asked for silence has it", () => {
    const quiet = canary([], [{ name: "approve", type: "confirm-promotion", url: "http://gate", muteAlert: true }]);
    expect(alertOf(quiet, said("WaitingForApproval", "Halt backend.webapp: webhook approve: answered 403"))).toBeUndefined();
    expect(alertOf(quiet, said("WaitingForApproval", "Halt backend.webapp: webhook other: answered 403"))?.severity).toBe("warn");
  });

  test.each([
    ["info", undefined, true],
    ["info", "info", true],
    ["info", "warn", false],
    ["warn", "warn", true],
    ["warn", "error", false],
    ["error", "error", true],
    ["error", "", true],
  ] as const)("%s goes to an entry of severity %p: %p", (severity, entry, due) => expect(isDue({ severity } as Alert, entry)).toBe(due));
});

describe("how it is said", () => {
  const alert: Alert = { id: "u1.7", severity: "error", subject: "backend.webapp", text: 'no <!channel> "quotes" & more', fields: [{ name: "Target", value: "<b>" }] };
  const body = (type: string, url = "https://chat.example/hook"): unknown => JSON.parse(NOTIFIERS[type]?.(alert, { url }).body ?? "");

  test("Slack, with a channel, a colour and a token", () => {
    const request = NOTIFIERS.slack?.(alert, { url: "https://hooks.slack.com/x", token: "t", channel: "ops", username: "bot" });
    expect(request?.headers).toMatchObject({ Authorization: "Bearer t" });
    expect(JSON.parse(request?.body ?? "")).toEqual({
      channel: "ops", username: "bot",
      attachments: [{ color: "danger", author_name: "backend.webapp", text: 'no &lt;!channel&gt; "quotes" &amp; more', mrkdwn_in: ["text"], fields: [{ title: "Target", value: "&lt;b&gt;", short: false }] }],
    });
  });

  test("Rocket.Chat has its own colours, Discord its own path", () => {
    expect(body("rocket")).toMatchObject({ attachments: [{ color: "#FF0000" }] });
    expect(NOTIFIERS.discord?.(alert, { url: "https://discord.com/api/webhooks/1/a" }).url).toBe("https://discord.com/api/webhooks/1/a/slack");
    expect(NOTIFIERS.discord?.(alert, { url: "https://discord.com/api/webhooks/1/a/slack" }).url).toBe("https://discord.com/api/webhooks/1/a/slack");
  });

  test("Teams: a card for workflows, a message card for the connectors of old", () => {
    expect(body("msteams")).toMatchObject({ type: "message", attachments: [{ contentType: "application/vnd.microsoft.card.adaptive" }] });
    expect(body("msteams", "https://team.webhook.office.com/x")).toMatchObject({ "@type": "MessageCard", themeColor: "FF0000", sections: [{ facts: alert.fields }] });
  });

  test("Google Chat and a webhook of one's own", () => {
    expect(body("gchat")).toMatchObject({ cards: [{ header: { subtitle: "backend.webapp" } }] });
    expect(body("webhook")).toEqual(alert);
  });
});

describe("the place that sends them", () => {
  const provider = (spec: object): KubeObject => ({ apiVersion: "rollout.kurator.dev/v1alpha1", kind: "AlertProvider", metadata: { name: "chat", namespace: "webapp" }, spec });

  async function sent(found: KubeObject | undefined, secret: Record<string, string> | undefined, status = 200, entry: object = {}, options: object = {}) {
    const requests: HttpRequest[] = [];
    const log = testLog();
    const http = async (request: HttpRequest) => (requests.push(request), { ok: true as const, value: { status, headers: {}, body: "" } });
    const data = Object.fromEntries(Object.entries(secret ?? {}).map(([key, value]) => [key, Buffer.from(value).toString("base64")]));
    const get = async () => (secret === undefined ? { ok: false as const, fault: { class: "not-found" as const, message: "" } } : { ok: true as const, value: { apiVersion: "v1", kind: "Secret", metadata: { name: "s" }, data } });
    const context = { http, log, options, api: { get }, caches: { template: () => found } } as unknown as Parameters<typeof alertPlace>[0];
    const place = alertPlace(context);
    const object = canary([{ name: "ops", providerRef: { name: "chat" }, ...entry }]) as unknown as KubeObject;
    return { wanted: place.wanted(object), outcome: await place.send(object, said("RollingBack")), requests, log: log.lines.join("\n") };
  }

  test("to the address of the provider, or of its Secret", async () => {
    expect((await sent(provider({ type: "webhook", address: "https://a.example/" }), undefined)).requests.map(({ url }) => url)).toEqual(["https://a.example/"]);
    const secret = await sent(provider({ type: "webhook", secretRef: { name: "s" } }), { address: "https://b.example/\n", token: "t0ken" });
    expect(secret.requests).toMatchObject([{ url: "https://b.example/", headers: { Authorization: "Bearer t0ken" } }]);
  });

  test.each([
    ["a provider that does not exist", undefined, undefined, /AlertProvider webapp\/chat does not exist/],
    ["a Secret that does not exist", provider({ type: "slack", secretRef: { name: "s" } }), undefined, /Secret webapp\/s cannot be read: it does not exist/],
    ["a Secret without an address", provider({ type: "slack", secretRef: { name: "s" } }), { token: "t0ken" }, /no key address/],
    ["a kind that nobody knows", provider({ type: "pigeon", address: "https://a" }), undefined, /cannot be read/],
  ])("%s is said in the log, holds nothing up, and no secret is in it", async (_name, found, secret, says) => {
    const { outcome, requests, log } = await sent(found, secret);
    expect([outcome, requests]).toEqual(["sent", []]);
    expect(log).toMatch(says);
    expect(log).not.toContain("t0ken");
  });

  test.each([[503, "retry"], [429, "retry"], [404, "sent"], [200, "sent"]])("an answer of %i means %s", async (status, outcome) => {
    expect((await sent(provider({ type: "webhook", address: "https://a.example/" }), undefined, status)).outcome).toBe(outcome);
  });

  test("a provider of another namespace is used only where that is allowed", async () => {
    const elsewhere = { providerRef: { name: "chat", namespace: "other" } };
    const found = provider({ type: "webhook", address: "https://a.example/" });
    expect((await sent(found, undefined, 200, elsewhere)).requests).toHaveLength(1);
    const forbidden = await sent(found, undefined, 200, elsewhere, { sameNamespaceOnly: true });
    expect(forbidden.requests).toEqual([]);
    expect(forbidden.log).toMatch(/AlertProvider other\/chat does not exist, or is in another namespace/);
    expect((await sent(found, undefined, 200, { providerRef: { name: "chat", namespace: "webapp" } }, { sameNamespaceOnly: true })).requests).toHaveLength(1);
  });

  test("is not wanted without alerts", async () => {
    const context = {} as unknown as Parameters<typeof alertPlace>[0];
    expect(alertPlace(context).wanted(canary() as unknown as KubeObject)).toBe(false);
  });
});
