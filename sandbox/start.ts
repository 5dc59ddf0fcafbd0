// A cluster without a cluster: the in-process Kubernetes API on loopback with both groups' CRDs, Istio's kinds and one gateway, and the world behind it.
import { renderCRDs } from "../crds/generate.ts";
import { GROUPS } from "../crds/canary.ts";
import { ApiServer } from "./api/server.ts";
import { ApiStore } from "./api/store.ts";
import type { Clock, KubeObject, Random } from "./api/types.ts";
import { startWorld, type World } from "./world.ts";

export interface Sandbox {
  apiUrl: string;
  /** Text of a kubeconfig that leads to it; it needs no credentials. */
  kubeconfig: string;
  store: ApiStore;
  world: World;
  stop(): Promise<void>;
}

const CRDS = "customresourcedefinitions.apiextensions.k8s.io";

export async function startSandbox({ clock, random, port = 0, prometheus = "auto" }: { clock: Clock; random: Random; port?: number; prometheus?: "auto" | "builtin" }): Promise<Sandbox> {
  const store = new ApiStore({ clock, random });
  for (const { group } of Object.values(GROUPS)) for (const crd of renderCRDs(group)) store.create(CRDS, crd as unknown as KubeObject);
  const world = await startWorld({ store, clock, random, prometheus, propagationDelayMs: 50, scrapeMs: 1000 });
  for (const name of ["default", "istio-system"]) if (store.get("namespaces", undefined, name) === undefined) store.create("namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  store.create("gateways.networking.istio.io", {
    apiVersion: "networking.istio.io/v1",
    kind: "Gateway",
    metadata: { name: "public-gateway", namespace: "istio-system" },
    spec: { selector: { istio: "ingressgateway" }, servers: [{ port: { number: 80, name: "http", protocol: "HTTP" }, hosts: ["*"] }] },
  });
  const api = await new ApiServer(store).listen(port);
  return {
    apiUrl: api.url,
    kubeconfig: kubeconfigOf(api.url),
    store,
    world,
    async stop() {
      await api.close();
      await world.stop();
    },
  };
}

/** JSON of a kubeconfig for a server that asks nobody who they are. */
export function kubeconfigOf(server: string): string {
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "sandbox", cluster: { server } }],
    users: [{ name: "sandbox", user: {} }],
    contexts: [{ name: "sandbox", context: { cluster: "sandbox", user: "sandbox", namespace: "default" } }],
    "current-context": "sandbox",
  };
  // JSON is YAML, and kubectl reads it.
  return `${JSON.stringify(config, null, 2)}\n`;
}
