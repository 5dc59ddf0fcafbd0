// How does a pod of the sandbox behave? A pure reading of its container's image and environment, and a pure answer
// to each request. It must never open a socket, look at a clock or keep anything between two requests.
import type { Random } from "../api/types.ts";
import type { Container, PodSpec } from "./objects.ts";

export interface Behaviour {
  /** The image's tag: what the app says its version is. */
  version: string;
  /** Share of requests answered with 500, 0..1. */
  errorRate: number;
  latencyMs: number;
  /** From the container's start until it is ready. */
  startupMs: number;
  /** Exits shortly after each start. */
  crash: boolean;
  neverReady: boolean;
}

export interface AppRequest {
  method: string;
  /** With the query, as on the request line. */
  path: string;
}

export interface AppResponse {
  status: number;
  delayMs: number;
  body: unknown;
}

export interface PodIdentity {
  namespace: string;
  pod: string;
  uid: string;
}

const healthy = { errorRate: 0, latencyMs: 0, startupMs: 300, crash: false, neverReady: false };

/** What the suffix of a demo image's tag asks for, so that a bad release takes one `kubectl set image`. */
const tagSuffixes: Record<string, Partial<Behaviour>> = {
  errors: { errorRate: 0.5 },
  broken: { errorRate: 0.9 },
  slow: { latencyMs: 1000 },
  crash: { crash: true },
  unready: { neverReady: true },
};

/** Only the demo image takes orders; any other is a healthy app, whatever its environment says. */
const demoImage = /(^|\/)sandbox\/app$/;
const longestDelaySeconds = 60;

export type ConfigMapData = (name: string) => Readonly<Record<string, string>> | undefined;

export function behaviourOf(spec: PodSpec, configMap: ConfigMapData = () => undefined): Behaviour {
  const demo = spec.containers.find((container) => demoImage.test(imageParts(container.image).repository));
  if (demo === undefined) {
    return { ...healthy, version: imageParts(spec.containers[0]?.image ?? "").tag };
  }
  const { tag } = imageParts(demo.image);
  const env = environmentOf(demo, configMap);
  const byTag = { ...healthy, ...tagSuffixes[tag.slice(tag.lastIndexOf("-") + 1)] };
  return {
    version: tag,
    errorRate: Math.min(1, numberOr(env.get("ERROR_RATE"), byTag.errorRate)),
    latencyMs: numberOr(env.get("LATENCY_MS"), byTag.latencyMs),
    startupMs: numberOr(env.get("STARTUP_MS"), byTag.startupMs),
    crash: flagOr(env.get("CRASH"), byTag.crash),
    neverReady: flagOr(env.get("NEVER_READY"), byTag.neverReady),
  };
}

/** Probes never fail by chance and /status/CODE is exact: only the app's own answers follow the error rate. */
export function answer(behaviour: Behaviour, identity: PodIdentity, request: AppRequest, random: Random): AppResponse {
  const path = request.path.split("?", 1)[0] ?? "/";
  if (path === "/healthz") return { status: 200, delayMs: 0, body: { status: "OK" } };
  if (path === "/readyz") {
    return behaviour.neverReady
      ? { status: 503, delayMs: 0, body: { status: "not ready" } }
      : { status: 200, delayMs: 0, body: { status: "OK" } };
  }
  const status = /^\/status\/(\d{3})$/.exec(path);
  const code = Number(status?.[1]);
  if (status !== null && code >= 200 && code <= 599) {
    return { status: code, delayMs: behaviour.latencyMs, body: { status: code } };
  }
  const delay = /^\/delay\/(\d+(?:\.\d+)?)$/.exec(path);
  const delayMs = behaviour.latencyMs + Math.min(longestDelaySeconds, Number(delay?.[1] ?? 0)) * 1000;
  const { version } = behaviour;
  if (random() < behaviour.errorRate) {
    return { status: 500, delayMs, body: { version, pod: identity.pod, error: "failed by ERROR_RATE" } };
  }
  if (path === "/version") return { status: 200, delayMs, body: { version } };
  return { status: 200, delayMs, body: { version, pod: identity.pod, hostname: identity.pod } };
}

/** "registry:5000/sandbox/app:2.0.0@sha256:..." has the repository "registry:5000/sandbox/app" and the tag "2.0.0". */
export function imageParts(image: string): { repository: string; tag: string } {
  const name = image.split("@", 1)[0] ?? "";
  const colon = name.lastIndexOf(":");
  if (colon <= name.lastIndexOf("/")) return { repository: name, tag: "latest" };
  return { repository: name.slice(0, colon), tag: name.slice(colon + 1) };
}

function environmentOf(container: Container, configMap: ConfigMapData): Map<string, string> {
  const env = new Map<string, string>();
  for (const { configMapRef, prefix } of container.envFrom ?? []) {
    if (configMapRef === undefined) continue;
    for (const [key, value] of Object.entries(configMap(configMapRef.name) ?? {})) env.set((prefix ?? "") + key, value);
  }
  for (const { name, value, valueFrom } of container.env ?? []) {
    const ref = valueFrom?.configMapKeyRef;
    const resolved = ref === undefined ? value : configMap(ref.name)?.[ref.key];
    if (resolved !== undefined) env.set(name, resolved);
  }
  return env;
}

function numberOr(text: string | undefined, fallback: number): number {
  const value = text === undefined || text.trim() === "" ? NaN : Number(text);
  return Number.isFinite(value) && value >= 0 ? value : fallback;
}

function flagOr(text: string | undefined, fallback: boolean): boolean {
  return text === undefined ? fallback : text === "1" || text.toLowerCase() === "true";
}
