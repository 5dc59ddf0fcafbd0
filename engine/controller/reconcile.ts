// One pass over one Canary: observe, decide, commit, apply, ask, announce. Each step may be cut off and the pass simply run again.
import { groupOf } from "../../crds/marks.ts";
import { parseCanary, type Canary } from "../../crds/canary.ts";
import type { Problem } from "../../crds/problem.ts";
import type { CanaryStatus } from "../../crds/status.ts";
import { conditionsOf } from "../machine/conditions.ts";
import { settingsOf } from "../machine/settings.ts";
import type { Transition, Wake } from "../machine/types.ts";
import type { Fault, KubeObject, ObjectRef } from "../ports.ts";
import { apply, type Applied, type Wanted } from "./apply.ts";
import { commit } from "./commit.ts";
import type { Context } from "./context.ts";
import { handBack } from "./handback.ts";
import { keyText, type Key } from "./key.ts";
import type { Memory } from "./memory.ts";
import { objectOfConfig, type Contents, type Unread } from "./configs.ts";
import { observe } from "./observe.ts";
import { HANDS_OFF, problemsOf } from "./problems.ts";
import { inFlight, type Drawing } from "./project.ts";
import { prune, retire } from "./prune.ts";
import { rivalOf } from "./rivals.ts";
import { REVISIONS, wantedOf } from "./wanted.ts";
import { configKeys, lastRouter, routesKnown, worldOf } from "./world.ts";

const UNREAD_LOOK_MS = 5_000;

/** `again`: something was written, look at once; `retry`: something failed, look after the backoff; `watch`: objects that only this pass knows of. */
export type Pass = { kind: "wait"; wake: Wake; watch?: string[] } | { kind: "again" } | { kind: "retry"; why: string } | { kind: "forget" };

export async function reconcile(key: Key, context: Context, memory: Memory): Promise<Pass> {
  const object = context.caches.canaries(key.group).get(key.namespace, key.name);
  if (object === undefined) return handBack(key, context, memory);
  const read = readable(key, object, memory);
  if ("reason" in read) return stall(key, read, context, memory);
  const routers = [context.router(read.canary.spec.provider ?? context.options.meshProvider), lastRouter(context, key.namespace, settingsOf(key.group, read.canary.spec))];
  if (!routers.map((router) => routesKnown(context, router)).every((known) => known)) return { kind: "retry", why: "it is not known yet which routes there are" };
  const { contents, unread } = await lookAtConfigs(key, context, memory, read.canary);
  const drawing = draw(context, memory, read.canary);
  context.recorder.seen(key, drawing.settings, drawing.status);
  const stale = await confirmed(key, object, drawing, context, memory);
  if (stale !== undefined) return stale;

  const { transition, problems } = decide(key, drawing, read.problems, unread, context, memory);
  const committed = await write(key, object, drawing, transition, problems, context, memory);
  if (committed.kind !== "committed") return committed;
  const after: Drawing = { ...drawing, status: committed.status, canary: { ...drawing.canary, status: committed.status } };
  const applied = handsOff(problems, committed.status) ? nothing : await applyAll(key, after, committed, contents, context, memory);
  memory.asks.set(keyText(key), transition.asks);
  memory.announcer.send(committed.object, committed.status.outbox ?? []);
  const quiet = applied.kind === "done" && applied.writes === 0 && !committed.written;
  const unpruned = quiet ? ((await retire(context, after.world, committed.status)) ?? (await prune(context, after.world, committed.status, after.settings.target))) : undefined;
  if (unpruned !== undefined) context.log.debug({ canary: keyText(key), why: unpruned }, "a stored revision was not removed");
  const pass = ending(key, transition, committed.written, applied, context, memory);
  // Nothing tells when a content that could not be read can be.
  return unread === undefined || pass.kind !== "wait" ? pass : { ...pass, wake: { atMs: Math.min(context.clock.now() + UNREAD_LOOK_MS, pass.wake === "on-change" ? Number.POSITIVE_INFINITY : pass.wake.atMs) } };
}

async function lookAtConfigs(key: Key, context: Context, memory: Memory, canary: Canary): Promise<{ contents: Contents; unread: Unread | undefined }> {
  const keys = configKeys(context, key.namespace, settingsOf(key.group, canary.spec));
  // Before they are read, or a change in between would wake nobody.
  memory.watch(keyText(key), keys.map((config) => objectOfConfig(key.namespace, config)));
  return memory.configs.look(context, key.namespace, keys);
}

/** A spec that went bad under a running app does not keep its traffic from coming back: what the engine routes already stays its business. */
function handsOff(problems: readonly Problem[], status: CanaryStatus): boolean {
  return problems.some(({ reason }) => HANDS_OFF.has(reason) && !(reason === "InvalidSpec" && status.route !== undefined));
}

const nothing: Applied = { kind: "done", writes: 0 };

export function draw(context: Context, memory: Memory, canary: Canary): Drawing {
  const group = groupOf(canary.apiVersion);
  const provider = canary.spec.provider ?? context.options.meshProvider;
  const router = context.router(provider);
  const settings = settingsOf(group, canary.spec, router?.can);
  const status = canary.status ?? {};
  return {
    canary,
    status,
    settings,
    world: worldOf(context, memory.configs, canary as unknown as KubeObject, canary.spec, settings),
    provider,
    epoch: context.leadership.epoch,
    includeLabelPrefixes: context.options.includeLabelPrefixes,
    version: (kind) => router?.kinds.flat().flatMap((known) => (known.kind === kind ? (context.caches.resource(known)?.version ?? []) : []))[0] ?? "",
  };
}

export function refOf(context: Context, key: Key): ObjectRef {
  const version = context.groups.get(key.group) ?? "";
  return { resource: { group: key.group, version, plural: "canaries", kind: "Canary" }, namespace: key.namespace, name: key.name };
}

/** A new leader reads a Canary whose run is in flight once from the API server: its cache may be older than what the last leader committed. */
async function confirmed(key: Key, object: KubeObject, drawing: Drawing, context: Context, memory: Memory): Promise<Pass | undefined> {
  const epoch = context.leadership.epoch ?? 0;
  const text = keyText(key);
  if (memory.confirmed.get(text) === epoch) return undefined;
  if (drawing.status.phase === undefined || !inFlight(drawing.status)) {
    memory.confirmed.set(text, epoch);
    return undefined;
  }
  const live = await context.api.get(refOf(context, key));
  if (!live.ok) return { kind: "retry", why: live.fault.message };
  memory.confirmed.set(text, epoch);
  if (live.value.metadata.resourceVersion === object.metadata.resourceVersion) return undefined;
  context.caches.absorb(live.value);
  return { kind: "again" };
}

function decide(key: Key, drawing: Drawing, unreadable: readonly Problem[], unread: Unread | undefined, context: Context, memory: Memory): { transition: Transition; problems: Problem[] } {
  const text = keyText(key);
  const nowMs = context.clock.now();
  const { canary, settings, status, world } = drawing;
  const outdated = memory.outdatedCRD(text, nowMs);
  const problems = outdated === undefined ? [...unreadable, ...forbidden(unread), ...problemsOf(context, drawing, rivalOf(context, key, canary, settings))] : [outdated];
  const selector = (world.target?.spec as { selector?: { matchLabels?: Record<string, string> } } | undefined)?.selector?.matchLabels;
  const watched = (status.phase === "Progressing" || status.phase === "WaitingPromotion") && selector !== undefined;
  if (!watched) context.pods.stop(text);
  const seen = observe(drawing, {
    nowMs,
    problems,
    trouble: memory.refusal(text) ?? memory.drift.fight(text, nowMs)?.problem,
    pods: watched ? context.pods.pods(text, key.namespace, selector) : [],
    answers: memory.asks.answers(text),
    stale: world.scaler?.known === false ? `it is not known yet which ${world.scaler.resource.kind}s there are` : context.caches.synced ? staleConfig(unread) : "a watch of the API server keeps failing: what is known of the cluster may be old",
    frozen: context.caches.freeze(),
    sentUpTo: memory.announcer.sentUpTo(canary.metadata.uid ?? ""),
  });
  const view = { kind: { group: key.group, name: canary.kind }, metadata: canary.metadata, spec: canary.spec, status };
  return { transition: context.next(view, settings, seen), problems };
}

function forbidden(unread: Unread | undefined): Problem[] {
  if (unread?.fault.class !== "forbidden") return [];
  const path = `${unread.kind} ${unread.namespace}/${unread.name}`;
  return [{ reason: "Forbidden", path, message: `${unread.fault.message}; the pods read it, so give the engine's role this right (see docs/install.md), or annotate it with rollout.kurator.dev/config-tracking: live` }];
}

function staleConfig(unread: Unread | undefined): string | undefined {
  return unread === undefined ? undefined : `${unread.kind} ${unread.namespace}/${unread.name} cannot be read: ${unread.fault.message}`;
}

interface Written {
  kind: "committed";
  object: KubeObject;
  status: CanaryStatus;
  written: boolean;
}

async function write(key: Key, object: KubeObject, drawing: Drawing, transition: Transition, problems: readonly Problem[], context: Context, memory: Memory): Promise<Written | Pass> {
  const before = drawing.status;
  const status = problems[0]?.reason === "CRDOutdated" ? { ...before, conditions: transition.status.conditions } : transition.status;
  if (transition.status === before || (status !== transition.status && shows(before, "CRDOutdated"))) return { kind: "committed", object, status: before, written: false };
  if (!context.leadership.mayWrite()) return { kind: "retry", why: "the lease may have run out" };
  const result = await commit(context.api, refOf(context, key), object, status);
  if (!result.ok) return { kind: "retry", why: `status not written: ${result.fault.message}` };
  context.caches.absorb(result.value.object);
  context.log.info(
    { canary: `${key.namespace}/${key.name}`, phase: status.phase, weight: status.route?.canaryWeight ?? 0, failedChecks: status.failedChecks, run: status.run?.id },
    transition.why,
  );
  context.recorder.transition(key, drawing.settings, before, status);
  if (result.value.pruned !== undefined && problems[0]?.reason !== "CRDOutdated") {
    // What cannot be remembered must not be acted on.
    memory.setOutdatedCRD(keyText(key), result.value.pruned, context.clock.now());
    return { kind: "again" };
  }
  return { kind: "committed", object: result.value.object, status, written: result.value.object !== object };
}

function shows(status: CanaryStatus, reason: string): boolean {
  return status.conditions?.some((condition) => condition.type === "Stalled" && condition.status === "True" && condition.reason === reason) === true;
}

async function applyAll(key: Key, drawing: Drawing, committed: Written, contents: Contents, context: Context, memory: Memory): Promise<Applied> {
  const text = keyText(key);
  const nowMs = context.clock.now();
  // Only repairs are held back in a fight: what was decided and is not there yet, a rollback above all, is written whoever else writes it.
  const pending = drawing.status.route !== undefined && drawing.status.route.appliedAt === undefined;
  const all = wantedOf(context, memory.configs, drawing, contents);
  const held = ({ ref }: Wanted): boolean => !pending && !committed.written && memory.drift.held(text, `${ref.resource.kind} ${ref.name}`, nowMs);
  // What comes behind a revision is rendered from it, and waits for it.
  const unstored = all.findIndex((entry) => entry.ref.resource.kind === REVISIONS.kind && held(entry));
  const wanted = (unstored < 0 ? all : all.slice(0, unstored)).filter((entry) => !held(entry));
  // Committed in this pass: the Canary was the newest an instant ago. Otherwise one live read proves it before anything is repaired.
  const confirm = async (): Promise<string | undefined> => {
    if (committed.written) return undefined;
    const live = await context.api.get(refOf(context, key));
    if (!live.ok) return live.fault.message;
    if (live.value.metadata.resourceVersion === committed.object.metadata.resourceVersion) return undefined;
    context.caches.absorb(live.value);
    return "the Canary has moved";
  };
  return apply(context, wanted, confirm, committed.written ? undefined : (ref, fields) => {
    memory.drift.repaired(text, `${ref.resource.kind} ${ref.name}`, fields, nowMs);
    context.recorder.drift(key, ref.resource.kind);
  });
}

function ending(key: Key, transition: Transition, committed: boolean, applied: Applied, context: Context, memory: Memory): Pass {
  const text = keyText(key);
  if (applied.kind === "stopped") {
    const problem = applied.fault === undefined ? undefined : refusalOf(applied.fault, applied.ref);
    const before = memory.refusal(text);
    memory.setRefusal(text, problem);
    if (problem !== undefined && before?.message !== problem.message) return { kind: "again" };
    return { kind: "retry", why: applied.why };
  }
  if (memory.refusal(text) !== undefined) {
    memory.setRefusal(text, undefined);
    return { kind: "again" };
  }
  if (committed || applied.writes > 0) return { kind: "again" };
  const fight = memory.drift.fight(text, context.clock.now());
  if (fight === undefined) return { kind: "wait", wake: transition.wake };
  const atMs = transition.wake === "on-change" ? fight.untilMs : Math.min(transition.wake.atMs, fight.untilMs);
  return { kind: "wait", wake: { atMs } };
}

/** A refusal that repeating does not mend is shown with what was refused; anything else is simply tried again. */
function refusalOf(fault: Fault, ref: ObjectRef | undefined): Problem | undefined {
  const path = ref === undefined ? "" : `${ref.resource.kind} ${ref.namespace}/${ref.name}`;
  if (fault.class === "forbidden") return { reason: "Forbidden", path, message: `${fault.message}; give the engine's role this right (see docs/install.md)` };
  if (fault.class === "exists" && ref?.resource.kind === "ControllerRevision") return { reason: "NameTaken", path, message: "exists and does not carry the engine's label; rename or delete it" };
  if (fault.class === "invalid") return { reason: "Refused", path, message: fault.message };
  return undefined;
}

/**
 * The Canary, and what of it cannot be read. A manifest that an older CRD let through is worked on as it was before, which starts nothing and promotes
 * nothing but keeps what its users get under watch; one that was never readable is a problem alone.
 */
/** What cached objects were read as; they are never changed, and most passes look at one that was looked at before. */
const READ = new WeakMap<KubeObject, ReturnType<typeof parseCanary>>();

function readable(key: Key, object: KubeObject, memory: Memory): { canary: Canary; problems: readonly Problem[] } | Problem {
  const last = memory.lastGood.get(keyText(key));
  const { uid, generation } = object.metadata;
  // A spec that changes has another generation.
  const known = last !== undefined && generation !== undefined && last.uid === uid && last.generation === generation ? last.spec : undefined;
  const parsed = READ.get(object) ?? parseCanary(object, known);
  READ.set(object, parsed);
  if (parsed.ok) {
    if (known === undefined) memory.lastGood.set(keyText(key), { uid, generation, spec: parsed.canary.spec });
    return { canary: parsed.canary, problems: [] };
  }
  const before = last === undefined ? undefined : parseCanary(object, last.spec);
  return before?.ok === true ? { canary: before.canary, problems: parsed.problems } : (parsed.problems[0] ?? { reason: "InvalidSpec", path: "spec", message: "cannot be read" });
}

/** Says what keeps the engine from working on a Canary, and touches nothing else. */
export async function stall(key: Key, problem: Problem, context: Context, memory: Memory): Promise<Pass> {
  const object = context.caches.canaries(key.group).get(key.namespace, key.name);
  if (object === undefined) return { kind: "forget" };
  const status = (object.status ?? {}) as CanaryStatus;
  const nowMs = context.clock.now();
  const generation = object.metadata.generation ?? 0;
  memory.asks.set(keyText(key), []);
  const kind = (object.spec as { targetRef?: { kind?: string } } | undefined)?.targetRef?.kind ?? "Deployment";
  const conditions = conditionsOf(status, { kind, nowMs, generation, suspended: false, problem });
  const said: CanaryStatus = { ...status, phase: status.phase ?? "Initializing", conditions, observedGeneration: generation };
  if (!context.leadership.mayWrite()) return { kind: "retry", why: "the lease may have run out" };
  const result = await commit(context.api, refOf(context, key), object, said);
  if (!result.ok) return { kind: "retry", why: result.fault.message };
  context.caches.absorb(result.value.object);
  return { kind: "wait", wake: "on-change" };
}
