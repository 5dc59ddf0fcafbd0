// How does one request of the load generator get out? By Node's own client, with a time-out, its answer read to the end and thrown away.
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Clock } from "../engine/ports.ts";
import type { Answered, Send } from "./load.ts";

export interface Target {
  url: URL;
  method: string;
  headers: Readonly<Record<string, string>>;
  body: string | undefined;
  requestTimeoutMs: number;
  /** False takes a new connection for every request, so that a plain Service spreads them over its pods. */
  keepAlive: boolean;
  insecureSkipVerify: boolean;
  connections: number;
}

export interface Sender {
  send: Send;
  close(): void;
}

export function createSender(target: Target, clock: Clock): Sender {
  const { url, method, headers, body, keepAlive } = target;
  const limits = { keepAlive, maxSockets: target.connections };
  const secure = url.protocol === "https:";
  const host = Object.entries(headers).find(([name]) => name.toLowerCase() === "host")?.[1];
  const agent = secure
    ? new HttpsAgent({ ...limits, rejectUnauthorized: !target.insecureSkipVerify, ...(host === undefined ? {} : { servername: host.split(":")[0] ?? host }) })
    : new HttpAgent(limits);
  const options = { method, agent, headers: { "User-Agent": "kurator-loadtester", ...headers, ...(body === undefined ? {} : { "Content-Length": String(Buffer.byteLength(body)) }) } };

  return {
    send: (signal) =>
      new Promise<Answered>((resolve) => {
        let status: number | undefined;
        const request = (secure ? httpsRequest : httpRequest)(url, options);
        const done = (answer: Answered): void => {
          cancel();
          signal.removeEventListener("abort", abort);
          resolve(answer);
        };
        const giveUp = (fault: string): void => {
          done({ fault });
          request.destroy();
        };
        const abort = (): void => giveUp("stopped");
        const cancel = clock.after(target.requestTimeoutMs, () => giveUp("timeout"));
        signal.addEventListener("abort", abort, { once: true });
        request.once("response", (response: IncomingMessage) => {
          status = response.statusCode ?? 0;
          response.once("end", () => done({ status: status ?? 0 }));
          response.once("error", () => done({ fault: "answer cut off" }));
          response.resume();
        });
        request.on("error", (error: NodeJS.ErrnoException) => done({ fault: status === undefined ? (error.code ?? "no answer") : "answer cut off" }));
        if (signal.aborted) return abort();
        request.end(body);
      }),
    close: () => agent.destroy(),
  };
}
