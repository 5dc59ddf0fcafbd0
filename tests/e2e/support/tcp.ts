// Connections to a port that is plain TCP, and what became of each. The app speaks HTTP over them, which nothing between knows.
import { connect, type Socket } from "node:net";
import { sleep } from "./cluster.ts";

const QUESTION = "GET /version HTTP/1.1\r\nHost: tcp\r\n\r\n";
const CLIENTS = 4;

export interface Answered {
  at: number;
  version: string;
}

/** One connection that is kept, with a question every now and then. */
export class Connection {
  readonly answers: Answered[] = [];
  /** When it was cut. */
  cutAt: number | undefined;
  private socket: Socket | undefined;

  static open(host: string, port: number, pauseMs = 150): Connection {
    const connection = new Connection();
    void connection.talk(host, port, pauseMs);
    return connection;
  }

  get versions(): string[] {
    return [...new Set(this.answers.map(({ version }) => version))];
  }

  close(): void {
    this.socket?.destroy();
  }

  private async talk(host: string, port: number, pauseMs: number): Promise<void> {
    const socket = connect({ host, port });
    this.socket = socket;
    const cut = (): void => void (this.cutAt ??= Date.now());
    socket.on("error", cut);
    socket.on("end", cut);
    socket.on("close", cut);
    let heard = "";
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => {
      heard += text;
      const version = /"version": ?"([^"]+)"/.exec(heard)?.[1];
      if (version === undefined) return;
      heard = "";
      this.answers.push({ at: Date.now(), version });
    });
    while (this.cutAt === undefined) {
      socket.write(QUESTION);
      await sleep(pauseMs);
    }
  }
}

/** New connections all the time, each for one question. */
export class TcpLoad {
  readonly versions: Record<string, number> = {};
  /** What became of those that were not answered, with the second in which it was. */
  readonly losses: string[] = [];
  private running = true;
  private readonly clients: Promise<void>[];

  constructor(private readonly host: string, private readonly port: number) {
    this.clients = Array.from({ length: CLIENTS }, () => this.client());
  }

  async stop(): Promise<void> {
    this.running = false;
    await Promise.all(this.clients);
  }

  private async client(): Promise<void> {
    while (this.running) {
      await this.question();
      await sleep(50);
    }
  }

  private question(): Promise<void> {
    return new Promise((resolve) => {
      const socket = connect({ host: this.host, port: this.port }, () => void socket.write(QUESTION));
      let heard = "";
      let why = "closed without an answer";
      socket.setEncoding("utf8");
      socket.setTimeout(10_000, () => socket.destroy(new Error("timeout")));
      socket.on("error", (error) => (why = error.message));
      socket.on("data", (text: string) => {
        heard += text;
        const version = /"version": ?"([^"]+)"/.exec(heard)?.[1];
        if (version === undefined) return;
        this.versions[version] = (this.versions[version] ?? 0) + 1;
        why = "";
        socket.destroy();
      });
      socket.on("close", () => {
        if (why !== "") this.losses.push(`${new Date().toISOString().slice(11, 19)} ${why}`);
        resolve();
      });
    });
  }
}
