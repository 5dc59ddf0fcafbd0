// What does the API server add to a pod and to a pod template? Field by field as version 1.35 does it, because the
// engine compares what it wrote with what came back. It must never add what a real server leaves out.
import { arrayOf, at, childOf, fallback, isRecord, recordsOf, textOf } from "./json.ts";
import { canonicalQuantity } from "./quantity.ts";
import type { JsonRecord } from "./json.ts";
import type { AdmissionContext } from "./resource-type.ts";
import type { KubeObject } from "./types.ts";

export function completePod(object: KubeObject, { operation }: AdmissionContext): void {
  const spec = childOf(object, "spec");
  completePodSpec(spec);
  for (const container of [...recordsOf(spec.containers), ...recordsOf(spec.initContainers)]) requestLimits(container);
  fallback(spec, "enableServiceLinks", true);
  if (operation !== "create") return;
  fallback(spec, "serviceAccountName", "default");
  fallback(spec, "serviceAccount", spec.serviceAccountName);
  fallback(spec, "priority", 0);
  fallback(spec, "preemptionPolicy", "PreemptLowerPriority");
  const waits = ["not-ready", "unreachable"].map((key) =>
    ({ key: `node.kubernetes.io/${key}`, operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 }));
  const tolerations = recordsOf(spec.tolerations);
  spec.tolerations = [...tolerations, ...waits.filter(({ key }) => !tolerations.some((present) => present.key === key))];
  object.status = { phase: "Pending", qosClass: qualityOfService(spec) };
}

export function completePodSpec(spec: JsonRecord): void {
  for (const container of recordsOf(spec.containers)) completeContainer(container);
  for (const container of recordsOf(spec.initContainers)) completeContainer(container);
  for (const volume of recordsOf(spec.volumes)) completeVolume(volume);
  fallback(spec, "restartPolicy", "Always");
  fallback(spec, "terminationGracePeriodSeconds", 30);
  fallback(spec, "dnsPolicy", "ClusterFirst");
  fallback(spec, "schedulerName", "default-scheduler");
  childOf(spec, "securityContext");
  // The two spellings of the service account follow each other.
  if (textOf(spec.serviceAccountName) !== undefined && spec.serviceAccountName !== "") spec.serviceAccount = spec.serviceAccountName;
  else if (textOf(spec.serviceAccount) !== undefined && spec.serviceAccount !== "") spec.serviceAccountName = spec.serviceAccount;
  for (const field of ["nodeName", "hostname", "subdomain"]) if (spec[field] === "") delete spec[field];
  for (const field of ["hostNetwork", "hostPID", "hostIPC"]) if (spec[field] === false) delete spec[field];
}

function completeContainer(container: JsonRecord): void {
  fallback(container, "terminationMessagePath", "/dev/termination-log");
  fallback(container, "terminationMessagePolicy", "File");
  const image = textOf(container.image) ?? "";
  fallback(container, "imagePullPolicy", hasMovingTag(image) ? "Always" : "IfNotPresent");
  const resources = childOf(container, "resources");
  for (const kind of ["limits", "requests"]) {
    const amounts = resources[kind];
    if (!isRecord(amounts)) continue;
    for (const [name, amount] of Object.entries(amounts)) amounts[name] = canonicalQuantity(amount);
  }
  for (const port of recordsOf(container.ports)) fallback(port, "protocol", "TCP");
  for (const probe of ["livenessProbe", "readinessProbe", "startupProbe"]) if (isRecord(container[probe])) completeProbe(container[probe]);
  for (const hook of ["postStart", "preStop"]) completeHttp(at(container, "lifecycle", hook, "httpGet"));
  for (const variable of recordsOf(container.env)) {
    const field = at(variable, "valueFrom", "fieldRef");
    if (isRecord(field)) fallback(field, "apiVersion", "v1");
    if (variable.value === "") delete variable.value;
  }
}

/** What is limited and not asked for is asked for; of pods only, templates stay as they are written. */
function requestLimits(container: JsonRecord): void {
  const limits = at(container, "resources", "limits");
  if (!isRecord(limits)) return;
  const requests = childOf(childOf(container, "resources"), "requests");
  for (const [name, amount] of Object.entries(limits)) fallback(requests, name, amount);
}

/** No tag is ":latest", and both may be another image tomorrow. */
function hasMovingTag(image: string): boolean {
  if (image.includes("@")) return false;
  const tag = /:([^:/]+)$/.exec(image)?.[1];
  return tag === undefined || tag === "latest";
}

function completeProbe(probe: JsonRecord): void {
  fallback(probe, "failureThreshold", 3);
  fallback(probe, "periodSeconds", 10);
  fallback(probe, "successThreshold", 1);
  fallback(probe, "timeoutSeconds", 1);
  if (probe.initialDelaySeconds === 0) delete probe.initialDelaySeconds;
  completeHttp(probe.httpGet);
  if (isRecord(probe.grpc)) fallback(probe.grpc, "service", "");
}

function completeHttp(httpGet: unknown): void {
  if (!isRecord(httpGet)) return;
  fallback(httpGet, "path", "/");
  fallback(httpGet, "scheme", "HTTP");
}

const SOURCES_WITH_MODE = ["configMap", "secret", "projected", "downwardAPI"];

function completeVolume(volume: JsonRecord): void {
  for (const source of SOURCES_WITH_MODE) if (isRecord(volume[source])) fallback(volume[source], "defaultMode", 0o644);
  if (isRecord(volume.hostPath)) fallback(volume.hostPath, "type", "");
  if (isRecord(volume.emptyDir) && volume.emptyDir.sizeLimit !== undefined) volume.emptyDir.sizeLimit = canonicalQuantity(volume.emptyDir.sizeLimit);
  completeItems(at(volume, "downwardAPI", "items"));
  for (const source of recordsOf(at(volume, "projected", "sources"))) {
    completeItems(at(source, "downwardAPI", "items"));
    if (isRecord(source.serviceAccountToken)) fallback(source.serviceAccountToken, "expirationSeconds", 3600);
  }
  // A volume without a source is an empty directory.
  if (Object.keys(volume).every((field) => field === "name")) volume.emptyDir = {};
}

function completeItems(items: unknown): void {
  for (const item of recordsOf(items)) if (isRecord(item.fieldRef)) fallback(item.fieldRef, "apiVersion", "v1");
}

function qualityOfService(spec: JsonRecord): string {
  const containers = [...recordsOf(spec.containers), ...recordsOf(spec.initContainers)];
  const amounts = (container: JsonRecord, kind: string): unknown[] =>
    ["cpu", "memory"].map((name) => at(container, "resources", kind, name)).filter((amount) => amount !== undefined);
  if (containers.every((container) => amounts(container, "limits").length + amounts(container, "requests").length === 0)) return "BestEffort";
  const guaranteed = containers.every((container) => {
    const limits = amounts(container, "limits");
    const requests = amounts(container, "requests");
    return limits.length === 2 && (requests.length === 0 || JSON.stringify(requests) === JSON.stringify(limits));
  });
  return guaranteed && arrayOf(spec.containers).length > 0 ? "Guaranteed" : "Burstable";
}
