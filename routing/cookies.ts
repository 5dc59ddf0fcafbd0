// What does session affinity say to browsers, and how is one known again that was told? The same words for every router.
import type { CanarySpec } from "../crds/canary.ts";
import { defined } from "../crds/json.ts";
import type { Affinity } from "./router.ts";

const DAY_SECONDS = 86_400;
const PRIMARY_SECONDS = 60;
const FORGOTTEN = "Max-Age=-1";

/** Values of Set-Cookie headers, each absent where none is to be sent. */
export function setCookies(spec: CanarySpec, { canary, primary, primarySeconds, expired }: Affinity): { canary?: string; primary?: string; expired?: string } {
  const { maxAge = DAY_SECONDS } = spec.analysis?.sessionAffinity ?? {};
  const seconds = Math.max(Math.round(primarySeconds ?? PRIMARY_SECONDS), 1);
  const worded = (cookie: string | undefined, age: string): string | undefined => (cookie === undefined ? undefined : [cookie, age, ...attributes(spec)].join("; "));
  return defined({ canary: worded(canary, `Max-Age=${maxAge}`), primary: worded(primary, `Max-Age=${seconds}`), expired: worded(expired, FORGOTTEN) });
}

/**
 * A regular expression for the whole Cookie header, in which a browser sends all its cookies. Where one value begins another, as "v2-1" does "v2-10",
 * only the whole one counts: users of an older run are not users of this one.
 */
export function sendsCookie(cookie: string): string {
  return `(.*; ?)?${cookie.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(;.*)?`;
}

function attributes({ analysis }: CanarySpec): string[] {
  const { domain, httpOnly, partitioned, path, sameSite, secure } = analysis?.sessionAffinity ?? {};
  const parts = [
    domain === undefined ? undefined : `Domain=${domain}`,
    httpOnly === true ? "HttpOnly" : undefined,
    partitioned === true ? "Partitioned" : undefined,
    path === undefined ? undefined : `Path=${path}`,
    sameSite === undefined ? undefined : `SameSite=${sameSite}`,
    secure === true ? "Secure" : undefined,
  ];
  return parts.filter((part) => part !== undefined);
}
