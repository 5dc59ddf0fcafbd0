// Waits in a pipeline for the verdict on one revision, prints what happens, and ends with the code that docs/ci.md promises.
import { groupOf } from "../crds/marks.ts";
import { GROUPS } from "../crds/canary.ts";
import { parseDuration } from "../crds/durations.ts";
import type { CanaryStatus } from "../crds/status.ts";
import type { Clock, KubeApi, KubeObject, Result } from "../engine/ports.ts";
import { imagesOf } from "../engine/workload/deployment.ts";
import { templateHash } from "../engine/workload/canonical.ts";
import { EXIT, judgeWait, timedOut, type Seen, type Snapshot, type Verdict, type Wish } from "./verdict.ts";

export interface WaitRequest {
  name: string;
  namespace: string;
  /** API group of the Canary; undefined looks in both. */
  group?: string;
  image?: string;
  revision?: string;
  timeoutMs: number;
  json: boolean;
}

const POLL_MS = 1_000;
const DEPLOYMENTS = { group: "apps", version: "v1", plural: "deployments", kind: "Deployment" };

/** @returns the exit code */
export async function wait(request: WaitRequest, api: KubeApi, clock: Clock, print: (line: string) => void): Promise<number> {
  const deadlineMs = clock.now() + request.timeoutMs;
  const wish: Wish = { image: request.image, revision: request.revision };
  let seen: Seen = {};
  let shown = "";
  let group = request.group;
  for (;;) {
    const found = await findCanary(request, group, api);
    if (!found.ok) {
      const missing = found.fault.class === "not-found" || found.fault.class === "forbidden";
      if (missing) return finish(request, print, { code: EXIT.notFound, text: found.fault.message });
      if (found.fault.class === "invalid") return finish(request, print, { code: EXIT.error, text: found.fault.message });
      if (clock.now() >= deadlineMs) return finish(request, print, { code: EXIT.timeout, text: `timeout: ${found.fault.message}` });
      await sleep(clock, POLL_MS);
      continue;
    }
    group = groupOf(found.value.apiVersion);
    const at = await snapshot(found.value, api, clock);
    if (typeof at === "string") return finish(request, print, { code: EXIT.notFound, text: at });
    if (wish.image === undefined && wish.revision === undefined) wish.revision = at.target?.revision;
    const line = progress(at.status);
    if (line !== shown) print(request.json ? JSON.stringify({ time: new Date(at.nowMs).toISOString(), phase: at.status.phase, weight: weightOf(at.status), failedChecks: at.status.failedChecks, run: at.status.run?.id }) : line);
    shown = line;
    const judged = judgeWait(wish, seen, at);
    seen = judged.seen;
    if (judged.verdict !== undefined) return finish(request, print, judged.verdict);
    if (clock.now() >= deadlineMs) return finish(request, print, timedOut(at.status));
    await sleep(clock, Math.min(POLL_MS, Math.max(deadlineMs - clock.now(), 1)));
  }
}

export interface WaitTarget {
  kind: "canary" | "application";
  name: string;
}

/** "canary/podinfo", "podinfo" or "application/shop". Throws a sentence for the user on anything else. */
export function parseTarget(text: string): WaitTarget {
  const [kind, name] = text.includes("/") ? text.split("/", 2) : ["canary", text];
  const known = ["canary", "canaries"].includes(kind ?? "") ? "canary" : ["application", "applications"].includes(kind ?? "") ? "application" : undefined;
  if (known === undefined || name === undefined || name === "") throw new Error(`"${text}" is not canary/NAME or application/NAME`);
  return { kind: known, name };
}

export function parseTimeout(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new Error(`--timeout "${text}" is not a duration such as 90s, 15m or 1h`);
  return ms;
}

export function finish(request: Pick<WaitRequest, "json">, print: (line: string) => void, verdict: Verdict): number {
  print(request.json ? JSON.stringify({ verdict: verdict.text, code: verdict.code }) : verdict.text);
  return verdict.code;
}

async function findCanary(request: WaitRequest, group: string | undefined, api: KubeApi): Promise<Result<KubeObject>> {
  const kinds = Object.values(GROUPS).filter((kind) => group === undefined || kind.group === group);
  let last: Result<KubeObject> | undefined;
  for (const { group: inGroup, version } of kinds) {
    const resource = { group: inGroup, version, plural: "canaries", kind: "Canary" };
    const result = await api.get({ resource, namespace: request.namespace, name: request.name });
    if (result.ok) return result;
    // A group that is not installed, or may not be read, says nothing about the other one.
    if (last === undefined || !(result.fault.class === "not-found" || result.fault.class === "forbidden")) last = result;
  }
  return last ?? { ok: false, fault: { class: "invalid", message: `no API group ${group ?? ""} is known; use ${Object.values(GROUPS).map((kind) => kind.group).join(" or ")}` } };
}

/** A sentence instead where the target may not be read. */
async function snapshot(canary: KubeObject, api: KubeApi, clock: Clock): Promise<Snapshot | string> {
  const spec = canary.spec as { suspend?: boolean; targetRef?: { name?: string } } | undefined;
  const name = spec?.targetRef?.name ?? "";
  const found = await api.get({ resource: DEPLOYMENTS, namespace: canary.metadata.namespace ?? "", name });
  if (!found.ok && found.fault.class === "forbidden") return found.fault.message;
  const template = found.ok ? (found.value.spec as { template?: unknown } | undefined)?.template : undefined;
  return {
    nowMs: clock.now(),
    status: (canary.status ?? {}) as CanaryStatus,
    suspended: spec?.suspend === true,
    target: found.ok
      ? { uid: found.value.metadata.uid ?? "", generation: found.value.metadata.generation ?? 0, revision: templateHash(template), images: imagesOf(template) }
      : undefined,
  };
}

function weightOf(status: CanaryStatus): number {
  return status.canaryWeight ?? 0;
}

function progress(status: CanaryStatus): string {
  const checks = (status.run?.measurements ?? []).map((measured) => `${measured.name} ${measured.verdict}${measured.value === undefined ? "" : ` ${measured.value}`}`);
  const detail = checks.length === 0 ? "" : `  ${checks.join(", ")}`;
  return `${(status.phase ?? "Unknown").padEnd(16)} weight ${String(weightOf(status)).padStart(3)}  failed checks ${status.failedChecks ?? 0}${detail}`;
}

export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve));
}
