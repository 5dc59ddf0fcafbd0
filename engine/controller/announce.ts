// Tells the cluster what was decided: sends the committed outbox as Kubernetes events. The name of an event is made of the announcement's id, so
// that sending twice is refused by the API server instead of shown twice.
import type { Announcement } from "../../crds/status.ts";
import type { Clock, KubeApi, KubeObject, Log } from "../ports.ts";

const EVENTS = { group: "", version: "v1", plural: "events", kind: "Event" };
const RETRY_MS = [1_000, 5_000, 30_000];
/** Keys with something unsent are few; a bound all the same, for a cluster whose API server takes no events. */
const KEYS_MAX = 10_000;

export class Announcer {
  private readonly sent = new Map<string, number>();
  private readonly busy = new Set<string>();

  constructor(
    private readonly api: KubeApi,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly instance: string,
  ) {}

  /** Announcements of this Canary up to this id arrived. */
  sentUpTo(uid: string): number {
    return this.sent.get(uid) ?? 0;
  }

  /** Returns at once; sends one after the other in the background, each at least once. */
  send(canary: KubeObject, outbox: readonly Announcement[]): void {
    const uid = canary.metadata.uid ?? "";
    const unsent = outbox.filter((announcement) => announcement.id > this.sentUpTo(uid));
    if (unsent.length === 0 || this.busy.has(uid)) return;
    if (this.sent.size >= KEYS_MAX && !this.sent.has(uid)) this.sent.clear();
    this.busy.add(uid);
    this.run(canary, uid, unsent, 0);
  }

  forget(uid: string): void {
    this.sent.delete(uid);
  }

  private run(canary: KubeObject, uid: string, unsent: readonly Announcement[], tries: number): void {
    void this.sendAll(canary, uid, unsent).then((left) => {
      const delay = RETRY_MS[tries];
      if (left.length === 0 || delay === undefined) {
        // What is left stays in the outbox and is sent with the next commit.
        this.busy.delete(uid);
        return;
      }
      this.clock.after(delay, () => this.run(canary, uid, left, tries + 1));
    });
  }

  private async sendAll(canary: KubeObject, uid: string, unsent: readonly Announcement[]): Promise<readonly Announcement[]> {
    for (const [index, announcement] of unsent.entries()) {
      const result = await this.api.create(EVENTS, this.event(canary, uid, announcement));
      // A terminating namespace takes no events; nobody is left to read them.
      const over = result.ok || result.fault.class === "exists" || result.fault.class === "not-found" || result.fault.class === "forbidden";
      if (!over) {
        this.log.warn({ fault: result.fault.class, status: result.fault.status, announcement: announcement.id }, "event not sent");
        return unsent.slice(index);
      }
      this.sent.set(uid, Math.max(this.sentUpTo(uid), announcement.id));
    }
    return [];
  }

  private event(canary: KubeObject, uid: string, announcement: Announcement): KubeObject {
    const { name, namespace = "" } = canary.metadata;
    const at = announcement.at.replace(/\.\d+Z$/, "Z");
    return {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: `${name.slice(0, 200)}.${uid.slice(0, 8)}.${announcement.id}`, namespace },
      involvedObject: { apiVersion: canary.apiVersion, kind: canary.kind, name, namespace, uid },
      reason: announcement.reason,
      message: announcement.message,
      type: announcement.type,
      source: { component: "kurator-rollout" },
      reportingComponent: "rollout.kurator.dev/kurator-rollout",
      reportingInstance: this.instance,
      firstTimestamp: at,
      lastTimestamp: at,
      count: 1,
    };
  }
}
