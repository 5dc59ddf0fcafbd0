// One seeded life of an app: releases good and bad, a GitOps tool, dying engines, a faulty network, a Prometheus that comes and goes; then all faults end
// and it must come to rest in the right place. A failure names its seed, which is the whole bug report.
import type { KubeObject } from "../api/types.ts";
import { QUIET } from "./transport.ts";
import { Scene } from "./scene.ts";

export interface Told {
  seed: number;
  /** What broke; empty when nothing did. */
  wrong: string[];
  trace: string[];
  acts: string[];
  simulatedMs: number;
}

const KINDS = ["good", "good", "errors", "slow", "crash", "unready"] as const;

export function deploymentOf(tag: string, replicas = 2): KubeObject {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "app", namespace: "test" },
    spec: {
      replicas,
      progressDeadlineSeconds: 30,
      strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      selector: { matchLabels: { app: "app" } },
      template: { metadata: { labels: { app: "app" } }, spec: { terminationGracePeriodSeconds: 5, containers: [{ name: "app", image: `sandbox/app:${tag}`, ports: [{ containerPort: 8080 }] }] } },
    },
  };
}

export function canaryOf(spec: object = {}): KubeObject {
  return {
    apiVersion: "rollout.kurator.dev/v1alpha1",
    kind: "Canary",
    metadata: { name: "app", namespace: "test" },
    spec: {
      targetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "app" },
      progressDeadlineSeconds: 40,
      drainSeconds: 3,
      service: { port: 8080, gateways: ["istio-system/public-gateway"], hosts: ["app.test"] },
      analysis: {
        interval: "5s",
        threshold: 2,
        maxWeight: 60,
        stepWeight: 20,
        metrics: [
          { name: "request-success-rate", interval: "20s", thresholdRange: { min: 99 } },
          { name: "request-duration", interval: "20s", thresholdRange: { max: 500 } },
        ],
      },
      ...spec,
    },
  };
}

/** The app and the route that its user made, before any Canary. */
export async function furnish(scene: Scene, tag: string, envFrom: object[] = []): Promise<void> {
  const deployment = deploymentOf(tag);
  for (const container of (deployment.spec as { template: { spec: { containers: object[] } } }).template.spec.containers) Object.assign(container, { envFrom });
  scene.store.create("deployments.apps", deployment);
  scene.store.create("services", { apiVersion: "v1", kind: "Service", metadata: { name: "app", namespace: "test" }, spec: { selector: { app: "app" }, ports: [{ name: "http", port: 8080 }] } });
  scene.store.create("virtualservices.networking.istio.io", {
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: { name: "app", namespace: "test" },
    spec: { hosts: ["app.test"], gateways: ["istio-system/public-gateway"], http: [{ route: [{ destination: { host: "app" } }] }] },
  });
  await scene.advance(3_000, false);
}

export function setImage(scene: Scene, tag: string): void {
  change(scene, "deployments.apps", (object) => {
    const { template } = object.spec as { template: { spec: { containers: { image: string }[] } } };
    for (const container of template.spec.containers) container.image = `sandbox/app:${tag}`;
  });
}

function change(scene: Scene, resource: string, edit: (object: KubeObject) => void, name = "app"): void {
  const found = scene.store.get(resource, "test", name);
  if (found === undefined) return;
  const copy = structuredClone(found);
  edit(copy);
  scene.store.update(resource, copy);
}

export async function story(seed: number): Promise<Told> {
  const scene = new Scene(seed);
  const acts: string[] = [];
  const draw = (count: number): number => Math.floor(scene.random() * count);
  const act = (what: string): void => void acts.push(`${Math.round((scene.nowMs - startMs) / 1000)}s ${what}`);
  const startMs = scene.nowMs;
  scene.store.create("configmaps", { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings", namespace: "test" }, data: { ROUND: "0" } });
  await furnish(scene, "1.0.0", [{ configMapRef: { name: "settings" } }]);
  scene.start("one");
  scene.start("two");
  const window = draw(2) === 0 ? { rollbackWindow: { duration: "20s" } } : {};
  act(JSON.stringify(window));
  scene.store.create("canaries.rollout.kurator.dev", canaryOf(window));
  const wrong: string[] = [];
  if (!(await scene.until(() => scene.status().phase === "Initialized", 60))) wrong.push("never initialized");

  // Faults are drawn once a life, each of them often absent, so that lives differ.
  const maybe = (share: number): number => (draw(2) === 0 ? 0 : scene.random() * share);
  scene.network.faults = { refused: maybe(0.1), replyLost: maybe(0.1), throttled: maybe(0.05), conflicts: maybe(0.1), delayMs: maybe(300), watchCut: maybe(0.05), watchLagMs: maybe(500) };
  act(JSON.stringify(scene.network.faults));
  let last = "1.0.0";
  let engines = 2;
  for (let round = 1; round <= 4; round += 1) {
    const kind = KINDS[draw(KINDS.length)] ?? "good";
    last = kind === "good" ? `${round + 1}.0.0` : `${round + 1}.0.0-${kind}`;
    setImage(scene, last);
    act(`image ${last}`);
    for (let step = 0; step < 3 + draw(4); step += 1) {
      await scene.advance(1_000 + draw(15_000));
      switch (draw(7)) {
        case 0:
          change(scene, "deployments.apps", (object) => Object.assign(object.spec as object, { replicas: 2 }));
          act("replicas re-applied");
          break;
        case 1:
          change(scene, "services", (object) => Object.assign(object.spec as object, { selector: { app: "app" } }));
          act("selector re-applied");
          break;
        case 2: {
          const name = draw(2) === 0 ? "one" : "two";
          scene.kill(name);
          engines += 1;
          await scene.advance(draw(5_000));
          scene.start(name);
          act(`${name} killed and started again`);
          break;
        }
        case 3:
          scene.prometheus = "down";
          await scene.advance(draw(20_000));
          scene.prometheus = "up";
          act("Prometheus was away");
          break;
        case 4:
          change(scene, "configmaps", (object) => Object.assign(object, { data: { ROUND: `${round}.${step}` } }), "settings");
          act(`settings ${round}.${step}`);
          break;
        default:
          break;
      }
    }
  }
  wrong.push(...(await rest(scene, last)));
  act(`${engines} engines`);
  await scene.end();
  return { seed, wrong, trace: scene.trace, acts, simulatedMs: scene.nowMs - startMs };
}

/** Faults off: what must be true in the end, whatever happened before. */
async function rest(scene: Scene, last: string): Promise<string[]> {
  scene.network.faults = { ...QUIET };
  const good = !last.includes("-");
  const read = (name: string): string => JSON.stringify(scene.store.get("configmaps", "test", name)?.data);
  // Settings that changed while a good revision was promoted are a run of their own.
  const readsAll = (): boolean => !good || read("settings-primary") === read("settings");
  const settled = (): boolean => {
    const { phase, target, run } = scene.status();
    const live = (scene.store.get("deployments.apps", "test", "app")?.spec as { replicas?: number }).replicas;
    return (phase === "Succeeded" || phase === "Failed") && target?.scale === "Zero" && live === 0 && run?.images[0] === `sandbox/app:${last}` && readsAll();
  };
  const wrong: string[] = [];
  if (!(await scene.until(settled, 900))) wrong.push(`no rest: ${JSON.stringify(scene.status())}`);
  const status = scene.status();
  if (good && status.phase !== "Succeeded") wrong.push(`the good ${last} ended ${status.phase} (${status.run?.reason})`);
  if (!good && status.phase !== "Failed") wrong.push(`the bad ${last} ended ${status.phase}`);
  const primary = scene.store.get("deployments.apps", "test", "app-primary")?.spec as { template: { spec: { containers: { image: string }[] } } } | undefined;
  const serving = primary?.template.spec.containers[0]?.image ?? "nothing";
  if (serving.includes("-")) wrong.push(`the primary runs ${serving}`);
  if (!readsAll()) wrong.push(`the primary reads ${read("settings-primary")} instead of ${read("settings")}`);
  if (good && !serving.endsWith(`:${last}`)) wrong.push(`the primary runs ${serving} instead of ${last}`);
  for (const { atMs, status: code, version } of scene.lost.slice(0, 5)) wrong.push(`a request was lost at ${new Date(atMs).toISOString()}: ${code} of ${version ?? "nobody"}`);
  // A fixed point: nothing more is written, once a watch that was cut has come back and told of the last write.
  await scene.advance(40_000);
  if (scene.store.get("deployments.apps", "test", "app-previous") !== undefined) wrong.push("pods of the revision before are left");
  const before = scene.store.get("canaries.rollout.kurator.dev", "test", "app")?.metadata.resourceVersion;
  await scene.advance(60_000);
  if (scene.store.get("canaries.rollout.kurator.dev", "test", "app")?.metadata.resourceVersion !== before) wrong.push("the Canary was written at rest");
  return wrong;
}
