// What did a server answer to the requests of one scenario? Writes every answer down in a form that can be compared; the
// raw answer goes back to the scenario, because the next request may need a uid or a version of it.
import { normalised } from "./normalise.ts";
import type { Answer, Json, OpenWatch, Target } from "./target.ts";

export interface Scenario {
  name: string;
  run(api: Recorder): Promise<void>;
}

const PATCHES = { json: "application/json-patch+json", merge: "application/merge-patch+json", strategic: "application/strategic-merge-patch+json", apply: "application/apply-patch+yaml" };
const PATIENCE_MS = 8_000;

export class Recorder {
  readonly log: unknown[] = [];
  readonly ns: string;
  /** The group of the custom kinds of this run. */
  readonly group: string;
  private readonly target: Target;
  private readonly watches: OpenWatch[] = [];

  constructor(target: Target, ns: string, group: string) {
    this.target = target;
    this.ns = ns;
    this.group = group;
  }

  core(plural: string, name = ""): string {
    return `/api/v1/namespaces/${this.ns}/${plural}${name === "" ? "" : `/${name}`}`;
  }

  apps(plural: string, name = ""): string {
    return `/apis/apps/v1/namespaces/${this.ns}/${plural}${name === "" ? "" : `/${name}`}`;
  }

  custom(plural: string, name = "", version = "v1"): string {
    return `/apis/${this.group}/${version}/namespaces/${this.ns}/${plural}${name === "" ? "" : `/${name}`}`;
  }

  async send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer> {
    const answer = await this.target.send(method, path, body, headers);
    this.log.push({ request: `${method} ${path}`.replace(/continue=[^&]+/, "continue=TOKEN").replace(/resourceVersion=\d{2,}/, "resourceVersion=N"), status: answer.status, body: normalised(answer.body) });
    return answer;
  }

  get(path: string, headers?: Record<string, string>): Promise<Answer> {
    return this.send("GET", path, undefined, headers);
  }

  post(path: string, body: unknown): Promise<Answer> {
    return this.send("POST", path, body);
  }

  put(path: string, body: unknown): Promise<Answer> {
    return this.send("PUT", path, body);
  }

  patch(form: keyof typeof PATCHES, path: string, body: unknown): Promise<Answer> {
    return this.send("PATCH", path, body, { "Content-Type": PATCHES[form] });
  }

  remove(path: string, options?: unknown): Promise<Answer> {
    return this.send("DELETE", path, options);
  }

  /** Asks without writing it down. */
  look(path: string): Promise<Answer> {
    return this.target.send("GET", path);
  }

  note(what: string, value: unknown): void {
    this.log.push({ note: what, value });
  }

  /** Waits for what a controller does in its own time, then writes down the answer. */
  async until(path: string, holds: (answer: Answer) => boolean): Promise<Answer> {
    const deadline = Date.now() + PATIENCE_MS;
    while (Date.now() < deadline && !holds(await this.look(path))) await new Promise((resolve) => setTimeout(resolve, 50));
    return this.get(path);
  }

  gone(path: string): Promise<Answer> {
    return this.until(path, ({ status }) => status === 404);
  }

  async watch(path: string): Promise<WatchRecorder> {
    const watch = await this.target.watch(path);
    this.watches.push(watch);
    this.log.push({ watch: path.replace(/resourceVersion=\d{2,}/, "resourceVersion=N"), status: watch.status });
    return new WatchRecorder(watch, this.log);
  }

  close(): void {
    for (const watch of this.watches) watch.close();
  }
}

export class WatchRecorder {
  private readonly watch: OpenWatch;
  private readonly log: unknown[];

  constructor(watch: OpenWatch, log: unknown[]) {
    this.watch = watch;
    this.log = log;
  }

  /** Writes down the next events, without the bookmarks that come between them. */
  async take(count: number, withinMs = 4_000): Promise<void> {
    for (let taken = 0; taken < count;) {
      const event = await this.watch.next(withinMs);
      if (event?.type === "BOOKMARK") continue;
      this.log.push({ event: event === undefined ? "none" : normalised(event) });
      taken += 1;
    }
  }

  async takeBookmark(withinMs: number): Promise<void> {
    for (;;) {
      const event = await this.watch.next(withinMs);
      if (event !== undefined && event.type !== "BOOKMARK") continue;
      this.log.push({ bookmark: event === undefined ? "none" : normalised(event) });
      return;
    }
  }

  /** Of an ERROR only what a client decides by: its text names versions. */
  async takeReason(withinMs: number): Promise<void> {
    const event = await this.watch.next(withinMs);
    const status = event?.object as Json | undefined;
    this.log.push({ error: event?.type, code: status?.code, reason: status?.reason });
  }
}

export function versionOf(answer: Answer): string {
  return String((answer.body.metadata as Json | undefined)?.resourceVersion);
}

export function uidOf(answer: Answer): string {
  return String((answer.body.metadata as Json | undefined)?.uid);
}
