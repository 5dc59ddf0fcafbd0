// A host cluster without anything in it but the kinds of the fleet: an API server on loopback, for trying Applications without a cluster.
import { renderHostCRDs } from "../crds/fleetcrds.ts";
import { ApiServer } from "./api/server.ts";
import { ApiStore } from "./api/store.ts";
import type { Clock, KubeObject, Random } from "./api/types.ts";
import { kubeconfigOf } from "./start.ts";

export interface Host {
  apiUrl: string;
  kubeconfig: string;
  store: ApiStore;
  stop(): Promise<void>;
}

export async function startHost({ clock, random, port = 0 }: { clock: Clock; random: Random; port?: number }): Promise<Host> {
  const store = new ApiStore({ clock, random });
  for (const crd of renderHostCRDs()) store.create("customresourcedefinitions.apiextensions.k8s.io", crd as unknown as KubeObject);
  if (store.get("namespaces", undefined, "default") === undefined) store.create("namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } });
  const api = await new ApiServer(store).listen(port);
  return { apiUrl: api.url, kubeconfig: kubeconfigOf(api.url), store, stop: () => api.close() };
}
