// How are hooks and metric providers reached? One request, with a time-out and a bound on the answer; nothing of the request is ever in an error.
import type { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent, type AgentOptions } from "node:https";
import { X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import type { Readable } from "node:stream";
import axios, { isAxiosError, type AxiosRequestConfig } from "axios";
import { HttpsProxyAgent } from "https-proxy-agent";
import type { Fault, Http, HttpRequest, Result } from "../ports.ts";
import { FORBIDDEN, type Guard } from "./forbidden.ts";

/** A manifest may ask for any time; beyond this a caller has better asked again. */
const TIMEOUT_MAX_MS = 600_000;
const REDIRECTS_MAX = 3;
/** Codes of requests that would fail just the same a second time. */
const HOPELESS: ReadonlySet<string> = new Set(["ERR_INVALID_URL", "ERR_BAD_REQUEST", "ERR_BAD_OPTION_VALUE", "ERR_FR_TOO_MANY_REDIRECTS"]);

/** @param guard keeps requests from addresses where the engine must not go; everywhere is open without it */
export function createHttp(guard?: Guard): Http {
  const ways = waysOf(guard);
  return async (request) => {
    const { method, url, headers = {}, body, timeoutMs, signal } = request;
    const own = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
    // axios' own time-out counts silence; this one counts everything, a body that trickles in too.
    let way: Way;
    try {
      way = wayTo(request, ways, guard);
    } catch {
      // The parser's words quote the key.
      return { ok: false, fault: { class: "invalid", message: `${place(url)} cannot be asked: the certificate, key or proxy that goes with it cannot be used` } };
    }
    // Behind a proxy the engine resolves no name, but what is an address it can read.
    if (proxied(request).some((host) => guard?.forbids(host) === true)) return { ok: false, fault: forbidden(url) };
    const deadline = AbortSignal.timeout(Math.min(Math.max(Math.trunc(timeoutMs), 1), TIMEOUT_MAX_MS));
    try {
      const response = await axios.request<Readable>({
        method,
        url,
        headers: { "User-Agent": "kurator-rollout", ...headers },
        data: body,
        signal: signal === undefined ? deadline : AbortSignal.any([deadline, signal]),
        maxRedirects: REDIRECTS_MAX,
        beforeRedirect: (options) => {
          if (guard?.forbids(String(options.hostname)) === true) throw Object.assign(new Error("the address is forbidden"), { code: FORBIDDEN });
          stripped(options, url, own, request.tls === undefined ? undefined : ways.plain);
        },
        responseType: "stream",
        transitional: { clarifyTimeoutError: true },
        validateStatus: () => true,
        ...way.config,
      });
      const text = await bounded(response.data, request);
      if (!text.ok) return text;
      const answered = Object.entries(response.headers).map(([name, value]) => [name.toLowerCase(), String(value)]);
      return { ok: true, value: { status: response.status, headers: Object.fromEntries(answered) as Record<string, string>, body: text.value } };
    } catch (error) {
      return { ok: false, fault: faultOf(error, request, deadline) };
    } finally {
      way.close();
    }
  };
}

interface Way {
  config: AxiosRequestConfig;
  /** Ends what was opened for this one request. */
  close: () => void;
}

/** Agents of requests that bring nothing of their own. */
interface Ways {
  plain: { http?: HttpAgent; https?: HttpsAgent };
  trusting: HttpsAgent;
  made: (options: AgentOptions) => HttpsAgent;
}

function waysOf(guard: Guard | undefined): Ways {
  const made = (options: AgentOptions): HttpsAgent => guard?.https(options) ?? new HttpsAgent(options);
  return { plain: guard === undefined ? {} : { http: guard.http(), https: guard.https({}) }, trusting: made({ rejectUnauthorized: false }), made };
}

/** Hosts that are not looked up here, or not by an agent of ours. */
function proxied({ url, proxy }: HttpRequest): string[] {
  return proxy === undefined ? [] : [url, proxy].filter((one) => URL.canParse(one)).map((one) => new URL(one).hostname);
}

function forbidden(url: string): Fault {
  return { class: "invalid", message: `${place(url)} is at an address that the engine must not call: loopback, link-local or a cloud's metadata` };
}

/** @throws where a PEM or the proxy's address cannot be read */
function wayTo({ url, tls, proxy, insecureSkipVerify }: HttpRequest, { plain, trusting, made }: Ways, guard: Guard | undefined): Way {
  const agents: AxiosRequestConfig = { ...(plain.http === undefined ? {} : { httpAgent: plain.http }), ...(plain.https === undefined ? {} : { httpsAgent: plain.https }) };
  const verify = insecureSkipVerify === true ? { rejectUnauthorized: false } : {};
  const secure = url.startsWith("https:");
  if (proxy !== undefined && !secure) {
    const { protocol, hostname, port, username, password } = new URL(proxy);
    const auth = username === "" ? {} : { auth: { username: decodeURIComponent(username), password: decodeURIComponent(password) } };
    return { config: { ...agents, proxy: { protocol, host: hostname, port: Number(port === "" ? (protocol === "https:" ? 443 : 80) : port), ...auth } }, close: () => undefined };
  }
  if (tls !== undefined) createSecureContext(tls);
  // An authority that cannot be read is passed over in silence, and nobody would be believed.
  if (tls?.ca !== undefined) new X509Certificate(tls.ca);
  // axios sends a plain request to a proxy where a tunnel is wanted.
  if (proxy !== undefined) {
    const { agent, close } = tunnel(proxy, { ...tls, ...verify }, guard);
    return { config: { ...agents, proxy: false, httpsAgent: agent }, close };
  }
  if (tls !== undefined) {
    const agent = made({ ...tls, ...verify });
    return { config: { ...agents, proxy: false, httpsAgent: agent }, close: () => agent.destroy() };
  }
  return { config: { ...agents, proxy: false, ...(insecureSkipVerify === true ? { httpsAgent: trusting } : {}) }, close: () => undefined };
}

/** The connection to a proxy stays open behind the one that goes through it, so whoever made it ends it. */
function tunnel(proxy: string, behind: object, guard: Guard | undefined): { agent: HttpsProxyAgent<string>; close: () => void } {
  const over = new AbortController();
  const agent = new HttpsProxyAgent(proxy, { signal: over.signal, ...(guard === undefined ? {} : { lookup: guard.lookup }) });
  // What the agent is made with is for the proxy; what TLS needs to know of whoever is behind it goes here.
  Object.assign(agent.options, behind);
  return { agent, close: () => over.abort() };
}

/** By its code and our own signals alone: the error of a refused connection holds the whole request, its password included. */
function faultOf(error: unknown, { url, timeoutMs, signal }: HttpRequest, deadline: AbortSignal): Fault {
  const where = place(url);
  if (signal?.aborted === true) return { class: "transient", message: `${where}: no longer asked` };
  if (deadline.aborted) return { class: "deadline", message: `${where} did not answer within ${timeoutMs} ms` };
  const given = isAxiosError(error) ? error.code : (error as { code?: unknown } | undefined)?.code;
  const code = typeof given === "string" ? given : "no answer";
  if (code === FORBIDDEN) return forbidden(url);
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
function stripped(options: Record<string, unknown>, from: string, own: ReadonlySet<string>, plain: Ways["plain"] | undefined): void {
  const { protocol, hostname, port } = options;
  const to = `${String(protocol)}//${String(hostname)}${port === undefined || port === "" ? "" : `:${String(port)}`}`;
  if (URL.canParse(to) && new URL(to).origin === new URL(from).origin) return;
  delete options.auth;
  // Our certificate, and whom we trust, are for that origin as well.
  if (plain !== undefined) options.agents = plain;
  const headers = (options.headers ?? {}) as Record<string, unknown>;
  for (const name of Object.keys(headers)) {
    if (own.has(name.toLowerCase()) || name.toLowerCase() === "authorization") delete headers[name];
  }
}

/** Scheme, host and port: credentials, path and query may hold secrets. */
function place(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : "an address that is not a URL";
}
