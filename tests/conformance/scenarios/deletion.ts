// Preconditions, finalizers, owners and namespaces: when does an object go?
import { configMap } from "./objects.ts";
import { uidOf, versionOf } from "../recorder.ts";
import type { Recorder, Scenario } from "../recorder.ts";
import type { Answer, Json } from "../target.ts";

const HOLD = { finalizers: ["test.io/hold"] };

function owned(owner: Answer, name: string, extra: Json = {}): Json {
  const reference = { apiVersion: "v1", kind: "ConfigMap", name: (owner.body.metadata as { name: string }).name, uid: uidOf(owner), blockOwnerDeletion: true };
  return configMap(name, {}, { ownerReferences: [reference], ...extra });
}

async function release(api: Recorder, name: string): Promise<void> {
  await api.patch("merge", api.core("configmaps", name), { metadata: { finalizers: null } });
}

export const deletionScenarios: readonly Scenario[] = [
  {
    name: "delete, and delete what is gone",
    async run(api) {
      await api.post(api.core("configmaps"), configMap("one"));
      await api.remove(api.core("configmaps", "one"));
      await api.remove(api.core("configmaps", "one"));
      await api.post(api.core("services"), { apiVersion: "v1", kind: "Service", metadata: { name: "one" }, spec: { ports: [{ port: 80 }] } });
      await api.remove(api.core("services", "one"));
    },
  },
  {
    name: "preconditions",
    async run(api) {
      const created = await api.post(api.core("configmaps"), configMap("one"));
      await api.remove(api.core("configmaps", "one"), { preconditions: { uid: "00000000-0000-0000-0000-000000000000" } });
      const stale = await api.look(api.core("configmaps", "one"));
      await api.patch("merge", api.core("configmaps", "one"), { data: { a: "2" } });
      const refused = await api.send("DELETE", api.core("configmaps", "one"), { preconditions: { resourceVersion: versionOf(stale) } });
      api.note("reason", refused.body.reason);
      await api.remove(api.core("configmaps", "one"), { preconditions: { uid: uidOf(created) } });
    },
  },
  {
    name: "a finalizer holds, takes no company, and lets go",
    async run(api) {
      await api.post(api.core("configmaps"), configMap("one", {}, HOLD));
      await api.remove(api.core("configmaps", "one"));
      await api.remove(api.core("configmaps", "one"));
      await api.patch("merge", api.core("configmaps", "one"), { metadata: { finalizers: ["test.io/hold", "test.io/more"] } });
      await api.patch("merge", api.core("configmaps", "one"), { data: { late: "write" } });
      await release(api, "one");
      await api.get(api.core("configmaps", "one"));
    },
  },
  {
    name: "dependents follow in the background",
    async run(api) {
      const owner = await api.post(api.core("configmaps"), configMap("owner"));
      await api.post(api.core("configmaps"), owned(owner, "child"));
      await api.remove(api.core("configmaps", "owner"), { propagationPolicy: "Background" });
      await api.gone(api.core("configmaps", "child"));
    },
  },
  {
    name: "the owner waits in the foreground",
    async run(api) {
      const owner = await api.post(api.core("configmaps"), configMap("owner"));
      await api.post(api.core("configmaps"), owned(owner, "child", HOLD));
      await api.remove(api.core("configmaps", "owner"), { propagationPolicy: "Foreground" });
      await api.until(api.core("configmaps", "child"), ({ body }) => (body.metadata as Json | undefined)?.deletionTimestamp !== undefined);
      await api.get(api.core("configmaps", "owner"));
      await release(api, "child");
      await api.gone(api.core("configmaps", "owner"));
    },
  },
  {
    name: "orphans stay",
    async run(api) {
      const owner = await api.post(api.core("configmaps"), configMap("owner"));
      await api.post(api.core("configmaps"), owned(owner, "child"));
      await api.remove(api.core("configmaps", "owner"), { propagationPolicy: "Orphan" });
      await api.gone(api.core("configmaps", "owner"));
      await api.until(api.core("configmaps", "child"), ({ body }) => (body.metadata as Json | undefined)?.ownerReferences === undefined);
    },
  },
  {
    name: "an unknown policy, and an owner reference that is none",
    async run(api) {
      await api.post(api.core("configmaps"), configMap("one"));
      await api.remove(api.core("configmaps", "one"), { propagationPolicy: "Sideways" });
      await api.post(api.core("configmaps"), configMap("two", {}, { ownerReferences: [{ apiVersion: "v1", kind: "ConfigMap", name: "x", uid: "" }] }));
    },
  },
  {
    name: "deletecollection by label",
    async run(api) {
      await api.post(api.core("configmaps"), configMap("one", {}, { labels: { go: "yes" } }));
      await api.post(api.core("configmaps"), configMap("two", {}, { labels: { go: "yes" } }));
      await api.post(api.core("configmaps"), configMap("three", {}, { labels: { go: "no" } }));
      await api.remove(`${api.core("configmaps")}?labelSelector=go%3Dyes`);
      await api.get(`${api.core("configmaps")}?labelSelector=go`);
    },
  },
  {
    name: "a namespace goes with its content, when that lets it",
    async run(api) {
      const inner = `${api.ns}-inner`;
      const path = `/api/v1/namespaces/${inner}`;
      await api.post("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: inner } });
      await api.post(`${path}/configmaps`, configMap("held", {}, HOLD));
      await api.post(`${path}/secrets`, { apiVersion: "v1", kind: "Secret", metadata: { name: "free" } });
      await api.remove(path);
      await api.post(`${path}/configmaps`, configMap("late"));
      await api.gone(`${path}/secrets/free`);
      await api.until(`${path}/configmaps/held`, ({ body }) => (body.metadata as Json | undefined)?.deletionTimestamp !== undefined);
      const held = await api.look(path);
      api.note("phase", (held.body.status as Json).phase);
      await api.patch("merge", `${path}/configmaps/held`, { metadata: { finalizers: null } });
      await api.gone(path);
    },
  },
];
