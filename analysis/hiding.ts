// What may be repeated of an answer? Far ends that refuse a request often quote it: its headers, its address, the password in it. Whatever was sent as a secret is taken out
// of the text, as it was sent and as servers write it, before the text is shortened: half a secret is too much.
import type { HttpRequest } from "../engine/ports.ts";

const HIDDEN = "[hidden]";
/** Nobody could tell where in a text a shorter one is; such a text is not repeated at all. */
const SECRET_MIN = 4;
/** Words of an address that are long enough to be keys, as in https://hooks.slack.com/services/T0/B0/KEY; shorter ones say where it leads. */
const WORD_MIN = 12;
/** Headers that the engine sets by itself. */
const PUBLIC = new Set(["accept", "content-type", "user-agent", "host", "x-amz-date", "x-amz-target"]);

/** @param secrets what must not be seen, in the clear */
export function hiderOf(secrets: readonly string[]): (text: string) => string {
  const known = [...new Set(secrets.flatMap((secret) => [secret, secret.trim()]))].filter((secret) => secret !== "");
  // The longest first, or what is part of another would leave the rest of that one.
  const forms = [...new Set(known.flatMap(formsOf))].sort((left, right) => right.length - left.length);
  const short = known.some((secret) => secret.length < SECRET_MIN);
  return (text) => (short && known.some((secret) => secret.length < SECRET_MIN && text.includes(secret)) ? HIDDEN : forms.reduce((shown, form) => shown.replaceAll(form, HIDDEN), text));
}

/** Of one request: all headers but the engine's own, user and password of the address, its query, and words of its path that may be keys. */
export function secretsOf({ url, headers = {} }: Pick<HttpRequest, "url" | "headers">): string[] {
  const sent = Object.entries(headers).filter(([name]) => !PUBLIC.has(name.toLowerCase())).flatMap(([, value]) => [value, ...credentialsOf(value)]);
  return [...sent, ...(URL.canParse(url) ? ofAddress(new URL(url)) : [])].filter((secret) => secret.length > 0);
}

/** "Bearer x" is x, and of "Basic x" the password as well. */
function credentialsOf(value: string): string[] {
  const [, scheme = "", credentials = ""] = /^(Bearer|Basic) +(.+)$/i.exec(value.trim()) ?? [];
  if (scheme.toLowerCase() !== "basic") return [credentials];
  const plain = Buffer.from(credentials, "base64").toString("utf8");
  return [credentials, plain, plain.slice(plain.indexOf(":") + 1)];
}

function ofAddress({ username, password, pathname, search, searchParams }: URL): string[] {
  const [user, pass] = [decoded(username), decoded(password)];
  const basic = user === "" && pass === "" ? [] : [pass, Buffer.from(`${user}:${pass}`).toString("base64")];
  // Short values of a query are words that an answer may well be about; what is as long as a token is hidden, and so is the address as a whole.
  const words = [...pathname.split("/"), ...searchParams.values()].filter((one) => one.length >= WORD_MIN);
  return [...basic, ...(search === "" ? [] : [search, search.slice(1)]), ...words, ...words.map(decoded)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** As it is, in JSON (once, and as text in JSON again), in addresses, in HTML, and as base64. */
function formsOf(secret: string): string[] {
  const json = JSON.stringify(secret).slice(1, -1);
  const html = secret.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const quoted = html.replace(/"/g, "&quot;");
  const form = new URLSearchParams({ a: secret }).toString().slice(2);
  const uri = encodeURIComponent(wellFormed(secret));
  return [secret, json, JSON.stringify(json).slice(1, -1), html, quoted, quoted.replace(/'/g, "&#39;"), uri, encodeURI(wellFormed(secret)), form, Buffer.from(secret).toString("base64").replace(/=+$/, ""), Buffer.from(secret).toString("base64url")];
}

/** Half of a surrogate pair cannot be written in an address. */
function wellFormed(text: string): string {
  return Buffer.from(text).toString("utf8");
}
