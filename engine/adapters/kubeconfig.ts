// Which cluster, and who are we there? Reads kubeconfigs and the pod's service account with client-node, and keeps what proves our identity fresh.
// It must never put what it read into an error: a YAML error quotes the lines around it, and those hold keys.
import type { Agent, RequestOptions } from "node:https";
import { KubeConfig } from "@kubernetes/client-node";
import type { Clock } from "../ports.ts";
import { realClock } from "./clock.ts";

/** What one request carries. */
export interface Credentials {
  tls: RequestOptions;
  headers: Record<string, string>;
  /** Only where the kubeconfig names a proxy. */
  agent?: Agent;
}

export interface Cluster {
  server: URL;
  /** Asked for each request: tokens and certificates rotate on disk, plugins hand out short-lived ones. */
  credentials(): Promise<Credentials>;
  /** The API server answered 401: what was handed out last is no longer good. */
  refused(): void;
}

/** client-go reads rotated files as often. */
const CREDENTIALS_AGE_MS = 60_000;
/** After a 401 new ones are made no more often than this; a plugin may open a browser or ask a slow server. */
const REFUSED_AGE_MS = 10_000;
/** client-node's guess when it found nothing at all. */
const NOTHING_FOUND = "http://localhost:8080";

/**
 * The cluster of the kubeconfig given, else of $KUBECONFIG and the default file, else the one whose service account is mounted.
 * @throws a sentence for the user when no cluster is named, the file is no kubeconfig, or its credential plugin fails
 */
export async function loadCluster(path: string | undefined, clock: Pick<Clock, "monotonic"> = realClock): Promise<Cluster> {
  let config = load(path);
  const server = config.getCurrentCluster()?.server ?? "";
  let held: { credentials: Credentials; atMs: number } | undefined;
  let pending: Promise<Credentials> | undefined;
  let doubted = false;

  async function renew(): Promise<Credentials> {
    // A plugin's answer is cached inside client-node, without a way to drop it: only a config that is read anew asks again.
    if (doubted) config = reloaded(path, config);
    const credentials = await applied(config);
    held = { credentials, atMs: clock.monotonic() };
    doubted = false;
    return credentials;
  }

  const cluster: Cluster = {
    server: new URL(server),
    credentials() {
      const ageMs = held === undefined ? Infinity : clock.monotonic() - held.atMs;
      if (held !== undefined && ageMs < (doubted ? REFUSED_AGE_MS : CREDENTIALS_AGE_MS)) return Promise.resolve(held.credentials);
      // All informers start at one time; a plugin runs once for them together.
      pending ??= renew().finally(() => (pending = undefined));
      return pending;
    },
    refused() {
      doubted = true;
    },
  };
  try {
    await cluster.credentials();
  } catch (error) {
    throw new Error(`the credentials of the kubeconfig cannot be used: ${error instanceof Error ? error.message.slice(0, 500) : "the plugin failed"}`);
  }
  return cluster;
}

function load(path: string | undefined): KubeConfig {
  const config = new KubeConfig();
  try {
    if (path === undefined || path === "") config.loadFromDefault();
    else config.loadFromFile(path);
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    throw new Error(`${path ?? "the kubeconfig"} ${typeof code === "string" ? `cannot be read (${code})` : "is not a kubeconfig"}`);
  }
  const cluster = config.getCurrentCluster();
  if (cluster === null || !URL.canParse(cluster.server) || (cluster.server === NOTHING_FOUND && config.getCurrentUser()?.name === "user")) {
    throw new Error("no cluster to talk to: give --kubeconfig, set KUBECONFIG, or run inside a cluster");
  }
  // Two habits of client-node 2.0.1: without a user it drops the cluster's CA, and it refuses plain HTTP unless TLS need not be verified.
  const plain = cluster.server.startsWith("http:");
  config.loadFromClusterAndUser(plain ? { ...cluster, skipTLSVerify: true } : cluster, config.getCurrentUser() ?? { name: "anonymous" });
  return config;
}

/** A file that is being written right now is no reason to forget what worked. */
function reloaded(path: string | undefined, before: KubeConfig): KubeConfig {
  try {
    return load(path);
  } catch {
    return before;
  }
}

async function applied(config: KubeConfig): Promise<Credentials> {
  const options: Parameters<KubeConfig["applyToHTTPSOptions"]>[0] = {};
  await config.applyToHTTPSOptions(options);
  const { headers, agent, ...tls } = options;
  // A token file may end in a line break, which no header may hold.
  const trimmed = Object.entries(headers ?? {}).map(([name, value]) => [name, String(value).trim()]);
  const proxied = config.getCurrentCluster()?.proxyUrl !== undefined;
  return { tls: tls as RequestOptions, headers: Object.fromEntries(trimmed) as Record<string, string>, ...(proxied ? { agent: agent as Agent } : {}) };
}
