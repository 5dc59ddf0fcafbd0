// Which cluster, and who are we there? Reads kubeconfigs and the pod's service account with client-node, and keeps what proves our identity fresh.
// It must never put what it read into an error: a YAML error quotes the lines around it, and those hold keys.
import type { Agent, RequestOptions } from "node:https";
import type { KubeConfig } from "./clientnode.ts";
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
async function empty(): Promise<KubeConfig> {
  const client = await import("./clientnode.ts");
  return new client.KubeConfig();
}

/** client-node's guess when it found nothing at all. */
const NOTHING_FOUND = "http://localhost:8080";

/**
 * The cluster of the kubeconfig given, else of $KUBECONFIG and the default file, else the one whose service account is mounted.
 * @throws a sentence for the user when no cluster is named, the file is no kubeconfig, or its credential plugin fails
 */
export async function loadCluster(path: string | undefined, clock: Pick<Clock, "monotonic"> = realClock): Promise<Cluster> {
  let config = await load(path);
  const make = async (doubted: boolean): Promise<Credentials> => {
    // A plugin's answer is cached inside client-node, without a way to drop it: only a config that is read anew asks again.
    if (doubted) config = await reloaded(path, config);
    return applied(config);
  };
  return held(new URL(config.getCurrentCluster()?.server ?? ""), make, clock);
}

/** @param make credentials; it is told when the API server has refused the last ones */
async function held(server: URL, make: (doubted: boolean) => Promise<Credentials>, clock: Pick<Clock, "monotonic">): Promise<Cluster> {
  let kept: { credentials: Credentials; atMs: number } | undefined;
  let pending: Promise<Credentials> | undefined;
  let doubted = false;

  async function renew(): Promise<Credentials> {
    const credentials = await make(doubted);
    kept = { credentials, atMs: clock.monotonic() };
    doubted = false;
    return credentials;
  }

  const cluster: Cluster = {
    server,
    credentials() {
      const ageMs = kept === undefined ? Infinity : clock.monotonic() - kept.atMs;
      if (kept !== undefined && ageMs < (doubted ? REFUSED_AGE_MS : CREDENTIALS_AGE_MS)) return Promise.resolve(kept.credentials);
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

/**
 * The cluster of a kubeconfig that somebody stored, for example in a Secret. Whoever may write it must not be able to run a program here or to read a file of
 * ours, so plugins and paths are refused: everything has to be in it.
 * @throws a sentence for the user, without anything of what was read
 */
export async function clusterOfText(text: string, clock: Pick<Clock, "monotonic"> = realClock): Promise<Cluster> {
  const config = await empty();
  try {
    config.loadFromString(text);
  } catch {
    throw new Error("it is not a kubeconfig");
  }
  const [cluster, user] = [config.getCurrentCluster(), config.getCurrentUser()];
  if (cluster === null || !URL.canParse(cluster.server)) throw new Error("it names no cluster: set current-context, and a server");
  if (user?.exec !== undefined || user?.authProvider !== undefined) throw new Error("it asks for a credential plugin, which is not run here; put a token or a certificate into it");
  const files = [cluster.caFile, user?.certFile, user?.keyFile].some((path) => path !== undefined && path !== "");
  // client-node forgets this one, and would go there as nobody.
  if (files || /"?tokenFile"?\s*:/.test(text)) throw new Error("it refers to files, which are not here; put the data themselves into it (kubectl config view --flatten)");
  return held(new URL(cluster.server), () => applied(settled(config)), clock);
}

async function load(path: string | undefined): Promise<KubeConfig> {
  const config = await empty();
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
  return settled(config);
}

/** Two habits of client-node 2.0.1: without a user it drops the cluster's CA, and it refuses plain HTTP unless TLS need not be verified. */
function settled(config: KubeConfig): KubeConfig {
  const cluster = config.getCurrentCluster();
  if (cluster === null) return config;
  const plain = cluster.server.startsWith("http:");
  config.loadFromClusterAndUser(plain ? { ...cluster, skipTLSVerify: true } : cluster, config.getCurrentUser() ?? { name: "anonymous" });
  return config;
}

/** A file that is being written right now is no reason to forget what worked. */
async function reloaded(path: string | undefined, before: KubeConfig): Promise<KubeConfig> {
  try {
    return await load(path);
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
