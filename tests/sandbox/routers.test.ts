// Do the routers whose product the sandbox has not lead a run from beginning to end, through a killed engine, an edit by hand and the way back? What no proxy
// carries out is read from the objects: the promises about weights are the machine's, the objects are the routers'.
import { describe, expect, test } from "@jest/globals";
import { map } from "../../crds/json.ts";
import type { Resource } from "../../engine/ports.ts";
import { foundOf } from "../unit/routing/conformance.ts";
import { routerFor } from "../../routing/registry.ts";
import type { KubeObject } from "../../sandbox/api/types.ts";
import { Scene } from "../../sandbox/simulation/scene.ts";
import { QUIET } from "../../sandbox/simulation/transport.ts";
import { canaryOf, furnish, serve, setImage } from "../../sandbox/simulation/furniture.ts";

const CANARIES = "canaries.rollout.kurator.dev";
const INGRESS = "ingresses.networking.k8s.io";
/** One error in a hundred at the most, of which there is never one: what is told here is how traffic is led. */
const METRICS = [{ name: "quiet", interval: "20s", thresholdRange: { max: 1 }, query: "vector(0)" }];
const OWNER = { apiVersion: "rollout.kurator.dev/v1alpha1", name: "app", uid: "" };

interface Life {
  router: string;
  kind: Resource;
  spec: object;
  /** What is the user's when the Canary comes. */
  users: KubeObject[];
  /** Name of the object with the weights. */
  route: string;
  /** What is left of it when the app was given back; nothing where the engine had made it beside the user's. */
  left: unknown;
}

const ingress: KubeObject = {
  apiVersion: "networking.k8s.io/v1",
  kind: "Ingress",
  metadata: { name: "shop", namespace: "test", annotations: { "cert-manager.io/cluster-issuer": "public" } },
  spec: { ingressClassName: "nginx", rules: [{ host: "app.test", http: { paths: [{ path: "/", pathType: "Prefix", backend: { service: { name: "app", port: { number: 8080 } } } }] } }] },
};

const LIVES: Life[] = [
  {
    router: "nginx",
    kind: { group: "networking.k8s.io", version: "v1", plural: "ingresses", kind: "Ingress" },
    spec: { ingressRef: { apiVersion: "networking.k8s.io/v1", kind: "Ingress", name: "shop" } },
    users: [ingress],
    route: "shop-canary",
    left: undefined,
  },
  {
    router: "skipper",
    kind: { group: "networking.k8s.io", version: "v1", plural: "ingresses", kind: "Ingress" },
    spec: { ingressRef: { apiVersion: "networking.k8s.io/v1", kind: "Ingress", name: "shop" } },
    users: [{ ...ingress, spec: { ...map(ingress.spec), ingressClassName: "skipper" } }],
    route: "shop-canary",
    left: undefined,
  },
  {
    router: "apisix",
    kind: { group: "apisix.apache.org", version: "v2", plural: "apisixroutes", kind: "ApisixRoute" },
    spec: { routeRef: { apiVersion: "apisix.apache.org/v2", kind: "ApisixRoute", name: "shop" } },
    users: [{ apiVersion: "apisix.apache.org/v2", kind: "ApisixRoute", metadata: { name: "shop", namespace: "test" }, spec: { http: [{ name: "app", match: { hosts: ["app.test"], paths: ["/*"] }, backends: [{ serviceName: "app", servicePort: 8080 }] }] } }],
    route: "shop-app-canary",
    left: undefined,
  },
  {
    router: "kuma",
    kind: { group: "kuma.io", version: "v1alpha1", plural: "meshhttproutes", kind: "MeshHTTPRoute" },
    spec: {},
    users: [],
    route: "app",
    left: { to: [{ targetRef: { kind: "MeshService", name: "app", namespace: "test" }, rules: [{ matches: [{ path: { type: "PathPrefix", value: "/" } }], default: { backendRefs: [{ kind: "MeshService", namespace: "test", name: "app", port: 8080, weight: 1 }] } }] }] },
  },
  {
    router: "traefik",
    kind: { group: "traefik.io", version: "v1alpha1", plural: "traefikservices", kind: "TraefikService" },
    spec: {},
    users: [],
    route: "app",
    left: { weighted: { services: [{ name: "app", port: 8080, weight: 1 }] } },
  },
  {
    router: "contour",
    kind: { group: "projectcontour.io", version: "v1", plural: "httpproxies", kind: "HTTPProxy" },
    spec: {},
    users: [{ apiVersion: "projectcontour.io/v1", kind: "HTTPProxy", metadata: { name: "root", namespace: "test" }, spec: { virtualhost: { fqdn: "app.test" }, includes: [{ name: "app" }] } }],
    route: "app",
    left: { routes: [{ conditions: [{ prefix: "/" }], services: [{ name: "app", port: 8080, weight: 1 }] }] },
  },
  {
    router: "linkerd",
    kind: { group: "gateway.networking.k8s.io", version: "v1", plural: "httproutes", kind: "HTTPRoute" },
    spec: {},
    users: [],
    route: "app",
    left: { parentRefs: [{ group: "core", kind: "Service", name: "app", port: 8080 }], rules: [{ matches: [{ path: { type: "PathPrefix", value: "/" } }], backendRefs: [{ group: "", kind: "Service", name: "app", port: 8080, weight: 1 }] }] },
  },
];

interface Played {
  scene: Scene;
  resource: string;
  weight(): number | undefined;
  route(): KubeObject | undefined;
}

async function begun(life: Life, more: object = {}): Promise<Played> {
  const scene = new Scene(17);
  await furnish(scene, "1.0.0");
  scene.store.delete("virtualservices.networking.istio.io", "test", "app");
  serve(scene, life.kind);
  const resource = `${life.kind.plural}.${life.kind.group}`;
  for (const object of life.users) scene.store.create(resource, structuredClone(object));
  scene.start("one");
  const spec = { provider: life.router, service: { port: 8080 }, ...life.spec, analysis: { interval: "5s", threshold: 2, maxWeight: 60, stepWeight: 20, metrics: METRICS, ...more } };
  scene.store.create(CANARIES, canaryOf(spec));
  const initialized = await scene.until(() => scene.status().phase === "Initialized", 120);
  expect([initialized, scene.status().conditions]).toEqual([true, expect.anything()]);
  const route = (): KubeObject | undefined => scene.store.get(resource, "test", life.route);
  const router = routerFor(life.router);
  const weight = (): number | undefined => {
    const object = route();
    const canary = scene.store.get(CANARIES, "test", "app");
    if (object === undefined || router === undefined || canary === undefined) return undefined;
    const reading = router.read({ namespace: "test", apex: "app", spec: canary.spec as never, owner: { ...OWNER, uid: canary.metadata.uid ?? "" } }, foundOf(router, [object]));
    return reading.kind === "known" ? reading.canaryWeight : undefined;
  };
  return { scene, resource, weight, route };
}

describe.each(LIVES)("$router", (life) => {
  test("a release climbs step by step, across a killed engine and an edit by hand, is promoted, and the app is given back", async () => {
    const { scene, resource, weight, route } = await begun(life);
    expect(weight()).toBe(0);
    const users = life.users.map(({ metadata }) => scene.store.get(resource, "test", metadata.name)?.metadata.resourceVersion);
    setImage(scene, "2.0.0");
    const seen = new Set<number | undefined>();
    scene.store.subscribe(() => seen.add(weight()));
    expect(await scene.until(() => weight() === 20, 60)).toBe(true);
    scene.kill("one");
    scene.start("two");
    expect(await scene.until(() => weight() === 40, 100)).toBe(true);
    // Somebody takes it away: it is there again, where it was.
    scene.store.delete(resource, "test", life.route);
    expect(await scene.until(() => weight() === 40, 10)).toBe(true);
    expect(await scene.until(() => scene.status().phase === "Succeeded", 300)).toBe(true);
    expect(weight()).toBe(0);
    expect([...seen].filter((one) => one !== undefined).sort((a, b) => Number(a) - Number(b))).toEqual([0, 20, 40, 60]);
    if (life.left === undefined) expect(life.users.map(({ metadata }) => scene.store.get(resource, "test", metadata.name)?.metadata.resourceVersion)).toEqual(users);

    scene.store.delete(CANARIES, "test", "app");
    expect(await scene.until(() => scene.store.get("deployments.apps", "test", "app-primary") === undefined, 120)).toBe(true);
    expect(route()?.spec).toEqual(life.left);
    expect(JSON.stringify(route()?.metadata ?? {})).not.toContain("rollout.kurator.dev");
    expect(scene.store.get("services", "test", "app-canary")).toBeUndefined();
    expect(scene.lost).toEqual([]);
    await scene.end();
  });

  test("a release that crashes is rolled back, and with it the route before the pods, whatever the network does", async () => {
    const { scene, weight } = await begun(life);
    scene.network.faults = { ...QUIET, refused: 0.1, replyLost: 0.1, throttled: 0.05, conflicts: 0.1, delayMs: 200, watchCut: 0.05, watchLagMs: 400 };
    setImage(scene, "2.0.0");
    // The version that comes while another has users is the one that crashes.
    expect(await scene.until(() => (weight() ?? 0) >= 20, 200)).toBe(true);
    setImage(scene, "3.0.0-crash");
    const replicas = (): number => (scene.store.get("deployments.apps", "test", "app")?.spec as { replicas: number }).replicas;
    const bad: string[] = [];
    scene.store.subscribe(() => ((weight() ?? 0) > 0 && replicas() === 0 ? bad.push(`${weight()} at ${scene.nowMs}`) : 0));
    expect(await scene.until(() => scene.status().phase === "Failed", 400)).toBe(true);
    scene.network.faults = { ...QUIET };
    expect(await scene.until(() => scene.status().target?.scale === "Zero" && replicas() === 0, 120)).toBe(true);
    expect(weight()).toBe(0);
    expect(bad).toEqual([]);
    await scene.end();
  });

  test("a quiet world costs nothing", async () => {
    const { scene } = await begun(life);
    await scene.advance(30_000);
    const before = scene.network.requests;
    expect(before).toBeGreaterThan(0);
    await scene.advance(120_000);
    expect(scene.network.requests - before).toBe(0);
    await scene.end();
  });
});

test("nginx: what is the user's is missing, wrong or edited in the middle of a run, and each is told by name", async () => {
  const [life] = LIVES;
  if (life === undefined) throw new Error("no life");
  const { scene, weight } = await begun(life);
  const stalled = (): string | undefined => scene.status().conditions?.find(({ type, status }) => type === "Stalled" && status === "True")?.reason;
  setImage(scene, "2.0.0");
  expect(await scene.until(() => weight() === 20, 60)).toBe(true);
  const found = structuredClone(scene.store.get(INGRESS, "test", "shop"));
  if (found === undefined) throw new Error("no Ingress");
  const rules = structuredClone(map(found.spec).rules) as { host: string }[];
  scene.store.update(INGRESS, { ...found, spec: { ...map(found.spec), rules: rules.map((rule) => ({ ...rule, host: "new.test" })) } });
  expect(await scene.until(() => JSON.stringify(scene.store.get(INGRESS, "test", "shop-canary")?.spec).includes("new.test"), 10)).toBe(true);
  expect(stalled()).toBeUndefined();
  scene.store.delete(INGRESS, "test", "shop");
  expect(await scene.until(() => stalled() === "GatewayMissing", 10)).toBe(true);
  scene.store.create(INGRESS, structuredClone(ingress));
  expect(await scene.until(() => stalled() === undefined, 10)).toBe(true);
  expect(await scene.until(() => scene.status().phase === "Succeeded", 300)).toBe(true);
  await scene.end();
});

test("nginx: A/B leads those whom the manifest chooses, and nobody else", async () => {
  const [life] = LIVES;
  if (life === undefined) throw new Error("no life");
  const { scene, route } = await begun(life, { stepWeight: undefined, maxWeight: undefined, iterations: 3, match: [{ headers: { "x-user": { exact: "tester" } } }] });
  setImage(scene, "2.0.0");
  const annotation = (name: string): string | undefined => route()?.metadata.annotations?.[`nginx.ingress.kubernetes.io/${name}`];
  expect(await scene.until(() => annotation("canary-by-header-value") === "tester", 60)).toBe(true);
  expect(annotation("canary-weight")).toBe("0");
  // By weight in place of the header, for everybody.
  const edited = structuredClone(route());
  if (edited === undefined) throw new Error("no Ingress");
  edited.metadata.annotations = { ...edited.metadata.annotations, "nginx.ingress.kubernetes.io/canary-weight": "100" };
  delete edited.metadata.annotations["nginx.ingress.kubernetes.io/canary-by-header"];
  scene.store.update(INGRESS, edited);
  expect(await scene.until(() => annotation("canary-by-header") === "x-user" && annotation("canary-weight") === "0", 10)).toBe(true);
  expect(await scene.until(() => scene.status().phase === "Succeeded", 300)).toBe(true);
  expect(annotation("canary-by-header")).toBeUndefined();
  await scene.end();
});

test("a product that is no more is refused with what to use in its place, and the workload is not touched", async () => {
  const scene = new Scene(19);
  await furnish(scene, "1.0.0");
  scene.start("one");
  scene.store.create(CANARIES, canaryOf({ provider: "smi:v1alpha2" }));
  const said = (): string | undefined => scene.status().conditions?.find(({ type, status, reason }) => type === "Stalled" && status === "True" && reason === "Unsupported")?.message;
  expect(await scene.until(() => said() !== undefined, 60)).toBe(true);
  expect(said()).toMatch(/spec\.provider.*Use gatewayapi:v1/);
  expect(scene.store.get("deployments.apps", "test", "app-primary")).toBeUndefined();
  await scene.end();
});

test("a Canary whose product is installed later begins then", async () => {
  const life = LIVES.find(({ router }) => router === "traefik");
  if (life === undefined) throw new Error("no life");
  const scene = new Scene(23);
  await furnish(scene, "1.0.0");
  scene.start("one");
  scene.store.create(CANARIES, canaryOf({ provider: "traefik", service: { port: 8080 }, analysis: { interval: "5s", threshold: 2, stepWeight: 20, metrics: METRICS } }));
  const stalled = (): string | undefined => scene.status().conditions?.find(({ type, status }) => type === "Stalled" && status === "True")?.reason;
  expect(await scene.until(() => stalled() === "RouterMissing", 60)).toBe(true);
  serve(scene, life.kind);
  expect(await scene.until(() => scene.status().phase === "Initialized", 120)).toBe(true);
  await scene.end();
});

test.each<[string, object, string]>([
  ["another Ingress", { ingressRef: { apiVersion: "networking.k8s.io/v1", kind: "Ingress", name: "other" } }, "spec.ingressRef"],
  ["another provider", { provider: "istio" }, "spec.provider"],
])("nginx: %s in the middle of a run leaves no weight behind, across a new engine too, and is put back", async (_what, change, path) => {
  const [life] = LIVES;
  if (life === undefined) throw new Error("no life");
  const { scene, weight } = await begun(life);
  scene.store.create(INGRESS, { ...structuredClone(ingress), metadata: { name: "other", namespace: "test" } });
  setImage(scene, "2.0.0");
  expect(await scene.until(() => weight() === 40, 100)).toBe(true);
  const edit = (spec: object): void => {
    const canary = structuredClone(scene.store.get(CANARIES, "test", "app"));
    if (canary !== undefined) scene.store.update(CANARIES, { ...canary, spec: { ...map(canary.spec), ...spec } });
  };
  const original = map(scene.store.get(CANARIES, "test", "app")?.spec);
  edit(change);
  const said = (): string | undefined => scene.status().conditions?.find(({ type, status, reason }) => type === "Stalled" && status === "True" && reason === "NameTaken")?.message;
  expect(await scene.until(() => said()?.includes(path) === true, 10)).toBe(true);
  scene.kill("one");
  scene.start("two");
  await scene.advance(60_000);
  expect(said()).toContain(`${path}`);
  expect(scene.store.get(INGRESS, "test", "other-canary")).toBeUndefined();
  expect((scene.store.get("deployments.apps", "test", "app")?.spec as { replicas: number }).replicas).toBeGreaterThan(0);
  edit({ ingressRef: original.ingressRef, provider: original.provider });
  expect(await scene.until(() => scene.status().phase === "Succeeded", 400)).toBe(true);
  expect(scene.store.get(INGRESS, "test", "shop-canary")?.metadata.annotations).toMatchObject({ "nginx.ingress.kubernetes.io/canary-weight": "0" });
  await scene.end();
});

test("nginx: an engine that was away when the Canary went gives the app back, and the Ingress beside the user's goes first", async () => {
  const [life] = LIVES;
  if (life === undefined) throw new Error("no life");
  const { scene, weight } = await begun(life, { stepWeight: 20 });
  setImage(scene, "2.0.0");
  expect(await scene.until(() => weight() === 40, 100)).toBe(true);
  scene.kill("one");
  scene.store.delete(CANARIES, "test", "app");
  await scene.advance(5_000);
  const gone: string[] = [];
  scene.store.subscribe(({ type, object }) => (type === "DELETED" ? gone.push(`${object.kind} ${object.metadata.name}`) : 0));
  scene.start("two");
  expect(await scene.until(() => scene.store.get("deployments.apps", "test", "app-primary") === undefined, 120)).toBe(true);
  const order = ["Ingress shop-canary", "Service app-canary", "Deployment app-primary"].map((one) => gone.indexOf(one));
  expect(order).toEqual([...order].sort((left, right) => left - right));
  expect(order).not.toContain(-1);
  expect(scene.store.get(INGRESS, "test", "shop")?.spec).toEqual(ingress.spec);
  await scene.end();
});

test("a kind that the engine may not see is told by name, and looked for again", async () => {
  const [life] = LIVES;
  if (life === undefined) throw new Error("no life");
  const scene = new Scene(29);
  await furnish(scene, "1.0.0");
  serve(scene, life.kind);
  for (const object of life.users) scene.store.create(INGRESS, structuredClone(object));
  let allowed = false;
  const transport = scene.network.transport.bind(scene.network);
  scene.network.transport = (alive) => {
    const real = transport(alive);
    const refused = { status: 403, headers: {}, body: "{}" };
    return { ...real, request: async (request) => (!allowed && request.path.includes("/ingresses") ? refused : real.request(request)) };
  };
  scene.start("one");
  scene.store.create(CANARIES, canaryOf({ provider: "nginx", service: { port: 8080 }, ...life.spec, analysis: { interval: "5s", threshold: 2, stepWeight: 20, metrics: METRICS } }));
  const stalled = () => scene.status().conditions?.find(({ type, status }) => type === "Stalled" && status === "True");
  expect(await scene.until(() => stalled()?.reason === "Forbidden", 60)).toBe(true);
  expect(stalled()?.message).toContain("ingresses.networking.k8s.io");
  allowed = true;
  expect(await scene.until(() => scene.status().phase === "Initialized", 180)).toBe(true);
  // Nor is anything taken away that a route may lead to which cannot be seen.
  scene.kill("one");
  allowed = false;
  scene.store.delete(CANARIES, "test", "app");
  scene.start("two");
  await scene.advance(60_000);
  expect([INGRESS, "services"].map((resource) => scene.store.get(resource, "test", resource === INGRESS ? "shop-canary" : "app-canary")?.metadata.name)).toEqual(["shop-canary", "app-canary"]);
  allowed = true;
  expect(await scene.until(() => scene.store.get("deployments.apps", "test", "app-primary") === undefined, 180)).toBe(true);
  expect(scene.store.get(INGRESS, "test", "shop-canary")).toBeUndefined();
  await scene.end();
});
