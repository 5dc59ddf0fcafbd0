// Which events does a watch send, from which version on, and when does it say that history is gone?
import { configMap } from "./objects.ts";
import { versionOf } from "../recorder.ts";
import type { Scenario } from "../recorder.ts";

export const watchScenarios: readonly Scenario[] = [
  {
    name: "added, modified, deleted, from a version on",
    async run(api) {
      const start = await api.look(api.core("secrets"));
      const watch = await api.watch(`${api.core("configmaps")}?watch=true&labelSelector=w&resourceVersion=${versionOf(start)}`);
      await api.post(api.core("configmaps"), configMap("one", {}, { labels: { w: "" } }));
      await api.patch("merge", api.core("configmaps", "one"), { data: { a: "2" } });
      await api.remove(api.core("configmaps", "one"));
      await watch.take(3);
    },
  },
  {
    name: "what is there first, when no version is given",
    async run(api) {
      await api.post(api.core("configmaps"), configMap("one", {}, { labels: { w: "" } }));
      const watch = await api.watch(`${api.core("configmaps")}?watch=true&labelSelector=w`);
      await watch.take(1);
      await api.post(api.core("configmaps"), configMap("two", {}, { labels: { w: "" } }));
      await watch.take(1);
    },
  },
  {
    name: "objects that enter and leave a selection",
    async run(api) {
      const start = await api.post(api.core("configmaps"), configMap("one", {}, { labels: { color: "red" } }));
      const watch = await api.watch(`${api.core("configmaps")}?watch=true&labelSelector=color%3Dblue&resourceVersion=${versionOf(start)}`);
      const paint = (color: string): Promise<unknown> => api.patch("merge", api.core("configmaps", "one"), { metadata: { labels: { color } } });
      await paint("blue");
      await paint("green");
      await paint("blue");
      await api.remove(api.core("configmaps", "one"));
      await watch.take(4);
    },
  },
  {
    name: "one object by name",
    async run(api) {
      const start = await api.post(api.core("configmaps"), configMap("one"));
      const watch = await api.watch(`${api.core("configmaps")}?watch=true&fieldSelector=metadata.name%3Done&resourceVersion=${versionOf(start)}`);
      await api.post(api.core("configmaps"), configMap("two"));
      await api.patch("merge", api.core("configmaps", "one"), { data: { a: "2" } });
      await watch.take(1);
    },
  },
  {
    name: "a finalizer is two events",
    async run(api) {
      const start = await api.post(api.core("configmaps"), configMap("one", {}, { finalizers: ["test.io/hold"], labels: { w: "" } }));
      const watch = await api.watch(`${api.core("configmaps")}?watch=true&labelSelector=w&resourceVersion=${versionOf(start)}`);
      await api.remove(api.core("configmaps", "one"));
      await api.patch("merge", api.core("configmaps", "one"), { metadata: { finalizers: null } });
      await watch.take(2);
    },
  },
  {
    name: "a bookmark before the time is up, and then the end",
    async run(api) {
      const start = await api.look(api.core("secrets"));
      const watch = await api.watch(`${api.core("secrets")}?watch=true&allowWatchBookmarks=true&timeoutSeconds=4&resourceVersion=${versionOf(start)}`);
      await api.post(api.core("secrets"), { apiVersion: "v1", kind: "Secret", metadata: { name: "one" } });
      await watch.takeBookmark(6_000);
    },
  },
  {
    name: "initial events end with a bookmark that says so",
    async run(api) {
      await api.post(api.core("secrets"), { apiVersion: "v1", kind: "Secret", metadata: { name: "one" } });
      const watch = await api.watch(`${api.core("secrets")}?watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan`);
      await watch.take(1);
      await watch.takeBookmark(4_000);
    },
  },
  {
    name: "a version whose history is gone",
    async run(api) {
      const first = `${api.core("configmaps")}?resourceVersion=1&resourceVersionMatch=Exact`;
      // A young cluster remembers everything until its first compaction, five minutes after its start.
      const deadline = Date.now() + 360_000;
      while ((await api.look(first)).status === 200 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 2_000));
      const watch = await api.watch(`${api.core("configmaps")}?watch=true&resourceVersion=1`);
      await watch.takeReason(4_000);
      const list = await api.look(first);
      api.note("list", [list.status, list.body.reason]);
    },
  },
  {
    name: "nonsense as a version",
    async run(api) {
      const answer = await api.look(`${api.core("configmaps")}?watch=true&resourceVersion=abc`);
      api.note("answer", [answer.status, answer.body.reason]);
    },
  },
];
