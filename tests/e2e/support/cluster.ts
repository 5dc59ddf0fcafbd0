// The cluster that KUBECONFIG names, as a user reaches it (kubectl, helm) and as a test looks at it. Without KUBECONFIG every suite fails.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { realClock } from "../../../engine/adapters/clock.ts";
import { createKubeApi } from "../../../engine/adapters/kube.ts";
import { loadTransport, type Transport } from "../../../engine/adapters/transport.ts";
import type { KubeApi, KubeObject, Resource } from "../../../engine/ports.ts";

const run = promisify(execFile);

export const KUBECONFIG = required("KUBECONFIG");
/** A user whose requests the cluster records, and where it does. */
export const AUDITED = { kubeconfig: process.env.KR_ENGINE_KUBECONFIG, log: process.env.KR_AUDIT_LOG };

export const CANARIES: Resource = { group: "rollout.kurator.dev", version: "v1alpha1", plural: "canaries", kind: "Canary" };
export const DEPLOYMENTS: Resource = { group: "apps", version: "v1", plural: "deployments", kind: "Deployment" };
export const SERVICES: Resource = { group: "", version: "v1", plural: "services", kind: "Service" };

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") throw new Error(`${name} is not set: the end-to-end suite needs a cluster with Istio and Prometheus (see CONTRIBUTING.md)`);
  return value;
}

export interface Said {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a program to its end; the exit code is an answer, not an error. */
/** @param spoke is called with everything that it prints, while it runs */
export async function said(program: string, args: readonly string[], input?: string, spoke?: () => void): Promise<Said> {
  const child = run(program, [...args], { env: { ...process.env, KUBECONFIG }, maxBuffer: 16_000_000 });
  if (spoke !== undefined) child.child.stdout?.on("data", spoke);
  if (input !== undefined) child.child.stdin?.end(input);
  try {
    const { stdout, stderr } = await child;
    return { code: 0, stdout, stderr };
  } catch (error) {
    const failed = error as { code?: number; stdout?: string; stderr?: string };
    if (typeof failed.code !== "number") throw error;
    return { code: failed.code, stdout: failed.stdout ?? "", stderr: failed.stderr ?? "" };
  }
}

/** kubectl, which must succeed. */
export async function kubectl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await said("kubectl", args);
  if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** Manifests as JSON, by `kubectl apply`, as GitOps tools and users send them. */
export async function apply(...objects: object[]): Promise<void> {
  const list = { apiVersion: "v1", kind: "List", items: objects };
  const { code, stderr } = await said("kubectl", ["apply", "-f", "-"], JSON.stringify(list));
  if (code !== 0) throw new Error(`kubectl apply: ${stderr}`);
}

/** As `kubectl replace` does, so that fields of the test before do not stay; kubectl reads first, and whoever writes a status between is no reason to fail. */
export async function replace(object: object): Promise<void> {
  for (let left = 5; ; left--) {
    const { code, stderr } = await said("kubectl", ["replace", "-f", "-"], JSON.stringify(object));
    if (code === 0) return;
    if (left === 0 || !stderr.includes("(Conflict)")) throw new Error(`kubectl replace: ${stderr}`);
  }
}

let opened: { transport: Transport; api: KubeApi } | undefined;

export async function cluster(): Promise<{ transport: Transport; api: KubeApi }> {
  if (opened === undefined) {
    const transport = await loadTransport({ kubeconfig: KUBECONFIG, userAgent: "e2e" });
    opened = { transport, api: createKubeApi({ transport, clock: realClock }) };
  }
  return opened;
}

export async function get(resource: Resource, namespace: string, name: string): Promise<KubeObject | undefined> {
  const { api } = await cluster();
  const found = await api.get({ resource, namespace, name });
  if (found.ok) return found.value;
  if (found.fault.class === "not-found") return undefined;
  throw new Error(found.fault.message);
}

export async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** Looks until `look` gives something; the error says what was seen last. */
export async function eventually<T>(what: string, seconds: number, look: () => Promise<T | undefined>, last: () => unknown = () => ""): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`not within ${seconds}s: ${what} ${JSON.stringify(last())}`);
    await sleep(100);
  }
}

/** What the engine does to the world comes after the status that says so: an assertion about it is made again until it holds. */
export async function soon(assertion: () => Promise<unknown>, seconds = 10): Promise<void> {
  for (const end = Date.now() + seconds * 1000; ; ) {
    try {
      await assertion();
      return;
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(100);
    }
  }
}

export async function serviceIp(namespace: string, name: string): Promise<string> {
  const service = await get(SERVICES, namespace, name);
  const ip = (service?.spec as { clusterIP?: string } | undefined)?.clusterIP;
  if (ip === undefined) throw new Error(`Service ${namespace}/${name} has no address`);
  return ip;
}

/** The CRDs of both groups, as `kurator-rollout crds` prints them. */
export async function installCrds(): Promise<void> {
  const { stdout } = await said(process.execPath, ["dist/kurator-rollout.mjs", "crds", "--api-groups", "rollout.kurator.dev,flagger.app"]);
  const { code, stderr } = await said("kubectl", ["apply", "--server-side", "--force-conflicts", "-f", "-"], stdout);
  if (code !== 0) throw new Error(stderr);
  await kubectl("wait", "--for=condition=Established", "crd/canaries.rollout.kurator.dev", "--timeout=30s");
}

export async function namespace(name: string): Promise<void> {
  await kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=true", "--timeout=120s");
  await kubectl("create", "namespace", name);
}
