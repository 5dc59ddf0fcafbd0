// How are hooks and metric providers reached? One request, with a time-out and a bound on the answer; nothing of the request is ever in an error.
import { Agent as HttpsAgent } from "node:https";
import axios, { isAxiosError } from "axios";
import type { Http } from "../ports.ts";

const REDIRECTS_MAX = 3;

export function createHttp(): Http {
  const trusting = new HttpsAgent({ rejectUnauthorized: false });
  return async ({ method, url, headers, body, timeoutMs, maxBytes, insecureSkipVerify, signal }) => {
    // axios' own time-out counts silence; this one counts everything, a body that trickles in too.
    const deadline = AbortSignal.timeout(timeoutMs);
    try {
      const response = await axios.request<string>({
        method,
        url,
        headers,
        data: body,
        timeout: timeoutMs,
        signal: signal === undefined ? deadline : AbortSignal.any([deadline, signal]),
        maxContentLength: maxBytes,
        maxRedirects: REDIRECTS_MAX,
        responseType: "text",
        transformResponse: (data: string) => data,
        validateStatus: () => true,
        proxy: false,
        ...(insecureSkipVerify === true ? { httpsAgent: trusting } : {}),
      });
      const answered = Object.entries(response.headers).map(([name, value]) => [name.toLowerCase(), String(value)]);
      return { ok: true, value: { status: response.status, headers: Object.fromEntries(answered) as Record<string, string>, body: response.data ?? "" } };
    } catch (error) {
      const where = place(url);
      if (deadline.aborted) return { ok: false, fault: { class: "deadline", message: `${where} did not answer within ${timeoutMs} ms` } };
      if (signal?.aborted === true) return { ok: false, fault: { class: "transient", message: `${where}: no longer asked` } };
      const code = isAxiosError(error) ? error.code : undefined;
      if (code === "ERR_BAD_RESPONSE") return { ok: false, fault: { class: "invalid", message: `${where} answered with more than ${maxBytes} bytes` } };
      if (code === "ECONNABORTED" || code === "ETIMEDOUT") return { ok: false, fault: { class: "deadline", message: `${where} did not answer within ${timeoutMs} ms` } };
      return { ok: false, fault: { class: "transient", message: `${where} is out of reach (${code ?? "no answer"})` } };
    }
  };
}

/** Scheme, host and port: credentials, path and query may hold secrets. */
function place(url: string): string {
  try {
    return new URL(url).origin;
  } catch {
    return "an address that is not a URL";
  }
}
