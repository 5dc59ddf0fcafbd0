// What happens to a pod between its creation and its end? Starts its container, reports readiness and crashes, and on
// deletion keeps it answering until the mesh has heard. It must never remove a pod before its requests are answered or
// its grace is over.
import type { Clock } from "../api/types.ts";
import { behaviourOf } from "./behaviour.ts";
import type { Behaviour, PodIdentity } from "./behaviour.ts";
import { behaviourAnnotation, getAs, isTerminating, keyOf, pods, portAnnotation, splitKey } from "./objects.ts";
import type { Pod, PodStore } from "./objects.ts";
import { podStatus } from "./podstatus.ts";
import type { ContainerLife } from "./podstatus.ts";
import { keyQueue } from "./queue.ts";
import type { KeyQueue } from "./queue.ts";
import type { PodProcess, PodRuntime } from "./runtime.ts";
import { updated } from "./write.ts";

export interface KubeletPorts {
  store: PodStore;
  clock: Clock;
  runtime: PodRuntime;
  onFault(key: string, fault: unknown): void;
}

const crashAfterMs = 200;
/** A tenth of what Kubernetes waits, so that a crash loop shows within a demo: 1 s, 2 s, 4 s, then 5 s. */
const backoff = { firstMs: 1000, longestMs: 5000 };
/** A leaving pod goes on accepting requests for this long: the proxy learns of its leaving only after its propagation delay. */
const drainMs = 1000;
const defaultGraceSeconds = 30;

/** A pod that has a container, or had one until it was told to leave. */
interface Tenant extends ContainerLife {
  key: string;
  identity: PodIdentity;
  behaviour: Behaviour;
  graceMs: number;
  port?: number;
  process?: PodProcess;
  leaving: boolean;
  timers: Set<() => void>;
}

export class Kubelet {
  private readonly ports: KubeletPorts;
  private readonly tenants = new Map<string, Tenant>();
  private readonly queue: KeyQueue;
  private readonly unsubscribe: () => void;

  constructor(ports: KubeletPorts) {
    this.ports = ports;
    this.queue = keyQueue(ports.clock, (key) => this.sync(key), ports.onFault);
    this.unsubscribe = ports.store.subscribe(({ resource, object }) => {
      if (resource === pods) this.queue.add(keyOf(object));
    });
    for (const pod of ports.store.list(pods)) this.queue.add(keyOf(pod));
  }

  stop(): void {
    this.unsubscribe();
    this.queue.stop();
    for (const tenant of this.tenants.values()) {
      cancelTimers(tenant);
      tenant.process?.kill();
    }
    this.tenants.clear();
  }

  private sync(key: string): void {
    const { store } = this.ports;
    const [namespace, name] = splitKey(key);
    const pod = getAs<Pod>(store, pods, namespace, name);
    for (const tenant of this.tenants.values()) {
      if (tenant.key === key && (pod === undefined || isTerminating(pod) || pod.metadata.uid !== tenant.identity.uid)) this.leave(tenant);
    }
    if (pod === undefined) return;
    const uid = pod.metadata.uid ?? "";
    const known = this.tenants.get(uid);
    if (isTerminating(pod)) {
      if (known === undefined) store.delete(pods, namespace, name);
      return;
    }
    if (pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed") return;
    const tenant = known ?? tenantOf(pod, this.ports);
    if (known === undefined) {
      this.tenants.set(uid, tenant);
      this.run(tenant);
    }
    this.report(tenant, pod);
  }

  private run(tenant: Tenant): void {
    const { runtime, clock, onFault } = this.ports;
    const listening = (port: number) => {
      if (tenant.process !== process) return;
      Object.assign(tenant, { port, state: "running", startedAt: clock.now() });
      const { crash, neverReady, startupMs } = tenant.behaviour;
      if (crash) this.later(tenant, Math.min(crashAfterMs, startupMs), () => this.crashed(tenant));
      else if (!neverReady) this.later(tenant, startupMs, () => this.becameReady(tenant));
      this.queue.add(tenant.key);
    };
    const process = runtime.start(tenant.identity, tenant.behaviour, listening, (error) => {
      onFault(tenant.key, error);
      this.crashed(tenant);
    });
    tenant.process = process;
  }

  private becameReady(tenant: Tenant): void {
    tenant.ready = true;
    this.queue.add(tenant.key);
  }

  private crashed(tenant: Tenant): void {
    if (tenant.leaving) return;
    tenant.process?.kill();
    const backoffMs = Math.min(backoff.longestMs, Math.max(backoff.firstMs, tenant.backoffMs * 2));
    Object.assign(tenant, {
      process: undefined, port: undefined, state: "backoff", ready: false, backoffMs, lastStartedAt: tenant.startedAt, lastExitAt: this.ports.clock.now(),
    });
    this.later(tenant, backoffMs, () => {
      tenant.restarts += 1;
      tenant.state = "creating";
      this.run(tenant);
    });
    this.queue.add(tenant.key);
  }

  private report(tenant: Tenant, pod: Pod): void {
    const { store, clock } = this.ports;
    const annotations = { ...pod.metadata.annotations, [behaviourAnnotation]: JSON.stringify(tenant.behaviour), ...(tenant.port === undefined ? {} : { [portAnnotation]: String(tenant.port) }) };
    const nodeName = pod.spec.nodeName ?? "sandbox";
    // The port before the readiness: whoever sees a ready pod can reach it.
    const reachable = updated(store, pods, pod, { ...pod, metadata: { ...pod.metadata, annotations }, spec: { ...pod.spec, nodeName } });
    updated(store, pods, reachable, { ...reachable, status: podStatus(reachable, tenant, clock.now()) }, "status");
  }

  private leave(tenant: Tenant): void {
    if (tenant.leaving) return;
    tenant.leaving = true;
    cancelTimers(tenant);
    const gone = () => {
      if (!this.tenants.delete(tenant.identity.uid)) return;
      cancelTimers(tenant);
      tenant.process?.kill();
      this.queue.add(tenant.key);
    };
    if (tenant.process === undefined) return gone();
    this.later(tenant, Math.min(drainMs, tenant.graceMs), () => tenant.process?.drain(gone));
    this.later(tenant, tenant.graceMs, gone);
  }

  private later(tenant: Tenant, delayMs: number, task: () => void): void {
    const cancel = this.ports.clock.after(delayMs, () => {
      tenant.timers.delete(cancel);
      task();
    });
    tenant.timers.add(cancel);
  }
}

function tenantOf(pod: Pod, { store, clock }: KubeletPorts): Tenant {
  const { namespace = "", name, uid = "" } = pod.metadata;
  const configMap = (map: string) => store.get("configmaps", namespace, map)?.data as Record<string, string> | undefined;
  return {
    key: keyOf(pod),
    identity: { namespace, pod: name, uid },
    behaviour: behaviourOf(pod.spec, configMap),
    graceMs: (pod.spec.terminationGracePeriodSeconds ?? defaultGraceSeconds) * 1000,
    state: "creating",
    ready: false,
    restarts: 0,
    startedAt: clock.now(),
    backoffMs: 0,
    leaving: false,
    timers: new Set(),
  };
}

function cancelTimers(tenant: Tenant): void {
  for (const cancel of tenant.timers) cancel();
  tenant.timers.clear();
}
