// How are hooks and metric providers reached? One request, with a time-out and a bound on the answer; nothing of the request is ever in an error.
import { Agent as HttpsAgent } from "node:https";
import type { Readable } from "node:stream";
import axios, { isAxiosError } from "axios";
import type { Fault, Http, HttpRequest, Result } from "../ports.ts";

/** A manifest may ask for any time; beyond this a caller has better asked again. */
const TIMEOUT_MAX_MS = 600_000;
const REDIRECTS_MAX = 3;
/** Codes of requests that would fail just the same a second time. */
const HOPELESS: ReadonlySet<string> = new Set(["ERR_INVALID_URL", "ERR_BAD_REQUEST", "ERR_BAD_OPTION_VALUE", "ERR_FR_TOO_MANY_REDIRECTS"]);

export function createHttp(): Http {
  const trusting = new HttpsAgent({ rejectUnauthorized: false });
  return async (request) => {
    const { method, url, headers = {}, body, timeoutMs, insecureSkipVerify, signal } = request;
    const own = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
    // axios' own time-out counts silence; this one counts everything, a body that trickles in too.
    const deadline = AbortSignal.timeout(Math.min(Math.max(Math.trunc(timeoutMs), 1), TIMEOUT_MAX_MS));
    try {
      const response = await axios.request<Readable>({
        method,
        url,
        headers: { "User-Agent": "kurator-rollout", ...headers },
        data: body,
        signal: signal === undefined ? deadline : AbortSignal.any([deadline, signal]),
        maxRedirects: REDIRECTS_MAX,
        beforeRedirect: (options) => stripped(options, url, own),
        responseType: "stream",
        transitional: { clarifyTimeoutError: true },
        validateStatus: () => true,
        proxy: false,
        ...(insecureSkipVerify === true ? { httpsAgent: trusting } : {}),
      });
      const text = await bounded(response.data, request);
      if (!text.ok) return text;
      const answered = Object.entries(response.headers).map(([name, value]) => [name.toLowerCase(), String(value)]);
      return { ok: true, value: { status: response.status, headers: Object.fromEntries(answered) as Record<string, string>, body: text.value } };
    } catch (error) {
      return { ok: false, fault: faultOf(error, request, deadline) };
    }
  };
}

/** By its code and our own signals alone: the error of a refused connection holds the whole request, its password included. */
function faultOf(error: unknown, { url, timeoutMs, signal }: HttpRequest, deadline: AbortSignal): Fault {
  const where = place(url);
  if (signal?.aborted === true) return { class: "transient", message: `${where}: no longer asked` };
  if (deadline.aborted) return { class: "deadline", message: `${where} did not answer within ${timeoutMs} ms` };
  const given = isAxiosError(error) ? error.code : (error as { code?: unknown } | undefined)?.code;
  const code = typeof given === "string" ? given : "no answer";
  if (code === "ETIMEDOUT") return { class: "deadline", message: `${where} did not answer in time` };
  if (HOPELESS.has(code)) return { class: "invalid", message: `${where} cannot be asked (${code})` };
  return { class: "transient", message: `${where} is out of reach (${code})` };
}

async function bounded(body: Readable, { url, maxBytes }: HttpRequest): Promise<Result<string>> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    // Leaving the loop destroys the stream and its connection. Unzipped bytes are counted, so a small bomb is a big answer.
    if (bytes > maxBytes) return { ok: false, fault: { class: "invalid", message: `${place(url)} answered with more than ${maxBytes} bytes` } };
  }
  return { ok: true, value: Buffer.concat(chunks).toString("utf8") };
}

/** Headers and URL credentials are meant for one place: where a redirect leads elsewhere they stay behind, whatever they are called. */
function stripped(options: Record<string, unknown>, from: string, own: ReadonlySet<string>): void {
  const { protocol, hostname, port } = options;
  const to = `${String(protocol)}//${String(hostname)}${port === undefined || port === "" ? "" : `:${String(port)}`}`;
  if (URL.canParse(to) && new URL(to).origin === new URL(from).origin) return;
  delete options.auth;
  const headers = (options.headers ?? {}) as Record<string, unknown>;
  for (const name of Object.keys(headers)) {
    if (own.has(name.toLowerCase()) || name.toLowerCase() === "authorization") delete headers[name];
  }
}

/** Scheme, host and port: credentials, path and query may hold secrets. */
function place(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : "an address that is not a URL";
}
