// How does each chat say an alert? One function for each kind of AlertProvider, from an alert to the one request that brings it. What is not here does not exist.
import type { HttpRequest } from "../engine/ports.ts";
import type { Alert } from "./alert.ts";

export interface Address {
  url: string;
  /** Sent as a bearer token. */
  token?: string;
  channel?: string;
  username?: string;
}

type Request = Pick<HttpRequest, "method" | "url" | "headers" | "body">;
type Notifier = (alert: Alert, address: Address) => Request;

const CHANNEL = "general";
const USERNAME = "kurator-rollout";

const slack = (colours: { good: string; bad: string }): Notifier => (alert, { url, token, channel = CHANNEL, username = USERNAME }) =>
  post(
    url,
    {
      channel,
      username,
      attachments: [
        {
          color: alert.severity === "error" ? colours.bad : colours.good,
          author_name: alert.subject,
          text: plain(alert.text),
          mrkdwn_in: ["text"],
          fields: alert.fields.map(({ name, value }) => ({ title: name, value: plain(value), short: false })),
        },
      ],
    },
    token === undefined ? {} : { Authorization: `Bearer ${token}` },
  );

/** Discord reads Slack's words at an address of their own. */
const discord: Notifier = (alert, address) => {
  const url = new URL(address.url);
  if (!url.pathname.endsWith("/slack")) url.pathname = `${url.pathname.replace(/\/$/, "")}/slack`;
  return slack({ good: "good", bad: "danger" })(alert, { ...address, url: url.toString() });
};

/** Workflows take an adaptive card; the connectors of old, which live at office.com, a message card. */
const msteams: Notifier = (alert, { url }) => {
  if (/\.office\.com$/.test(new URL(url).hostname)) {
    return post(url, {
      "@type": "MessageCard",
      "@context": "http://schema.org/extensions",
      themeColor: alert.severity === "error" ? "FF0000" : "0076D7",
      summary: alert.subject,
      sections: [{ activityTitle: unlinked(alert.text), activitySubtitle: alert.subject, facts: alert.fields }],
    });
  }
  const facts = alert.fields.length === 0 ? [] : [{ type: "FactSet", facts: alert.fields.map(({ name, value }) => ({ title: name, value })) }];
  const title = { type: "TextBlock", text: alert.subject, weight: "Bolder", color: alert.severity === "error" ? "Attention" : "Default" };
  const content = { $schema: "http://adaptivecards.io/schemas/adaptive-card.json", type: "AdaptiveCard", version: "1.4", body: [title, { type: "TextBlock", text: unlinked(alert.text), wrap: true }, ...facts] };
  return post(url, { type: "message", attachments: [{ contentType: "application/vnd.microsoft.card.adaptive", content }] });
};

const gchat: Notifier = (alert, { url }) => {
  const paragraph = (text: string): object => ({ textParagraph: { text: plain(text) } });
  const widgets = [paragraph(alert.text), ...alert.fields.map(({ name, value }) => paragraph(`${name}: ${value}`))];
  return post(url, { cards: [{ header: { title: USERNAME, subtitle: alert.subject }, sections: [{ widgets }] }] });
};

const webhook: Notifier = (alert, { url, token }) => post(url, alert, token === undefined ? {} : { Authorization: `Bearer ${token}` });

export const NOTIFIERS: Readonly<Record<string, Notifier>> = {
  slack: slack({ good: "good", bad: "danger" }),
  rocket: slack({ good: "#0076D7", bad: "#FF0000" }),
  discord,
  msteams,
  gchat,
  webhook,
};

function post(url: string, body: object, headers: Record<string, string> = {}): Request {
  return { method: "POST", url, headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) };
}

/** Teams reads Markdown, in which no character can be quoted everywhere: a link that is torn apart is text. */
function unlinked(text: string): string {
  return text.replace(/\]\(/g, "] (");
}

/** Messages hold what webhooks and metrics said: nothing of it is a link, a mention or markup. */
function plain(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}
