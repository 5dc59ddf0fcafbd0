// What is refused, with which status and which words?
import { configMap } from "./objects.ts";
import type { Scenario } from "../recorder.ts";

export const refusalScenarios: readonly Scenario[] = [
  {
    name: "paths and methods that are not there",
    async run(api) {
      await api.get("/api/v1/nonsense");
      await api.get(`/apis/apps/v1/namespaces/${api.ns}/nonsense`);
      await api.post(api.core("configmaps", "one"), configMap("one"));
      await api.put(api.core("configmaps"), configMap("one"));
      await api.remove("/api/v1/namespaces");
      await api.get(api.core("configmaps", "one/status"));
      await api.put(api.core("pods", "none/nonsense"), {});
    },
  },
  {
    name: "bodies that disagree with the URL",
    async run(api) {
      await api.post(api.core("configmaps"), configMap("one", {}, { namespace: "default" }));
      await api.post(api.core("configmaps"), configMap("one"));
      await api.put(api.core("configmaps", "one"), configMap("two"));
      await api.post(api.core("configmaps"), { apiVersion: "v1", kind: "ConfigMap", metadata: {} });
    },
  },
  {
    name: "names and labels that are none",
    async run(api) {
      await api.post(api.core("configmaps"), configMap("Bad_Name"));
      await api.post(api.core("services"), { apiVersion: "v1", kind: "Service", metadata: { name: "1bad" }, spec: { ports: [{ port: 80 }] } });
      await api.post(api.core("configmaps"), configMap("one", {}, { labels: { "bad key": "x" } }));
      await api.post(api.core("configmaps"), configMap("one", {}, { labels: { key: "bad value" } }));
      await api.post("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "not.a.label" } });
    },
  },
  {
    name: "media types",
    async run(api) {
      const sent = await api.send("POST", api.core("configmaps"), "{}", { "Content-Type": "text/plain" });
      api.note("status", sent.status);
      const answer = await api.send("GET", api.core("configmaps"), undefined, { Accept: "text/html" });
      api.log.pop();
      api.note("accept", [answer.status, answer.body.reason]);
    },
  },
  {
    name: "an absent namespace",
    async run(api) {
      await api.post("/api/v1/namespaces/conf-there-is-none/configmaps", configMap("one"));
      await api.get("/api/v1/namespaces/conf-there-is-none/configmaps");
      await api.get("/api/v1/namespaces/conf-there-is-none");
    },
  },
  {
    name: "unknown fields: strict, ignored, patched",
    async run(api) {
      const odd = { ...configMap("one"), odd: 1 };
      await api.post(`${api.core("configmaps")}?fieldValidation=Strict`, odd);
      await api.post(`${api.core("configmaps")}?fieldValidation=Ignore`, odd);
      const service = { apiVersion: "v1", kind: "Service", metadata: { name: "s" }, spec: { ports: [{ port: 80, prot: "x" }], foo: {} } };
      await api.post(`${api.core("services")}?fieldValidation=Strict`, service);
      const patch = await api.send("PATCH", `${api.core("configmaps", "one")}?fieldValidation=Strict`, { odd: 1 }, { "Content-Type": "application/merge-patch+json" });
      api.log.pop();
      api.note("patch", [patch.status, patch.body.reason]);
    },
  },
  {
    name: "an immutable config map",
    async run(api) {
      await api.post(api.core("configmaps"), { ...configMap("one"), immutable: true });
      await api.patch("merge", api.core("configmaps", "one"), { data: { a: "2" } });
      await api.patch("merge", api.core("configmaps", "one"), { immutable: false });
    },
  },
];
