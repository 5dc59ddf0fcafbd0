// Create, read, list and update: what does each say, and what does it change?
import { uidOf, versionOf } from "../recorder.ts";
import type { Recorder, Scenario } from "../recorder.ts";
import type { Answer, Json } from "../target.ts";

export function configMap(name: string, data: Json = { a: "1" }, meta: Json = {}): Json {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, ...meta }, data };
}

/** Secrets where a list must hold nothing else: a cluster puts config maps of its own into every namespace. */
function secret(name: string, labels: Json): Json {
  return { apiVersion: "v1", kind: "Secret", metadata: { name, labels } };
}

function names(answer: Answer): string[] {
  return ((answer.body.items as { metadata: { name: string } }[] | undefined) ?? []).map((item) => item.metadata.name);
}

async function three(api: Recorder): Promise<void> {
  for (const [name, labels] of Object.entries({ one: { tier: "a", size: "1" }, two: { tier: "b" }, three: { tier: "a", odd: "" } })) {
    await api.post(api.core("secrets"), secret(name, labels));
  }
}

export const objectScenarios: readonly Scenario[] = [
  {
    name: "create, get, create again",
    async run(api) {
      await api.post(api.core("configmaps"), configMap("one"));
      await api.get(api.core("configmaps", "one"));
      await api.post(api.core("configmaps"), configMap("one"));
      await api.get(api.core("configmaps", "two"));
    },
  },
  {
    name: "generateName",
    async run(api) {
      const created = await api.post(api.core("configmaps"), { apiVersion: "v1", kind: "ConfigMap", metadata: { generateName: "run-" } });
      const name = String((created.body.metadata as Json).name);
      api.note("form of the name", /^run-[bcdfghjklmnpqrstvwxz2456789]{5}$/.test(name));
    },
  },
  {
    name: "update with the version read, then with the old one, then with none",
    async run(api) {
      const read = await api.post(api.core("configmaps"), configMap("one"));
      await api.put(api.core("configmaps", "one"), { ...read.body, data: { a: "2" } });
      await api.put(api.core("configmaps", "one"), { ...read.body, data: { a: "3" } });
      await api.put(api.core("configmaps", "one"), configMap("one", { a: "4" }));
      await api.put(api.core("configmaps", "none"), configMap("none"));
    },
  },
  {
    name: "an update that changes nothing keeps the resourceVersion",
    async run(api) {
      const read = await api.post(api.core("configmaps"), configMap("one"));
      const again = await api.put(api.core("configmaps", "one"), read.body);
      api.note("version kept", versionOf(again) === versionOf(read));
    },
  },
  {
    name: "an update with another uid",
    async run(api) {
      await api.post(api.core("configmaps"), configMap("one"));
      await api.put(api.core("configmaps", "one"), configMap("one", { a: "2" }, { uid: "00000000-0000-0000-0000-000000000000" }));
    },
  },
  {
    name: "server-owned metadata is not the client's to set",
    async run(api) {
      const sent = configMap("one", {}, { generation: 7, creationTimestamp: "2001-01-01T00:00:00Z", deletionTimestamp: "2001-01-01T00:00:00Z", uid: "00000000-0000-0000-0000-000000000000" });
      const created = await api.post(api.core("configmaps"), sent);
      api.note("uid is new", uidOf(created) !== "00000000-0000-0000-0000-000000000000");
      await api.post(api.core("configmaps"), configMap("two", {}, { resourceVersion: "5" }));
    },
  },
  {
    name: "list and label selectors",
    async run(api) {
      await three(api);
      const selectors = ["tier=a", "tier==a", "tier!=a", "tier in (a,b)", "tier notin (a)", "odd", "!odd", "tier=a,!odd", "size>0", "nothing", "tier in (a", "=a", "bad key=1"];
      for (const selector of selectors) {
        const answer = await api.look(`${api.core("secrets")}?labelSelector=${encodeURIComponent(selector)}`);
        api.note(selector, [answer.status, answer.body.reason, names(answer)]);
      }
      await api.get(`${api.core("secrets")}?labelSelector=tier%3Da`);
    },
  },
  {
    name: "field selectors",
    async run(api) {
      await three(api);
      for (const selector of ["metadata.name=one", "metadata.name!=one", "type=Opaque", `metadata.namespace=${api.ns}`, "data.a=1"]) {
        const answer = await api.look(`${api.core("secrets")}?fieldSelector=${encodeURIComponent(selector)}`);
        api.note(selector, [answer.status, answer.body.reason, names(answer)]);
      }
    },
  },
  {
    name: "limit and continue see one snapshot",
    async run(api) {
      await three(api);
      const path = `${api.core("secrets")}?labelSelector=tier&limit=2`;
      const first = await api.get(path);
      await api.post(api.core("secrets"), secret("zero", { tier: "c" }));
      await api.remove(api.core("secrets", "two"));
      const token = String((first.body.metadata as Json).continue);
      await api.get(`${path}&continue=${encodeURIComponent(token)}`);
      const nonsense = await api.look(`${path}&continue=nonsense`);
      api.note("nonsense", [nonsense.status, nonsense.body.reason]);
    },
  },
  {
    name: "remainingItemCount without a selector",
    async run(api) {
      await api.post(api.core("serviceaccounts"), { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "one" } });
      await api.post(api.core("secrets"), { apiVersion: "v1", kind: "Secret", metadata: { name: "one" } });
      await api.post(api.core("secrets"), { apiVersion: "v1", kind: "Secret", metadata: { name: "two" }, stringData: { a: "b" } });
      await api.post(api.core("secrets"), { apiVersion: "v1", kind: "Secret", metadata: { name: "three" } });
      await api.get(`${api.core("secrets")}?limit=1`);
    },
  },
  {
    name: "metadata only, table, and what cannot be served",
    async run(api) {
      await api.post(api.core("configmaps"), configMap("one", { a: "1", b: "2" }, { labels: { l: "1" } }));
      const as = (form: string): Record<string, string> => ({ Accept: `application/json;as=${form};g=meta.k8s.io;v=v1` });
      await api.get(api.core("configmaps", "one"), as("PartialObjectMetadata"));
      await api.get(`${api.core("configmaps")}?labelSelector=l`, as("PartialObjectMetadataList"));
      await api.get(api.core("configmaps", "one"), as("Table"));
      await api.get(`${api.core("configmaps")}?labelSelector=l`, as("Table"));
      const refused = await api.look("/version");
      api.note("version", refused.body.minor);
    },
  },
  {
    name: "lists in the past, in the present and in the future",
    async run(api) {
      const created = await api.post(api.core("secrets"), { apiVersion: "v1", kind: "Secret", metadata: { name: "one" } });
      await api.post(api.core("secrets"), { apiVersion: "v1", kind: "Secret", metadata: { name: "two" } });
      await api.get(`${api.core("secrets")}?resourceVersion=${versionOf(created)}&resourceVersionMatch=Exact`);
      await api.get(`${api.core("secrets")}?resourceVersion=${versionOf(created)}&resourceVersionMatch=NotOlderThan`);
      await api.get(`${api.core("secrets")}?resourceVersion=0`);
    },
  },
  {
    name: "dry run",
    async run(api) {
      await api.post(`${api.core("configmaps")}?dryRun=All`, configMap("one"));
      await api.get(api.core("configmaps", "one"));
    },
  },
  {
    name: "secrets: stringData, immutable type",
    async run(api) {
      const created = await api.post(api.core("secrets"), { apiVersion: "v1", kind: "Secret", metadata: { name: "one" }, stringData: { a: "b" }, data: { c: "ZA==" } });
      await api.put(api.core("secrets", "one"), { ...created.body, type: "other" });
    },
  },
  {
    name: "leases: a PUT needs the version, and creates what is not there",
    async run(api) {
      const path = `/apis/coordination.k8s.io/v1/namespaces/${api.ns}/leases`;
      const lease = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: { name: "one" }, spec: { holderIdentity: "a", leaseDurationSeconds: 15, renewTime: "2026-01-01T00:00:00.000000Z" } };
      const created = await api.post(path, lease);
      await api.put(`${path}/one`, { ...lease, spec: { holderIdentity: "b" } });
      await api.put(`${path}/one`, { ...created.body, spec: { holderIdentity: "b" } });
      await api.put(`${path}/one`, { ...created.body, spec: { holderIdentity: "c" } });
      await api.put(`${path}/two`, { ...lease, metadata: { name: "two" } });
    },
  },
];
