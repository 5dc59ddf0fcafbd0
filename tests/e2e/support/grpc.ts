// Constant gRPC calls through the ingress gateway, and what became of each: podinfo's own service, over HTTP/2 without TLS, spoken frame by frame.
import { connect, constants, type ClientHttp2Session } from "node:http2";
import { serviceIp, sleep } from "./cluster.ts";
import type { Counted } from "./load.ts";

export const VERSION = "/version.VersionService/Version";
export const HEALTH = "/grpc.health.v1.Health/Check";
const CLIENTS = 4;

export interface GrpcOptions {
  pauseMs?: number;
  clients?: number;
  metadata?: Record<string, string>;
}

interface Answer {
  /** The number of the gRPC status, or what broke the call. */
  status: string;
  message: Buffer;
}

export class GrpcLoad {
  readonly counted: Counted = { ok: 0, lost: 0, versions: {}, losses: {} };
  private readonly seenAt = new Map<string, number>();
  private readonly sessions = new Set<ClientHttp2Session>();
  private running = true;
  private clients: Promise<void>[] = [];

  private constructor(
    private readonly address: string,
    private readonly authority: string,
    private readonly method: string,
    private readonly options: GrpcOptions,
  ) {}

  /** Each client keeps one connection for all its calls, as gRPC's channels do: what is shared out by weight are calls, not connections. */
  static async start(authority: string, method = VERSION, options: GrpcOptions = {}): Promise<GrpcLoad> {
    const load = new GrpcLoad(`http://${await serviceIp("istio-system", "istio-ingressgateway")}:80`, authority, method, options);
    load.clients = Array.from({ length: options.clients ?? CLIENTS }, () => load.client());
    return load;
  }

  firstSeen(version: string): number | undefined {
    return this.seenAt.get(version);
  }

  async stop(): Promise<Counted> {
    this.running = false;
    await Promise.all(this.clients);
    for (const session of this.sessions) session.destroy();
    return this.counted;
  }

  private open(): ClientHttp2Session {
    const session = connect(this.address);
    this.sessions.add(session);
    // What a session meets is counted at the call that meets it.
    session.on("error", () => undefined);
    session.on("close", () => this.sessions.delete(session));
    return session;
  }

  private async client(): Promise<void> {
    let session = this.open();
    while (this.running) {
      if (session.closed || session.destroyed) session = this.open();
      this.count(await this.call(session));
      await sleep(this.options.pauseMs ?? 50);
    }
  }

  private count({ status, message }: Answer): void {
    if (status !== "0") {
      this.counted.lost += 1;
      this.counted.losses[status] = (this.counted.losses[status] ?? 0) + 1;
      return;
    }
    this.counted.ok += 1;
    const version = versionIn(message);
    this.counted.versions[version] = (this.counted.versions[version] ?? 0) + 1;
    if (!this.seenAt.has(version)) this.seenAt.set(version, Date.now());
  }

  private call(session: ClientHttp2Session): Promise<Answer> {
    return new Promise((resolve) => {
      const stream = session.request({ ":method": "POST", ":path": this.method, ":authority": this.authority, "content-type": "application/grpc", te: "trailers", ...this.options.metadata });
      const chunks: Buffer[] = [];
      let status: string | undefined;
      // A status without a message comes with the headers.
      stream.on("response", (headers) => (status = text(headers["grpc-status"]) ?? (headers[":status"] === 200 ? undefined : `HTTP ${String(headers[":status"])}`)));
      stream.on("trailers", (trailers) => (status = text(trailers["grpc-status"]) ?? status));
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("error", (error) => resolve({ status: error.message, message: Buffer.alloc(0) }));
      stream.on("close", () => resolve({ status: status ?? `no status, RST ${stream.rstCode}`, message: Buffer.concat(chunks) }));
      stream.setTimeout(10_000, () => stream.close(constants.NGHTTP2_CANCEL));
      // An empty message: not compressed, no bytes.
      stream.end(Buffer.alloc(5));
    });
  }
}

function text(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

/** The first field of the message is the version, a string: five bytes of frame, its tag, its length. */
function versionIn(frame: Buffer): string {
  const length = frame[6] ?? 0;
  return frame[5] === 0x0a ? frame.subarray(7, 7 + length).toString("utf8") : "unknown";
}
