// Tells the world what was decided: brings the committed outbox to each place that is to hear of it, in order, each announcement at least once.
// A place that hangs or refuses delays nothing but itself.
import type { Announcement } from "../../crds/status.ts";
import type { Clock, KubeObject, Log } from "../ports.ts";

const RETRY_MS = [1_000, 5_000, 30_000];
/** Keys with something unsent are few; a bound all the same, for a cluster whose API server takes no events. */
const KEYS_MAX = 10_000;

export interface Place {
  name: string;
  /** Whether anybody there is to hear of this Canary. */
  wanted(canary: KubeObject): boolean;
  /** Never throws; a repetition must be recognisable by the announcement's id. */
  send(canary: KubeObject, announcement: Announcement): Promise<"sent" | "retry">;
  /** What could not be sent after the last try is given up; otherwise it stays in the outbox until the next commit. */
  givesUp: boolean;
}

export class Announcer {
  private readonly couriers: Courier[];

  /** @param arrived told when a place has heard everything of a Canary's that it was sent */
  constructor(places: readonly Place[], clock: Clock, log: Log, arrived: (canary: KubeObject) => void = () => undefined) {
    this.couriers = places.map((place) => new Courier(place, clock, log, arrived));
  }

  /** Announcements of this Canary up to this id arrived wherever they are wanted. */
  sentUpTo(uid: string): number {
    return Math.min(...this.couriers.map((courier) => courier.sentUpTo(uid)));
  }

  /** Returns at once; sends one after the other in the background. */
  send(canary: KubeObject, outbox: readonly Announcement[]): void {
    for (const courier of this.couriers) courier.send(canary, outbox);
  }

  forget(uid: string): void {
    for (const courier of this.couriers) courier.forget(uid);
  }
}

class Courier {
  private readonly sent = new Map<string, number>();
  private readonly busy = new Set<string>();

  constructor(
    private readonly place: Place,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly arrived: (canary: KubeObject) => void,
  ) {}

  sentUpTo(uid: string): number {
    return this.sent.get(uid) ?? 0;
  }

  send(canary: KubeObject, outbox: readonly Announcement[]): void {
    const uid = canary.metadata.uid ?? "";
    const unsent = outbox.filter((announcement) => announcement.id > this.sentUpTo(uid));
    const last = unsent.at(-1);
    if (last === undefined || this.busy.has(uid)) return;
    if (this.sent.size >= KEYS_MAX && !this.sent.has(uid)) this.sent.clear();
    if (!this.place.wanted(canary)) return void this.sent.set(uid, last.id);
    this.busy.add(uid);
    this.run(canary, uid, unsent, 0);
  }

  forget(uid: string): void {
    this.sent.delete(uid);
  }

  private run(canary: KubeObject, uid: string, unsent: readonly Announcement[], tries: number): void {
    void this.sendAll(canary, uid, unsent).then((left) => {
      const [first, ...rest] = left;
      const delay = RETRY_MS[tries];
      if (first !== undefined && delay !== undefined) return void this.clock.after(delay, () => this.run(canary, uid, left, tries + 1));
      if (first !== undefined && this.place.givesUp) {
        this.log.warn({ place: this.place.name, announcement: first.id }, "given up");
        this.sent.set(uid, Math.max(this.sentUpTo(uid), first.id));
        return this.run(canary, uid, rest, 0);
      }
      // What is left stays in the outbox and is sent with the next commit.
      this.busy.delete(uid);
      if (first === undefined) this.arrived(canary);
    });
  }

  private async sendAll(canary: KubeObject, uid: string, unsent: readonly Announcement[]): Promise<readonly Announcement[]> {
    for (const [index, announcement] of unsent.entries()) {
      const outcome = await this.place.send(canary, announcement).catch((error: unknown) => {
        this.log.error({ place: this.place.name, announcement: announcement.id, error: String(error) }, "a place broke");
        return "retry" as const;
      });
      if (outcome === "retry") return unsent.slice(index);
      this.sent.set(uid, Math.max(this.sentUpTo(uid), announcement.id));
    }
    return [];
  }
}
