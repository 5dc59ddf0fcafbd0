// What a pass is given: caches, ports and options, put together once by the composition root.
import type { next } from "../machine/next.ts";
import type { Clock, Http, Kind, KubeApi, KubeObject, Log, Resource } from "../ports.ts";
import type { ConfigKind } from "../../crds/marks.ts";
import type { Router } from "../../routing/router.ts";
import type { Recorder } from "./recorder.ts";

/** What the informers hold, by plural ("deployments"), or plural and group where several groups have it ("gateways.networking.istio.io"). */
export interface Caches {
  /** `about`: those whose target has this name. */
  canaries(group: string): { get(namespace: string, name: string): KubeObject | undefined; list(): readonly KubeObject[]; about(namespace: string, target: string): readonly KubeObject[] };
  /** A MetricTemplate or AlertProvider of the Canary's own group, or of the other one where that is served as well. */
  template(plural: "metrictemplates" | "alertproviders", group: string, namespace: string, name: string): KubeObject | undefined;
  get(plural: string, namespace: string, name: string): KubeObject | undefined;
  /** Objects that are marked as one Canary's. */
  owned(plural: string, namespace: string, mark: string): readonly KubeObject[];
  /** Begins to watch a kind that few Canaries need; true as soon as it is known what there is, or that the kind is not served or not to be seen. */
  seek(resource: Resource): boolean;
  /** Why all rollouts are frozen; undefined where they are not. */
  freeze(): string | undefined;
  /** Takes in what a write returned, so that no pass sees the world older than its own last write. */
  absorb(object: KubeObject): void;
  forget(object: KubeObject): void;
  /** The kind as this API server serves it; undefined when it does not, or shows it to others alone. */
  resource(kind: Kind): Resource | undefined;
  /** The engine has no right to watch it. */
  forbidden(kind: Kind): boolean;
  readonly synced: boolean;
}

/** Pods are watched only while a run needs them. */
export interface PodWatch {
  /** Starts the watch where there is none; the pods known so far. */
  pods(key: string, namespace: string, selector: Record<string, string>): readonly KubeObject[];
  stop(key: string): void;
}

export interface Leadership {
  /** Transitions of the Lease at our acquisition; undefined without election, and then nothing is stamped. */
  readonly epoch: number | undefined;
  /** False once the renew deadline has passed: no write starts after it. */
  mayWrite(): boolean;
  /** Somebody with a higher epoch has written: we are the stale one. */
  superseded(): void;
}

export interface Options {
  metricsServer: string;
  meshProvider: string;
  includeLabelPrefixes: readonly string[];
  /** A change of one of these kinds that pods read is a new revision, and the primary reads copies of them. */
  configKinds: readonly ConfigKind[];
  /** MetricTemplates and AlertProviders of other namespaces may not be used. */
  sameNamespaceOnly?: boolean;
  /** Hears of every decision about Canaries that have no event hook of their own. */
  eventWebhook: string | undefined;
}

export interface Context {
  api: KubeApi;
  caches: Caches;
  pods: PodWatch;
  leadership: Leadership;
  router(provider: string): Router | undefined;
  /** Kinds that routers write, those of rare ones too. */
  routedKinds: readonly Kind[];
  http: Http;
  /** Who the engine itself is, for providers that may be asked in its name. */
  identity?(of: "aws"): Promise<{ ok: true; value: Readonly<Record<string, string>> } | { ok: false; why: string }>;
  clock: Clock;
  log: Log;
  recorder: Recorder;
  options: Options;
  /** The machine. A port, so that the demo can plant a known bug and show that it is caught. */
  next: typeof next;
  /** API groups served, with their versions. */
  groups: ReadonlyMap<string, string>;
}
