// The three kinds of patch: what does each make of an object, and when is it refused?
import { configMap } from "./objects.ts";
import { deployment } from "./workloads.ts";
import type { Scenario } from "../recorder.ts";

export const patchScenarios: readonly Scenario[] = [
  {
    name: "merge patch: sets, replaces and deletes",
    async run(api) {
      await api.post(api.core("configmaps"), configMap("one", { a: "1", b: "2" }));
      await api.patch("merge", api.core("configmaps", "one"), { data: { a: null, b: "3", c: "4" }, metadata: { labels: { x: "y" } } });
      await api.patch("merge", api.core("configmaps", "one"), { metadata: { labels: null } });
      await api.patch("merge", api.core("configmaps", "none"), { data: {} });
    },
  },
  {
    name: "patches that carry a version or a uid",
    async run(api) {
      const read = await api.post(api.core("configmaps"), configMap("one"));
      const { uid, resourceVersion } = read.body.metadata as { uid: string; resourceVersion: string };
      await api.patch("merge", api.core("configmaps", "one"), { metadata: { uid, resourceVersion }, data: { a: "2" } });
      await api.patch("merge", api.core("configmaps", "one"), { metadata: { resourceVersion }, data: { a: "3" } });
      await api.patch("strategic", api.core("configmaps", "one"), { metadata: { resourceVersion }, data: { a: "3" } });
      await api.patch("merge", api.core("configmaps", "one"), { metadata: { uid: "00000000-0000-0000-0000-000000000000" }, data: { a: "4" } });
      await api.patch("json", api.core("configmaps", "one"), [{ op: "replace", path: "/metadata/resourceVersion", value: resourceVersion }]);
      await api.patch("merge", api.core("configmaps", "one"), { metadata: { name: "two" } });
    },
  },
  {
    name: "JSON patch: every operation",
    async run(api) {
      await api.post(api.core("configmaps"), configMap("one", { a: "1", b: "2" }, { annotations: { "x/y": "3" } }));
      await api.patch("json", api.core("configmaps", "one"), [
        { op: "test", path: "/data/a", value: "1" },
        { op: "add", path: "/data/c", value: "5" },
        { op: "remove", path: "/data/b" },
        { op: "replace", path: "/data/a", value: "9" },
        { op: "copy", from: "/data/a", path: "/data/d" },
        { op: "move", from: "/data/c", path: "/data/e" },
        { op: "remove", path: "/metadata/annotations/x~1y" },
      ]);
      await api.patch("json", api.core("configmaps", "one"), [{ op: "test", path: "/data/a", value: "1" }]);
      await api.patch("json", api.core("configmaps", "one"), [{ op: "remove", path: "/data/none" }]);
      await api.patch("json", api.core("configmaps", "one"), [{ op: "add", path: "/none/none", value: 1 }]);
    },
  },
  {
    name: "strategic patch of a pod template",
    async run(api) {
      await api.post(api.apps("deployments"), deployment("one", {
        containers: [
          { name: "app", image: "app:1", env: [{ name: "A", value: "1" }, { name: "B", value: "2" }], ports: [{ containerPort: 80, name: "http" }], volumeMounts: [{ name: "v", mountPath: "/v" }] },
          { name: "side", image: "side:1" },
        ],
        volumes: [{ name: "v", emptyDir: {} }],
        tolerations: [{ key: "a", operator: "Exists" }],
      }));
      const patch = (spec: unknown): Promise<unknown> => api.patch("strategic", api.apps("deployments", "one"), { spec: { template: { spec } } });
      await patch({ containers: [{ name: "app", image: "app:2", env: [{ name: "B", value: "3" }, { name: "C", value: "4" }] }] });
      await patch({ containers: [{ name: "side", $patch: "delete" }, { name: "app", env: [{ name: "A", $patch: "delete" }] }] });
      await patch({ containers: [{ name: "app", ports: [{ containerPort: 80, name: "web" }, { containerPort: 81, name: "more" }], volumeMounts: [{ mountPath: "/w", name: "v" }] }] });
      await patch({ tolerations: [{ key: "b", operator: "Exists" }] });
      await patch({ volumes: [{ name: "w", configMap: { name: "c" } }], $setElementOrder_ignored: undefined });
      await patch({ "$setElementOrder/containers": [{ name: "new" }, { name: "app" }], containers: [{ name: "new", image: "new:1" }] });
      await patch({ containers: [{ $patch: "replace" }, { name: "only", image: "only:1" }] });
    },
  },
  {
    name: "strategic patch of a strategy with retainKeys",
    async run(api) {
      await api.post(api.apps("deployments"), deployment("one"));
      await api.patch("strategic", api.apps("deployments", "one"), { spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } } });
      await api.patch("strategic", api.apps("deployments", "one"), { spec: { strategy: { $retainKeys: ["type"], type: "RollingUpdate" } } });
    },
  },
  {
    name: "strategic patch of service ports, finalizers and maps",
    async run(api) {
      await api.post(api.core("services"), { apiVersion: "v1", kind: "Service", metadata: { name: "one", finalizers: ["test.io/a"] }, spec: { selector: { a: "b" }, ports: [{ port: 80, name: "http" }, { port: 81, name: "more" }] } });
      await api.patch("strategic", api.core("services", "one"), { spec: { selector: { a: null, c: "d" }, ports: [{ port: 81, targetPort: 8081 }, { port: 82, name: "third" }] } });
      await api.patch("strategic", api.core("services", "one"), { metadata: { finalizers: ["test.io/b"] } });
      await api.patch("strategic", api.core("services", "one"), { metadata: { "$deleteFromPrimitiveList/finalizers": ["test.io/a", "test.io/b"] } });
      await api.patch("strategic", api.core("services", "one"), { spec: { selector: { $patch: "replace", only: "this" } } });
    },
  },
  {
    name: "patch types that are not taken",
    async run(api) {
      await api.post(api.core("configmaps"), configMap("one"));
      const answer = await api.send("PATCH", api.core("configmaps", "one"), "{}", { "Content-Type": "text/plain" });
      api.note("status", answer.status);
      await api.patch("merge", api.core("configmaps", "one"), "[1]");
      await api.patch("json", api.core("configmaps", "one"), "{}");
    },
  },
  {
    name: "a patch that changes nothing moves nothing",
    async run(api) {
      const read = await api.post(api.core("configmaps"), configMap("one"));
      const again = await api.patch("merge", api.core("configmaps", "one"), { data: { a: "1" } });
      api.note("same version", JSON.stringify((read.body.metadata as { resourceVersion: string }).resourceVersion) === JSON.stringify((again.body.metadata as { resourceVersion: string }).resourceVersion));
    },
  },
];
