// The cluster that is measured on: objects by the hundred, and what its audit log says of the user `engine`.
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { realClock } from "../engine/adapters/clock.ts";
import { collection, createKubeApi } from "../engine/adapters/kube.ts";
import { loadTransport, type Transport } from "../engine/adapters/transport.ts";
import type { KubeApi, KubeObject, Resource } from "../engine/ports.ts";

export const CANARIES: Resource = { group: "rollout.kurator.dev", version: "v1alpha1", plural: "canaries", kind: "Canary" };
export const DEPLOYMENTS: Resource = { group: "apps", version: "v1", plural: "deployments", kind: "Deployment" };
export const NAMESPACES: Resource = { group: "", version: "v1", plural: "namespaces", kind: "Namespace" };
export const SERVICES: Resource = { group: "", version: "v1", plural: "services", kind: "Service" };
export const CONFIG_MAPS: Resource = { group: "", version: "v1", plural: "configmaps", kind: "ConfigMap" };
export const GATEWAYS: Resource = { group: "networking.istio.io", version: "v1", plural: "gateways", kind: "Gateway" };
export const VIRTUAL_SERVICES: Resource = { group: "networking.istio.io", version: "v1", plural: "virtualservices", kind: "VirtualService" };

const AT_ONCE = 24;

export function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") throw new Error(`${name} is not set: the benchmark needs a cluster (see docs/performance.md)`);
  return value;
}

export interface Target {
  api: KubeApi;
  transport: Transport;
}

export async function target(): Promise<Target> {
  const transport = await loadTransport({ kubeconfig: required("KUBECONFIG"), userAgent: "bench" });
  return { transport, api: createKubeApi({ transport, clock: realClock }) };
}

/** Does `work` for each, some at one time. @throws what the first one threw */
export async function each<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const left = [...items].reverse();
  const worker = async (): Promise<void> => {
    for (let item = left.pop(); item !== undefined; item = left.pop()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

export async function create({ api }: Target, resource: Resource, object: KubeObject): Promise<void> {
  const made = await api.create(resource, object);
  if (!made.ok && made.fault.class !== "exists") throw new Error(made.fault.message);
}

/** A strategic or merge patch without a precondition, as kubectl sends it. */
export async function patch({ transport }: Target, resource: Resource, namespace: string, name: string, body: object): Promise<void> {
  const answer = await transport.request({ method: "PATCH", path: `${collection(resource, namespace)}/${name}`, contentType: "application/merge-patch+json", body: JSON.stringify(body), timeoutMs: 60_000 });
  if (answer.status !== 200) throw new Error(`patch ${resource.plural} ${namespace}/${name}: ${answer.status} ${answer.body.slice(0, 200)}`);
}

/** Follows a kind in all namespaces from now on, until `signal` aborts. The server ends the watch of a reader that is too slow for it, and it goes on from there. */
export async function follow({ transport }: Target, resource: Resource, signal: AbortSignal, seen: (object: KubeObject, atMs: number) => void): Promise<void> {
  const path = collection(resource, "");
  const list = await transport.request({ method: "GET", path, query: { limit: "1" }, timeoutMs: 60_000 });
  let from = (JSON.parse(list.body) as { metadata: { resourceVersion: string } }).metadata.resourceVersion;
  void (async () => {
    while (!signal.aborted) {
      const stream = await transport.stream({ path, query: { watch: "true", resourceVersion: from, timeoutSeconds: "3500" }, signal });
      for await (const line of stream.lines) {
        if (line === "") continue;
        const { type, object } = JSON.parse(line) as { type: string; object: KubeObject };
        if (type === "ERROR") throw new Error(`the watch of ${resource.plural} cannot go on: ${line}`);
        from = object.metadata.resourceVersion ?? from;
        seen(object, Date.now());
      }
    }
  })().catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}

export interface Asked {
  verb: string;
  uri: string;
  resource: string;
}

/** What the user `engine` has asked for since the last look, leases aside. */
export class Audit {
  private readonly file = openSync(required("KR_AUDIT_LOG"), "r");
  private offset = fstatSync(this.file).size;
  private rest = "";

  take(): Asked[] {
    const { size } = fstatSync(this.file);
    const asked: Asked[] = [];
    const buffer = Buffer.alloc(1 << 20);
    while (this.offset < size) {
      const count = readSync(this.file, buffer, 0, Math.min(buffer.length, size - this.offset), this.offset);
      this.offset += count;
      const lines = (this.rest + buffer.toString("latin1", 0, count)).split("\n");
      this.rest = lines.pop() ?? "";
      for (const line of lines) {
        if (!line.includes('"username":"engine"')) continue;
        const event = JSON.parse(line) as { verb: string; requestURI: string; stage: string; objectRef?: { resource?: string; subresource?: string } };
        // A watch is one request, when it begins.
        if (event.stage !== (event.verb === "watch" ? "ResponseStarted" : "ResponseComplete") || event.objectRef?.resource === "leases") continue;
        asked.push({ verb: event.verb, uri: event.requestURI, resource: [event.objectRef?.resource, event.objectRef?.subresource].filter(Boolean).join("/") });
      }
    }
    return asked;
  }

  close(): void {
    closeSync(this.file);
  }
}

export function tally(asked: readonly Asked[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { verb, resource } of asked) counts[`${verb} ${resource}`] = (counts[`${verb} ${resource}`] ?? 0) + 1;
  return Object.fromEntries(Object.entries(counts).sort(([, left], [, right]) => right - left));
}
