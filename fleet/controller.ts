// Runs the passes of the fleet: one for each Application, one for each Application in each member, one for each Fleet. A member that answers late holds up
// nothing but its own passes.
import type { KubeObject } from "../engine/ports.ts";
import { WorkQueue } from "../engine/controller/workqueue.ts";
import { applicationPass } from "./applicationpass.ts";
import { APPLICATIONS, FLEETS } from "./clusters.ts";
import type { FleetContext } from "./context.ts";
import { fleetPass } from "./fleetpass.ts";
import { APP_LABEL, appOf, appText, type AppName } from "./marks.ts";
import { memberPass, type Outcome } from "./memberpass.ts";

/** On the host. */
const WORKERS = 4;
/** Where something is only waited for, as for a Service that somebody else will make. */
const LOOK_AGAIN_MS = 5_000;
/** While an app is given back, which takes as long as its pods drain. */
const LOOK_BACK_MS = 2_000;

export class FleetController {
  private readonly queue: WorkQueue;
  /** Members have queues of their own, so that one that is slow uses up its own patience alone. */
  private readonly members = new Map<string, { queue: WorkQueue; worker: Promise<void> }>();
  private workers: Promise<void>[] = [];
  private running = false;

  constructor(private readonly context: FleetContext) {
    this.queue = new WorkQueue(context.clock);
  }

  get depth(): number {
    return this.queue.depth;
  }

  start(): void {
    this.running = true;
    this.workers = Array.from({ length: WORKERS }, () => this.work());
    this.everything();
  }

  async stop(): Promise<void> {
    this.running = false;
    this.queue.close();
    for (const { queue } of this.members.values()) queue.close();
    await Promise.all([...this.workers, ...[...this.members.values()].map(({ worker }) => worker)]);
  }

  everything(): void {
    for (const { plural, object } of this.context.caches.everything()) {
      if (plural === APPLICATIONS.plural) this.application(nameOf(object));
      if (plural === FLEETS.plural) this.queue.add(`fleet|${appText(nameOf(object))}`);
    }
  }

  hostChanged(plural: string, object: KubeObject): void {
    if (plural === APPLICATIONS.plural) this.application(nameOf(object));
    else this.namespaceChanged(object.metadata.namespace ?? "");
  }

  /** An object of Flux. */
  syncChanged(object: KubeObject): void {
    // What Kurator left behind names no namespace but its own.
    const name = object.metadata.labels?.[APP_LABEL];
    if (name !== undefined) this.application({ namespace: object.metadata.namespace ?? "", name });
  }

  memberChanged(member: string, object: KubeObject | undefined): void {
    const app = object === undefined ? undefined : appOf(object);
    for (const [name, plans] of this.context.memory.plans) {
      if (!plans.has(member) || (app !== undefined && appText(app) !== name)) continue;
      this.queue.add(`app|${name}`);
      this.visit(member, name);
    }
    if (object === undefined) for (const { plural, object: fleet } of this.context.caches.everything()) if (plural === FLEETS.plural) this.queue.add(`fleet|${appText(nameOf(fleet))}`);
  }

  private application(app: AppName): void {
    this.queue.add(`app|${appText(app)}`);
  }

  /** Fleets, clusters and Secrets are few, and all that they touch is in their namespace. */
  private namespaceChanged(namespace: string): void {
    for (const { plural, object } of this.context.caches.everything()) {
      if (object.metadata.namespace !== namespace) continue;
      if (plural === APPLICATIONS.plural) this.application(nameOf(object));
      if (plural === FLEETS.plural) this.queue.add(`fleet|${appText(nameOf(object))}`);
    }
  }

  private async work(): Promise<void> {
    for (let key = await this.queue.next(); key !== undefined; key = await this.queue.next()) {
      this.queue.clearDelay(key);
      const [kind = "", name = ""] = key.split("|");
      await this.guarded(key, this.queue, () => (kind === "app" ? this.lookAtApplication(key, name) : this.lookAtFleet(key, name)));
      this.queue.done(key);
    }
  }

  private async lookAtApplication(key: string, name: string): Promise<void> {
    const object = this.find(APPLICATIONS.plural, name);
    if (object === undefined) return this.forget(name);
    const end = await applicationPass(this.context, object);
    for (const member of end.members) this.visit(member, name);
    if (end.ended === true) this.forget(name);
    this.sweep();
    if (end.fault !== undefined) {
      this.context.log.debug({ application: name, fault: end.fault.message }, "will be tried again");
      this.queue.addLater(key);
    } else this.queue.forgive(key);
    if (end.wakeAtMs !== undefined) this.queue.addAt(key, end.wakeAtMs);
  }

  private async lookAtFleet(key: string, name: string): Promise<void> {
    const object = this.find(FLEETS.plural, name);
    if (object === undefined) {
      this.context.memory.fleets.delete(name);
      return this.sweep();
    }
    const fault = await fleetPass(this.context, object);
    if (fault === undefined) this.queue.forgive(key);
    else this.queue.addLater(key);
    this.sweep();
  }

  private visit(member: string, app: string): void {
    let known = this.members.get(member);
    if (known === undefined) {
      const queue = new WorkQueue(this.context.clock);
      known = { queue, worker: this.workIn(member, queue) };
      this.members.set(member, known);
    }
    known.queue.add(app);
  }

  private async workIn(member: string, queue: WorkQueue): Promise<void> {
    for (let app = await queue.next(); app !== undefined; app = await queue.next()) {
      const name = app;
      queue.clearDelay(name);
      await this.guarded(name, queue, () => this.lookIn(member, name, queue));
      queue.done(name);
    }
  }

  private async lookIn(key: string, name: string, queue: WorkQueue): Promise<void> {
    const { memory, members, log, mayWrite, loadTesterImage } = this.context;
    const plan = memory.plans.get(name)?.get(key);
    const member = members.get(key);
    // Whoever connects to it, or changes the plan, comes back here.
    if (plan === undefined || member === undefined || members.trouble(key) !== undefined) return;
    const [namespace = "", app = ""] = name.split("/");
    const connection = members.version(key) ?? "";
    const outcome: Outcome = await memberPass({ app: { namespace, name: app }, cluster: plan.ref.name, member, plan, loadTesterImage, mayWrite, memo: memory.memo(name, key, connection) });
    if (memory.conclude(name, key, plan.version, outcome)) this.queue.add(`app|${name}`);
    if (outcome.fault !== undefined) {
      log.info({ application: name, member: key, fault: outcome.fault.message }, "a member did not take it; it is tried again");
      queue.addLater(name);
      return;
    }
    queue.forgive(name);
    if (outcome.returning.length > 0) queue.addAt(name, this.context.clock.now() + LOOK_BACK_MS);
    if (outcome.problems.some(({ passing }) => passing === true)) queue.addAt(name, this.context.clock.now() + LOOK_AGAIN_MS);
  }

  private forget(name: string): void {
    const { memory } = this.context;
    for (const member of [...(memory.plans.get(name)?.keys() ?? [])]) memory.forget(name, member);
    this.sweep();
  }

  /** A connection is there for as long as somebody uses it. */
  private sweep(): void {
    const { memory, members } = this.context;
    for (const member of members.keys()) if (!memory.uses(member)) members.drop(member);
  }

  private find(plural: string, name: string): KubeObject | undefined {
    const [namespace = "", object = ""] = name.split("/");
    return this.context.caches.get(plural, namespace, object);
  }

  private async guarded(key: string, queue: WorkQueue, work: () => Promise<void>): Promise<void> {
    if (!this.running) return;
    try {
      await work();
    } catch (error) {
      // A bug in one pass must not end the others; it is said where it happened and tried again, less and less often.
      this.context.log.error({ key, error: error instanceof Error ? error.stack : String(error) }, "a pass of the fleet broke");
      queue.addLater(key);
    }
  }
}

function nameOf({ metadata: { namespace = "", name } }: KubeObject): AppName {
  return { namespace, name };
}
