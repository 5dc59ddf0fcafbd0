// Defaults, required fields, generations, status and scale of the built-in kinds.
import { versionOf } from "../recorder.ts";
import type { Recorder, Scenario } from "../recorder.ts";
import type { Answer, Json } from "../target.ts";

const CONTAINERS = { containers: [{ name: "app", image: "app:1" }] };

export function deployment(name: string, pod: Json = CONTAINERS, spec: Json = {}): Json {
  const labels = { app: name };
  return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name }, spec: { replicas: 0, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: pod }, ...spec } };
}

function service(name: string, spec: Json): Json {
  return { apiVersion: "v1", kind: "Service", metadata: { name }, spec };
}

/** A pod that nothing schedules stays as it was written. */
function pod(name: string, spec: Json = {}): Json {
  return { apiVersion: "v1", kind: "Pod", metadata: { name }, spec: { schedulerName: "none", automountServiceAccountToken: false, ...CONTAINERS, ...spec } };
}

async function withServiceAccount(api: Recorder): Promise<void> {
  await api.post(api.core("serviceaccounts"), { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "runner" } });
}

function generationOf(answer: Answer): unknown {
  return (answer.body.metadata as Json).generation;
}

const FULL_POD: Json = {
  volumes: [
    { name: "config", configMap: { name: "x" } }, { name: "secret", secret: { secretName: "x" } }, { name: "empty", emptyDir: { sizeLimit: "1024Mi" } },
    { name: "down", downwardAPI: { items: [{ path: "a", fieldRef: { fieldPath: "metadata.name" } }] } }, { name: "host", hostPath: { path: "/x" } },
    { name: "many", projected: { sources: [{ configMap: { name: "x" } }, { serviceAccountToken: { path: "t" } }] } }, { name: "nothing" },
  ],
  initContainers: [{ name: "init", image: "busybox" }],
  serviceAccountName: "runner",
  containers: [{
    name: "app", image: "registry:5000/app@sha256:0000000000000000000000000000000000000000000000000000000000000000",
    ports: [{ containerPort: 80 }, { containerPort: 81, protocol: "UDP", name: "udp" }],
    env: [{ name: "A", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }, { name: "B", value: "" }],
    resources: { limits: { cpu: "1000m", memory: "1024Mi" }, requests: { cpu: "0.5", memory: "0.5Gi" } },
    livenessProbe: { httpGet: { port: 80 } },
    readinessProbe: { tcpSocket: { port: "http" }, initialDelaySeconds: 0, periodSeconds: 3 },
    startupProbe: { grpc: { port: 1 } },
    lifecycle: { preStop: { httpGet: { port: 1 } } },
    volumeMounts: [{ name: "config", mountPath: "/config" }],
  }, { name: "latest", image: "app:latest" }, { name: "port", image: "registry:5000/app" }],
};

export const workloadScenarios: readonly Scenario[] = [
  {
    name: "what a Deployment gets",
    async run(api) {
      await api.post(api.apps("deployments"), deployment("small", CONTAINERS, { replicas: undefined, paused: true }));
      await api.post(api.apps("deployments"), deployment("full", FULL_POD));
      await api.post(api.apps("deployments"), deployment("recreate", CONTAINERS, { strategy: { type: "Recreate" } }));
      await api.post(api.apps("deployments"), deployment("rolling", CONTAINERS, { strategy: { rollingUpdate: { maxSurge: 1 } } }));
    },
  },
  {
    name: "what a DaemonSet and a ReplicaSet get",
    async run(api) {
      const daemon = deployment("one", { ...CONTAINERS, nodeSelector: { none: "such" } });
      await api.post(api.apps("daemonsets"), { ...daemon, kind: "DaemonSet", spec: { ...(daemon.spec as Json), replicas: undefined } });
      await api.post(api.apps("replicasets"), { ...deployment("one"), kind: "ReplicaSet" });
    },
  },
  {
    name: "what a Service gets",
    async run(api) {
      const selector = { app: "x" };
      await api.post(api.core("services"), service("plain", { selector, ports: [{ port: 80 }] }));
      await api.post(api.core("services"), service("headless", { selector, clusterIP: "None", ports: [{ port: 80, targetPort: "http" }] }));
      await api.post(api.core("services"), service("outside", { type: "ExternalName", externalName: "example.com" }));
      await api.post(api.core("services"), service("node", { selector, type: "NodePort", ports: [{ port: 80, name: "a" }, { port: 81, name: "b" }] }));
      await api.post(api.core("services"), service("balanced", { selector, type: "LoadBalancer", ports: [{ port: 80 }] }));
    },
  },
  {
    name: "a Service keeps its address",
    async run(api) {
      const created = await api.post(api.core("services"), service("one", { selector: { a: "b" }, ports: [{ port: 80 }] }));
      const ip = (created.body.spec as Json).clusterIP;
      const updated = await api.put(api.core("services", "one"), service("one", { selector: { a: "c" }, ports: [{ port: 81 }] }));
      api.note("address kept", (updated.body.spec as Json).clusterIP === ip);
      const moved = await api.send("PATCH", api.core("services", "one"), { spec: { clusterIP: "None", clusterIPs: ["None"] } }, { "Content-Type": "application/merge-patch+json" });
      api.note("moving it", moved.status);
    },
  },
  {
    name: "what a Pod gets",
    async run(api) {
      await withServiceAccount(api);
      await api.post(api.core("pods"), pod("plain", { serviceAccountName: "runner" }));
      await api.post(api.core("pods"), pod("sized", { serviceAccountName: "runner", containers: [{ name: "a", image: "a:1", resources: { requests: { cpu: "100m" } } }] }));
      await api.post(api.core("pods"), pod("exact", { serviceAccountName: "runner", containers: [{ name: "a", image: "a:1", resources: { limits: { cpu: "1", memory: "1Gi" } } }] }));
      await api.get(`${api.core("pods")}?fieldSelector=status.phase%3DPending,metadata.name%3Dplain`);
      await api.patch("merge", api.core("pods", "plain"), { spec: { hostNetwork: true } });
      await api.patch("strategic", api.core("pods", "plain"), { spec: { containers: [{ name: "app", image: "app:2" }] } });
    },
  },
  {
    name: "what the other kinds get",
    async run(api) {
      await api.post(`/apis/autoscaling/v2/namespaces/${api.ns}/horizontalpodautoscalers`, { apiVersion: "autoscaling/v2", kind: "HorizontalPodAutoscaler", metadata: { name: "one" }, spec: { maxReplicas: 3, scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "x" } } });
      await api.post(`/apis/autoscaling/v2/namespaces/${api.ns}/horizontalpodautoscalers`, { apiVersion: "autoscaling/v2", kind: "HorizontalPodAutoscaler", metadata: { name: "two" }, spec: { maxReplicas: 0, scaleTargetRef: { kind: "Deployment", name: "x" } } });
      await api.post(`/apis/discovery.k8s.io/v1/namespaces/${api.ns}/endpointslices`, { apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", metadata: { name: "one" }, addressType: "IPv4", endpoints: [{ addresses: ["10.9.9.9"] }], ports: [{ port: 80 }] });
      await api.post(`/apis/rbac.authorization.k8s.io/v1/namespaces/${api.ns}/roles`, { apiVersion: "rbac.authorization.k8s.io/v1", kind: "Role", metadata: { name: "one" }, rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }] });
      await api.post(`/apis/rbac.authorization.k8s.io/v1/namespaces/${api.ns}/rolebindings`, { apiVersion: "rbac.authorization.k8s.io/v1", kind: "RoleBinding", metadata: { name: "one" }, roleRef: { kind: "Role", name: "one" }, subjects: [{ kind: "User", name: "u" }, { kind: "ServiceAccount", name: "s", namespace: "default" }] });
      await api.post(api.apps("controllerrevisions"), { apiVersion: "apps/v1", kind: "ControllerRevision", metadata: { name: "one" }, revision: 1, data: { a: 1 } });
      await api.patch("merge", api.apps("controllerrevisions", "one"), { data: { a: 2 } });
      await api.patch("merge", api.apps("controllerrevisions", "one"), { revision: 2 });
      await api.post(api.core("events"), { apiVersion: "v1", kind: "Event", metadata: { name: "one" }, involvedObject: { kind: "Pod", name: "p", namespace: api.ns }, reason: "R", message: "m", type: "Normal" });
    },
  },
  {
    name: "what a workload must have",
    async run(api) {
      await api.post(api.apps("deployments"), { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "empty" }, spec: {} });
      await api.post(api.apps("deployments"), deployment("one", CONTAINERS, { selector: { matchLabels: { other: "label" } } }));
      await api.post(api.apps("deployments"), deployment("one", { containers: [{ name: "app" }, { name: "app", image: "x" }, { name: "Bad", image: "x", ports: [{ containerPort: 70000 }] }] }));
      await api.post(api.apps("deployments"), deployment("one", { containers: [{ name: "app", image: "x", volumeMounts: [{ name: "none", mountPath: "/x" }] }] }));
      await api.post(api.apps("deployments"), deployment("one", { containers: [{ name: "app", image: "x", readinessProbe: { periodSeconds: 1 } }] }));
      await api.post(api.apps("deployments"), deployment("one", CONTAINERS, { replicas: -1 }));
      await api.post(api.apps("deployments"), deployment("one", { ...CONTAINERS, restartPolicy: "Never" }));
      await api.post(api.core("services"), service("one", { selector: {} }));
      await api.post(api.core("services"), service("one", { ports: [{ port: 80 }, { port: 81 }] }));
      await api.post(api.core("services"), service("one", { ports: [{ port: 0 }] }));
      await api.post(api.core("services"), service("one", { type: "Strange", ports: [{ port: 80 }] }));
    },
  },
  {
    name: "values of the wrong type",
    async run(api) {
      for (const replicas of ["3", 1.5, true]) {
        const answer = await api.send("POST", api.apps("deployments"), deployment("one", CONTAINERS, { replicas }));
        api.note("reason", answer.body.reason);
        api.log.splice(-2, 1);
      }
    },
  },
  {
    name: "a selector is for ever",
    async run(api) {
      const created = await api.post(api.apps("deployments"), deployment("one", CONTAINERS, { paused: true }));
      const labels = { app: "two" };
      const spec = created.body.spec as Json;
      const body = { ...created.body, metadata: { name: "one" }, spec: { ...spec, selector: { matchLabels: labels }, template: { ...(spec.template as Json), metadata: { labels } } } };
      await api.put(api.apps("deployments", "one"), body);
    },
  },
  {
    name: "generation moves with the spec alone, and status and spec do not mix",
    async run(api) {
      const path = api.apps("deployments", "one");
      const generations: unknown[] = [];
      const patch = async (sub: string, body: Json): Promise<Answer> => {
        const answer = await api.patch("merge", `${path}${sub}`, body);
        generations.push(generationOf(answer));
        return answer;
      };
      await api.post(api.apps("deployments"), deployment("one", CONTAINERS, { paused: true }));
      await patch("", { metadata: { labels: { a: "b" } } });
      await patch("", { spec: { minReadySeconds: 5 } });
      await patch("", { spec: { minReadySeconds: 5 } });
      await patch("", { status: { collisionCount: 7 } });
      await patch("/status", { spec: { minReadySeconds: 9 } });
      const status = await patch("/status", { status: { collisionCount: 3 } });
      api.note("generations", generations);
      api.note("status was written", (status.body.status as Json).collisionCount);
    },
  },
  {
    name: "scale",
    async run(api) {
      const path = api.apps("deployments", "one");
      await api.post(api.apps("deployments"), deployment("one", CONTAINERS, { paused: true }));
      const read = await api.look(`${path}/scale`);
      api.note("spec", read.body.spec);
      const put = async (body: unknown): Promise<void> => {
        const answer = await api.send("PUT", `${path}/scale`, body);
        api.log.pop();
        api.note("scale", [answer.status, answer.body.reason, answer.body.spec, (answer.body.status as Json | undefined)?.selector]);
      };
      const scale = { apiVersion: "autoscaling/v1", kind: "Scale", metadata: { name: "one" } };
      await put({ ...scale, spec: { replicas: -1 } });
      await put({ ...scale, metadata: { name: "one", resourceVersion: "1" }, spec: { replicas: 0 } });
      await put({ ...scale, spec: { replicas: 0 } });
      await api.get(`${api.core("configmaps", "x")}/scale`);
      const missing = await api.look(`${api.apps("deployments", "none")}/scale`);
      api.note("missing", missing.body.reason);
    },
  },
  {
    name: "tables of the built-in kinds",
    async run(api) {
      await withServiceAccount(api);
      await api.post(api.core("services"), service("plain", { selector: { a: "b" }, ports: [{ port: 80 }] }));
      await api.post(api.core("pods"), pod("plain", { serviceAccountName: "runner" }));
      await api.post(api.apps("deployments"), deployment("one"));
      const table = { Accept: "application/json;as=Table;g=meta.k8s.io;v=v1" };
      const paths = [
        api.core("services"), api.core("pods"), api.apps("deployments"), api.core("secrets"), api.core("events"),
        api.apps("controllerrevisions"), `/apis/coordination.k8s.io/v1/namespaces/${api.ns}/leases`,
        `/apis/autoscaling/v2/namespaces/${api.ns}/horizontalpodautoscalers`, `/apis/discovery.k8s.io/v1/namespaces/${api.ns}/endpointslices`,
        `/apis/rbac.authorization.k8s.io/v1/namespaces/${api.ns}/roles`, `/apis/rbac.authorization.k8s.io/v1/namespaces/${api.ns}/rolebindings`,
        api.apps("daemonsets"), api.core("endpoints"), api.core("serviceaccounts"), `/api/v1/namespaces/${api.ns}`,
      ];
      for (const path of paths) {
        const { body } = await api.get(path, table);
        api.log.pop();
        const columns = body.columnDefinitions as { name: string; type: string; priority: number; format: string }[];
        api.note(path, columns.map(({ name, type, priority, format }) => ({ name, type, priority, format })));
      }
      for (const path of [api.core("services", "plain"), api.core("pods", "plain"), `/api/v1/namespaces/${api.ns}`]) {
        const { body } = await api.get(path, table);
        api.log.pop();
        api.note(path, (body.rows as { cells: unknown[] }[]).map(({ cells }) => cells.map((cell) => String(cell).replace(/^\d+s$/, "AGE").replace(/^\d+\.\d+\.\d+\.\d+$/, "IP"))));
      }
      await api.get(`${api.core("services")}?resourceVersion=${versionOf(await api.look(api.core("services")))}&limit=500`);
    },
  },
];
